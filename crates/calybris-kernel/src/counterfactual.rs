//! What if one number of one model were different: how far a winner may move, and what a loser lacks.
//!
//! A model's fate depends on its own numbers and on the best of the others, who stay what they are.
//! Being worse in one number never helps (INVARIANT (preference); gates and formulas are monotone),
//! so the number at which the fate turns is found by bisection, each step of which runs the exact
//! gates and formulas on one model.

use crate::gates::{admit_model, admit_request};
use crate::ranking::Candidate;
use crate::utility::Valuation;
use crate::{MAX_BPS, Model, PolicySnapshot, RankedModel, Request};

/// How far the selected model may move in one number, all else being equal, and still be selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Margin {
    /// The selected model.
    pub model_id: u32,
    /// The lowest quality.
    pub lowest_quality_bps: u16,
    /// The lowest risk ceiling.
    pub lowest_risk_ceiling_bps: u16,
    /// The highest p95 latency; `u32::MAX` if any will do.
    pub highest_p95_latency_ms: u32,
    /// The highest price of a million input tokens; `u64::MAX` if any will do.
    pub highest_input_price_microunits_per_million_tokens: u64,
    /// The highest price of a million output tokens; `u64::MAX` if any will do.
    pub highest_output_price_microunits_per_million_tokens: u64,
    /// The highest fixed price.
    pub highest_fixed_price_microunits: u64,
}

/// For each number of a model by itself, the value nearest to the present one with which the model
/// would be selected, all else being equal; nothing if no value of that number would do.
///
/// For the model that is selected already, these are its present numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct WinningChanges {
    /// The model.
    pub model_id: u32,
    /// The lowest quality that would do, at least the present one.
    pub quality_bps: Option<u16>,
    /// The lowest risk ceiling that would do, at least the present one.
    pub risk_ceiling_bps: Option<u16>,
    /// The highest p95 latency that would do, at most the present one.
    pub p95_latency_ms: Option<u32>,
    /// The highest input price that would do, at most the present one.
    pub input_price_microunits_per_million_tokens: Option<u64>,
    /// The highest output price that would do, at most the present one.
    pub output_price_microunits_per_million_tokens: Option<u64>,
    /// The highest fixed price that would do, at most the present one.
    pub fixed_price_microunits: Option<u64>,
}

pub(crate) fn margin(snapshot: &PolicySnapshot, request: &Request) -> Option<Margin> {
    let mut best = [RankedModel::default(); 2];
    let found = snapshot.rank(request, &mut best);
    let [winner, runner_up] = best;
    let model = (found > 0).then(|| snapshot.model(winner.model_id)).flatten()?;
    let rival = (found > 1).then(|| runner_up.candidate());
    // The prices of a changed model may not be narrow.
    let valuation = Valuation::new(snapshot.policy(), request, false);
    let wins = |model: Model| beats(&valuation, &model, rival);

    // Each search starts at a value that wins, the present one.
    let lowest_bps = |present: u16, changed: &dyn Fn(u16) -> Model| {
        turning_point(present.into(), 0, |bps| wins(changed(bps_of(bps))))
    };
    let highest = |present: u64, most: u64, changed: &dyn Fn(u64) -> Model| {
        turning_point(present, most, |number| wins(changed(number)))
    };
    let Model {
        quality_bps,
        risk_ceiling_bps,
        p95_latency_ms,
        input_price_microunits_per_million_tokens: input_price,
        output_price_microunits_per_million_tokens: output_price,
        fixed_price_microunits: fixed_price,
        ..
    } = *model;
    Some(Margin {
        model_id: model.model_id,
        lowest_quality_bps: bps_of(lowest_bps(quality_bps, &|quality_bps| Model {
            quality_bps,
            ..*model
        })),
        lowest_risk_ceiling_bps: bps_of(lowest_bps(risk_ceiling_bps, &|risk_ceiling_bps| Model {
            risk_ceiling_bps,
            ..*model
        })),
        highest_p95_latency_ms: latency_of(highest(
            p95_latency_ms.into(),
            u32::MAX.into(),
            &|latency_ms| Model { p95_latency_ms: latency_of(latency_ms), ..*model },
        )),
        highest_input_price_microunits_per_million_tokens: highest(
            input_price,
            u64::MAX,
            &|price| Model { input_price_microunits_per_million_tokens: price, ..*model },
        ),
        highest_output_price_microunits_per_million_tokens: highest(
            output_price,
            u64::MAX,
            &|price| Model { output_price_microunits_per_million_tokens: price, ..*model },
        ),
        highest_fixed_price_microunits: highest(fixed_price, u64::MAX, &|price| Model {
            fixed_price_microunits: price,
            ..*model
        }),
    })
}

pub(crate) fn what_would_win(
    snapshot: &PolicySnapshot,
    request: &Request,
    model_id: u32,
) -> Option<WinningChanges> {
    let model = snapshot.model(model_id)?;
    let admitted = admit_request(snapshot.policy(), request).is_ok();
    // The prices of a changed model may not be narrow.
    let valuation = admitted.then(|| Valuation::new(snapshot.policy(), request, false));
    let mut best = [RankedModel::default(); 2];
    let found = snapshot.rank(request, &mut best);
    let rival = best
        .iter()
        .take(found)
        .find(|ranked| ranked.model_id != model_id)
        .map(RankedModel::candidate);
    let wins =
        |model: Model| valuation.as_ref().is_some_and(|valuation| beats(valuation, &model, rival));

    // Each search starts at the best value there is; if that doesn't win, none does.
    let nearest = |best: u64, present: u64, changed: &dyn Fn(u64) -> Model| {
        wins(changed(best)).then(|| turning_point(best, present, |number| wins(changed(number))))
    };
    Some(WinningChanges {
        model_id,
        quality_bps: nearest(MAX_BPS.into(), model.quality_bps.into(), &|bps| Model {
            quality_bps: bps_of(bps),
            ..*model
        })
        .map(bps_of),
        risk_ceiling_bps: nearest(MAX_BPS.into(), model.risk_ceiling_bps.into(), &|bps| Model {
            risk_ceiling_bps: bps_of(bps),
            ..*model
        })
        .map(bps_of),
        p95_latency_ms: nearest(0, model.p95_latency_ms.into(), &|latency_ms| Model {
            p95_latency_ms: latency_of(latency_ms),
            ..*model
        })
        .map(latency_of),
        input_price_microunits_per_million_tokens: nearest(
            0,
            model.input_price_microunits_per_million_tokens,
            &|price| Model { input_price_microunits_per_million_tokens: price, ..*model },
        ),
        output_price_microunits_per_million_tokens: nearest(
            0,
            model.output_price_microunits_per_million_tokens,
            &|price| Model { output_price_microunits_per_million_tokens: price, ..*model },
        ),
        fixed_price_microunits: nearest(0, model.fixed_price_microunits, &|price| Model {
            fixed_price_microunits: price,
            ..*model
        }),
    })
}

/// Whether a model is eligible and preferred to the best of the others.
fn beats(valuation: &Valuation<'_>, model: &Model, rival: Option<Candidate>) -> bool {
    match admit_model(valuation, model) {
        Ok(appraisal) => rival.is_none_or(|rival| Candidate::new(model, appraisal) > rival),
        Err(_) => false,
    }
}

/// The number nearest to `end`, on the way there from `start`, up to which `holds` is true. It is
/// true at `start`, and once false it stays so.
fn turning_point(start: u64, end: u64, holds: impl Fn(u64) -> bool) -> u64 {
    if holds(end) {
        return end;
    }
    let (mut holding, mut failing) = (start, end);
    while holding.abs_diff(failing) > 1 {
        let middle = holding.midpoint(failing);
        if holds(middle) {
            holding = middle;
        } else {
            failing = middle;
        }
    }
    holding
}

/// A number that is known to be in the range of a bps.
fn bps_of(number: u64) -> u16 {
    u16::try_from(number).unwrap_or(MAX_BPS)
}

/// A number that is known to be in the range of a latency.
fn latency_of(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
