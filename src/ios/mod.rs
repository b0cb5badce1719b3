//! The simulated Cisco IOS router.

pub mod acl;
pub mod config;
pub mod console;
pub mod event;
pub mod policy;
pub mod release;
pub mod releases;
pub mod router;

pub use console::Console;
pub use event::RouterEvent;
pub use release::Release;
