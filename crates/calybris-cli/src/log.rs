//! Reading the log of an engine: its records in order, the outcome of each decision, and both in words and as JSON.

pub(crate) mod account;
pub(crate) mod arguments;
pub(crate) mod beginning;
pub(crate) mod columns;
pub(crate) mod find;
pub(crate) mod header;
pub(crate) mod intact;
pub(crate) mod journal;
pub(crate) mod json;
pub(crate) mod naming;
pub(crate) mod origin;
pub(crate) mod outcome;
pub(crate) mod period;
pub(crate) mod spending;
pub(crate) mod usage;
