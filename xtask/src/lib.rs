//! What is tested of the workspace as a whole: its README here, all crates together in `tests/`.

/// The examples of the README compile and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
