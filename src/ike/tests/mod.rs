//! Two engines negotiate in memory.

mod happy;
mod hostile;
mod lifecycle;
mod network;
mod refusals;
