//! Expectations against evidence, and the diagnosis when they disagree.
