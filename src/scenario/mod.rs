//! The scenario file as types: loading with positions, matrix expansion, JSON schema.
