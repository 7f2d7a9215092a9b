//! The models of a block that not two others of it outdo: nobody else of the block can win, or come
//! second.

use crate::Model;
use alloc::vec::Vec;
use core::cmp::Reverse;

/// How many places challengers contend for: whom so many others outdo gets none of them.
const PLACES: usize = 2;

/// The models of a block that not two others of it outdo.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Skyline {
    /// Whatever the request asks for.
    of_any_request: u64,
    /// If it asks for no capability, provider or region that an enabled model lacks.
    of_open_request: u64,
}

impl Skyline {
    #[inline(always)]
    pub(crate) const fn of(self, open: bool, places: usize) -> u64 {
        match (places, open) {
            (..=PLACES, true) => self.of_open_request,
            (..=PLACES, false) => self.of_any_request,
            _ => !0,
        }
    }

    /// A model that two others outdo cannot place.
    ///
    /// Only a model of more quality, or of as much and a lower id, can outdo another, so each model is compared with
    /// those before it in that order. Of these, only those that are challengers themselves: outdoing is transitive, so
    /// if a model is outdone by two others, it is outdone by the first two of them in that order, and these are
    /// outdone by at most one (the skyband by sort and filter; Chomicki, Godfrey, Gryz and Liang 2003).
    pub(crate) fn new(block: &[(&Model, bool)]) -> Self {
        let mut enabled: Vec<(usize, &Model)> = block
            .iter()
            .map(|(model, _)| *model)
            .enumerate()
            .filter(|(_, model)| model.enabled)
            .collect();
        enabled.sort_unstable_by_key(|(_, model)| (Reverse(model.quality), model.model_id));
        let mut skyline = Self::default();
        let mut band: Vec<&Model> = Vec::with_capacity(enabled.len());
        for (bit, model) in enabled {
            let (mut outdoing, mut everywhere) = (0, 0);
            for other in band.iter().filter(|other| outdoes(other, model)) {
                outdoing += 1;
                everywhere += usize::from(passes_wherever(other, model));
                if everywhere == PLACES {
                    break;
                }
            }
            skyline.of_open_request |= u64::from(outdoing < PLACES) << bit;
            if everywhere < PLACES {
                skyline.of_any_request |= 1 << bit;
                band.push(model);
            }
        }
        skyline
    }
}

/// Whether one model is preferred to another by any request for which both are eligible, and
/// passes the gates on numbers if the other does: it is at least as good in every number, so its
/// utility is no less and its cost no more, and if both are equal its quality or its id decides.
fn outdoes(model: &Model, other: &Model) -> bool {
    // Without branches: they would be anybody's guess.
    (model.quality.get() >= other.quality.get())
        & (model.risk_ceiling.get() >= other.risk_ceiling.get())
        & (model.p95_latency_ms <= other.p95_latency_ms)
        & (model.input_price_per_million_tokens.get() <= other.input_price_per_million_tokens.get())
        & (model.output_price_per_million_tokens.get()
            <= other.output_price_per_million_tokens.get())
        & (model.fixed_price.get() <= other.fixed_price.get())
        & ((model.quality.get() > other.quality.get()) | (model.model_id < other.model_id))
}

/// Whether one model passes the gates on capabilities, provider and regions whenever another does.
fn passes_wherever(model: &Model, other: &Model) -> bool {
    model.provider_id == other.provider_id
        && model.capabilities.contains_all(other.capabilities)
        && other.regions.bits() & !model.regions.bits() == 0
}
