//! The ESP data path: security associations, encapsulation, replay window. Pure.
