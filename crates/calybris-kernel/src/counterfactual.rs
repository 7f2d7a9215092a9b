//! One number of one model changes: how far may the winner move, and what does a loser lack?
//!
//! Whether a model wins depends on its own numbers and on the best of the others, which do not change.
//! Being worse in one number never helps (INVARIANT (preference); gates and formulas are monotone).
//! So bisection finds the number at which the decision turns; each step runs the exact gates and
//! formulas on one model.

use calybris_units::{BasisPoints, Microunits};

use crate::catalog::Interned;
use crate::gates::admit_model;
use crate::ranking::Candidate;
use crate::utility::Valuation;
use crate::{Model, PolicySnapshot, Price, RankedModel, Rates, Request, TokenClass, Window};

/// How far the selected model may move in one number, all else being equal, and still be selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Margin {
    /// The selected model.
    pub model_id: u32,
    /// The lowest quality.
    #[cfg_attr(feature = "serde", serde(rename = "lowest_quality_bps"))]
    pub lowest_quality: BasisPoints,
    /// The lowest risk ceiling.
    #[cfg_attr(feature = "serde", serde(rename = "lowest_risk_ceiling_bps"))]
    pub lowest_risk_ceiling: BasisPoints,
    /// The highest p95 latency in milliseconds; `u32::MAX` if any will do.
    pub highest_p95_latency_ms: u32,
    /// The highest rates, each by itself, in the band of the request's prompt. No rate exceeds that of the next band; in
    /// the last band, [`Microunits::MAX`] says that any will do.
    pub highest_rates: Rates,
    /// The highest fixed price.
    #[cfg_attr(feature = "serde", serde(rename = "highest_fixed_price_microunits"))]
    pub highest_fixed_price: Microunits,
    /// The highest amount of the search fee; [`Microunits::MAX`] if any will do.
    #[cfg_attr(feature = "serde", serde(rename = "highest_search_fee_microunits"))]
    pub highest_search_fee: Microunits,
    /// The lowest maxima of its window. One is absent if the request has more tokens than a `u32` counts: the model
    /// then wins only while that maximum is unknown.
    pub lowest_window: Window,
}

/// For each number of a model by itself, the value nearest to the present one with which the model
/// would be selected, all else being equal; nothing if no value of that number would do.
///
/// For the model that is selected already, these are its present numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct WinningChanges {
    /// The model.
    pub model_id: u32,
    /// The lowest quality that would do, at least the present one.
    #[cfg_attr(feature = "serde", serde(rename = "quality_bps"))]
    pub quality: Option<BasisPoints>,
    /// The lowest risk ceiling that would do, at least the present one.
    #[cfg_attr(feature = "serde", serde(rename = "risk_ceiling_bps"))]
    pub risk_ceiling: Option<BasisPoints>,
    /// The highest p95 latency in milliseconds that would do, at most the present one.
    pub p95_latency_ms: Option<u32>,
    /// For each class the highest rate that would do in the band of the request's prompt, at most the present one and at
    /// least that of the band before.
    pub rates: WinningRates,
    /// The highest fixed price that would do, at most the present one.
    #[cfg_attr(feature = "serde", serde(rename = "fixed_price_microunits"))]
    pub fixed_price: Option<Microunits>,
    /// The highest amount of the search fee that would do, at most the present one.
    #[cfg_attr(feature = "serde", serde(rename = "search_fee_microunits"))]
    pub search_fee: Option<Microunits>,
    /// The lowest maxima of the window that would do, each at least the present one. One is absent if no maximum would
    /// do, or if the present one is unknown, which is no limit.
    pub window: Window,
}

/// For each class of tokens a rate per million tokens, or nothing if no rate would do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct WinningRates {
    /// Of [`TokenClass::Input`].
    #[cfg_attr(feature = "serde", serde(rename = "input_microunits_per_million_tokens"))]
    pub input: Option<Microunits>,
    /// Of [`TokenClass::CacheRead`].
    #[cfg_attr(feature = "serde", serde(rename = "cache_read_microunits_per_million_tokens"))]
    pub cache_read: Option<Microunits>,
    /// Of [`TokenClass::CacheWrite`].
    #[cfg_attr(feature = "serde", serde(rename = "cache_write_microunits_per_million_tokens"))]
    pub cache_write: Option<Microunits>,
    /// Of [`TokenClass::CacheWriteLong`].
    #[cfg_attr(
        feature = "serde",
        serde(rename = "cache_write_long_microunits_per_million_tokens")
    )]
    pub cache_write_long: Option<Microunits>,
    /// Of [`TokenClass::AudioInput`].
    #[cfg_attr(feature = "serde", serde(rename = "audio_input_microunits_per_million_tokens"))]
    pub audio_input: Option<Microunits>,
    /// Of [`TokenClass::Output`].
    #[cfg_attr(feature = "serde", serde(rename = "output_microunits_per_million_tokens"))]
    pub output: Option<Microunits>,
    /// Of [`TokenClass::Reasoning`].
    #[cfg_attr(feature = "serde", serde(rename = "reasoning_microunits_per_million_tokens"))]
    pub reasoning: Option<Microunits>,
    /// Of [`TokenClass::AudioOutput`].
    #[cfg_attr(feature = "serde", serde(rename = "audio_output_microunits_per_million_tokens"))]
    pub audio_output: Option<Microunits>,
}

impl WinningRates {
    fn new(rate: impl Fn(TokenClass) -> Option<Microunits>) -> Self {
        Self {
            input: rate(TokenClass::Input),
            cache_read: rate(TokenClass::CacheRead),
            cache_write: rate(TokenClass::CacheWrite),
            cache_write_long: rate(TokenClass::CacheWriteLong),
            audio_input: rate(TokenClass::AudioInput),
            output: rate(TokenClass::Output),
            reasoning: rate(TokenClass::Reasoning),
            audio_output: rate(TokenClass::AudioOutput),
        }
    }

    /// The rate of a class, per million tokens.
    #[must_use]
    pub const fn of(&self, class: TokenClass) -> Option<Microunits> {
        match class {
            TokenClass::Input => self.input,
            TokenClass::CacheRead => self.cache_read,
            TokenClass::CacheWrite => self.cache_write,
            TokenClass::CacheWriteLong => self.cache_write_long,
            TokenClass::AudioInput => self.audio_input,
            TokenClass::Output => self.output,
            TokenClass::Reasoning => self.reasoning,
            TokenClass::AudioOutput => self.audio_output,
        }
    }
}

impl PolicySnapshot {
    /// How far the selected model may move in each of its numbers before another is selected, or
    /// none; nothing if the request is rejected.
    ///
    /// ```
    /// # mod plain { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/plain.inc")); }
    /// # use calybris_kernel::*;
    /// # use plain::{POLICY, REQUEST, model};
    /// let snapshot = PolicySnapshot::new(POLICY, [model(1, 300), model(2, 100)])?;
    /// let margin = snapshot.margin(&REQUEST).expect("a model is selected");
    /// assert_eq!(margin.model_id, 2);
    /// assert_eq!(margin.highest_fixed_price.get(), 299); // at 300 the lower id decides
    /// # Ok::<(), SnapshotError>(())
    /// ```
    #[must_use]
    pub fn margin(&self, request: &Request) -> Option<Margin> {
        margin(self, request)
    }

    /// What one number of a model would have to be for the kernel to select that model, each
    /// number by itself; nothing if the catalog has no such model. If the model is not a candidate, no change would do.
    ///
    /// ```
    /// # mod plain { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/plain.inc")); }
    /// # use calybris_kernel::*;
    /// # use plain::{POLICY, REQUEST, model};
    /// let snapshot = PolicySnapshot::new(POLICY, [model(1, 200), model(2, 150)])?;
    /// let changes = snapshot.what_would_win(&REQUEST, 1).expect("the catalog has it");
    /// assert_eq!(changes.fixed_price, Some(Microunits::new(150))); // then the lower id decides
    /// assert_eq!(changes.quality, Some(BasisPoints::new(9_510)));
    /// assert_eq!(changes.p95_latency_ms, None);
    /// # Ok::<(), SnapshotError>(())
    /// ```
    #[must_use]
    pub fn what_would_win(&self, request: &Request, model_id: u32) -> Option<WinningChanges> {
        what_would_win(self, request, model_id)
    }
}

fn margin(snapshot: &PolicySnapshot, request: &Request) -> Option<Margin> {
    let mut best = [RankedModel::default(); 2];
    let found = snapshot.rank(request, &mut best);
    let [winner, runner_up] = best;
    let model = (found > 0).then(|| snapshot.model(winner.model_id)).flatten()?;
    let rival = (found > 1).then(|| runner_up.candidate());
    let valuation = valuation(snapshot, request);
    let wins = |model: Model| beats(&valuation, &model, rival);

    // Each search starts at the present value, which wins.
    let lowest = |present: BasisPoints, changed: &dyn Fn(BasisPoints) -> Model| {
        let holds = |bps| wins(changed(BasisPoints::new(bps)));
        BasisPoints::new(turning_point(present.get(), 0, holds))
    };
    let dearest =
        |present: Microunits, limit: Microunits, changed: &dyn Fn(Microunits) -> Price| {
            let holds = |amount| wins(model.with_price(changed(Microunits::new(amount))));
            Microunits::new(turning_point(present.get(), limit.get(), holds))
        };
    let (prompt_tokens, search_fee) = (request.usage.prompt_tokens(), model.price.search_fee());
    Some(Margin {
        model_id: model.model_id,
        lowest_quality: lowest(model.quality, &|quality| model.with_quality(quality)),
        lowest_risk_ceiling: lowest(model.risk_ceiling, &|ceiling| {
            model.with_risk_ceiling(ceiling)
        }),
        highest_p95_latency_ms: turning_point(model.p95_latency_ms, u32::MAX, |latency_ms| {
            wins(model.with_p95_latency_ms(latency_ms))
        }),
        highest_rates: TokenClass::ALL.into_iter().fold(Rates::default(), |rates, class| {
            let (_, limit) = model.price.rate_limits(prompt_tokens, class);
            let present = model.price.band(prompt_tokens).rates.of(class);
            let highest =
                dearest(present, limit, &|rate| model.price.with_rate(prompt_tokens, class, rate));
            rates.with(class, highest)
        }),
        highest_fixed_price: dearest(model.price.fixed_price(), Microunits::MAX, &|price| {
            model.price.with_fixed_price(price)
        }),
        highest_search_fee: dearest(search_fee.amount(), Microunits::MAX, &|amount| {
            model.price.with_search_fee(search_fee.with_amount(amount))
        }),
        lowest_window: needed_window(request),
    })
}

/// The smallest window that the request fits into.
fn needed_window(request: &Request) -> Window {
    let (prompt_tokens, completion_tokens) = request.window_tokens();
    let maximum = |tokens: u64| u32::try_from(tokens).ok();
    Window {
        max_prompt_tokens: maximum(prompt_tokens),
        max_completion_tokens: maximum(completion_tokens),
        max_total_tokens: maximum(prompt_tokens + completion_tokens),
    }
}

fn what_would_win(
    snapshot: &PolicySnapshot,
    request: &Request,
    model_id: u32,
) -> Option<WinningChanges> {
    let model = snapshot.model(model_id)?;
    let position = snapshot.catalog().position(model_id)?;
    let is_candidate = snapshot.candidates(request).has(position, model_id);
    let admitted = is_candidate && snapshot.admit(request).is_ok();
    let mut best = [RankedModel::default(); 2];
    let found = snapshot.rank(request, &mut best);
    let rival = best
        .iter()
        .take(found)
        .find(|ranked| ranked.model_id != model_id)
        .map(RankedModel::candidate);
    let valuation = admitted.then(|| valuation(snapshot, request));
    let wins =
        |model: Model| valuation.as_ref().is_some_and(|valuation| beats(valuation, &model, rival));

    let lowest = |present: BasisPoints, changed: &dyn Fn(BasisPoints) -> Model| {
        let holds = |bps| wins(changed(BasisPoints::new(bps)));
        nearest(BasisPoints::WHOLE.get(), present.get(), holds).map(BasisPoints::new)
    };
    let dearest =
        |present: Microunits, least: Microunits, changed: &dyn Fn(Microunits) -> Price| {
            let holds = |amount| wins(model.with_price(changed(Microunits::new(amount))));
            nearest(least.get(), present.get(), holds).map(Microunits::new)
        };
    let least_maximum = |present: Option<u32>, changed: &dyn Fn(u32) -> Window| {
        nearest(u32::MAX, present?, |maximum| wins(model.with_window(changed(maximum))))
    };
    let (prompt_tokens, search_fee) = (request.usage.prompt_tokens(), model.price.search_fee());
    Some(WinningChanges {
        model_id,
        quality: lowest(model.quality, &|quality| model.with_quality(quality)),
        risk_ceiling: lowest(model.risk_ceiling, &|ceiling| model.with_risk_ceiling(ceiling)),
        p95_latency_ms: nearest(0, model.p95_latency_ms, |latency_ms| {
            wins(model.with_p95_latency_ms(latency_ms))
        }),
        rates: WinningRates::new(|class| {
            let (least, _) = model.price.rate_limits(prompt_tokens, class);
            let present = model.price.band(prompt_tokens).rates.of(class);
            dearest(present, least, &|rate| model.price.with_rate(prompt_tokens, class, rate))
        }),
        fixed_price: dearest(model.price.fixed_price(), Microunits::ZERO, &|price| {
            model.price.with_fixed_price(price)
        }),
        search_fee: dearest(search_fee.amount(), Microunits::ZERO, &|amount| {
            model.price.with_search_fee(search_fee.with_amount(amount))
        }),
        window: Window {
            max_prompt_tokens: least_maximum(model.window.max_prompt_tokens, &|maximum| {
                model.window.with_max_prompt_tokens(maximum)
            }),
            max_completion_tokens: least_maximum(model.window.max_completion_tokens, &|maximum| {
                model.window.with_max_completion_tokens(maximum)
            }),
            max_total_tokens: least_maximum(model.window.max_total_tokens, &|maximum| {
                model.window.with_max_total_tokens(maximum)
            }),
        },
    })
}

/// The valuation of changed models, whose prices may not be narrow.
fn valuation<'a>(snapshot: &'a PolicySnapshot, request: &'a Request) -> Valuation<'a> {
    Valuation::new(snapshot.policy(), request, snapshot.catalog().interned(), false)
}

/// Whether a model is eligible and preferred to the best of the others.
fn beats(valuation: &Valuation<'_>, model: &Model, rival: Option<Candidate>) -> bool {
    let (entry, interned) = Interned::of_one(model);
    match admit_model(&valuation.with_interned(interned), &entry) {
        Ok(worth) => rival.is_none_or(|rival| Candidate::new(&entry, worth) > rival),
        Err(_) => false,
    }
}

/// The search from the best value there is towards the present one; nothing if the best does not win.
fn nearest<N: Number>(best: N, present: N, holds: impl Fn(N) -> bool) -> Option<N> {
    holds(best).then(|| turning_point(best, present, holds))
}

/// A number that can be halved between two others.
trait Number: Copy {
    /// A number between two others, or nothing if they are neighbours or equal.
    fn between(self, other: Self) -> Option<Self>;
}

macro_rules! numbers {
    ($($number:ident),*) => {
        $(impl Number for $number {
            fn between(self, other: Self) -> Option<Self> {
                (self.abs_diff(other) > 1).then(|| self.midpoint(other))
            }
        })*
    };
}

numbers!(u16, u32, u64);

/// The number nearest to `end`, on the way there from `start`, up to which `holds` is true. It is
/// true at `start`, and once false it stays so.
fn turning_point<N: Number>(start: N, end: N, holds: impl Fn(N) -> bool) -> N {
    if holds(end) {
        return end;
    }
    let (mut holding, mut failing) = (start, end);
    while let Some(middle) = holding.between(failing) {
        if holds(middle) {
            holding = middle;
        } else {
            failing = middle;
        }
    }
    holding
}
