//! The engine against RFC 2367, setkey(8), and what racoon and openiked send.

mod rig;
mod sadb;
mod spd;
mod traffic;
