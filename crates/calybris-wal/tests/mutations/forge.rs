//! Takes a segment apart into its frames and puts it together again, with checksums and hashes that
//! match: what only the holder of the key can do, and anybody where there is none.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::bases::secrets;
use crate::logs::{HEADER, NEW_SECRET};

pub const SEAL: u8 = 3;
pub const KEY_CHANGE: u8 = 4;
pub const LOG_START: u8 = 5;

/// A frame without what follows from its place.
#[derive(Clone)]
pub struct Loose {
    pub kind: u8,
    pub flags: u8,
    pub sequence: u64,
    pub payload: Vec<u8>,
}

/// A segment taken apart.
pub struct Parts {
    /// The header's fields, up to its checksum.
    pub header: [u8; 104],
    pub frames: Vec<Loose>,
}

fn hmac(secret: &[u8], bytes: &[u8]) -> [u8; 32] {
    Hmac::<Sha256>::new_from_slice(secret)
        .unwrap()
        .chain_update(bytes)
        .finalize()
        .into_bytes()
        .into()
}

/// The id of the key with this secret.
pub fn key_id(secret: &[u8]) -> [u8; 8] {
    hmac(secret, b"calybris-wal 1 key id")[..8].try_into().unwrap()
}

/// A hash of the log that has this header.
fn hash(header: &[u8], label: &str, bytes: &[u8]) -> [u8; 32] {
    let mut block = [0; 64];
    block[..label.len()].copy_from_slice(label.as_bytes());
    block[48..].copy_from_slice(&header[16..32]);
    let whole = [&block, bytes].concat();
    if header[10] == 1 {
        return Sha256::digest(&whole).into();
    }
    let secret = secrets().into_iter().find(|secret| key_id(secret) == header[56..64]);
    hmac(secret.unwrap_or(NEW_SECRET), &whole)
}

/// CRC-16/IBM-3740.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xffff, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc: u16, _| {
            (crc << 1) ^ if crc & 0x8000 == 0 { 0 } else { 0x1021 }
        })
    })
}

/// Makes the checksum in a frame's header match.
pub fn sum_up(frame: &mut [u8]) {
    let covered = [&frame[..6], &frame[8..16]].concat();
    frame[6..8].copy_from_slice(&crc16(&covered).to_le_bytes());
}

/// Makes the checksum in a segment's header match.
pub fn sum_up_header(header: &mut [u8]) {
    let sum = Sha256::digest(&header[..104]);
    header[104..112].copy_from_slice(&sum[..8]);
}

/// Where the frames of a segment begin and end, as far as their lengths make sense.
pub fn places(segment: &[u8]) -> Vec<(usize, usize)> {
    let mut places = Vec::new();
    let mut start = HEADER;
    while let Some(length) = segment.get(start..start + 4) {
        let length = u32::from_le_bytes(length.try_into().unwrap());
        let end = start.saturating_add(48).saturating_add(usize::try_from(length).unwrap());
        if end > segment.len() {
            break;
        }
        places.push((start, end));
        start = end;
    }
    places
}

impl Parts {
    pub fn of(segment: &[u8]) -> Option<Self> {
        let header = *segment.first_chunk()?;
        let loose = |(start, end): (usize, usize)| Loose {
            kind: segment[start + 4],
            flags: segment[start + 5],
            sequence: u64::from_le_bytes(segment[start + 8..start + 16].try_into().unwrap()),
            payload: segment[start + 16..end - 32].to_vec(),
        };
        Some(Self { header, frames: places(segment).into_iter().map(loose).collect() })
    }

    /// The segment's bytes. What the seal and the sequences say is made to agree with the rest where
    /// `consistent` says so.
    pub fn join(&self, consistent: bool) -> Vec<u8> {
        let mut bytes = self.header.to_vec();
        bytes.resize(112, 0);
        sum_up_header(&mut bytes);
        let header_hash = hash(&self.header, "calybris-wal 1 segment", &bytes);
        bytes.extend(header_hash);
        let first = u64::from_le_bytes(self.header[40..48].try_into().unwrap());
        let (mut records, mut record_hash) = (0_u64, header_hash);
        for frame in &self.frames {
            let (mut sequence, mut payload) = (frame.sequence, frame.payload.clone());
            if consistent {
                let data = u64::from(frame.kind == 1);
                sequence = first.wrapping_add(records).wrapping_add(data).wrapping_sub(1);
            }
            if consistent && frame.kind == SEAL && payload.len() == 56 {
                payload[..8].copy_from_slice(&records.to_le_bytes());
                payload[8..16].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
                payload[16..48].copy_from_slice(&record_hash);
            }
            let start = bytes.len();
            bytes.extend(u32::try_from(payload.len()).unwrap().to_le_bytes());
            bytes.extend([frame.kind, frame.flags, 0, 0]);
            bytes.extend(sequence.to_le_bytes());
            sum_up(&mut bytes[start..]);
            bytes.extend(payload);
            let hash = hash(&self.header, "calybris-wal 1 frame", &bytes[start - 32..]);
            bytes.extend(hash);
            if frame.kind == 1 {
                records += 1;
                record_hash = hash;
            }
        }
        bytes
    }
}
