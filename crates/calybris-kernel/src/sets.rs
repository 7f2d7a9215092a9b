//! Sets of capabilities, regions and providers as bit sets.

/// Up to 64 capabilities; the caller gives each bit its meaning.
///
/// ```
/// use calybris_kernel::CapabilitySet;
///
/// let vision_and_tools = CapabilitySet::from_bits(0b11);
/// assert!(vision_and_tools.contains_all(CapabilitySet::from_bits(0b01)));
/// assert_eq!(CapabilitySet::from_bits(0b101).difference(vision_and_tools), CapabilitySet::from_bits(0b100));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct CapabilitySet(u64);

impl CapabilitySet {
    /// No capability: as a requirement it is met by every model.
    pub const EMPTY: Self = Self(0);

    /// The set whose bits are these.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Its bits.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Whether every capability of `other` is in this set; always so if `other` is empty.
    #[must_use]
    pub const fn contains_all(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    /// The capabilities of this set that are not in `other`.
    #[must_use]
    pub const fn difference(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// Up to 64 regions; the caller gives each bit its meaning.
///
/// ```
/// use calybris_kernel::RegionSet;
///
/// let europe = RegionSet::from_bits(0b11);
/// assert!(europe.shares_any(RegionSet::from_bits(0b10)));
/// assert!(!europe.shares_any(RegionSet::EMPTY) && RegionSet::EMPTY.is_empty());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RegionSet(u64);

impl RegionSet {
    /// No region: as a requirement it constrains nothing, on a model it means served nowhere.
    pub const EMPTY: Self = Self(0);
    /// All 64 regions.
    pub const ALL: Self = Self(u64::MAX);

    /// The set whose bits are these.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Its bits.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Whether there is no region in this set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether the two sets have at least one region in common.
    #[must_use]
    pub const fn shares_any(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// Any of the 256 providers that a `u8` can name. It has no default: the empty set allows no provider.
///
/// ```
/// use calybris_kernel::ProviderSet;
///
/// let mut allowed: ProviderSet = [3, 200].into_iter().collect();
/// allowed.insert(7);
/// assert!(allowed.contains(200) && allowed.contains(7) && !allowed.contains(8));
/// allowed.remove(200);
/// assert!(!allowed.contains(200));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ProviderSet([u64; 4]);

impl ProviderSet {
    /// No provider: a request that allows this set is served by no model.
    pub const EMPTY: Self = Self([0; 4]);
    /// Every provider: no constraint.
    pub const ALL: Self = Self([u64::MAX; 4]);

    /// The set of these words: bit `id % 64` of word `id / 64` stands for provider `id`.
    #[must_use]
    pub const fn from_words(words: [u64; 4]) -> Self {
        Self(words)
    }

    /// Its words.
    #[must_use]
    pub const fn words(self) -> [u64; 4] {
        self.0
    }

    /// Adds a provider; one that is in the set already stays in it.
    pub const fn insert(&mut self, provider_id: u8) {
        let [w0, w1, w2, w3] = &mut self.0;
        let bit = 1 << (provider_id % 64);
        match provider_id / 64 {
            0 => *w0 |= bit,
            1 => *w1 |= bit,
            2 => *w2 |= bit,
            _ => *w3 |= bit,
        }
    }

    /// Takes a provider out; one that is not in the set stays out.
    pub const fn remove(&mut self, provider_id: u8) {
        let [w0, w1, w2, w3] = &mut self.0;
        let bit = 1 << (provider_id % 64);
        match provider_id / 64 {
            0 => *w0 &= !bit,
            1 => *w1 &= !bit,
            2 => *w2 &= !bit,
            _ => *w3 &= !bit,
        }
    }

    /// The providers of this set that are not in `other`.
    #[must_use]
    pub(crate) fn without(self, other: &Self) -> Self {
        let mut words = self.0;
        for (word, other) in words.iter_mut().zip(other.0) {
            *word &= !other;
        }
        Self(words)
    }

    pub(crate) fn count(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    /// Whether the provider is in the set.
    #[must_use]
    pub const fn contains(&self, provider_id: u8) -> bool {
        let [w0, w1, w2, w3] = self.0;
        let word = match provider_id / 64 {
            0 => w0,
            1 => w1,
            2 => w2,
            _ => w3,
        };
        word & (1 << (provider_id % 64)) != 0
    }
}

impl FromIterator<u8> for ProviderSet {
    fn from_iter<I: IntoIterator<Item = u8>>(provider_ids: I) -> Self {
        let mut set = Self::EMPTY;
        for provider_id in provider_ids {
            set.insert(provider_id);
        }
        set
    }
}
