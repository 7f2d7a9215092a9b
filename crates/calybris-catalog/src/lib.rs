//! Policies, catalogs and price lists as people have them, read into what the engine installs.
//!
#![doc = include_str!("../README.md")]

mod error;
mod place;

mod pattern;
mod policy;

mod candidate;
mod catalog;
mod date;
mod diff;
mod differences;
mod join;
mod note;
mod numbering;
mod silent;
mod traits;
mod unlisted;

mod number;
mod own_catalog;
mod price_list;
mod rates;

mod form;
pub mod json;
mod looks;
pub mod text;
pub mod usage;
mod words;

pub use candidate::{Candidate, Skipped};
pub use catalog::CatalogFile;
pub use date::{Date, NotADate};
pub use diff::{CatalogDiff, Change, Values};
pub use differences::Differences;
pub use error::{InputError, Problem};
pub use join::Catalog;
pub use note::Note;
pub use number::PLAUSIBLE_PRICES;
pub use numbering::Numbering;
pub use place::Place;
pub use policy::{PolicyFile, RequestDefaults};
pub use silent::SilentRate;
pub use traits::Traits;
pub use unlisted::{UnlistedModels, is_unlisted, unlisted_model_id};
