//! Cache rates that one row of a model states and another does not: the silent row looks cheaper than it is.

use std::collections::BTreeMap;

use calybris_kernel::TokenClass;
use calybris_units::Microunits;

use crate::candidate::Candidate;
use crate::note::Note;
use crate::rates::price_of;

/// The classes that rows of one model often state or leave out.
const CACHE_CLASSES: [TokenClass; 3] =
    [TokenClass::CacheRead, TokenClass::CacheWrite, TokenClass::CacheWriteLong];

/// A cache rate that a model's row does not state and another row of the same model name does.
///
/// Rows have the same model name if they are alike from their last `/` on, whatever the case of the letters: `gpt-4o` and
/// `azure/gpt-4o`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SilentRate<'a> {
    /// The row that does not state it.
    pub model: &'a str,
    /// The class of tokens.
    pub class: TokenClass,
    /// What the row charges instead: its plain rate or, once it is filled in, the dearest.
    pub rate: Microunits,
    /// The dearest rate that another row states for prompts of any length.
    pub dearest: Microunits,
    /// The row that states it; of several the first by name.
    pub stated_by: &'a str,
}

/// The name that rows of one model share.
fn model_name(candidate: &Candidate) -> String {
    let name = candidate.name.rsplit('/').next().unwrap_or_default();
    name.to_lowercase()
}

/// The rows of each class that state a rate, by model name.
type Stated<'a> = BTreeMap<(String, TokenClass), Vec<&'a Candidate>>;

fn stated(candidates: &[Candidate]) -> Stated<'_> {
    let mut stated = Stated::new();
    for candidate in candidates {
        for class in CACHE_CLASSES {
            if candidate.listed_classes.contains(class) {
                stated.entry((model_name(candidate), class)).or_default().push(candidate);
            }
        }
    }
    stated
}

/// The dearest rate of these rows for prompts of one token more than this, and the first row that has it.
fn dearest<'a>(
    rows: &[&'a Candidate],
    class: TokenClass,
    above: u32,
) -> Option<(Microunits, &'a str)> {
    let prompt_tokens = u64::from(above) + 1;
    let rate = |row: &Candidate| row.listed_price.band(prompt_tokens).rates.of(class);
    // Of equal ones the last is the greatest, so the rows are seen from behind.
    let row = rows.iter().rev().max_by_key(|row| rate(row))?;
    Some((rate(row), &row.name))
}

/// The silent rates of these rows, by model and class.
pub(crate) fn silent_rates(candidates: &[Candidate]) -> Vec<SilentRate<'_>> {
    let stated = stated(candidates);
    let mut silent = Vec::new();
    for candidate in candidates {
        for class in CACHE_CLASSES {
            if candidate.listed_classes.contains(class) {
                continue;
            }
            let Some(rows) = stated.get(&(model_name(candidate), class)) else { continue };
            if let Some((dearest, stated_by)) = dearest(rows, class, 0) {
                let rate = candidate.listed_price.band(0).rates.of(class);
                silent.push(SilentRate { model: &candidate.name, class, rate, dearest, stated_by });
            }
        }
    }
    silent
}

/// Raises each silent rate to the dearest that another row of the same model name states for prompts as long. No rate is
/// lowered. Rows whose tokens all cost nothing stay as they are: their prices are unknown, not only those of caches, and
/// [`Candidate::is_free`] must still find them.
pub(crate) fn fill(candidates: &mut [Candidate]) {
    let filled: Vec<_> = {
        let stated = stated(candidates);
        candidates.iter().map(|candidate| filled(candidate, &stated)).collect()
    };
    for (candidate, filled) in candidates.iter_mut().zip(filled) {
        if let Some(price) = filled {
            candidate.listed_price = price;
            candidate.notes.insert(Note::FilledRate);
        }
    }
}

/// The price of a row with its silent rates filled in; `None` if that changes nothing.
fn filled(candidate: &Candidate, stated: &Stated<'_>) -> Option<calybris_kernel::Price> {
    if candidate.rates().all(|(_, rate)| rate.is_zero()) {
        return None;
    }
    let name = model_name(candidate);
    let bands = candidate.listed_price.bands().map(|band| {
        let mut rates = band.rates;
        for class in CACHE_CLASSES {
            if candidate.listed_classes.contains(class) {
                continue;
            }
            let rows = stated.get(&(name.clone(), class)).map_or(&[][..], Vec::as_slice);
            let found = dearest(rows, class, band.above_prompt_tokens);
            let mut rate = found.map_or(rates.of(class), |(rate, _)| rate.max(rates.of(class)));
            if class == TokenClass::CacheWriteLong {
                // A long write costs at least as much as a short one that was filled in.
                rate = rate.max(rates.cache_write);
            }
            rates = rates.with(class, rate);
        }
        (band.above_prompt_tokens, rates)
    });
    // Rates of bands rise, so the dearest of them do.
    let price = price_of(bands).ok()?;
    let price = price.with_search_fee(candidate.listed_price.search_fee());
    (price != candidate.listed_price).then_some(price)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::CatalogFile;
    use crate::policy::policy_with;

    fn entry(name: &str, rates: &str) -> String {
        format!(
            r#""{name}": {{"mode": "chat", "litellm_provider": "p", "input_cost_per_token": 1e-06,
                "output_cost_per_token": 2e-06{rates}}}"#
        )
    }

    fn list() -> CatalogFile {
        let entries = [
            entry("M", ""),
            entry(
                "a/m",
                r#", "cache_creation_input_token_cost": 1.25e-06, "cache_read_input_token_cost": 1e-07"#,
            ),
            entry("b/m", r#", "cache_creation_input_token_cost": 1.5e-06"#),
            entry("c/m", r#", "cache_creation_input_token_cost": 1.5e-06"#),
            entry("other", ""),
        ];
        CatalogFile::parse("p.json", format!("{{{}}}", entries.join(","))).unwrap()
    }

    fn rates(list: &CatalogFile, name: &str) -> [u64; 3] {
        let rates = list.candidate(name).unwrap().price().band(0).rates;
        [rates.cache_read, rates.cache_write, rates.cache_write_long].map(Microunits::get)
    }

    #[test]
    fn a_row_that_is_silent_is_named_with_the_dearest_rate_of_its_name() {
        let list = list();
        let silent = list.silent_rates();
        let found: Vec<_> = silent
            .iter()
            .map(|rate| {
                (rate.model, rate.class, rate.rate.get(), rate.dearest.get(), rate.stated_by)
            })
            .collect();
        assert_eq!(
            found,
            [
                ("M", TokenClass::CacheRead, 1_000_000, 100_000, "a/m"),
                ("M", TokenClass::CacheWrite, 1_000_000, 1_500_000, "b/m"),
                ("b/m", TokenClass::CacheRead, 1_000_000, 100_000, "a/m"),
                ("c/m", TokenClass::CacheRead, 1_000_000, 100_000, "a/m"),
            ]
        );
    }

    #[test]
    fn a_policy_fills_silent_rates_and_never_lowers_one() {
        let mut list = list();
        list.apply_rules(&policy_with("[tenants]\nt = 1\n"));
        assert_eq!(rates(&list, "M"), [1_000_000; 3]);
        for _ in 0..2 {
            list.apply_rules(&policy_with(
                "[tenants]\nt = 1\n[catalog]\nfill_silent_rates = true\n",
            ));
            assert_eq!(rates(&list, "M"), [1_000_000, 1_500_000, 1_500_000]);
            assert_eq!(rates(&list, "a/m"), [100_000, 1_250_000, 1_250_000]);
            assert_eq!(rates(&list, "other"), [1_000_000; 3]);
            let filled: Vec<_> =
                list.noted(Note::FilledRate).map(|model| model.name.as_str()).collect();
            assert_eq!(filled, ["M"]);
        }
    }

    #[test]
    fn a_row_that_costs_nothing_is_not_filled_and_stays_disabled() {
        let free = r#""c/m": {"mode": "chat", "litellm_provider": "p", "input_cost_per_token": 0,
            "output_cost_per_token": 0}"#;
        let read = r#", "cache_read_input_token_cost": 1e-07"#;
        let entries = [free.to_owned(), entry("a/m", read), entry("b/m", "")].join(",");
        let mut list = CatalogFile::parse("p.json", format!("{{{entries}}}")).unwrap();
        let settings = "[catalog]\nfill_silent_rates = true\ndisable_free_models = true\n";
        for _ in 0..2 {
            list.apply_rules(&policy_with(&format!("[tenants]\nt = 1\n{settings}")));
            let row = list.candidate("c/m").unwrap();
            assert!(row.is_free() && !row.is_enabled());
            assert_eq!(rates(&list, "c/m"), [0; 3]);
        }
    }

    #[test]
    fn a_band_is_filled_with_what_prompts_as_long_cost_elsewhere() {
        let long = r#", "input_cost_per_token_above_200k_tokens": 2e-06"#;
        let write = r#", "cache_creation_input_token_cost": 3e-06,
            "cache_creation_input_token_cost_above_200k_tokens": 6e-06"#;
        let entries = [entry("m", long), entry("a/m", write)].join(",");
        let mut list = CatalogFile::parse("p.json", format!("{{{entries}}}")).unwrap();
        list.apply_rules(&policy_with("[tenants]\nt = 1\n[catalog]\nfill_silent_rates = true\n"));
        let price = list.candidate("m").unwrap().price();
        let writes = [200_000, 200_001].map(|prompt| price.band(prompt).rates.cache_write.get());
        assert_eq!(writes, [3_000_000, 6_000_000]);
    }
}
