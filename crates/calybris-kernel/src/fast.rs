//! The fast path: the same decisions as the readable scan, from a compact index of the catalog.
//!
//! Each idea has a room of its own:
//!
//! - [`lanes`]: sixteen 16-bit numbers at once;
//! - [`codes`]: sixteen models in 16-bit codes that never overstate a cost;
//! - [`units`]: weights and amounts in units in which they take 15 bits;
//! - [`words`]: from sixteen lanes to a block, and to words of one bit per model;
//! - [`cheapest`]: what even the cheapest model costs;
//! - [`bounds`]: between which limits a model's utility and cost lie, from its codes alone;
//! - [`limits`]: whether models pass the gates on numbers, from their codes alone;
//! - [`rows`]: one bit per model for each yes-or-no gate;
//! - [`providers`]: one bit per model for each provider;
//! - [`challengers`]: the models of a block that not two others of it outdo;
//! - [`index`]: the catalog in blocks of 64 models that are alike, with the corners of each block;
//! - [`clearance`]: by how much models clear the budget and utility 0, without the terms that a request
//!   doesn't have;
//! - [`verdicts`]: what that proves of the models of a block that may hold a winner;
//! - [`corners`]: what it proves of all models of a block, from two that need not exist;
//! - [`survey`]: who is eligible in blocks that can't hold a winner;
//! - [`single`]: a catalog of one block without outliers, its eligible models counted and those that
//!   may win valued exactly;
//! - [`groups`]: any other catalog: its blocks are left out, visited because they may hold a winner,
//!   counted whole, or surveyed;
//! - [`mod@search`]: which of these ways a catalog goes;
//! - [`mod@blame`]: which gate turned away the most, once a request is known to be rejected.
//!
//! Nothing here decides anything by an approximation: a model is counted or left out where the
//! bounds prove what the exact formulas would say, and goes through them where they don't. What is
//! beyond the guards of [`units`], in which 64 bits are enough, is scanned, and so are catalogs of a
//! few models.

mod lanes;

mod codes;

mod units;
mod words;

mod cheapest;

mod bounds;

mod limits;

mod rows;

mod providers;

mod challengers;

mod index;

mod clearance;

mod verdicts;

mod corners;

mod survey;

mod single;

mod groups;

mod search;

mod blame;

pub(crate) use index::Index;
pub(crate) use search::{is_small, search};
