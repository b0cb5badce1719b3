//! The simulated Cisco IOS router.

pub mod acl;
pub mod config;
pub mod event;
pub mod release;
pub mod releases;

pub use event::RouterEvent;
pub use release::Release;
