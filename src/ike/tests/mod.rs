//! Two engines negotiate in memory.

mod happy;
