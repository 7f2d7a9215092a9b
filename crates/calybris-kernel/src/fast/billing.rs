//! What a request and its ceiling come to, and the work compiled for that.

use super::bounds::{Amount, Amounts, AmountsOf, Scale};
use super::charges::{
    AllClasses, Bill, Charges, ClassBill, Classes, Dearest, DearestGrains, DearestOf, Plain,
    PlainBill,
};
use super::class_columns::{COLUMNS, ClassCodes, FIRST_SEARCH};
use super::index::Index;
use crate::{Ceiling, Request, TokenClass, TokenClassSet, Usage};

/// Work that is compiled for each kind of bill.
pub(super) trait OfBill: Sized {
    type Answer;

    fn of<B: Bill>(self, amounts: &AmountsOf<B>) -> Self::Answer;

    /// Not inlined: each kind has a large frame of its own.
    #[inline(never)]
    fn of_apart<B: Bill>(self, amounts: &AmountsOf<B>) -> Self::Answer {
        self.of::<B>(amounts)
    }
}

/// What a request of plain tokens without a ceiling uses.
#[inline(always)]
pub(super) fn plain_amounts(request: &Request) -> AmountsOf<PlainBill<false>> {
    let usage = &request.usage;
    let amount = Amount {
        prompt_tokens: usage.input_tokens,
        completion_tokens: usage.output_tokens,
        charges: (),
    };
    Amounts { expected: amount, maximum: amount }
}

/// All that a request is charged for.
pub(super) struct Billed {
    prompt_tokens: u32,
    completion_tokens: u32,
    plain: Amount<()>,
    /// Whether the catalog has rates that differ between the classes of a side, or search fees.
    has_classes: bool,
    classes: [(u8, u64); COLUMNS],
    class_count: usize,
    maximum: Option<Maximum>,
}

/// The most that a request may be charged for.
#[derive(Clone, Copy)]
struct Maximum {
    tokens: Amount<()>,
    /// Whether any class may be used.
    of_all: bool,
    searched: bool,
    grains: DearestGrains,
}

/// Nothing if numbers are beyond the guards: then models are scanned.
pub(super) fn billed(index: &Index, scale: &Scale, request: &Request) -> Option<Billed> {
    let usage = &request.usage;
    let has_classes = !index.classes.are_absent();
    // Each side together has no more tokens than a class can have, so sums of weights are guarded.
    let prompt_tokens = u32::try_from(usage.prompt_tokens()).ok()?;
    let completion_tokens = u32::try_from(usage.completion_tokens()).ok()?;
    let (classes, class_count) =
        if has_classes { present(scale, usage)? } else { Default::default() };
    let plain = Amount {
        prompt_tokens: usage.input_tokens,
        completion_tokens: usage.output_tokens,
        charges: (),
    };
    let maximum = match &request.ceiling {
        Some(ceiling) => Some(maximum(scale, ceiling)?),
        None => None,
    };
    Some(Billed {
        prompt_tokens,
        completion_tokens,
        plain,
        has_classes,
        classes,
        class_count,
        maximum,
    })
}

/// The columns at which a usage looks, with their weights, and how many there are.
fn present(scale: &Scale, usage: &Usage) -> Option<([(u8, u64); COLUMNS], usize)> {
    let classes = (0..).zip(TokenClass::BESIDES_PLAIN).map(|(column, class)| {
        let tokens = usage.tokens(class);
        (tokens, (column, scale.token_weight(class.is_prompt(), tokens)))
    });
    let [each, once] = scale.search_weights(usage.searches)?;
    let searches = [(FIRST_SEARCH, each), (FIRST_SEARCH + 1, once)];
    let searches = searches.map(|search| (usage.searches, search));
    let mut present = [(0, 0); COLUMNS];
    let mut count = 0;
    let used = classes.chain(searches).filter(|(used, _)| *used > 0);
    for (place, (_, column)) in present.iter_mut().zip(used) {
        *place = column;
        count += 1;
    }
    Some((present, count))
}

fn maximum(scale: &Scale, ceiling: &Ceiling) -> Option<Maximum> {
    let weight = |class: TokenClass| {
        let tokens =
            if class.is_prompt() { ceiling.prompt_tokens } else { ceiling.completion_tokens };
        let allowed = ceiling.classes.contains(class);
        if allowed { scale.token_weight(class.is_prompt(), tokens) } else { 0 }
    };
    let searches = scale.search_weights(ceiling.searches)?;
    Some(Maximum {
        tokens: Amount {
            prompt_tokens: ceiling.prompt_tokens,
            completion_tokens: ceiling.completion_tokens,
            charges: (),
        },
        of_all: ceiling.classes == TokenClassSet::ALL,
        searched: ceiling.searches > 0,
        grains: DearestGrains {
            plain: [TokenClass::Input, TokenClass::Output].map(weight),
            classes: TokenClass::BESIDES_PLAIN.map(weight),
            searches,
        },
    })
}

impl Billed {
    /// Does the work for the kind of bill that this is.
    pub(super) fn with<W: OfBill>(&self, work: W) -> W::Answer {
        if !self.has_classes {
            let expected = Amount {
                prompt_tokens: self.prompt_tokens,
                completion_tokens: self.completion_tokens,
                charges: (),
            };
            return match self.maximum {
                None => work.of_apart::<PlainBill<false>>(&same(expected)),
                Some(Maximum { tokens, .. }) => {
                    work.of_apart::<PlainBill<true>>(&Amounts { expected, maximum: tokens })
                }
            };
        }
        match (self.class_count, &self.maximum) {
            (0, None) => work.of_apart::<PlainBill<false>>(&same(self.plain)),
            (0, _) => self.with_expected::<W, Plain>(work, ()),
            (1, _) => self.with_expected::<W, Classes<1>>(work, self.first()),
            (2, _) => self.with_expected::<W, Classes<2>>(work, self.first()),
            _ => self.with_expected::<W, AllClasses>(work, self.of_all()),
        }
    }

    /// The first columns; those beyond the last weigh nothing.
    fn first<const N: usize>(&self) -> [(u8, u64); N] {
        self.classes.first_chunk().copied().unwrap_or([(0, 0); N])
    }

    /// The weights of all columns.
    fn of_all(&self) -> [u64; COLUMNS] {
        let mut weights = [0; COLUMNS];
        for (column, weight) in self.classes {
            if let Some(of_column) = weights.get_mut(usize::from(column)) {
                *of_column |= weight;
            }
        }
        weights
    }

    fn with_expected<W: OfBill, E: Charges<ClassCodes>>(
        &self,
        work: W,
        charges: E::Grains,
    ) -> W::Answer {
        let expected = self.plain.with(charges);
        match self.maximum {
            None => work.of_apart::<ClassBill<E, E, false>>(&same(expected)),
            Some(Maximum { tokens, of_all: true, searched: false, grains }) => work
                .of_apart::<ClassBill<E, Dearest<false>, true>>(&Amounts {
                    expected,
                    maximum: tokens.with(grains.searches),
                }),
            Some(Maximum { tokens, of_all: true, searched: true, grains }) => work
                .of_apart::<ClassBill<E, Dearest<true>, true>>(&Amounts {
                    expected,
                    maximum: tokens.with(grains.searches),
                }),
            Some(Maximum { tokens, grains, .. }) => {
                work.of_apart::<ClassBill<E, DearestOf, true>>(&Amounts {
                    expected,
                    maximum: tokens.with(grains),
                })
            }
        }
    }
}

impl Amount<()> {
    const fn with<G: Copy>(self, charges: G) -> Amount<G> {
        let Self { prompt_tokens, completion_tokens, .. } = self;
        Amount { prompt_tokens, completion_tokens, charges }
    }
}

/// Of a request that may use exactly what it is expected to use.
const fn same<G: Copy>(amount: Amount<G>) -> Amounts<G, G> {
    Amounts { expected: amount, maximum: amount }
}
