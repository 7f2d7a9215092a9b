//! What the log promises when the disk fails, tears and forgets.

mod memory;

mod crashes;
mod cuts;
mod economy;
mod failures;
mod live;
