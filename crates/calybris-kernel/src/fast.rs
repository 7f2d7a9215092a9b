//! The fast path: the same decisions as the readable scan, from a compact index of the catalog.
//!
//! Each idea has a room of its own:
//!
//! - [`lanes`]: sixteen 16-bit numbers at once;
//! - [`units`]: weights and amounts in units in which they take 15 bits;
//! - [`codes`]: sixteen models in 16-bit codes that never overstate a cost;
//! - [`cheapest`]: what even the cheapest model costs;
//! - [`bounds`]: between which limits a model's utility and cost lie, from its codes alone;
//! - [`providers`]: one bit per model for each provider;
//! - [`rows`]: one bit per model for each yes-or-no gate;
//! - [`index`]: the catalog in blocks of 64 models that are alike, with the corners of each block;
//! - [`words`]: one bit per model of a block, from its lanes;
//! - [`mod@search`]: the blocks that matter: counted whole, left out, or visited;
//! - [`visit`]: one block, its eligible models counted and those that may win valued exactly;
//! - [`mod@blame`]: which gate turned away the most, once a request is known to be rejected.
//!
//! Nothing here decides anything by an approximation: a model is counted or left out where the
//! bounds prove what the exact formulas would say, and goes through them where they don't. What is
//! beyond the guards of [`units`], in which 64 bits are enough, is scanned, and so are catalogs of a
//! few models.

mod lanes;

mod codes;
mod units;

mod cheapest;

mod bounds;
mod providers;
mod rows;

mod index;

mod blame;
mod search;
mod visit;
mod words;

pub(crate) use index::Index;
pub(crate) use search::search;
