//! The state that the frames of a segment lead to, taken in order.

use crate::cursor::Frame;
use crate::error::Damage;
use crate::format::control::{DurableMark, Seal, decode_number};
use crate::format::frame::{
    KIND_DATA, KIND_DURABLE_MARK, KIND_KEY_CHANGE, KIND_LOG_START, KIND_SEAL,
};
use crate::format::header::{Algorithm, SEGMENT_HEADER_BYTES, SegmentHeader};
use crate::hash::Hash;

/// The state that the frames of a segment have led to so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Progress {
    /// The last record's sequence; that before the segment's first if there is none.
    pub(crate) sequence: u64,
    /// The last record's hash; the hash before the segment if there is none.
    pub(crate) record_hash: Hash,
    /// How many records there were in the segment.
    pub(crate) records: u64,
    /// How much of the segment is known to be on disk, in bytes from its start.
    pub(crate) durable_offset: u64,
    /// The last sequence that is known to be on disk.
    pub(crate) durable_sequence: u64,
    /// The sequence from which on the log is kept; 1 unless segments were dropped.
    pub(crate) log_start: u64,
    /// Whether the log is keyed: no other changes its key.
    pub(crate) keyed: bool,
    /// The id of the key that the next segment has, if it has another.
    pub(crate) next_key_id: Option<u64>,
    /// The hash of the seal, once it has come.
    pub(crate) seal: Option<Hash>,
}

impl Progress {
    /// The state behind a header.
    pub(crate) fn at_start(header: &SegmentHeader, record_hash: Hash) -> Self {
        // No header with the sequence 0 is accepted or written.
        let sequence = header.first_sequence.saturating_sub(1);
        Self {
            sequence,
            record_hash,
            records: 0,
            durable_offset: SEGMENT_HEADER_BYTES as u64,
            durable_sequence: sequence,
            log_start: 1,
            keyed: header.algorithm == Algorithm::HmacSha256,
            next_key_id: None,
            seal: None,
        }
    }

    /// The sequence of the record that may follow; that of the last one when they are used up.
    pub(crate) fn next_sequence(&self) -> u64 {
        self.sequence.saturating_add(1)
    }

    /// Takes the next frame, whose hash verifies, and says whether it is a record.
    ///
    /// A frame that verifies and contradicts its place was not torn by a crash.
    pub(crate) fn accept(&mut self, frame: &Frame<'_>) -> Result<bool, Misplaced> {
        let header = frame.header;
        if self.seal.is_some() {
            return Err(Misplaced::Contradiction(Damage::AfterSeal));
        }
        if self.next_key_id.is_some() && header.kind != KIND_SEAL {
            return Err(Misplaced::Contradiction(Damage::Control));
        }
        if header.flags != 0 {
            return Err(Misplaced::Newer("frame flag", header.flags.into()));
        }
        if header.kind == KIND_DATA {
            if self.sequence.checked_add(1) != Some(header.sequence) {
                return Err(Misplaced::Contradiction(Damage::Sequence));
            }
            self.sequence = header.sequence;
            self.record_hash = frame.hash();
            self.records += 1;
            return Ok(true);
        }
        if header.sequence != self.sequence {
            return Err(Misplaced::Contradiction(Damage::Sequence));
        }
        let contradiction = Misplaced::Contradiction(Damage::Control);
        match header.kind {
            KIND_DURABLE_MARK => {
                let mark = DurableMark::decode(frame.payload)
                    .filter(|mark| mark.offset <= frame.offset && mark.sequence <= self.sequence)
                    .filter(|mark| mark.offset >= self.durable_offset)
                    .filter(|mark| mark.sequence >= self.durable_sequence)
                    .ok_or(contradiction)?;
                self.durable_offset = mark.offset;
                self.durable_sequence = mark.sequence;
            }
            KIND_SEAL => {
                Seal::decode(frame.payload)
                    .filter(|seal| seal.bytes == frame.offset && seal.records == self.records)
                    .filter(|seal| seal.record_hash == self.record_hash)
                    // One without records is never finished: the next would have its name.
                    .filter(|seal| seal.records > 0)
                    .filter(|seal| (self.log_start..=self.sequence).contains(&seal.log_start))
                    .map(|seal| self.log_start = seal.log_start)
                    .ok_or(contradiction)?;
                self.seal = Some(frame.hash());
            }
            KIND_KEY_CHANGE => {
                let key_id = decode_number(frame.payload).filter(|_| self.keyed);
                self.next_key_id = Some(key_id.ok_or(contradiction)?);
            }
            KIND_LOG_START => {
                self.log_start = decode_number(frame.payload)
                    .filter(|start| (self.log_start..=self.sequence).contains(start))
                    .ok_or(contradiction)?;
            }
            other => return Err(Misplaced::Newer("frame kind", other.into())),
        }
        Ok(false)
    }
}

/// A place between two frames, and the state that the frames before it lead to.
#[derive(Clone, Copy)]
pub(crate) struct Reached {
    pub(crate) offset: u64,
    pub(crate) progress: Progress,
}

/// Why a frame whose hash verifies cannot stand where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Misplaced {
    /// It contradicts what came before.
    Contradiction(Damage),
    /// It is of a newer format: the part, and the value found.
    Newer(&'static str, u64),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::frame::FrameHeader;

    fn progress() -> Progress {
        Progress {
            sequence: 7,
            record_hash: Hash::from_bytes([1; 32]),
            records: 2,
            durable_offset: 300,
            durable_sequence: 6,
            log_start: 2,
            keyed: true,
            next_key_id: None,
            seal: None,
        }
    }

    fn accept(
        progress: &mut Progress,
        kind: u8,
        sequence: u64,
        payload: &[u8],
    ) -> Result<bool, Misplaced> {
        let length = u32::try_from(payload.len()).unwrap();
        let header = FrameHeader { length, kind, flags: 0, sequence };
        progress.accept(&Frame { header, offset: 500, payload, hash: &[2; 32] })
    }

    fn refuse(kind: u8, sequence: u64, payload: &[u8]) -> Misplaced {
        let mut changed = progress();
        let refused = accept(&mut changed, kind, sequence, payload).unwrap_err();
        assert_eq!(changed, progress(), "a refused frame changes nothing");
        refused
    }

    #[test]
    fn a_record_follows_the_one_before() {
        let mut after = progress();
        assert_eq!(accept(&mut after, KIND_DATA, 8, b""), Ok(true));
        assert_eq!(
            (after.sequence, after.records, after.record_hash),
            (8, 3, Hash::from_bytes([2; 32]))
        );
        for sequence in [0, 6, 7, 9, u64::MAX] {
            let refused = refuse(KIND_DATA, sequence, b"");
            assert_eq!(refused, Misplaced::Contradiction(Damage::Sequence));
        }
    }

    #[test]
    fn a_mark_claims_no_more_than_stands_before_it_and_no_less_than_the_last() {
        let mark = |sequence, offset| DurableMark { sequence, offset }.encode();
        let mut after = progress();
        assert_eq!(accept(&mut after, KIND_DURABLE_MARK, 7, &mark(7, 500)), Ok(false));
        assert_eq!((after.durable_sequence, after.durable_offset), (7, 500));
        for lie in [mark(7, 501), mark(8, 500), mark(6, 299), mark(5, 400)] {
            let refused = refuse(KIND_DURABLE_MARK, 7, &lie);
            assert_eq!(refused, Misplaced::Contradiction(Damage::Control));
        }
        let refused = refuse(KIND_DURABLE_MARK, 6, &mark(6, 400));
        assert_eq!(refused, Misplaced::Contradiction(Damage::Sequence));
    }

    #[test]
    fn a_seal_counts_what_stands_before_it_and_nothing_follows() {
        let seal =
            Seal { records: 2, bytes: 500, record_hash: Hash::from_bytes([1; 32]), log_start: 2 };
        for lie in [
            Seal { records: 3, ..seal },
            Seal { bytes: 499, ..seal },
            Seal { record_hash: Hash::from_bytes([3; 32]), ..seal },
            Seal { log_start: 1, ..seal },
        ] {
            let refused = refuse(KIND_SEAL, 7, &lie.encode());
            assert_eq!(refused, Misplaced::Contradiction(Damage::Control));
        }
        let mut sealed = progress();
        assert_eq!(accept(&mut sealed, KIND_SEAL, 7, &seal.encode()), Ok(false));
        let refused = accept(&mut sealed, KIND_DATA, 8, b"");
        assert_eq!(refused, Err(Misplaced::Contradiction(Damage::AfterSeal)));
    }

    #[test]
    fn only_a_seal_follows_a_key_change() {
        let mut after = progress();
        assert_eq!(accept(&mut after, KIND_KEY_CHANGE, 7, &[9; 8]), Ok(false));
        let refused = accept(&mut after, KIND_DATA, 8, b"");
        assert_eq!(refused, Err(Misplaced::Contradiction(Damage::Control)));
        let mut without_key = Progress { keyed: false, ..progress() };
        let refused = accept(&mut without_key, KIND_KEY_CHANGE, 7, &[9; 8]);
        assert_eq!(refused, Err(Misplaced::Contradiction(Damage::Control)));
    }

    #[test]
    fn a_log_start_moves_forward_and_not_past_the_last_record() {
        let mut after = progress();
        assert_eq!(accept(&mut after, KIND_LOG_START, 7, &7_u64.to_le_bytes()), Ok(false));
        assert_eq!(after.log_start, 7);
        for lie in [1_u64, 8, u64::MAX] {
            let refused = refuse(KIND_LOG_START, 7, &lie.to_le_bytes());
            assert_eq!(refused, Misplaced::Contradiction(Damage::Control));
        }
    }

    #[test]
    fn an_unknown_kind_is_newer_and_not_corrupt() {
        assert_eq!(refuse(200, 7, b""), Misplaced::Newer("frame kind", 200));
    }
}
