//! A hash-chained, crash-recoverable log of bytes that shows tampering.
//!
#![doc = include_str!("../README.md")]

// The door.
mod anchor;
mod batches;
mod error;
#[cfg(feature = "json")]
mod export;
mod key;
mod options;
mod proof;
mod reader;
mod receipt;
mod record;
mod record_proof;
mod verify;
mod writer;

// Writing.
mod archive;
mod create_segment;
mod emptied;
mod frame_builder;
mod group_commit;
mod quarantine;
mod recover;
mod repair;
mod retention;

// Reading.
mod anchor_check;
mod chunk;
mod claims;
mod cursor;
mod first_segment;
mod log_scan;
mod parallel;
mod progress;
mod seal;
mod seek;
mod segment;
mod segment_files;
mod torn_tail;

// The bytes.
mod chain;
mod codec;
mod digest;
mod format;
mod hash;
mod merkle;
mod text_form;

// Files, locks and the operating system.
mod ancestors;
mod disk;
mod locks;
mod storage;
mod sync;

#[cfg(test)]
mod fault_injection;

pub use anchor::Anchor;
pub use batches::{BatchWork, Handed};
pub use chunk::Records;
pub use codec::{decode, decode_borrowed};
pub use error::{Damage, WalError};
pub use hash::{Hash, HexFault, LogId, ParseHexError};
pub use key::Key;
pub use log_scan::Tail;
pub use options::{Durability, WalOptions};
pub use proof::{ConsistencyProof, InclusionProof, TreeHead};
pub use quarantine::Quarantine;
pub use reader::Reader;
pub use receipt::Receipt;
pub use record::{Record, RecordRef};
pub use record_proof::RecordProof;
pub use recover::OpenReport;
pub use repair::{Repair, RepairOptions, repair};
pub use retention::RetentionAction;
pub use verify::{Report, VerifyOptions, verify};
pub use writer::WalWriter;
