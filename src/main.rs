//! The `ike-interop` command.

fn main() {}
