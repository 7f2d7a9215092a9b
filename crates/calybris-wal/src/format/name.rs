//! The names of segment files.

/// The name of the segment whose first record has this sequence.
pub(crate) fn segment_name(first_sequence: u64) -> String {
    format!("{first_sequence:020}.cwal")
}

/// The sequence of the first record in the segment with this name. `None` if the name is no segment's.
pub(crate) fn first_sequence_in(name: &str) -> Option<u64> {
    let first = name.strip_suffix(".cwal")?.parse().ok()?;
    (segment_name(first) == name).then_some(first)
}
