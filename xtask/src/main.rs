//! What keeps the house in order.

fn main() {}
