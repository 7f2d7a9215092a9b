//! What a request is charged for besides plain tokens and the fixed price: classes of tokens, searches, and all that its
//! ceiling allows.
//!
//! The rates of a side share a quantum, so each class of tokens is one more product of a code and a weight. It falls short by
//! less than 3 units like any other (see [`bounds`](super::bounds)), and the greatest of some codes is the code of the
//! greatest of their rates. The work on codes is compiled for no class, one, two, and any number, with a ceiling and
//! without: on the real list a request with one class takes 20% less time than if it looked at all columns.

use super::blocks::PARTS;
use super::class_columns::{CLASSES, COLUMNS, ClassCodes, ClassColumns, SEARCHES};
use super::lanes::{Splat, Sums};
use super::quantize::{Codes, Unit};

/// Weights in some unit.
pub(super) trait Weights: Copy {
    const NOTHING: Self;
}

/// Terms of a cost; `X` are the columns beside the [`Codes`].
pub(super) trait Charges<X>: Weights {
    /// The same in grains.
    type Grains: Copy;

    /// All weights, or-ed together.
    fn digits(grains: &Self::Grains) -> u64;

    /// The sum of what is added to plain tokens.
    fn sum(grains: &Self::Grains) -> u64;

    /// How many terms are added to plain tokens.
    fn count(grains: &Self::Grains) -> u64;

    fn in_units(grains: &Self::Grains, unit: Unit) -> Self;

    /// What tokens and searches cost, given the weights of the prompt and the completion.
    fn cost(&self, weights: [Splat; 2], codes: &Codes, columns: &X) -> Sums;
}

/// Plain tokens and nothing else.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Plain;

impl Weights for Plain {
    const NOTHING: Self = Self;
}

impl<X> Charges<X> for Plain {
    type Grains = ();

    fn digits((): &()) -> u64 {
        0
    }

    fn sum((): &()) -> u64 {
        0
    }

    fn count((): &()) -> u64 {
        0
    }

    #[inline(always)]
    fn in_units((): &(), _: Unit) -> Self {
        Self
    }

    #[inline(always)]
    fn cost(&self, [input, output]: [Splat; 2], codes: &Codes, _: &X) -> Sums {
        let input = codes.input.mul_high(input.lanes()).signed();
        input.plus(codes.output.mul_high(output.lanes()).signed())
    }
}

/// Plain tokens, and `N` columns more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Classes<const N: usize>([(u8, Splat); N]);

impl<const N: usize> Weights for Classes<N> {
    const NOTHING: Self = Self([(0, Splat::ZERO); N]);
}

impl<const N: usize> Charges<ClassCodes> for Classes<N> {
    /// The number of each column, and its weight.
    type Grains = [(u8, u64); N];

    fn digits(grains: &Self::Grains) -> u64 {
        grains.iter().fold(0, |all, (_, grains)| all | grains)
    }

    fn sum(grains: &Self::Grains) -> u64 {
        grains.iter().map(|(_, grains)| grains).sum()
    }

    fn count(_: &Self::Grains) -> u64 {
        N as u64
    }

    #[inline(always)]
    fn in_units(grains: &Self::Grains, unit: Unit) -> Self {
        Self(grains.map(|(column, grains)| (column, Splat::new(unit.weight(grains)))))
    }

    #[inline(always)]
    fn cost(&self, weights: [Splat; 2], codes: &Codes, columns: &ClassCodes) -> Sums {
        let plain = Plain.cost(weights, codes, columns);
        self.0.iter().fold(plain, |cost, (column, weight)| {
            cost.plus(columns.column(*column).mul_high(weight.lanes()).signed())
        })
    }
}

/// Plain tokens and all columns.
#[derive(Clone, Copy, Debug)]
pub(super) struct AllClasses([Splat; COLUMNS]);

impl Weights for AllClasses {
    const NOTHING: Self = Self([Splat::ZERO; COLUMNS]);
}

impl Charges<ClassCodes> for AllClasses {
    /// The weight of each column.
    type Grains = [u64; COLUMNS];

    fn digits(grains: &Self::Grains) -> u64 {
        grains.iter().fold(0, |all, grains| all | grains)
    }

    fn sum(grains: &Self::Grains) -> u64 {
        grains.iter().sum()
    }

    fn count(_: &Self::Grains) -> u64 {
        COLUMNS as u64
    }

    #[inline(always)]
    fn in_units(grains: &Self::Grains, unit: Unit) -> Self {
        Self(grains.map(|grains| Splat::new(unit.weight(grains))))
    }

    #[inline(always)]
    fn cost(&self, weights: [Splat; 2], codes: &Codes, columns: &ClassCodes) -> Sums {
        let plain = Plain.cost(weights, codes, columns);
        columns.all().iter().zip(&self.0).fold(plain, |cost, (column, weight)| {
            cost.plus(column.mul_high(weight.lanes()).signed())
        })
    }
}

/// The dearest class of each side, if any may be used, and searches if `SEARCHED`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dearest<const SEARCHED: bool>([Splat; SEARCHES]);

impl<const SEARCHED: bool> Weights for Dearest<SEARCHED> {
    const NOTHING: Self = Self([Splat::ZERO; SEARCHES]);
}

impl<const SEARCHED: bool> Charges<ClassCodes> for Dearest<SEARCHED> {
    /// The weights of searches.
    type Grains = [u64; SEARCHES];

    fn digits(grains: &Self::Grains) -> u64 {
        grains.iter().fold(0, |all, grains| all | grains)
    }

    fn sum(grains: &Self::Grains) -> u64 {
        grains.iter().sum()
    }

    fn count(_: &Self::Grains) -> u64 {
        if SEARCHED { SEARCHES as u64 } else { 0 }
    }

    #[inline(always)]
    fn in_units(grains: &Self::Grains, unit: Unit) -> Self {
        Self(grains.map(|grains| Splat::new(unit.weight(grains))))
    }

    #[inline(always)]
    fn cost(&self, [prompt, completion]: [Splat; 2], _: &Codes, columns: &ClassCodes) -> Sums {
        let [of_prompt, of_completion] = columns.dearest();
        let prompt = of_prompt.mul_high(prompt.lanes()).signed();
        let tokens = prompt.plus(of_completion.mul_high(completion.lanes()).signed());
        if !SEARCHED {
            return tokens;
        }
        columns.searches().iter().zip(&self.0).fold(tokens, |cost, (column, weight)| {
            cost.plus(column.mul_high(weight.lanes()).signed())
        })
    }
}

/// The dearest of some classes of each side, and searches. A class that may not be used has a weight of 0.
#[derive(Clone, Copy, Debug)]
pub(super) struct DearestOf {
    plain: [Splat; 2],
    classes: [Splat; CLASSES],
    searches: [Splat; SEARCHES],
}

/// The weights of [`DearestOf`]: those of the classes are as great as those of their sides, or 0.
#[derive(Clone, Copy, Debug)]
pub(super) struct DearestGrains {
    pub(super) plain: [u64; 2],
    pub(super) classes: [u64; CLASSES],
    pub(super) searches: [u64; SEARCHES],
}

impl Weights for DearestOf {
    const NOTHING: Self = Self {
        plain: [Splat::ZERO; 2],
        classes: [Splat::ZERO; CLASSES],
        searches: [Splat::ZERO; SEARCHES],
    };
}

impl Charges<ClassCodes> for DearestOf {
    type Grains = DearestGrains;

    fn digits(grains: &DearestGrains) -> u64 {
        grains.searches.iter().fold(0, |all, grains| all | grains)
    }

    fn sum(grains: &DearestGrains) -> u64 {
        grains.searches.iter().sum()
    }

    fn count(_: &DearestGrains) -> u64 {
        SEARCHES as u64
    }

    #[inline(always)]
    fn in_units(grains: &DearestGrains, unit: Unit) -> Self {
        let weight = |grains| Splat::new(unit.weight(grains));
        Self {
            plain: grains.plain.map(weight),
            classes: grains.classes.map(weight),
            searches: grains.searches.map(weight),
        }
    }

    #[inline(always)]
    fn cost(&self, _: [Splat; 2], codes: &Codes, columns: &ClassCodes) -> Sums {
        let [input, output] = self.plain;
        let mut prompt = codes.input.mul_high(input.lanes()).signed();
        let mut completion = codes.output.mul_high(output.lanes()).signed();
        let (of_prompt, of_completion) = columns.sides();
        let (prompt_weights, completion_weights) = ClassCodes::sides_of(&self.classes);
        for (column, weight) in of_prompt.iter().zip(prompt_weights) {
            prompt = prompt.max(column.mul_high(weight.lanes()).signed());
        }
        for (column, weight) in of_completion.iter().zip(completion_weights) {
            completion = completion.max(column.mul_high(weight.lanes()).signed());
        }
        let tokens = prompt.plus(completion);
        columns.searches().iter().zip(&self.searches).fold(tokens, |cost, (column, weight)| {
            cost.plus(column.mul_high(weight.lanes()).signed())
        })
    }
}

/// How a request is charged: what it is expected to cost, and what it may cost at most.
pub(super) trait Bill: Copy {
    type Columns: Copy + 'static;
    type Expected: Charges<Self::Columns>;
    type Maximum: Charges<Self::Columns>;

    /// Whether it may cost more than expected. If not, both charges are the same.
    const HAS_CEILING: bool;
    /// Whether the work on codes is worth being compiled for each set of terms.
    const IS_PLAIN: bool;

    fn columns_of(columns: &ClassColumns, block: usize) -> Option<&[Self::Columns; PARTS]>;

    fn columns_of_group(columns: &ClassColumns, group: usize) -> &[[Self::Columns; PARTS]];

    fn corners_of(columns: &ClassColumns, group: usize) -> &[[Self::Columns; 2]];
}

/// A request of plain tokens, or a catalog of plain prices. `CEILING` is 1 with a ceiling.
#[derive(Clone, Copy, Debug)]
pub(super) struct PlainBill<const CEILING: bool>;

impl<const CEILING: bool> Bill for PlainBill<CEILING> {
    type Columns = ();
    type Expected = Plain;
    type Maximum = Plain;
    const HAS_CEILING: bool = CEILING;
    const IS_PLAIN: bool = true;

    #[inline(always)]
    fn columns_of(_: &ClassColumns, _: usize) -> Option<&[(); PARTS]> {
        Some(&[(); PARTS])
    }

    #[inline(always)]
    fn columns_of_group(_: &ClassColumns, _: usize) -> &[[(); PARTS]] {
        &[[(); PARTS]; super::blocks::GROUP]
    }

    #[inline(always)]
    fn corners_of(_: &ClassColumns, _: usize) -> &[[(); 2]] {
        &[[(); 2]; super::blocks::GROUP]
    }
}

/// A request that looks at columns of classes.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClassBill<E, M, const CEILING: bool>(core::marker::PhantomData<(E, M)>);

impl<E, M, const CEILING: bool> Bill for ClassBill<E, M, CEILING>
where
    E: Charges<ClassCodes>,
    M: Charges<ClassCodes>,
{
    type Columns = ClassCodes;
    type Expected = E;
    type Maximum = M;
    const HAS_CEILING: bool = CEILING;
    const IS_PLAIN: bool = false;

    #[inline(always)]
    fn columns_of(columns: &ClassColumns, block: usize) -> Option<&[ClassCodes; PARTS]> {
        columns.of_block(block)
    }

    #[inline(always)]
    fn columns_of_group(columns: &ClassColumns, group: usize) -> &[[ClassCodes; PARTS]] {
        columns.of_group(group)
    }

    #[inline(always)]
    fn corners_of(columns: &ClassColumns, group: usize) -> &[[ClassCodes; 2]] {
        columns.corners_of(group)
    }
}
