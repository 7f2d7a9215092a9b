//! The commands, one file each.

pub(crate) mod anchor;
pub(crate) mod budget;
pub(crate) mod catalog;
pub(crate) mod check;
pub(crate) mod checkpoint;
pub(crate) mod completions;
pub(crate) mod demo;
pub(crate) mod explain;
pub(crate) mod export;
pub(crate) mod keygen;
pub(crate) mod man;
mod notes;
pub(crate) mod prove;
pub(crate) mod repair;
pub(crate) mod replay;
pub(crate) mod report;
pub(crate) mod retain;
pub(crate) mod route;
pub(crate) mod show;
pub(crate) mod spend;
mod summary;
pub(crate) mod sweep;
pub(crate) mod tenant;
pub(crate) mod ticket;
pub(crate) mod verify;
