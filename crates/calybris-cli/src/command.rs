//! The commands, one file each.

pub(crate) mod anchor;
pub(crate) mod demo;
pub(crate) mod replay;
pub(crate) mod route;
mod summary;
pub(crate) mod sweep;
pub(crate) mod verify;
