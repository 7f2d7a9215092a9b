//! The canonical bytes of a snapshot, over which a digest names a behaviour.

use calybris_units::Microunits;

use crate::{Group, Model, Policy, PolicySnapshot, Price, TokenClass, Window};

/// Says what the bytes are and in which version of the form: a digest over them can't be mistaken
/// for a digest over something else.
const DOMAIN_1: &[u8; 28] = b"calybris-kernel snapshot v1\n";
const DOMAIN_2: &[u8; 28] = b"calybris-kernel snapshot v2\n";

/// Writes every field in little-endian order, in the order of `SEMANTICS.md`. Each field has a fixed width, and a flag or a count
/// before it says whether it is there. That makes the form injective: two snapshots that differ have
/// different bytes.
///
/// A snapshot that the first version can say has the bytes of the first version.
pub(crate) fn write_canonical(
    snapshot: &PolicySnapshot,
    model_count: u32,
    mut sink: impl FnMut(&[u8]),
) {
    let (models, groups) = (snapshot.models(), snapshot.groups());
    // The first version of the form can say all of such models.
    let is_flat = groups.is_empty() && snapshot.catalog().is_flat();
    sink(if is_flat { DOMAIN_1 } else { DOMAIN_2 });
    write_policy(snapshot.policy(), &mut sink);
    sink(&model_count.to_le_bytes());
    if is_flat {
        for model in models {
            write_traits(&model, &mut sink);
            let rates = &model.price.band(0).rates;
            sink(&rates.input.get().to_le_bytes());
            sink(&rates.output.get().to_le_bytes());
            sink(&model.price.fixed_price().get().to_le_bytes());
        }
        return;
    }
    // Group ids are a byte each and unique.
    sink(&u16::try_from(groups.len()).unwrap_or(u16::MAX).to_le_bytes());
    for model in models {
        write_traits(&model, &mut sink);
        write_price_and_window(&model.price, &model.window, &mut sink);
    }
    for group in groups {
        write_group(group, &mut sink);
    }
}

fn write_policy(policy: &Policy, sink: &mut impl FnMut(&[u8])) {
    sink(&policy.policy_epoch.to_le_bytes());
    sink(&policy.catalog_epoch.to_le_bytes());
    sink(&policy.hard_risk_limit.get().to_le_bytes());
    sink(&policy.minimum_confidence.get().to_le_bytes());
    sink(&policy.risk_penalty_multiplier.get().to_le_bytes());
    sink(&policy.latency_penalty_per_ms.get().to_le_bytes());
}

/// All but price and window.
fn write_traits(model: &Model, sink: &mut impl FnMut(&[u8])) {
    sink(&model.model_id.to_le_bytes());
    sink(&model.provider_id.to_le_bytes());
    sink(&model.quality.get().to_le_bytes());
    sink(&model.risk_ceiling.get().to_le_bytes());
    sink(&[u8::from(model.enabled)]);
    sink(&model.p95_latency_ms.to_le_bytes());
    sink(&model.capabilities.bits().to_le_bytes());
    sink(&model.regions.bits().to_le_bytes());
}

fn write_price_and_window(price: &Price, window: &Window, sink: &mut impl FnMut(&[u8])) {
    let Window { max_prompt_tokens, max_completion_tokens, max_total_tokens } = *window;
    let maxima = [max_prompt_tokens, max_completion_tokens, max_total_tokens];
    let search_fee = price.search_fee();
    let has_search_fee = search_fee.amount() > Microunits::ZERO;
    let bits = maxima.map(|maximum| maximum.is_some());
    let bits = bits.into_iter().chain([has_search_fee, search_fee.is_per_request()]);
    let flags = bits.rev().fold(price.bands_after_first(), |flags, bit| flags << 1 | u8::from(bit));
    sink(&[flags]);
    sink(&price.fixed_price().get().to_le_bytes());
    if has_search_fee {
        sink(&search_fee.amount().get().to_le_bytes());
    }
    for maximum in maxima.into_iter().flatten() {
        sink(&maximum.to_le_bytes());
    }
    for (number, band) in price.bands().enumerate() {
        if number > 0 {
            sink(&band.above_prompt_tokens.to_le_bytes());
        }
        let rates = &band.rates;
        let others = || {
            TokenClass::BESIDES_PLAIN
                .into_iter()
                .map(|class| (rates.of(class), rates.plain_of(class)))
        };
        let mask =
            others().rev().fold(0, |mask, (rate, plain)| mask << 1 | u8::from(rate != plain));
        sink(&[mask]);
        sink(&rates.input.get().to_le_bytes());
        sink(&rates.output.get().to_le_bytes());
        for (rate, _) in others().filter(|(rate, plain)| rate != plain) {
            sink(&rate.get().to_le_bytes());
        }
    }
}

fn write_group(group: &Group, sink: &mut impl FnMut(&[u8])) {
    sink(&[group.group_id]);
    // No more than there are models.
    sink(&u32::try_from(group.model_ids.len()).unwrap_or(u32::MAX).to_le_bytes());
    for model_id in &group.model_ids {
        sink(&model_id.to_le_bytes());
    }
}
