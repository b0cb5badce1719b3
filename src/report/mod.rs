//! Terminal and file reports made from results.
