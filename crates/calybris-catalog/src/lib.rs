//! Policies, catalogs and price lists as people have them, read into what the engine installs.
//!
#![doc = include_str!("../README.md")]

mod error;
mod place;

mod policy;

mod candidate;
mod catalog;
mod diff;
mod differences;
mod join;
mod numbering;
mod traits;
mod unlisted;

mod own_catalog;
mod price;
mod price_list;

mod form;
pub mod json;
mod looks;
pub mod text;
mod words;

pub use candidate::{Candidate, Skipped};
pub use catalog::CatalogFile;
pub use diff::{CatalogDiff, Change, Values};
pub use differences::Differences;
pub use error::{InputError, Problem};
pub use join::Catalog;
pub use numbering::Numbering;
pub use place::Place;
pub use policy::{PolicyFile, RequestDefaults};
pub use price::PLAUSIBLE_PRICES;
pub use traits::Traits;
pub use unlisted::{UnlistedModels, is_unlisted, unlisted_model_id};
