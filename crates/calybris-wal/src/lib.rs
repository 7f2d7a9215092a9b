//! A hash-chained, crash-recoverable log of bytes that shows tampering.
//!
#![doc = include_str!("../README.md")]

mod anchor;
mod error;
mod key;
mod options;

mod reader;
mod verify;
mod writer;

mod cursor;
mod pen;
mod recover;
mod segment;
mod tail;
mod walk;

mod chain;
mod codec;
mod format;

mod disk;
mod storage;

pub use anchor::Anchor;
pub use error::{Damage, WalError};
pub use key::Key;
pub use options::WalOptions;
pub use reader::{Reader, Record};
pub use recover::{Quarantine, Recovery};
pub use verify::{Report, VerifyOptions, verify};
pub use walk::Tail;
pub use writer::{Receipt, WalWriter};
