//! How many models of a catalog have what: tiers, bands, classes, search fees, windows.

use std::collections::BTreeMap;

use calybris_catalog::{Candidate, CatalogFile};
use calybris_core::kernel::{TokenClass, Window};

/// How many rows each service tier has.
pub(super) fn tiers(catalog: &CatalogFile) -> BTreeMap<&str, usize> {
    let mut tiers = BTreeMap::new();
    for tier in catalog.candidates().iter().filter_map(|model| model.service_tier.as_deref()) {
        *tiers.entry(tier).or_default() += 1;
    }
    tiers
}

pub(super) fn with_bands(catalog: &CatalogFile) -> impl Iterator<Item = &Candidate> {
    catalog.candidates().iter().filter(|model| model.price().bands().count() > 1)
}

/// How many models state a rate of that class.
pub(super) fn with_class(catalog: &CatalogFile, class: TokenClass) -> usize {
    catalog.candidates().iter().filter(|model| model.listed_classes.contains(class)).count()
}

pub(super) fn with_search_fee(catalog: &CatalogFile) -> impl Iterator<Item = &Candidate> {
    catalog.candidates().iter().filter(|model| !model.price().search_fee().amount().is_zero())
}

/// How many models have each of the maxima of a window.
pub(super) fn windows(catalog: &CatalogFile) -> [(&'static str, usize); 3] {
    let count = |part: fn(&Window) -> Option<u32>| {
        catalog.candidates().iter().filter(|model| part(&model.window()).is_some()).count()
    };
    [
        ("prompt", count(|window| window.max_prompt_tokens)),
        ("completion", count(|window| window.max_completion_tokens)),
        ("total", count(|window| window.max_total_tokens)),
    ]
}

pub(super) fn without_window(catalog: &CatalogFile) -> usize {
    catalog.candidates().iter().filter(|model| model.window() == Window::UNKNOWN).count()
}
