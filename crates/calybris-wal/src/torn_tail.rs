//! Torn or corrupt: the meaning of the first bytes that do not verify.
//!
//! A crash can tear only bytes that were not synced. So the verdict rests on claims about synced bytes: durable
//! marks, which verify by themselves wherever they stand, before the damage or after it. A seal is
//! no such claim, since it is synced together with the frames before it; the next segment is.
//!
//! | the damage X is in         | and                                          | verdict |
//! |----------------------------|----------------------------------------------|---------|
//! | a segment that has a successor | -                                        | corrupt |
//! | the last segment's header  | the file is longer than a header             | corrupt |
//! | the last segment's header, or one that does not continue the segment before | the file ends with the header or inside it | torn |
//! | the last segment's frames  | X lies before a byte that was claimed synced | corrupt |
//! | the last segment's frames  | the log start that lets the log's first segments be gone stands behind X | corrupt |
//! | the last segment's frames  | there are only zeros from X on               | room    |
//! | the last segment's frames  | a seal stands before X                       | corrupt |
//! | the last segment's frames  | none of these                                | torn    |
//!
//! Zeros up to the end of the file are room that a writer has made for frames to come.
//!
//! A log start is synced before the segments before it are removed. So where they are gone, the one
//! that says so was on disk, and so was everything before it.
//!
//! A key change without the seal behind it is damage itself, and X is where it begins: the two are
//! one write.
//!
//! A frame that verifies and contradicts its place is no damage of this kind: it is always
//! corrupt, since a crash does not make hashes that match.

/// Where in a segment the first bytes that do not verify stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In its header.
    Header {
        /// Whether the file ends with the header or inside it.
        file_ends: bool,
    },
    /// At this offset, where a frame should begin.
    Frames {
        /// In bytes from the segment's start.
        offset: u64,
    },
}

/// The evidence beside the place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Evidence {
    /// Whether the log has a later segment.
    pub(crate) has_successor: bool,
    /// Whether a seal stands before the damage.
    pub(crate) sealed: bool,
    /// Whether there are only zeros from the damage on.
    pub(crate) zeros: bool,
    /// Whether the log's first segments are gone, and only a log start behind the damage says that
    /// they may be.
    pub(crate) vouches_for_beginning: bool,
    /// How much of the segment a mark before the damage or after it claims to have been synced, in
    /// bytes from the segment's start.
    pub(crate) durable_offset: u64,
}

/// The meaning of the damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Room for frames to come.
    Room,
    /// A write that a crash cut short, or one that is still under way. Nothing that was
    /// acknowledged as durable is lost with it.
    Torn,
    /// Something that was on disk has changed.
    Corrupt,
}

/// The decision table at the head of this file.
pub(crate) fn judge(place: Place, evidence: Evidence) -> Verdict {
    match (place, evidence) {
        (_, Evidence { has_successor: true, .. }) => Verdict::Corrupt,
        (Place::Header { file_ends: false }, _) => Verdict::Corrupt,
        (Place::Header { file_ends: true }, _) => Verdict::Torn,
        (Place::Frames { offset }, _) if offset < evidence.durable_offset => Verdict::Corrupt,
        (Place::Frames { .. }, Evidence { vouches_for_beginning: true, .. }) => Verdict::Corrupt,
        (Place::Frames { .. }, Evidence { zeros: true, .. }) => Verdict::Room,
        (Place::Frames { .. }, Evidence { sealed: true, .. }) => Verdict::Corrupt,
        (Place::Frames { .. }, _) => Verdict::Torn,
    }
}

impl Evidence {
    /// No evidence.
    pub(crate) const NONE: Self = Self {
        has_successor: false,
        sealed: false,
        zeros: false,
        vouches_for_beginning: false,
        durable_offset: 0,
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_damage_in_a_segment_with_a_successor_is_corrupt() {
        let evidence = Evidence { has_successor: true, ..Evidence::NONE };
        for place in [
            Place::Header { file_ends: true },
            Place::Header { file_ends: false },
            Place::Frames { offset: 1000 },
        ] {
            assert_eq!(judge(place, evidence), Verdict::Corrupt);
        }
    }

    #[test]
    fn a_header_with_frames_behind_it_was_synced_and_cannot_be_torn() {
        assert_eq!(judge(Place::Header { file_ends: false }, Evidence::NONE), Verdict::Corrupt);
    }

    #[test]
    fn a_header_at_the_end_of_its_file_is_torn() {
        assert_eq!(judge(Place::Header { file_ends: true }, Evidence::NONE), Verdict::Torn);
    }

    #[test]
    fn damage_before_the_log_start_that_vouches_for_the_beginning_is_corrupt() {
        let evidence = Evidence { vouches_for_beginning: true, ..Evidence::NONE };
        assert_eq!(judge(Place::Frames { offset: 1000 }, evidence), Verdict::Corrupt);
    }

    #[test]
    fn damage_behind_a_seal_is_corrupt() {
        let evidence = Evidence { sealed: true, ..Evidence::NONE };
        assert_eq!(judge(Place::Frames { offset: 1000 }, evidence), Verdict::Corrupt);
    }

    #[test]
    fn zeros_up_to_the_end_are_room() {
        for sealed in [false, true] {
            let evidence = Evidence { zeros: true, sealed, durable_offset: 1000, ..Evidence::NONE };
            assert_eq!(judge(Place::Frames { offset: 1000 }, evidence), Verdict::Room);
        }
    }

    #[test]
    fn zeros_over_synced_bytes_are_corrupt() {
        let evidence = Evidence { zeros: true, durable_offset: 1000, ..Evidence::NONE };
        assert_eq!(judge(Place::Frames { offset: 999 }, evidence), Verdict::Corrupt);
        let evidence = Evidence { zeros: true, has_successor: true, ..Evidence::NONE };
        assert_eq!(judge(Place::Frames { offset: 999 }, evidence), Verdict::Corrupt);
    }

    #[test]
    fn damage_before_a_synced_byte_is_corrupt() {
        let evidence = Evidence { durable_offset: 1000, ..Evidence::NONE };
        assert_eq!(judge(Place::Frames { offset: 144 }, evidence), Verdict::Corrupt);
        assert_eq!(judge(Place::Frames { offset: 999 }, evidence), Verdict::Corrupt);
    }

    #[test]
    fn damage_at_or_behind_the_last_synced_byte_is_torn() {
        let evidence = Evidence { durable_offset: 1000, ..Evidence::NONE };
        assert_eq!(judge(Place::Frames { offset: 1000 }, evidence), Verdict::Torn);
        assert_eq!(judge(Place::Frames { offset: 1001 }, evidence), Verdict::Torn);
    }
}
