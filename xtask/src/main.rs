//! `cargo xtask`: the tasks of this workspace.

fn main() {}
