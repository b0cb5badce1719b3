//! The event log of a cell and what is made from it: captures, decoded messages, transcripts.

pub mod artifacts;
pub mod capture;
pub mod decode;
pub mod frames;
pub mod log;
pub mod snapshot;
pub mod transcript;
pub mod wireshark;
mod words;
