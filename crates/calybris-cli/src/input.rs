//! Reading the user's files: what the program reads beside policies and catalogs, each kind in a room of its own.

mod columns;
mod csv;
pub(crate) mod key;
mod lines;
pub(crate) mod pin;
pub(crate) mod request;
pub(crate) mod requests;
pub(crate) mod row;
pub(crate) mod rows;
pub(crate) mod source;
pub(crate) mod whole;
