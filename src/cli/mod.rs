//! The command line: one file per verb; parses arguments, calls the library, prints.
