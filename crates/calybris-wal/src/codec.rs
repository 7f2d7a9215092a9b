//! How a typed record becomes a payload: bincode 2, standard configuration, through serde.
//!
//! Nothing outside this module knows the codec. The segment header has a byte that names it. The
//! library of that name is not used but in tests, where both halves are compared with it.

use std::cell::Cell;

use serde::{Deserialize, Serialize};

use crate::error::WalError;
use encoder::Encoder;

mod decoder;
mod encoder;
mod fault;

#[cfg(test)]
mod comparison;

/// The codec byte of a segment header.
pub(crate) const CODEC_BINCODE_2: u8 = 1;

/// The most elements that a list in a record may have: as many as the longest record has bytes.
const ELEMENTS_MAX: u64 = 256 << 20;

/// Marks before integers that do not fit in a byte below them: the integer follows in 2, 4, 8 or 16
/// bytes, the least first.
const TWO_BYTES: u8 = 251;
const FOUR_BYTES: u8 = 252;
const EIGHT_BYTES: u8 = 253;
const SIXTEEN_BYTES: u8 = 254;

/// How much memory a thread keeps for its next record, in bytes.
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
    let mut encoder = Encoder::new(scratch, limit as usize);
    let answer = match record.serialize(&mut encoder) {
        // Even if the record takes it for no failure.
        _ if encoder.over => Err(WalError::RecordTooLarge { limit }),
        Ok(()) => then(&encoder.bytes),
        Err(source) => Err(WalError::Encode { source: Box::new(source) }),
    };
    let mut scratch = encoder.bytes;
    scratch.clear();
    scratch.shrink_to(SCRATCH_BYTES_KEPT);
    let _ = SCRATCH.try_with(|kept| kept.set(scratch));
    answer
}

/// Decodes the payload of a record that was read earlier, all of it. What is text or bytes in it may
/// be borrowed from the payload.
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
/// What the codec answers when the bytes are not a value of this type, or go on behind it.
pub fn decode<'a, T: Deserialize<'a>>(
    payload: &'a [u8],
) -> Result<T, Box<dyn std::error::Error + Send + Sync>> {
    let (value, left_over) = decoder::read(payload, ELEMENTS_MAX)?;
    if left_over > 0 {
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
