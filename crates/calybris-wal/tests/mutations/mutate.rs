//! What is done to a log: damage, files that are moved about, and frames that are forged.

use crate::bases::{Base, Image, secrets};
use crate::forge::{
    KEY_CHANGE, LOG_START, Loose, Parts, SEAL, key_id, places, sum_up, sum_up_header,
};
use crate::logs::{DATA, HEADER, MARK};
use crate::random::Random;

/// A log that was changed.
pub struct Mutant<'a> {
    pub base: &'a Base,
    /// Another log of the same kind.
    pub other: &'a Base,
    pub image: Image,
    /// Whether frames or headers were made whose hashes match.
    pub forged: bool,
    /// What was done, in words.
    pub done: Vec<String>,
}

fn name_of(first: u64) -> String {
    format!("{first:020}.cwal")
}

fn first_of(name: &str) -> u64 {
    name.strip_suffix(".cwal").and_then(|digits| digits.parse().ok()).unwrap()
}

impl<'a> Mutant<'a> {
    /// Changes a log, once or several times.
    pub fn of(base: &'a Base, other: &'a Base, random: &mut Random) -> Self {
        let image = base.image.clone();
        let mut mutant = Self { base, other, image, forged: false, done: Vec::new() };
        for _ in 0..=random.below(3) {
            let done = match random.below(8) {
                0..=2 => mutant.change_bytes(random),
                3 | 4 => mutant.change_frames(random),
                5 | 6 => mutant.change_files(random),
                _ => mutant.forge(random),
            };
            mutant.done.extend(done);
        }
        mutant
    }

    /// The name of one of the files; the last one is as likely as all others together.
    fn name(&self, random: &mut Random) -> Option<String> {
        let names: Vec<_> = self.image.keys().collect();
        let last = names.last()?;
        Some(if random.one_in(2) { (*last).clone() } else { (*random.pick(&names)).clone() })
    }

    /// Bytes that belong to this log or to the other: a whole segment as it was at some time.
    fn segment_from_elsewhere(&self, random: &mut Random) -> (String, Vec<u8>) {
        let base = if random.one_in(3) { self.other } else { self.base };
        let versions: Vec<_> = base.versions.iter().collect();
        (*random.pick(&versions)).clone()
    }

    /// A frame from elsewhere, and where it comes from; sometimes with the hash before it.
    fn frame_from_elsewhere(&self, random: &mut Random) -> Vec<u8> {
        let (_, bytes) = self.segment_from_elsewhere(random);
        let places = places(&bytes);
        if places.is_empty() {
            return bytes;
        }
        let (start, mut end) = *random.pick(&places);
        if random.one_in(4) {
            end = random.pick(&places).1.max(end);
        }
        bytes[start - random.pick(&[0, 0, 32])..end].to_vec()
    }

    fn change_bytes(&mut self, random: &mut Random) -> Option<String> {
        let name = self.name(random)?;
        let elsewhere = self.frame_from_elsewhere(random);
        let bytes = self.image.get_mut(&name)?;
        let length = bytes.len();
        let mut at = random.below(length);
        let mut count = random.length(4096);
        if random.one_in(4) {
            (at, count) = (at / 512 * 512, count.next_multiple_of(512));
        }
        let end = (at + count).min(length);
        let done = match random.below(10) {
            0 | 1 if length > 0 => {
                bytes[at] ^= 1 << random.below(8);
                format!("flip a bit at {at}")
            }
            2 if length > 0 => {
                let value = *random.pick(&[0, 1, 2, 3, 4, 5, 0x10, 0x38, 0x80, 0xff]);
                bytes[at] = value;
                format!("set {at} to {value}")
            }
            3 => {
                let value = *random.pick(&[0, 0, 0xff]);
                bytes[at..end].fill(value);
                format!("fill {at}..{end} with {value}")
            }
            4 => {
                bytes.drain(at..end);
                format!("delete {at}..{end}")
            }
            5 => {
                let inserted = random.bytes(count.min(256));
                bytes.splice(at..at, inserted.iter().copied());
                format!("insert {} bytes at {at}", inserted.len())
            }
            6 => {
                let copy = bytes[at..end].to_vec();
                let to = random.below(length);
                bytes.splice(to..to, copy);
                format!("copy {at}..{end} to {to}")
            }
            7 if length > 1 => {
                let (one, count) = (at.min(length - 1), count.min(length / 2));
                let two = random.below(length);
                let count = count.min(one.abs_diff(two)).min(length - one.max(two));
                for index in 0..count {
                    bytes.swap(one + index, two + index);
                }
                format!("swap {count} bytes at {one} and {two}")
            }
            8 => {
                bytes.truncate(at);
                if random.one_in(3) {
                    bytes.resize(length, 0);
                }
                format!("cut at {at}, then {} bytes", bytes.len())
            }
            _ => {
                let count = count.min(600);
                let appended = match random.below(4) {
                    0 => vec![0; count],
                    1 => vec![0xff; count],
                    2 => random.bytes(count),
                    _ => elsewhere,
                };
                bytes.extend(&appended);
                format!("append {} bytes", appended.len())
            }
        };
        Some(format!("{name}: {done}"))
    }

    fn change_frames(&mut self, random: &mut Random) -> Option<String> {
        let name = self.name(random)?;
        let elsewhere = self.frame_from_elsewhere(random);
        let bytes = self.image.get_mut(&name)?;
        let places = places(bytes);
        if places.is_empty() {
            return None;
        }
        let (start, end) = *random.pick(&places);
        let (to, to_end) = *random.pick(&places);
        let done = match random.below(9) {
            0 => {
                bytes.drain(start..end);
                format!("delete the frame at {start}")
            }
            1 => {
                let frame = bytes[start..end].to_vec();
                bytes.splice(to..to, frame);
                format!("copy the frame at {start} to {to}")
            }
            2 => {
                let frames = [start.min(to)..end.min(to_end), start.max(to)..end.max(to_end)];
                let [one, two] = frames.map(|range| (range.clone(), bytes[range].to_vec()));
                if one.0 != two.0 {
                    bytes.splice(two.0, one.1);
                    bytes.splice(one.0, two.1);
                }
                format!("swap the frames at {start} and {to}")
            }
            3 => {
                bytes.splice(start..start, elsewhere);
                format!("insert a frame from elsewhere at {start}")
            }
            4 => {
                bytes.splice(start..end, elsewhere);
                format!("a frame from elsewhere for the one at {start}")
            }
            5 => {
                let count = random.between(1, 3).min(places.len());
                bytes.truncate(places[places.len() - count].0);
                format!("cut the last {count} frames off")
            }
            6 => {
                let from = places[places.len().saturating_sub(2)].0;
                let at = random.between(from, bytes.len());
                bytes.truncate(at);
                format!("cut in the last two frames, at {at}")
            }
            7 => {
                let field = random.below(14);
                let field = if field < 6 { field } else { field + 2 };
                let value = *random.pick(&[0, 1, 2, 3, 4, 5, 7, 0x7f, 0xff]);
                bytes[start + field] = value;
                sum_up(&mut bytes[start..]);
                format!("set byte {field} of the frame's header at {start} to {value}")
            }
            _ => {
                let field = random.below(104);
                let value = *random.pick(&[0, 1, 2, 3, 0xff]);
                bytes[field] = value;
                sum_up_header(bytes);
                format!("set byte {field} of the header to {value}, with its checksum")
            }
        };
        Some(format!("{name}: {done}"))
    }

    fn change_files(&mut self, random: &mut Random) -> Option<String> {
        let name = self.name(random)?;
        let (elsewhere_name, elsewhere) = self.segment_from_elsewhere(random);
        // A name before, between or behind the others, most often close to one.
        let near = first_of(&self.name(random)?).saturating_add(random.between(0, 3) as u64);
        let somewhere = match random.below(8) {
            0 => *random.pick(&[0, u64::MAX, 1 << 63, 1 << 32]),
            _ => near.saturating_sub(random.below(3) as u64),
        };
        let somewhere = name_of(somewhere);
        Some(match random.below(10) {
            0 | 1 => {
                self.image.remove(&name);
                format!("remove {name}")
            }
            2 => {
                let bytes = self.image.remove(&name)?;
                self.image.insert(somewhere.clone(), bytes);
                format!("rename {name} to {somewhere}")
            }
            3 => {
                let bytes = self.image.get(&name)?.clone();
                self.image.insert(somewhere.clone(), bytes);
                format!("copy {name} to {somewhere}")
            }
            4 => {
                let other = self.name(random)?;
                let (one, two) = (self.image.get(&name)?.clone(), self.image.get(&other)?.clone());
                self.image.insert(name.clone(), two);
                self.image.insert(other.clone(), one);
                format!("swap {name} and {other}")
            }
            5 => {
                let bytes = match random.below(4) {
                    0 => Vec::new(),
                    1 => {
                        let length = *random.pick(&[10, 143, 144, 300]);
                        random.bytes(length)
                    }
                    2 => elsewhere.get(..HEADER).unwrap_or_default().to_vec(),
                    _ => elsewhere,
                };
                let length = bytes.len();
                self.image.insert(somewhere.clone(), bytes);
                format!("put {length} bytes under {somewhere}")
            }
            6 => {
                let length = *random.pick(&[0, HEADER, HEADER - 1, HEADER + 1]);
                self.image.get_mut(&name)?.truncate(length);
                format!("cut {name} to {length} bytes")
            }
            7 | 8 => {
                self.image.insert(elsewhere_name.clone(), elsewhere);
                format!("{elsewhere_name} from elsewhere")
            }
            _ => {
                let last = self.image.keys().next_back()?.clone();
                self.image.remove(&last);
                format!("remove the last, {last}")
            }
        })
    }

    fn forge(&mut self, random: &mut Random) -> Option<String> {
        let name = self.name(random)?;
        let mut parts = Parts::of(self.image.get(&name)?)?;
        self.forged = true;
        let count = parts.frames.len();
        let at = if random.one_in(2) { count } else { random.below(count + 1) };
        let before = parts.frames.get(at.wrapping_sub(1));
        let sequence =
            before.map_or_else(|| first_of(&name).wrapping_sub(1), |frame| frame.sequence);
        let number = match random.below(8) {
            0 => 0,
            1 => 1,
            2 => u64::MAX,
            3 => random.next(),
            4 => HEADER as u64,
            _ => sequence.wrapping_add(random.below(4) as u64).wrapping_sub(2),
        };
        let numbers = |numbers: &[u64]| numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
        let frame = |kind, payload| Loose { kind, flags: 0, sequence, payload };
        let mut new = Vec::new();
        let mut exact = false;
        let done = match random.below(13) {
            0 => {
                let offset = *random.pick(&[0, 100, 144, 200, 300, 500, 10_000]);
                new.push(frame(MARK, numbers(&[number, offset])));
                format!("a mark of {number} and {offset}")
            }
            1 => {
                let seal = numbers(&[number, random.below(800) as u64, 0, 0, 0, 0, number]);
                new.push(frame(SEAL, seal));
                format!("a seal of {number}")
            }
            2 | 3 => {
                let secret = *random.pick(&secrets());
                let id = u64::from_le_bytes(key_id(secret));
                for _ in 0..random.between(1, 2) {
                    new.push(frame(KEY_CHANGE, numbers(&[*random.pick(&[id, id, number])])));
                }
                if random.one_in(3) {
                    new.push(frame(SEAL, numbers(&[0, 0, 0, 0, 0, 0, *random.pick(&[1, number])])));
                }
                format!("{} frames of a key change", new.len())
            }
            4 => {
                let starts = random.between(1, 2);
                new.resize(starts, frame(LOG_START, numbers(&[number])));
                format!("log start {number}")
            }
            5 => {
                let kind = *random.pick(&[0, 1, 2, 3, 4, 5, 6, 200]);
                let length = *random.pick(&[0, 1, 7, 8, 9, 16, 55, 56, 57, 4096, 4097]);
                new.push(frame(kind, random.bytes(length)));
                format!("a frame of kind {kind} and {length} bytes")
            }
            6 => {
                let flags = *random.pick(&[1, 0x80]);
                new.push(Loose { flags, ..frame(*random.pick(&[1, 2, 3, 9]), vec![0; 16]) });
                format!("a frame with flags {flags}")
            }
            7 => {
                new.push(Loose { sequence: number, ..frame(DATA, b"forged".to_vec()) });
                format!("a record {number}")
            }
            11 | 12 if count > 0 => {
                // One field of a control frame is another, and nothing else is.
                exact = true;
                let control = parts.frames.iter_mut().rev().find(|frame| frame.kind != DATA)?;
                let kind = control.kind;
                let field = random.below(control.payload.len());
                let byte = control.payload.get_mut(field / 8 * 8)?;
                *byte = byte.wrapping_add(*random.pick(&[1, 2, 0xff]));
                format!("field {} of a frame of kind {kind}", field / 8)
            }
            8 if at < count => {
                parts.frames.remove(at);
                "no frame".to_owned()
            }
            9 if at < count => {
                parts.frames[at].payload = numbers(&[number, 144]);
                "another payload".to_owned()
            }
            _ => {
                let field = *random.pick(&[8, 10, 11, 12, 16, 32, 32, 40, 48, 56, 64, 67, 68, 72]);
                let value = *random.pick(&[0, 1, 2, 3, 0x20, 0xff]);
                parts.header[field] = value;
                format!("byte {field} of the header is {value}")
            }
        };
        parts.frames.splice(at..at, new);
        let consistent = !exact && !random.one_in(3);
        let mut bytes = parts.join(consistent);
        let follow = random.one_in(2);
        let mut end: [u8; 32] = *bytes.last_chunk()?;
        if random.one_in(4) {
            let cut = random.between(bytes.len().saturating_sub(150), bytes.len());
            bytes.truncate(cut);
        }
        self.image.insert(name.clone(), bytes);
        // The segments behind it continue it.
        for (_, bytes) in self.image.range_mut(name.clone()..).skip(1).filter(|_| follow) {
            let Some(mut parts) = Parts::of(bytes) else { break };
            parts.header[72..].copy_from_slice(&end);
            *bytes = parts.join(consistent);
            end = *bytes.last_chunk()?;
        }
        Some(format!("{name}: forge at frame {at}: {done}; consistent: {consistent}, {follow}"))
    }
}
