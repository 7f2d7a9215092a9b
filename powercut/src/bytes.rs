//! The bytes of one file: as programs see them, and every version that a power cut may leave instead.
//!
//! A disk writes whole sectors. Between two syncs it may write any sector at any time, so after a power cut each sector
//! holds one of its versions since the last sync, whichever, and the length is one of the lengths since then.

use std::collections::BTreeMap;
use std::sync::Arc;

use fastrand::Rng;

/// The unit that a disk writes at once.
pub const SECTOR_BYTES: usize = 512;

/// The bytes of a sector.
pub type Sector = Arc<[u8; SECTOR_BYTES]>;

/// How likely a power cut keeps what was not synced, and what it leaves in new sectors that it did not keep.
#[derive(Debug, Clone)]
pub struct Mood {
    /// The probability that an unsynced change is on disk, in percent.
    pub kept_percent: u8,
    /// Sectors that fill new places behind a grown length; zeros if there are none.
    pub stale: Vec<Sector>,
}

impl Mood {
    /// Whether one unsynced change is on disk.
    pub fn keeps(&self, random: &mut Rng) -> bool {
        random.u8(0..100) < self.kept_percent
    }
}

/// The bytes of a file.
#[derive(Debug, Clone, Default)]
pub struct FileBytes {
    length: u64,
    /// A sector that was never written is left out and reads as zeros.
    sectors: BTreeMap<u64, Sector>,
    /// For each sector changed since the last sync what it held before, the synced version first.
    older_sectors: BTreeMap<u64, Vec<Option<Sector>>>,
    /// The lengths before each change since the last sync, the synced one first.
    older_lengths: Vec<u64>,
}

impl FileBytes {
    /// The length that programs see.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// At most `count` bytes from `offset` on.
    pub fn read(&self, offset: u64, count: usize) -> Vec<u8> {
        let end = self.length.min(offset.saturating_add(count as u64));
        let mut bytes = Vec::new();
        for (number, from, to) in pieces(offset, end) {
            match self.sectors.get(&number) {
                Some(sector) => bytes.extend_from_slice(&sector[from..to]),
                None => bytes.resize(bytes.len() + (to - from), 0),
            }
        }
        bytes
    }

    /// Writes `bytes` at `offset`, for programs to see.
    pub fn write(&mut self, offset: u64, mut bytes: &[u8]) {
        let end = offset + bytes.len() as u64;
        for (number, from, to) in pieces(offset, end) {
            let (here, rest) = bytes.split_at(to - from);
            self.change(number, |sector| sector[from..to].copy_from_slice(here));
            bytes = rest;
        }
        if end > self.length {
            self.note_length(end);
        }
    }

    /// Cuts the file, or makes it longer by zeros, for programs to see.
    pub fn set_length(&mut self, length: u64) {
        if length == self.length {
            return;
        }
        let (last, used) = split(length);
        let behind = if used == 0 { last } else { last + 1 };
        let dropped: Vec<u64> = self.sectors.range(behind..).map(|(number, _)| *number).collect();
        for number in dropped {
            let before = self.sectors.remove(&number);
            self.older_sectors.entry(number).or_default().push(before);
        }
        if used > 0 && self.sectors.contains_key(&last) {
            self.change(last, |sector| sector[used..].fill(0));
        }
        self.note_length(length);
    }

    /// Makes everything that programs see durable.
    pub fn sync(&mut self) {
        self.older_sectors.clear();
        self.older_lengths.clear();
    }

    /// All sectors that hold something, for [`Mood::stale`].
    pub fn written(&self) -> impl Iterator<Item = &Sector> {
        self.sectors.values()
    }

    /// The bytes after a power cut.
    pub fn after_cut(&self, mood: &Mood, random: &mut Rng) -> Self {
        let choose = |random: &mut Rng, older: usize| {
            if mood.keeps(random) { None } else { Some(random.usize(0..older)) }
        };
        let mut left =
            Self { length: self.length, sectors: self.sectors.clone(), ..Self::default() };
        if !self.older_lengths.is_empty()
            && let Some(index) = choose(random, self.older_lengths.len())
        {
            left.length = self.older_lengths[index];
        }
        for (number, versions) in &self.older_sectors {
            let Some(index) = choose(random, versions.len()) else { continue };
            let version = match &versions[index] {
                // The file has the sector, but its bytes were never brought there.
                None if self.sectors.contains_key(number) => random.choice(&mood.stale).cloned(),
                version => version.clone(),
            };
            match version {
                Some(sector) => left.sectors.insert(*number, sector),
                None => left.sectors.remove(number),
            };
        }
        // Bytes behind the end are no part of the file, whatever it grows to later.
        let (last, used) = split(left.length);
        left.sectors.retain(|number, _| *number < last || (*number == last && used > 0));
        if let Some(sector) = left.sectors.get_mut(&last) {
            Arc::make_mut(sector)[used..].fill(0);
        }
        left
    }

    fn change(&mut self, number: u64, change: impl FnOnce(&mut [u8; SECTOR_BYTES])) {
        let before = self.sectors.get(&number).cloned();
        let mut sector = before.as_deref().copied().unwrap_or([0; SECTOR_BYTES]);
        change(&mut sector);
        self.sectors.insert(number, Arc::new(sector));
        self.older_sectors.entry(number).or_default().push(before);
    }

    fn note_length(&mut self, length: u64) {
        self.older_lengths.push(self.length);
        self.length = length;
    }
}

/// The sector that `offset` is in, and the place inside it.
fn split(offset: u64) -> (u64, usize) {
    (offset / SECTOR_BYTES as u64, (offset % SECTOR_BYTES as u64) as usize)
}

/// The sectors from `offset` to `end`: the number of each, and from where to where inside it.
fn pieces(offset: u64, end: u64) -> impl Iterator<Item = (u64, usize, usize)> {
    let mut at = offset;
    std::iter::from_fn(move || {
        if at >= end {
            return None;
        }
        let (number, from) = split(at);
        let to = SECTOR_BYTES.min(from + (end - at) as usize);
        at += (to - from) as u64;
        Some((number, from, to))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mood(kept_percent: u8) -> Mood {
        Mood { kept_percent, stale: vec![Arc::new([9; SECTOR_BYTES])] }
    }

    #[test]
    fn what_was_synced_outlasts_every_cut() {
        let mut file = FileBytes::default();
        file.write(500, &[7; 700]);
        file.sync();
        for seed in 0..100 {
            let left = file.after_cut(&mood(0), &mut Rng::with_seed(seed));
            assert_eq!(left.read(0, 2000), [vec![0; 500], vec![7; 700]].concat());
        }
    }

    #[test]
    fn each_unsynced_sector_and_length_is_lost_in_some_cut_and_kept_in_another() {
        let mut file = FileBytes::default();
        file.write(0, &[1; 1024]);
        file.sync();
        file.write(0, &[2; 1024]);
        file.write(1024, &[2; 10]);
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..200 {
            let left = file.after_cut(&mood(50), &mut Rng::with_seed(seed));
            let bytes = left.read(0, 4096);
            seen.insert((bytes[0], bytes[512], bytes.get(1024).copied()));
        }
        for first in [1, 2] {
            for second in [1, 2] {
                for third in [None, Some(2), Some(9)] {
                    assert!(seen.contains(&(first, second, third)), "{first} {second} {third:?}");
                }
            }
        }
    }

    #[test]
    fn a_file_that_was_cut_and_grows_again_has_zeros_there() {
        let mut file = FileBytes::default();
        file.write(0, &[5; 1500]);
        file.set_length(100);
        file.set_length(1500);
        assert_eq!(file.read(0, 2000), [vec![5; 100], vec![0; 1400]].concat());
    }
}
