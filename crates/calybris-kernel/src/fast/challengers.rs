//! The models of a block that not two others of it outdo: nobody else of the block can win, or come
//! second.

use alloc::vec::Vec;

use crate::Model;

/// How many places challengers contend for: whom so many others outdo gets none of them.
const PODIUM: usize = 2;

/// The models of a block that not two others of it outdo.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Challengers {
    /// Whatever the request asks for.
    of_any_request: u64,
    /// If it asks for no capability, provider or region that an enabled model lacks.
    of_open_request: u64,
}

impl Challengers {
    #[inline(always)]
    pub(crate) const fn of(self, open: bool, places: usize) -> u64 {
        match (places, open) {
            (..=PODIUM, true) => self.of_open_request,
            (..=PODIUM, false) => self.of_any_request,
            _ => !0,
        }
    }

    /// Whom two others outdo, stands on no podium.
    pub(crate) fn new(block: &[(&Model, bool)]) -> Self {
        let enabled: Vec<&Model> =
            block.iter().map(|(model, _)| *model).filter(|model| model.enabled).collect();
        let mut challengers = Self::default();
        for (bit, (model, _)) in block.iter().enumerate().filter(|(_, (model, _))| model.enabled) {
            let (mut outdoing, mut everywhere) = (0, 0);
            for other in enabled.iter().filter(|other| outdoes(other, model)) {
                outdoing += 1;
                everywhere += usize::from(passes_wherever(other, model));
            }
            challengers.of_open_request |= u64::from(outdoing < PODIUM) << bit;
            challengers.of_any_request |= u64::from(everywhere < PODIUM) << bit;
        }
        challengers
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
