//! How to run each implementation under test.
