//! The simulated Cisco IOS router.

pub mod acl;
pub mod config;
pub mod release;

pub use release::Release;
