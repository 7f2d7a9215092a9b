//! What the log promises when the disk fails, tears and forgets.

pub(crate) mod memory;
#[cfg(loom)]
mod models;

mod crashes;
mod cuts;
mod economy;
mod failures;
mod live;
mod repairs;
