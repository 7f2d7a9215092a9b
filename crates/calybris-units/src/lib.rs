//! Money, shares and times as types, and the macro for what cannot be.

#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod decimal;
mod invariant;

mod basis_points;
mod microunits;
mod unix_millis;

pub use basis_points::BasisPoints;
pub use decimal::ParseError;
pub use invariant::BrokenInvariant;
pub use microunits::Microunits;
pub use unix_millis::UnixMillis;
