//! Names for numbers: models, providers, capabilities and regions as the log's snapshots name them.

use std::collections::BTreeMap;

use calybris_catalog::is_unlisted;
use calybris_core::engine::Names;
use calybris_core::kernel::{Action, ProviderSet};

/// A model's name; without one, its number.
pub(crate) fn model_name(names: &Names, model_id: u32) -> String {
    let unnamed = || match is_unlisted(model_id) {
        true => UNLISTED.to_owned(),
        false => format!("model {model_id}"),
    };
    names.models.get(&model_id).cloned().unwrap_or_else(unnamed)
}

/// The name of a requested model, with a note if the catalog does not list it.
pub(crate) fn requested_name(names: &Names, model_id: u32) -> String {
    match names.models.get(&model_id) {
        Some(name) if is_unlisted(model_id) => format!("{name} {UNLISTED}"),
        _ => model_name(names, model_id),
    }
}

const UNLISTED: &str = "(not in the catalog)";

/// A provider's name; without one, its number.
pub(crate) fn provider_name(names: &Names, provider_id: u8) -> String {
    names.providers.get(&provider_id).cloned().unwrap_or_else(|| format!("provider {provider_id}"))
}

/// A group's name; without one, its number.
pub(crate) fn group_name(names: &Names, group_id: u8) -> String {
    names.groups.get(&group_id).cloned().unwrap_or_else(|| format!("group {group_id}"))
}

/// The names of a set's bits, those without a name by their number; `none` for the empty set.
pub(crate) fn set_names(names: &BTreeMap<u8, String>, bits: u64) -> String {
    let named = member_names(names, bits);
    if named.is_empty() { "none".to_owned() } else { named.join(" ") }
}

/// The names of a set's bits one by one, those without a name by their number.
pub(crate) fn member_names(names: &BTreeMap<u8, String>, bits: u64) -> Vec<String> {
    let members = (0_u8..64).filter(|bit| bits >> bit & 1 == 1);
    members.map(|bit| names.get(&bit).cloned().unwrap_or_else(|| format!("bit {bit}"))).collect()
}

/// The names of the providers that a request allows; `None` if it allows every one.
pub(crate) fn allowed_names(names: &Names, allowed: ProviderSet) -> Option<Vec<String>> {
    let ids = || (0..=u8::MAX).filter(|id| allowed.contains(*id));
    (allowed != ProviderSet::ALL).then(|| ids().map(|id| provider_name(names, id)).collect())
}

/// An action in one word.
pub(crate) const fn action_word(action: Action) -> &'static str {
    match action {
        Action::ExecuteRequested => "execute",
        Action::Substitute => "substitute",
        Action::Reject => "reject",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_its_members_and_those_without_a_name_are_numbers() {
        let names = Names {
            providers: [(0, "north".to_owned()), (2, "south".to_owned())].into(),
            ..Names::default()
        };
        assert_eq!(member_names(&names.providers, 0b1101), ["north", "south", "bit 3"]);
        assert_eq!(member_names(&names.providers, 0), Vec::<String>::new());
        assert_eq!(member_names(&names.providers, 1 << 63), ["bit 63"]);
        assert_eq!(allowed_names(&names, ProviderSet::ALL), None);
        let mut some = ProviderSet::ALL;
        for id in 3..=254 {
            some.remove(id);
        }
        let allowed = ["north", "provider 1", "south", "provider 255"].map(str::to_owned).to_vec();
        assert_eq!(allowed_names(&names, some), Some(allowed));
    }
}
