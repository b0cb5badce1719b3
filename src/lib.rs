//! A Cisco interoperability test harness for IPsec.
//!
//! A scenario file stands up Linux network namespaces joined by veth links, runs an IKE/ESP implementation in one of
//! them and a simulated Cisco IOS router in another, lets them negotiate and pass traffic, and judges what happened
//! from the wire, the router and the implementation.
//!
//! The rooms, lowest first; a room uses only those below it:
//!
//! | room | what it knows |
//! | --- | --- |
//! | [`time`], [`diag`] | the virtual clock's instant; user-facing diagnostics with file, line and column |
//! | [`wire`], [`crypto`] | bytes to types and back; ciphers, MACs and Diffie-Hellman groups by their IKE names |
//! | [`ike`], [`esp`] | the IKE protocol and the ESP data path as pure state machines; neither knows Cisco |
//! | [`ios`], [`gateway`], [`pfkey`] | the simulated router; the built-in Linux implementation; a PF_KEY key engine in user space |
//! | [`evidence`], [`lab`] | what happened; the only room that touches the kernel |
//! | [`scenario`], [`implementations`] | what is to be run; how each implementation is run |
//! | [`verdict`], [`report`], [`cli`] | whether it was as expected; how that is told; the command line |
//! | [`testing`] | the same from a test suite of your own |

pub mod cli;
pub mod crypto;
pub mod diag;
pub mod esp;
pub mod evidence;
pub mod gateway;
pub mod ike;
pub mod implementations;
pub mod ios;
pub mod lab;
pub mod pfkey;
pub mod report;
pub mod run;
pub mod scenario;
pub mod testing;
pub mod time;
pub mod verdict;
pub mod wire;
