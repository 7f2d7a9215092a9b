//! Reading the user's files: requests and traces, keys, anchors. Policies and catalogs are read by `calybris-catalog`.

mod columns;
mod csv;
pub(crate) mod currency;
pub(crate) mod key;
mod lines;
pub(crate) mod pin;
pub(crate) mod request;
pub(crate) mod requests;
pub(crate) mod row;
pub(crate) mod rows;
pub(crate) mod source;
pub(crate) mod usage;
pub(crate) mod usage_argument;
pub(crate) mod usage_lines;
pub(crate) mod whole;
