//! The simulated Cisco IOS router.

pub mod release;

pub use release::Release;
