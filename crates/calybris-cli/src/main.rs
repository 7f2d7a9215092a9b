//! The program `calybris`.

fn main() {}
