//! Numbers of any magnitude by their sixteen leading binary digits.

/// A number rounded down to its sixteen leading digits: `leading * 2^(bits - 16)`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Magnitude {
    /// The leading digits, the highest of which is a 1 unless the number is 0.
    leading: u32,
    /// How many digits the number has; any number of them if it is 0.
    bits: u32,
}

impl Magnitude {
    #[inline]
    pub(crate) const fn new(number: u64) -> Self {
        let zeros = (number | 1).leading_zeros();
        let [.., b6, b7] = (number << zeros).to_le_bytes();
        Self { leading: u32::from_le_bytes([b6, b7, 0, 0]), bits: u64::BITS - zeros }
    }

    /// The magnitude of a product.
    #[inline]
    pub(crate) fn product(first: u64, second: u64) -> Self {
        match first.checked_mul(second) {
            Some(number) => Self::new(number),
            None => Self::beyond_64_bits(u128::from(first) * u128::from(second)),
        }
    }

    #[cold]
    #[inline(never)]
    fn beyond_64_bits(number: u128) -> Self {
        let dropped = u64::BITS.saturating_sub(number.leading_zeros());
        Self::new(u64::try_from(number >> dropped).unwrap_or(u64::MAX)).shifted(dropped)
    }

    /// The number times `2^bits`.
    #[inline]
    pub(crate) const fn shifted(self, bits: u32) -> Self {
        Self { leading: self.leading, bits: self.bits + bits }
    }
}

/// A unit of `2^k`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Unit {
    /// `k + 16`: what has no more digits than this has less than 65,536 units.
    digits: u32,
}

impl Unit {
    /// A unit of which each number has less than 65,536: the smallest, unless numbers are 0.
    #[inline]
    pub(crate) fn fitting<const N: usize>(numbers: [Magnitude; N]) -> Self {
        let digits = numbers.iter().fold(u16::BITS, |digits, number| number.bits.max(digits));
        Self { digits }
    }

    /// How many whole units a number has, if they are less than 65,536. Rounding down to the
    /// leading digits first changes nothing: at most sixteen digits are left.
    #[inline]
    pub(crate) fn count_fitting(self, number: Magnitude) -> u16 {
        let dropped = self.digits.wrapping_sub(number.bits).min(u32::BITS - 1);
        let [low, high, ..] = (number.leading >> dropped).to_le_bytes();
        u16::from_le_bytes([low, high])
    }

    /// How many whole units a number has; 65,535 if it is more.
    #[inline]
    pub(crate) fn count(self, number: Magnitude) -> u16 {
        if number.bits > self.digits && number.leading != 0 {
            u16::MAX
        } else {
            self.count_fitting(number)
        }
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
                let magnitude = match u64::try_from(number) {
                    Ok(number) => Magnitude::new(number),
                    Err(_) => Magnitude::beyond_64_bits(number),
                };
                let magnitude = magnitude.shifted(extra);
                let exact = number << extra;
                assert!(exact == 0 || magnitude.bits == u128::BITS - exact.leading_zeros());
                for digits in 16..116 {
                    let unit = Unit { digits };
                    let units = exact >> (digits - 16);
                    let count = u16::try_from(units).unwrap_or(u16::MAX);
                    assert_eq!(unit.count(magnitude), count, "{exact:#x} in {unit:?}");
                    if units < 1 << 16 {
                        assert_eq!(unit.count_fitting(magnitude), count);
                    }
                }
            }
        }
    }

    #[test]
    fn a_product_is_as_great_as_its_factors_make_it() {
        for (first, second) in [(3, 5), (u64::MAX, u64::MAX), (1 << 40, 1 << 24), (0, u64::MAX)] {
            let product = u128::from(first) * u128::from(second);
            let magnitude = Magnitude::product(first, second);
            let unit = Unit { digits: 112 };
            assert_eq!(u128::from(unit.count(magnitude)), (product >> 96).min(65_535));
        }
    }

    #[test]
    fn the_fitting_unit_is_the_smallest_that_fits() {
        for (number, digits) in [(1, 16), (65_535, 16), (65_536, 17), (131_071, 17), (131_072, 18)]
        {
            let unit = Unit::fitting([Magnitude::new(number), Magnitude::new(1)]);
            assert_eq!(unit, Unit { digits });
        }
    }
}
