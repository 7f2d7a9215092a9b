//! Reading the user's files: each has a room of its own, and every refusal says which file, where, and what is allowed.

pub(crate) mod catalog;
mod columns;
mod csv;
pub(crate) mod error;
pub(crate) mod json;
pub(crate) mod key;
mod lines;
pub(crate) mod looks;
pub(crate) mod numbering;
mod own_catalog;
pub(crate) mod pin;
pub(crate) mod place;
pub(crate) mod policy;
pub(crate) mod price;
pub(crate) mod price_list;
pub(crate) mod request;
pub(crate) mod requests;
pub(crate) mod row;
pub(crate) mod rows;
pub(crate) mod source;
pub(crate) mod whole;
mod words;
