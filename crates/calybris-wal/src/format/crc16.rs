//! CRC-16/IBM-3740: polynomial 0x1021, initial value 0xFFFF, not reflected, no final XOR.

/// The checksum of `N` bytes. That of `123456789` is 0x29B1.
///
/// The checksum is linear over XOR, so each byte's part in it is looked up by itself: the look-ups
/// do not wait for each other as those of a checksum byte by byte do.
#[inline]
#[allow(clippy::indexing_slicing, reason = "a byte is less than 256")]
pub(super) fn crc16<const N: usize>(bytes: &[u8; N]) -> u16 {
    let parts = bytes.iter().zip(const { tables::<N>() });
    parts.fold(const { of_zeros(N) }, |sum, (byte, table)| sum ^ table[usize::from(*byte)])
}

/// One byte further: the remainder of `crc`, whose high byte has been XORed with the byte.
const fn step(crc: u16) -> u16 {
    let mut crc = crc;
    let mut bit = 0;
    while bit < 8 {
        crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
        bit += 1;
    }
    crc
}

/// The checksum of so many zero bytes.
const fn of_zeros(count: usize) -> u16 {
    let mut crc = 0xFFFF;
    let mut index = 0;
    while index < count {
        crc = step(crc);
        index += 1;
    }
    crc
}

/// The summand of each value of each of `N` bytes, added to the checksum of `N` zero bytes.
#[allow(clippy::indexing_slicing, reason = "evaluated at compile time, where a panic is an error")]
const fn tables<const N: usize>() -> &'static [[u16; 256]; N] {
    const {
        let mut tables = [[0; 256]; N];
        let mut value: u16 = 0;
        while value < 256 {
            let mut part = step(value << 8);
            let mut place = N;
            while place > 0 {
                place -= 1;
                tables[place][value as usize] = part;
                part = step(part);
            }
            value += 1;
        }
        &{ tables }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_check_value_holds() {
        assert_eq!(crc16(b"123456789"), 0x29B1);
        assert_eq!(crc16(b""), 0xFFFF);
        assert_eq!(crc16(b"A"), 0xB915);
    }

    #[test]
    fn fourteen_zero_bytes_do_not_have_a_zero_checksum() {
        assert_ne!(crc16(&[0; 14]), 0);
    }
}
