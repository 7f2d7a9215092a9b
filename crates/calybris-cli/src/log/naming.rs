//! Names for numbers: what the log's snapshots call models, providers, capabilities and regions.

use std::collections::BTreeMap;

use calybris_core::engine::Names;
use calybris_core::kernel::Action;

use crate::input::request::UNLISTED_MODEL_ID;

/// A model's name; without one, its number.
pub(crate) fn model_name(names: &Names, model_id: u32) -> String {
    let outside = || match model_id {
        UNLISTED_MODEL_ID => "(not in the catalog)".to_owned(),
        other => format!("model {other}"),
    };
    names.models.get(&model_id).cloned().unwrap_or_else(outside)
}

/// A provider's name; without one, its number.
pub(crate) fn provider_name(names: &Names, provider_id: u8) -> String {
    names.providers.get(&provider_id).cloned().unwrap_or_else(|| format!("provider {provider_id}"))
}

/// The names of a set's bits, those without a name by their number; `none` for the empty set.
pub(crate) fn set_names(names: &BTreeMap<u8, String>, bits: u64) -> String {
    let members = (0_u8..64).filter(|bit| bits >> bit & 1 == 1);
    let named = members.map(|bit| names.get(&bit).cloned().unwrap_or_else(|| format!("bit {bit}")));
    let named: Vec<String> = named.collect();
    if named.is_empty() { "none".to_owned() } else { named.join(" ") }
}

/// An action in one word.
pub(crate) const fn action_word(action: Action) -> &'static str {
    match action {
        Action::ExecuteRequested => "execute",
        Action::Substitute => "substitute",
        Action::Reject => "reject",
    }
}
