//! CRC-16/IBM-3740: polynomial 0x1021, initial value 0xFFFF, not reflected, no final XOR.

/// The checksum of `bytes`. That of `123456789` is 0x29B1.
pub(super) fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |crc: u16, byte| {
        let [high, low] = crc.to_be_bytes();
        let row = TABLE.get(usize::from(high ^ byte)).copied().unwrap_or_default();
        row ^ u16::from_be_bytes([low, 0])
    })
}

static TABLE: [u16; 256] = table();

#[allow(clippy::indexing_slicing, reason = "evaluated at compile time, where a panic is an error")]
const fn table() -> [u16; 256] {
    let mut table = [0; 256];
    let mut byte: u16 = 0;
    while byte < 256 {
        let mut crc = byte << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
            bit += 1;
        }
        table[byte as usize] = crc;
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_check_value_holds() {
        assert_eq!(crc16(b"123456789"), 0x29B1);
        assert_eq!(crc16(b""), 0xFFFF);
    }

    #[test]
    fn fourteen_zero_bytes_do_not_have_a_zero_checksum() {
        assert_ne!(crc16(&[0; 14]), 0);
    }
}
