//! Bytes to types and back, nothing else. Parsing never panics and never allocates by an unchecked length.
