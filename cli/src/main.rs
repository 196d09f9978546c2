//! The program `outcrop`.

fn main() {}
