//! The simulated Cisco IOS router.
