//! The bytes of a file in memory: what programs see, and what a power cut leaves.

use std::collections::BTreeSet;

/// What reaches the disk at once, or not at all.
const SECTOR_BYTES: usize = 64;

/// A source of arbitrary choices that can be repeated.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB) % sides
    }

    /// A number below `sides`, to count with.
    pub(crate) fn pick(&mut self, sides: usize) -> usize {
        usize::try_from(self.roll(sides as u64)).unwrap()
    }
}

/// A file's two images.
#[derive(Debug, Default)]
pub(crate) struct Content {
    pub(crate) live: Vec<u8>,
    pub(crate) durable: Vec<u8>,
    /// The sectors that were written and not synced since.
    dirty: BTreeSet<usize>,
    /// Whether the file is open to be written.
    pub(crate) locked: bool,
}

/// What stands in a sector that belongs to a file and was never written to the disk.
enum Unwritten<'a> {
    /// What stood there before in the file, or zeros.
    Before,
    /// What some file left there.
    Foreign,
    /// What a file of the log left there, whole frames of it.
    Stale(&'a [u8]),
}

impl Content {
    /// A file that is on disk.
    pub(crate) fn durable(bytes: &[u8]) -> Self {
        Self { live: bytes.to_vec(), durable: bytes.to_vec(), ..Self::default() }
    }

    pub(crate) fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        if self.live.len() < end {
            self.set_length(end);
        }
        self.live[offset..end].copy_from_slice(bytes);
        self.mark_dirty(offset, end);
    }

    /// Cuts the file, or makes it longer by zeros, and answers what was cut.
    pub(crate) fn set_length(&mut self, length: usize) -> Vec<u8> {
        let before = self.live.len();
        let cut = self.live.get(length..).unwrap_or_default().to_vec();
        self.live.resize(length, 0);
        let sectors = length.div_ceil(SECTOR_BYTES);
        self.dirty.retain(|sector| *sector < sectors);
        self.mark_dirty(before, length);
        cut
    }

    fn mark_dirty(&mut self, from: usize, to: usize) {
        if from < to {
            self.dirty.extend(from / SECTOR_BYTES..=(to - 1) / SECTOR_BYTES);
        }
    }

    fn copy_sector(&mut self, sector: usize) {
        let from = (sector * SECTOR_BYTES).min(self.live.len());
        let to = (from + SECTOR_BYTES).min(self.live.len());
        if self.durable.len() < to {
            self.durable.resize(to, 0);
        }
        self.durable[from..to].copy_from_slice(&self.live[from..to]);
    }

    pub(crate) fn sync(&mut self) {
        for sector in std::mem::take(&mut self.dirty) {
            self.copy_sector(sector);
        }
        self.durable.resize(self.live.len(), 0);
    }

    /// A sync that fails: what was written counts as synced from now on, and is not.
    pub(crate) fn forget(&mut self) {
        self.dirty.clear();
    }

    /// What a power cut leaves of the file. `stale` are bytes of files that were removed or cut before.
    pub(crate) fn after_crash(&mut self, stale: &[u8], dice: &mut Dice) -> Self {
        let length = match dice.roll(3) {
            0 => self.durable.len(),
            1 => self.live.len(),
            _ => {
                let (least, most) = (
                    self.durable.len().min(self.live.len()),
                    self.durable.len().max(self.live.len()),
                );
                least + dice.pick(most - least + 1)
            }
        };
        let known = self.durable.len();
        self.durable.resize(length.max(known), 0);
        let unwritten = match dice.roll(3) {
            0 => Unwritten::Before,
            1 if !stale.is_empty() => Unwritten::Stale(stale),
            _ => Unwritten::Foreign,
        };
        for sector in self.dirty.clone() {
            if dice.roll(2) == 0 {
                self.copy_sector(sector);
            } else if sector * SECTOR_BYTES >= known {
                let from = (sector * SECTOR_BYTES).min(self.durable.len());
                let to = (from + SECTOR_BYTES).min(self.durable.len());
                match unwritten {
                    Unwritten::Before => {}
                    Unwritten::Foreign => self.durable[from..to].fill(0xA5),
                    Unwritten::Stale(stale) => {
                        for at in from..to {
                            self.durable[at] = stale[at % stale.len()];
                        }
                    }
                }
            }
        }
        self.durable.resize(length, 0);
        Self::durable(&self.durable)
    }
}
