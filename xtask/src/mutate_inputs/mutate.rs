//! How a valid file is broken: bytes, lines, words and numbers changed as editors, exports and bad luck change them.

/// A small generator of numbers: the same seed gives the same files on every machine.
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`, or 0.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % limit).unwrap_or(0)
    }

    fn pick<'a>(&mut self, words: &[&'a [u8]]) -> &'a [u8] {
        words.get(self.below(words.len())).copied().unwrap_or_default()
    }
}

/// One of the seeds with a change, or with two or three, which few files survive.
pub(super) fn mutated(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = seeds.get(random.below(seeds.len())).cloned().unwrap_or_default();
    for _ in 0..=random.below(6).saturating_sub(3) {
        bytes = changed(bytes, seeds, random);
    }
    bytes
}

fn changed(bytes: Vec<u8>, seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let at = random.below(bytes.len() + 1);
    let length = random.below(16);
    match random.below(17) {
        0 => replaced(&bytes, at, 1, &[u8::try_from(random.below(256)).unwrap_or(0)]),
        1..=4 => replaced(&bytes, at, 0, random.pick(&TOKENS)),
        5 => replaced(&bytes, at, 1, random.pick(&TOKENS)),
        6 => replaced(&bytes, at, length, b""),
        7 => {
            let again = bytes.get(at..bytes.len().min(at + length)).unwrap_or_default().to_vec();
            replaced(&bytes, at, 0, &again)
        }
        8 => {
            let other = seeds.get(random.below(seeds.len())).map(Vec::as_slice).unwrap_or_default();
            let from = random.below(other.len());
            let piece =
                other.get(from..other.len().min(from + 4 * length)).unwrap_or_default().to_vec();
            replaced(&bytes, at, 0, &piece)
        }
        9..=11 => lines_changed(&bytes, random),
        12 | 13 => number_changed(&bytes, random),
        14 => bytes.get(..at).unwrap_or_default().to_vec(),
        15 => {
            let nested = random.pick(&[b"[", b"{", b"{\"a\":", b"[[", b"a.", b"{a=", b"\""]);
            replaced(&bytes, at, 0, &nested.repeat(random.pick(&NUMBERS).len() * 1_000))
        }
        _ => re_encoded(&bytes, random),
    }
}

fn replaced(bytes: &[u8], at: usize, length: usize, by: &[u8]) -> Vec<u8> {
    let before = bytes.get(..at).unwrap_or(bytes);
    let after = bytes.get(at.saturating_add(length)..).unwrap_or_default();
    [before, by, after].concat()
}

/// A line twice, left out, moved, joined with the next; or what stands between two marks of a line twice.
fn lines_changed(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> = bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    let (at, to) = (random.below(lines.len()), random.below(lines.len()));
    let line = lines.get(at).cloned().unwrap_or_default();
    match random.below(5) {
        0 => lines.insert(to, line),
        1 => drop(lines.remove(at)),
        2 => lines.swap(at, to),
        3 if at + 1 < lines.len() => {
            let next = lines.remove(at + 1);
            lines.insert(at, [line, next].concat());
            lines.remove(at + 1);
        }
        _ => {
            let mut parts: Vec<&[u8]> = line.split(|byte| *byte == b',').collect();
            let part = parts.get(random.below(parts.len())).copied().unwrap_or_default();
            parts.insert(random.below(parts.len()), part);
            let doubled = parts.join(&b',');
            lines.remove(at);
            lines.insert(at, doubled);
        }
    }
    lines.join(&b'\n')
}

/// A number in the file becomes another.
fn number_changed(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let starts: Vec<usize> = (0..bytes.len())
        .filter(|&at| {
            let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
            is_digit(at) && (at == 0 || !is_digit(at - 1))
        })
        .collect();
    let Some(&at) = starts.get(random.below(starts.len())) else { return bytes.to_vec() };
    let digits = bytes.iter().skip(at).take_while(|byte| byte.is_ascii_digit()).count();
    replaced(bytes, at, digits, random.pick(&NUMBERS))
}

/// The same text as other programs save it, and what only looks like text.
fn re_encoded(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let text = String::from_utf8_lossy(bytes).into_owned();
    match random.below(8) {
        0 => [b"\xef\xbb\xbf", bytes].concat(),
        1 => [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect(),
        2 => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        3 => text.replace('\n', "\r\n").into_bytes(),
        4 => text.replace('\n', "\r").into_bytes(),
        5 => [b"\x1f\x8b\x08", bytes].concat(),
        6 => text.to_uppercase().into_bytes(),
        _ => text.replace(',', ";").into_bytes(),
    }
}

const TOKENS: [&[u8]; 58] = [
    b"\"",
    b"\"\"",
    b"\" ",
    b" \"",
    b"'",
    b"\0",
    b"\r",
    b"\n",
    b"\r\n",
    b"\t",
    b" ",
    b",",
    b";",
    b":",
    b"=",
    b"[",
    b"]",
    b"{",
    b"}",
    b"[]",
    b"{}",
    b"#",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"\\n",
    b"\x1b[2J",
    b"\x7f",
    b"\xff",
    b"\xc3",
    b"\xef\xbb\xbf",
    "\u{2028}".as_bytes(),
    "\u{202e}".as_bytes(),
    "\u{200b}".as_bytes(),
    "\u{a0}".as_bytes(),
    "\u{fc}".as_bytes(),
    b"null",
    b"true",
    b"NaN",
    b"-",
    b"+",
    b".",
    b"_",
    b"e",
    b"0x",
    b"1e999",
    b"-0",
    b"\"\"\"",
    b"'''",
    b"[[model]]\n",
    b"[policy]\n",
    b"\"a\": 1, \"a\": 2, ",
    b"[Europe/Berlin]",
    b"+02:00",
    b"Z",
    b"*",
    b"[!",
    b"**",
];

const NUMBERS: [&[u8]; 22] = [
    b"0",
    b"-1",
    b"-0",
    b"00",
    b"007",
    b"1",
    b"65536",
    b"10001",
    b"4294967295",
    b"4294967296",
    b"9223372036854775807",
    b"9223372036854775808",
    b"18446744073709551615",
    b"18446744073709551616",
    b"340282366920938463463374607431768211456",
    b"1e308",
    b"1e-300",
    b"1.5",
    b"1_000",
    b"0.1e1",
    b"99999999999999999999999999999999999999999999999999",
    b"2024-02-30",
];
