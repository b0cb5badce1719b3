//! Two engines negotiate in memory.

mod happy;
mod hostile;
