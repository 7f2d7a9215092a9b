//! Where the bytes of an input file come from: a file or standard input.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use calybris_catalog::text::decode;
use calybris_catalog::{CatalogFile, InputError, PolicyFile};

use crate::amount::grouped;
use crate::system::in_words;

/// Whether a path stands for standard input.
pub(crate) fn is_stdin(file: &Path) -> bool {
    file == Path::new("-")
}

/// Refuses `-` where a directory is to be made.
pub(crate) fn check_not_a_stream(directory: &Path) -> Result<(), InputError> {
    if is_stdin(directory) {
        let what = "a log is a directory and cannot be a stream: name a directory (`./-` for one of that name)";
        return Err(InputError::in_file(directory, what));
    }
    Ok(())
}

/// Standard input, for the one file of a command that may be `-`.
pub(crate) fn stdin() -> Result<impl Read, InputError> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if TAKEN.swap(true, Ordering::Relaxed) {
        let what =
            "another file of this command is read from standard input already; only one may be `-`";
        return Err(InputError::in_file("-", what));
    }
    Ok(std::io::stdin().lock())
}

/// Reads a policy file.
pub(crate) fn read_policy(file: &Path) -> Result<PolicyFile, InputError> {
    PolicyFile::parse(file, read_bytes(file)?)
}

/// Reads a catalog or a price list.
pub(crate) fn read_catalog(file: &Path) -> Result<CatalogFile, InputError> {
    CatalogFile::parse(file, read_bytes(file)?)
}

/// Reads a whole text file, without the byte order mark that some editors put first.
pub(crate) fn read(file: &Path) -> Result<String, InputError> {
    decode(file, read_bytes(file)?)
}

fn read_bytes(file: &Path) -> Result<Vec<u8>, InputError> {
    if is_stdin(file) {
        return read_to_end(file, stdin()?);
    }
    let opened = File::open(file).map_err(|error| InputError::in_file(file, in_words(&error)))?;
    read_to_end(file, opened)
}

fn read_to_end(file: &Path, source: impl Read) -> Result<Vec<u8>, InputError> {
    let mut bytes = Vec::new();
    let read = source.take(MOST_BYTES + 1).read_to_end(&mut bytes);
    let read = read.map_err(|error| InputError::in_file(file, in_words(&error)))?;
    if u64::try_from(read).unwrap_or(u64::MAX) > MOST_BYTES {
        let what = format!("is longer than {} bytes, the most that is read", grouped(MOST_BYTES));
        return Err(InputError::in_file(file, what));
    }
    Ok(bytes)
}

/// The longest file that is read into memory: eighty times the price list of all models.
const MOST_BYTES: u64 = 256 << 20;
