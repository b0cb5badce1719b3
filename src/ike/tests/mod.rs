//! Two engines negotiate in memory.

mod cisco;
mod happy;
mod hostile;
mod lifecycle;
mod network;
mod refusals;
