//! Finds the claims of control frames behind damage. Such a frame verifies by itself, wherever it stands.

use std::io;

use crate::chain::Chain;
use crate::format::control::{
    DURABLE_MARK_BYTES, DurableMark, NUMBER_BYTES, SEAL_BYTES, Seal, decode_number,
};
use crate::format::frame::{
    FRAME_HEADER_BYTES, FrameHeader, KIND_DURABLE_MARK, KIND_LOG_START, KIND_SEAL, open_frame,
};
use crate::format::header::RECORD_BYTES_CAP;
use crate::hash::HASH_BYTES;
use crate::storage::{StoredFile, read_slice, read_up_to};

/// Whether the file holds nothing but zeros from `from` on.
pub(crate) fn only_zeros_behind(file: &dyn StoredFile, from: u64) -> io::Result<bool> {
    let mut buffer = vec![0; SCAN_BYTES];
    let mut at = from;
    loop {
        let read = read_slice(file, at, &mut buffer)?;
        if read.iter().any(|byte| *byte != 0) {
            return Ok(false);
        }
        if read.len() < SCAN_BYTES {
            return Ok(true);
        }
        at += SCAN_BYTES as u64;
    }
}

/// How much is scanned at once, in bytes.
const SCAN_BYTES: usize = 64 << 10;

/// The length of the longest frame that claims something, with the hash before it, in bytes.
const CLAIM_BYTES: usize = HASH_BYTES + FRAME_HEADER_BYTES + SEAL_BYTES + HASH_BYTES;

/// The claims of control frames that verify by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Claims {
    /// The greatest offset that a durable mark claims to have been synced; 0 if there is none.
    pub(crate) durable_offset: u64,
    /// The greatest sequence from which on a log start or a seal claims that the log is kept; 0 if
    /// there is none.
    pub(crate) log_start: u64,
}

impl Claims {
    /// The greater claim of the two, for each field.
    fn or(self, other: Self) -> Self {
        Self {
            durable_offset: self.durable_offset.max(other.durable_offset),
            log_start: self.log_start.max(other.log_start),
        }
    }
}

/// The claims of the control frames behind `from`, wherever they stand.
///
/// Every byte is tried as the beginning of one. They are short, so the time is linear in the
/// length whatever the bytes are.
///
/// A mark of a record before the first of the `segment` is none of the segment's. A power cut can leave it in bytes that
/// were not written yet, where the file system gives a file what stood on the disk before.
pub(crate) fn claims_behind(
    file: &dyn StoredFile,
    chain: &Chain,
    segment: u64,
    from: u64,
) -> io::Result<Claims> {
    let mut claimed = claims_behind_damaged_hash(file, chain, segment, from)?;
    let mut buffer = vec![0; SCAN_BYTES + CLAIM_BYTES];
    // The hash before a frame that begins at `from` stands before `from`.
    let mut base = from.saturating_sub(HASH_BYTES as u64);
    loop {
        let read = read_slice(file, base, &mut buffer)?;
        let mut candidate = read;
        while let [_, behind @ ..] = candidate {
            if let Some(claims) = claims_at(candidate, chain, segment) {
                claimed = claimed.or(claims);
            }
            candidate = behind;
        }
        if read.len() < SCAN_BYTES + CLAIM_BYTES {
            return Ok(claimed);
        }
        base += SCAN_BYTES as u64;
    }
}

/// The claims of the frame behind the one at `from`, if the latter is whole except for its stored hash.
///
/// The stored hash is also what the next frame continues, so damage to it alone would silence the
/// claim. The hash that it should be is known: it can be computed.
fn claims_behind_damaged_hash(
    file: &dyn StoredFile,
    chain: &Chain,
    segment: u64,
    from: u64,
) -> io::Result<Claims> {
    let before = from.saturating_sub(HASH_BYTES as u64);
    let mut head = [0; HASH_BYTES + FRAME_HEADER_BYTES];
    read_up_to(file, before, &mut head)?;
    // Not even of a file that is as long is a length believed that no record can have.
    let header = head.last_chunk().and_then(FrameHeader::decode);
    let Some(header) = header.filter(|header| header.length <= RECORD_BYTES_CAP) else {
        return Ok(Claims::default());
    };
    let behind = from + header.frame_bytes() as u64;
    if file.length()? < behind {
        return Ok(Claims::default());
    }
    let mut hashed = vec![0; head.len() + header.length as usize];
    read_up_to(file, before, &mut hashed)?;
    let mut next = vec![0; CLAIM_BYTES];
    let (previous, rest) = next.split_at_mut(HASH_BYTES);
    previous.copy_from_slice(chain.frame_hash(&hashed).as_bytes());
    read_up_to(file, behind, rest)?;
    // A frame that claims nothing is none of these.
    Ok(claims_at(&next, chain, segment).unwrap_or_default())
}

/// The claims of the frame at the beginning of `bytes`, if there is one. A claim about more bytes than lie before it
/// counts as well: those bytes were removed.
fn claims_at(bytes: &[u8], chain: &Chain, segment: u64) -> Option<Claims> {
    let header_bytes = bytes.get(HASH_BYTES..)?.first_chunk::<FRAME_HEADER_BYTES>()?;
    let length = match header_bytes.get(4) {
        Some(&KIND_DURABLE_MARK) => DURABLE_MARK_BYTES,
        Some(&KIND_LOG_START) => NUMBER_BYTES,
        Some(&KIND_SEAL) => SEAL_BYTES,
        _ => return None,
    };
    let header = FrameHeader::decode(header_bytes)?;
    if header.length as usize != length || header.flags != 0 {
        return None;
    }
    let (payload, _) = open_frame(bytes, chain, header).ok()?;
    let mut claims = Claims::default();
    match header.kind {
        KIND_DURABLE_MARK => {
            let mark = DurableMark::decode(payload)?;
            if mark.sequence >= segment {
                claims.durable_offset = mark.offset;
            }
        }
        KIND_LOG_START => claims.log_start = decode_number(payload)?,
        _ => claims.log_start = Seal::decode(payload)?.log_start,
    }
    Some(claims)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::fault_injection::memory::Memory;
    use crate::format::frame::push_frame;
    use crate::hash::{Hash, LogId};
    use crate::storage::{Mode, Storage};

    /// A file that says it is long, has one frame header in it, and notes how much is read of it at once.
    struct Long {
        header: [u8; FRAME_HEADER_BYTES],
        most_bytes: std::sync::atomic::AtomicUsize,
    }

    impl StoredFile for Long {
        fn length(&self) -> io::Result<u64> {
            Ok(1 << 40)
        }

        fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
            self.most_bytes.fetch_max(buffer.len(), std::sync::atomic::Ordering::Relaxed);
            let at = usize::try_from(1_000_u64.saturating_sub(offset)).unwrap();
            let Some(room) = buffer.get_mut(at..).filter(|_| offset <= 1_000) else { return Ok(0) };
            let filled = room.len().min(FRAME_HEADER_BYTES);
            room[..filled].copy_from_slice(&self.header[..filled]);
            Ok(at + filled)
        }

        fn write_at(&self, _: u64, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::Unsupported.into())
        }

        fn set_length(&self, _: u64) -> io::Result<()> {
            Err(io::ErrorKind::Unsupported.into())
        }

        fn sync(&self) -> io::Result<()> {
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    #[test]
    fn a_length_that_no_record_has_claims_no_memory() {
        for (length, most_bytes) in
            [(u32::MAX, SCAN_BYTES + CLAIM_BYTES), (1 << 20, (1 << 20) + 48)]
        {
            let header = FrameHeader { length, kind: 1, flags: 0, sequence: 1 }.encode();
            let file = Long { header, most_bytes: 0.into() };
            let chain = Chain::new(LogId::from_bytes([0; 16]), None);
            assert_eq!(claims_behind(&file, &chain, 1, 1_000).unwrap(), Claims::default());
            assert_eq!(file.most_bytes.into_inner(), most_bytes);
        }
    }

    /// What marks behind this place claim to have been synced.
    fn synced(bytes: &[u8], chain: &Chain, from: u64) -> u64 {
        claims_behind(stored(bytes).as_ref(), chain, 1, from).unwrap().durable_offset
    }

    fn stored(bytes: &[u8]) -> Arc<dyn StoredFile> {
        let disk = Memory::default();
        disk.put("file", bytes);
        disk.open("file", Mode::Read).unwrap()
    }

    #[test]
    fn zeros_are_told_from_others_up_to_the_end_however_far_it_is() {
        let from = 100;
        for behind in [0, 1, SCAN_BYTES - 1, SCAN_BYTES, SCAN_BYTES + 1, 3 * SCAN_BYTES] {
            let mut bytes = vec![7; from];
            bytes.resize(from + behind, 0);
            assert!(only_zeros_behind(stored(&bytes).as_ref(), from as u64).unwrap(), "{behind}");
            bytes.push(1);
            assert!(!only_zeros_behind(stored(&bytes).as_ref(), from as u64).unwrap(), "{behind}");
        }
    }

    #[test]
    fn a_claim_is_found_however_far_it_stands_behind_the_damage() {
        let chain = Chain::new(LogId::from_bytes([3; 16]), None);
        let mark = DurableMark { sequence: 9, offset: 5_000 }.encode();
        let mut frame = vec![7; HASH_BYTES];
        push_frame(&mut frame, &chain, KIND_DURABLE_MARK, 9, &mark).unwrap();
        assert!(frame.len() <= CLAIM_BYTES);
        // Everywhere about the end of what is scanned at once, and further behind.
        let about = SCAN_BYTES - CLAIM_BYTES - 2..SCAN_BYTES + HASH_BYTES + 2;
        for damaged in about.chain([0, 1, 200, 2 * SCAN_BYTES, 3 * SCAN_BYTES - 40]) {
            let mut bytes = vec![0xEE; 1_000 + damaged];
            bytes.extend_from_slice(&frame);
            assert_eq!(synced(&bytes, &chain, 1_000), 5_000);
            bytes.pop();
            assert_eq!(synced(&bytes, &chain, 1_000), 0);
        }
    }

    #[test]
    fn log_starts_and_seals_claim_where_the_log_begins() {
        let chain = Chain::new(LogId::from_bytes([3; 16]), None);
        let seal =
            Seal { records: 1, bytes: 2, record_hash: Hash::from_bytes([4; 32]), log_start: 70 }
                .encode();
        let start = 60_u64.to_le_bytes();
        for (kind, payload, log_start) in [(KIND_SEAL, &seal[..], 70), (KIND_LOG_START, &start, 60)]
        {
            let mut bytes = vec![7; 1_000];
            push_frame(&mut bytes, &chain, kind, 9, payload).unwrap();
            let claims = claims_behind(stored(&bytes).as_ref(), &chain, 1, 900).unwrap();
            assert_eq!(claims, Claims { log_start, durable_offset: 0 });
            *bytes.last_mut().unwrap() ^= 1;
            let claims = claims_behind(stored(&bytes).as_ref(), &chain, 1, 900).unwrap();
            assert_eq!(claims, Claims::default());
        }
    }

    #[test]
    fn a_mark_that_an_earlier_segment_has_left_claims_nothing() {
        let chain = Chain::new(LogId::from_bytes([3; 16]), None);
        let mark = DurableMark { sequence: 9, offset: 5_000 }.encode();
        let mut bytes = vec![7; 1_000];
        push_frame(&mut bytes, &chain, KIND_DURABLE_MARK, 9, &mark).unwrap();
        for (segment, claimed) in [(1, 5_000), (9, 5_000), (10, 0), (100, 0)] {
            let claims = claims_behind(stored(&bytes).as_ref(), &chain, segment, 900).unwrap();
            assert_eq!(claims.durable_offset, claimed, "{segment}");
        }
    }

    #[test]
    fn a_frame_that_is_no_durable_mark_claims_nothing() {
        let chain = Chain::new(LogId::from_bytes([3; 16]), None);
        let mark = DurableMark { sequence: 9, offset: 5_000 }.encode();
        let claimed = |kind, flags, payload: &[u8]| {
            let length = u32::try_from(payload.len()).unwrap();
            let header = FrameHeader { length, kind, flags, sequence: 9 }.encode();
            let hashed = [&[7; HASH_BYTES][..], &header, payload].concat();
            let bytes = [&hashed[..], &chain.frame_hash(&hashed).as_bytes()[..]].concat();
            synced(&bytes, &chain, HASH_BYTES as u64)
        };
        assert_eq!(claimed(KIND_DURABLE_MARK, 0, &mark), 5_000);
        assert_eq!(claimed(KIND_DURABLE_MARK, 1, &mark), 0);
        assert_eq!(claimed(KIND_DURABLE_MARK + 1, 0, &mark), 0);
        assert_eq!(claimed(KIND_DURABLE_MARK, 0, &mark[1..]), 0);
    }

    #[test]
    fn damage_to_a_stored_hash_alone_does_not_silence_the_claim_behind_it() {
        let chain = Chain::new(LogId::from_bytes([3; 16]), None);
        let mark = DurableMark { sequence: 9, offset: 5_000 }.encode();
        for length in [0, 1, 48, 49, 500] {
            let mut bytes = vec![7; 1_000];
            let hash = push_frame(&mut bytes, &chain, 1, 9, &vec![5; length]).unwrap();
            let end = bytes.len();
            push_frame(&mut bytes, &chain, KIND_DURABLE_MARK, 9, &mark).unwrap();
            assert!(bytes[..end].ends_with(hash.as_bytes()));
            bytes[end - 1] ^= 1;
            assert_eq!(synced(&bytes, &chain, 1_000), 5_000, "{length}");
        }
    }
}
