//! The engine against RFC 2367, setkey(8), and what racoon and openiked send.

mod acquire;
mod chance;
mod expiry;
mod many;
mod rig;
mod sadb;
mod spd;
mod traffic;
