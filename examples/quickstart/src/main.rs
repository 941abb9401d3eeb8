//! The shortest tour of what the Margo crates do today.

fn main() {}
