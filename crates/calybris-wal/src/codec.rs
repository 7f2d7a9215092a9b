//! How a typed record becomes a payload: bincode 2, standard configuration, through serde.
//!
//! Nothing outside this module knows the codec. The segment header has a byte that names it, and
//! `FORMAT.md` describes its bytes.

use std::cell::Cell;

use bincode::config::{Config, standard};
use bincode::enc::write::Writer;
use bincode::error::EncodeError;
use bincode::serde::{borrow_decode_from_slice, encode_into_writer};
use calybris_units::invariant;
use serde::{Deserialize, Serialize};

use crate::error::WalError;

/// The codec byte of a segment header.
pub(crate) const CODEC_BINCODE_2: u8 = 1;

/// The least length that a buffer grows to, in bytes.
const SCRATCH_BYTES_MIN: usize = 1 << 10;

/// How much memory a thread keeps for its next payload, in bytes.
const SCRATCH_BYTES_KEPT: usize = 64 << 10;

thread_local! {
    /// One buffer per thread, so that records are encoded outside the writer's lock and without
    /// an allocation each. It is taken while in use: a record that appends from inside its own
    /// `Serialize` finds an empty one.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Encodes `record` and hands the payload to `then`.
pub(crate) fn with_encoded<T: Serialize + ?Sized, R>(
    record: &T,
    limit: u32,
    then: impl FnOnce(&[u8]) -> Result<R, WalError>,
) -> Result<R, WalError> {
    // A thread that ends may append from the destructors of its own, when the buffer is gone.
    let scratch = SCRATCH.try_with(Cell::take).unwrap_or_default();
    let mut payload = Payload::new(scratch, limit as usize);
    let answer = match encode_into_writer(record, &mut payload, standard()) {
        // Even if the record's `Serialize` ignores the refusal.
        _ if payload.over => Err(WalError::RecordTooLarge { limit }),
        Ok(()) => payload.written().and_then(then),
        Err(source) => Err(WalError::Encode { source: Box::new(source) }),
    };
    let mut scratch = payload.bytes;
    scratch.truncate(SCRATCH_BYTES_KEPT);
    scratch.shrink_to(SCRATCH_BYTES_KEPT);
    let _ = SCRATCH.try_with(|kept| kept.set(scratch));
    answer
}

/// A payload that is being written, up to a limit.
///
/// It is written over bytes that exist already, which takes two thirds of the time that appending to
/// a vector takes. When they are used up it grows where it is: encoding the record again from the
/// start would call its `Serialize` twice.
struct Payload {
    /// INVARIANT (limit): never longer than the limit.
    bytes: Vec<u8>,
    /// How many of the bytes are written.
    length: usize,
    limit: usize,
    /// Whether a value would have passed the limit.
    over: bool,
}

impl Payload {
    fn new(mut bytes: Vec<u8>, limit: usize) -> Self {
        bytes.truncate(limit);
        Self { bytes, length: 0, limit, over: false }
    }

    fn written(&self) -> Result<&[u8], WalError> {
        Ok(invariant!(self.bytes.get(..self.length), "a payload is as long as was written")?)
    }

    /// Writes bytes that need more room.
    #[cold]
    fn grow(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        if bytes.len() > self.limit - self.length {
            self.over = true;
            return Err(EncodeError::UnexpectedEnd);
        }
        self.bytes.truncate(self.length);
        self.bytes.extend_from_slice(bytes);
        self.length = self.bytes.len();
        let ample = self.length.saturating_mul(2).max(SCRATCH_BYTES_MIN);
        self.bytes.resize(ample.min(self.limit), 0);
        Ok(())
    }
}

impl Writer for Payload {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        let free = self.bytes.get_mut(self.length..);
        let Some(room) = free.and_then(|free| free.get_mut(..bytes.len())) else {
            return self.grow(bytes);
        };
        room.copy_from_slice(bytes);
        self.length += bytes.len();
        Ok(())
    }
}

/// Decodes the payload of a record that was read earlier, all of it. Text and bytes in it may be
/// borrowed from the payload.
///
/// A length in the payload that lies claims little memory: a text at most 256 bytes for each byte of
/// the payload, or 64 KiB if that is more; a list or a map at most 1 MiB. It claims time only if
/// the elements of the list take no bytes: a `Vec<()>` is as long as it says.
///
/// ```
/// # use calybris_wal::{Reader, WalOptions, WalWriter};
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("log");
/// WalWriter::open(&path, &WalOptions::new(1))?.append(&(7_u32, "a decision"))?;
/// let record = Reader::open(&path, None)?.next().expect("a record was appended")?;
///
/// let kept: Vec<u8> = record.payload().to_vec();
/// assert_eq!(calybris_wal::decode::<(u32, &str)>(&kept)?, (7, "a decision"));
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
///
/// # Errors
/// The codec's error when the bytes are not a value of this type, or more bytes follow it.
pub fn decode<'a, T: Deserialize<'a>>(
    payload: &'a [u8],
) -> Result<T, Box<dyn std::error::Error + Send + Sync>> {
    // The library makes room for an owned text before it looks whether the text is there; its limit
    // is what keeps that from claiming more. The limit is a constant, so there is one for each size
    // of payload. It counts integers by their width, which is up to 16 times what they take in the
    // payload, so 16 times the payload refuses nothing that was encoded.
    const KIB: usize = 1 << 10;
    match payload.len().div_ceil(4 * KIB) {
        0..=1 => all_of(payload, standard().with_limit::<{ 64 * KIB }>()),
        2..=16 => all_of(payload, standard().with_limit::<{ 1024 * KIB }>()),
        17..=256 => all_of(payload, standard().with_limit::<{ 16 * KIB * KIB }>()),
        257..=4096 => all_of(payload, standard().with_limit::<{ 256 * KIB * KIB }>()),
        _ => all_of(payload, standard().with_limit::<{ (4 * KIB * KIB).saturating_mul(KIB) }>()),
    }
}

/// Decodes as [`decode`] does a type that owns no text and no bytes, in three quarters of the time.
///
/// Such a type needs no limit: a borrowed text is part of the payload, and serde reserves at most
/// 1 MiB for a list or a map before its elements are there. An owned `String` or byte buffer is given
/// the memory that its length asks for, and a length that lies then ends the process: a type that
/// owns one is for [`decode`].
///
/// ```
/// let payload = b"\x07\x0aa decision";
/// assert_eq!(calybris_wal::decode_borrowed::<(u32, &str)>(payload)?, (7, "a decision"));
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
///
/// # Errors
/// As [`decode`].
pub fn decode_borrowed<'a, T: Deserialize<'a>>(
    payload: &'a [u8],
) -> Result<T, Box<dyn std::error::Error + Send + Sync>> {
    all_of(payload, standard())
}

/// Decodes a value that must take the whole payload.
#[inline]
fn all_of<'a, T: Deserialize<'a>>(
    payload: &'a [u8],
    configuration: impl Config,
) -> Result<T, Box<dyn std::error::Error + Send + Sync>> {
    let (value, used) = borrow_decode_from_slice(payload, configuration)?;
    if used < payload.len() {
        let left_over = payload.len() - used;
        return Err(format!("{left_over} of {} bytes are left over", payload.len()).into());
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use serde::ser::SerializeTuple;

    use super::*;

    fn encoded<T: Serialize + ?Sized>(record: &T, limit: u32) -> Result<Vec<u8>, WalError> {
        with_encoded(record, limit, |payload| Ok(payload.to_vec()))
    }

    #[test]
    fn a_payload_may_reach_its_limit_and_not_pass_it() {
        assert_eq!(encoded("abc", 4).unwrap(), b"\x03abc");
        assert!(matches!(encoded("abc", 3), Err(WalError::RecordTooLarge { limit: 3 })));
        assert!(matches!(encoded("abc", 0), Err(WalError::RecordTooLarge { limit: 0 })));
    }

    #[test]
    fn a_record_that_hides_that_it_is_over_the_limit_is_refused() {
        struct Careless;
        impl Serialize for Careless {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut pair = serializer.serialize_tuple(2)?;
                drop(pair.serialize_element("abc"));
                pair.end()
            }
        }
        assert_eq!(encoded(&Careless, 4).unwrap(), b"\x03abc");
        assert!(matches!(encoded(&Careless, 3), Err(WalError::RecordTooLarge { limit: 3 })));
    }

    #[test]
    fn a_record_may_be_encoded_while_its_thread_ends() {
        struct Farewell;
        impl Drop for Farewell {
            fn drop(&mut self) {
                assert_eq!(encoded("abc", 4).unwrap(), b"\x03abc");
            }
        }
        thread_local! {
            static FAREWELL: Farewell = const { Farewell };
        }
        // Whichever of the two is gone first, once it is the buffer.
        for buffer_first in [false, true] {
            let thread = std::thread::spawn(move || {
                if buffer_first {
                    drop(encoded("abc", 4));
                }
                FAREWELL.with(|_| ());
                drop(encoded("abc", 4));
            });
            thread.join().unwrap();
        }
    }

    #[test]
    fn every_byte_of_a_payload_must_be_used() {
        assert_eq!(decode::<String>(b"\x03abc").unwrap(), "abc");
        assert!(decode::<String>(b"\x03abcd").is_err());
        assert!(decode::<String>(b"\x03ab").is_err());
    }

    #[test]
    fn a_length_that_lies_claims_no_memory() {
        // A vector that says it has 2^60 elements.
        let lie = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0x10];
        assert!(decode::<Vec<u64>>(&lie).is_err());
        assert!(decode::<String>(&lie).is_err());
    }

    #[test]
    fn a_record_longer_than_the_buffer_is_serialized_once() {
        const ELEMENTS: usize = 2 * SCRATCH_BYTES_KEPT;
        struct Counted(Cell<u32>);
        impl Serialize for Counted {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.0.set(self.0.get() + 1);
                serializer.collect_seq(std::iter::repeat_n(7_u8, ELEMENTS))
            }
        }
        let record = Counted(Cell::new(0));
        assert_eq!(encoded(&record, u32::MAX).unwrap().len(), 5 + ELEMENTS);
        assert_eq!(record.0.get(), 1);
        assert!(SCRATCH.take().capacity() <= SCRATCH_BYTES_KEPT);
    }

    #[test]
    fn a_record_may_append_from_inside_its_own_encoding() {
        struct Nested;
        impl Serialize for Nested {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                assert_eq!(encoded("inner", 100).unwrap(), b"\x05inner");
                serializer.serialize_u8(7)
            }
        }
        assert_eq!(encoded(&Nested, 100).unwrap(), [7]);
    }
}
