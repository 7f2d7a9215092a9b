//! Numbers of any magnitude by their sixteen leading binary digits.

/// A number rounded down to its sixteen leading digits: `leading * 2^(bits - 16)`, where `bits`
/// counts the digits of the number itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Magnitude {
    /// The leading digits, the highest of which is a 1 unless the number is 0.
    leading: u32,
    /// How many digits there are; 0 if the number is.
    bits: u32,
}

impl Magnitude {
    #[inline]
    pub(crate) const fn new(number: u64) -> Self {
        let zeros = number.leading_zeros();
        // A shift by 64 leaves 0 as it is.
        let aligned = number.wrapping_shl(zeros);
        let [.., b6, b7] = aligned.to_le_bytes();
        Self { leading: u32::from_le_bytes([b6, b7, 0, 0]), bits: u64::BITS - zeros }
    }

    /// The magnitude of a product.
    #[inline]
    pub(crate) fn product(first: u64, second: u64) -> Self {
        Self::wide(u128::from(first) * u128::from(second))
    }

    #[inline]
    pub(crate) fn wide(number: u128) -> Self {
        match u64::try_from(number) {
            Ok(number) => Self::new(number),
            Err(_) => Self::beyond_64_bits(number),
        }
    }

    #[cold]
    #[inline(never)]
    fn beyond_64_bits(number: u128) -> Self {
        let dropped = u64::BITS - number.leading_zeros();
        Self::new(u64::try_from(number >> dropped).unwrap_or(u64::MAX)).shifted(dropped)
    }

    /// The number times `2^bits`.
    #[inline]
    pub(crate) const fn shifted(self, bits: u32) -> Self {
        let bits = if self.bits == 0 { 0 } else { self.bits + bits };
        Self { leading: self.leading, bits }
    }
}

/// A unit of `2^k`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Unit(u32);

impl Unit {
    /// The smallest unit of which each number has less than 65,536.
    #[inline]
    pub(crate) fn fitting<const N: usize>(numbers: [Magnitude; N]) -> Self {
        let bits = numbers.iter().fold(u16::BITS, |bits, number| number.bits.max(bits));
        Self(bits - u16::BITS)
    }

    /// How many whole units a number has; 65,535 if it is more. Rounding down to the leading
    /// digits first changes nothing: at most sixteen digits are left.
    #[inline]
    pub(crate) fn count(self, number: Magnitude) -> u16 {
        let digits = self.0 + u16::BITS;
        if number.bits > digits {
            return u16::MAX;
        }
        let dropped = (digits - number.bits).min(u32::BITS - 1);
        u16::try_from(number.leading >> dropped).unwrap_or(u16::MAX)
    }

    /// A number of units that is not more than the number has, and at least 2^17 if that has.
    #[inline]
    pub(crate) fn count_beyond(self, number: Magnitude) -> u32 {
        let digits = self.0 + u16::BITS;
        let excess = number.bits.saturating_sub(digits).min(2);
        u32::from(self.count(Magnitude { leading: number.leading, bits: number.bits.min(digits) }))
            << excess
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_magnitude_is_counted_as_the_number_itself_would_be() {
        let mut numbers = std::vec::Vec::new();
        for shift in 0..111 {
            for low in [0_u128, 1, 0xffff_ffff_ffff, 0x1_0001] {
                let number = low << shift;
                numbers.extend([number, number | 1, number.wrapping_sub(1)]);
            }
        }
        for number in numbers.into_iter().filter(|number| number.leading_zeros() >= 17) {
            for extra in [0, 1, 16] {
                let magnitude = Magnitude::wide(number).shifted(extra);
                let exact = number << extra;
                assert_eq!(magnitude.bits, u128::BITS - exact.leading_zeros(), "{exact:#x}");
                for unit in 0..100 {
                    let units = exact >> unit;
                    let unit = Unit(unit);
                    let count = u16::try_from(units).unwrap_or(u16::MAX);
                    assert_eq!(unit.count(magnitude), count, "{exact:#x} in {unit:?}");
                    let beyond = u128::from(unit.count_beyond(magnitude));
                    assert!(beyond <= units && (beyond >= 1 << 17) == (units >= 1 << 17));
                    assert!(units >= 1 << 16 || beyond == units);
                }
            }
        }
    }

    #[test]
    fn the_fitting_unit_is_the_smallest_that_fits() {
        for (number, unit) in [(0, 0), (1, 0), (65_535, 0), (65_536, 1), (131_071, 1), (131_072, 2)]
        {
            assert_eq!(Unit::fitting([Magnitude::new(number), Magnitude::new(1)]), Unit(unit));
        }
    }
}
