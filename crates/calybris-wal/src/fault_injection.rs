//! What the log promises when the disk fails, tears and forgets.

mod content;
mod fault;
mod file;
pub(crate) mod memory;
#[cfg(loom)]
mod models;
mod names;
mod story;

mod controls;
mod crashes;
mod cuts;
mod failures;
mod fates;
mod io_counts;
mod keys;
mod live;
mod repairs;
mod threads;
