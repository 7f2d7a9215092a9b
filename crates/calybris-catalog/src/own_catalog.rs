//! Our own catalog: TOML with a table `[[model]]` for each model.

use std::collections::BTreeSet;
use std::path::Path;

use calybris_kernel::{Price, SearchFee, TokenClass};
use serde::Deserialize;
use toml::Spanned;

use crate::candidate::{Candidate, Listed};
use crate::error::InputError;
use crate::form::{Amount, Form as _, Name, Share};
use crate::place::{Place, Places};
use crate::rates::ListedRates;
use crate::text::Looks;
use crate::traits::Traits;
use crate::words::toml_error;

/// Our own form: `[[model]]` tables.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnFile {
    #[serde(default)]
    model: Vec<OwnEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnEntry {
    name: Spanned<Name>,
    provider: Name,
    input_price_microunits_per_million_tokens: Amount,
    output_price_microunits_per_million_tokens: Amount,
    cache_read_price_microunits_per_million_tokens: Option<Amount>,
    cache_write_price_microunits_per_million_tokens: Option<Amount>,
    cache_write_long_price_microunits_per_million_tokens: Option<Amount>,
    audio_input_price_microunits_per_million_tokens: Option<Amount>,
    reasoning_price_microunits_per_million_tokens: Option<Amount>,
    audio_output_price_microunits_per_million_tokens: Option<Amount>,
    #[serde(default)]
    band: Vec<Spanned<OwnBand>>,
    search_fee_microunits: Option<Amount>,
    search_fee_unit: Option<FeeUnit>,
    #[serde(default)]
    capabilities: Vec<Name>,
    quality_bps: Option<Share>,
    risk_ceiling_bps: Option<Share>,
    p95_latency_ms: Option<u32>,
    regions: Option<Vec<Name>>,
    fixed_price_microunits: Option<Amount>,
    enabled: Option<bool>,
    max_prompt_tokens: Option<u32>,
    max_completion_tokens: Option<u32>,
    max_total_tokens: Option<u32>,
}

/// The rates of longer prompts; those that are left out stay as they are in the band below.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnBand {
    above_prompt_tokens: u32,
    input_price_microunits_per_million_tokens: Option<Amount>,
    cache_read_price_microunits_per_million_tokens: Option<Amount>,
    cache_write_price_microunits_per_million_tokens: Option<Amount>,
    cache_write_long_price_microunits_per_million_tokens: Option<Amount>,
    audio_input_price_microunits_per_million_tokens: Option<Amount>,
    output_price_microunits_per_million_tokens: Option<Amount>,
    reasoning_price_microunits_per_million_tokens: Option<Amount>,
    audio_output_price_microunits_per_million_tokens: Option<Amount>,
}

/// What a search fee is charged for.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FeeUnit {
    /// Each search; also where no unit is stated.
    Search,
    /// A request that searches, once.
    Request,
}

/// Parses the text of a catalog; `file` is its name in messages.
pub(crate) fn parse(file: &Path, text: &str) -> Result<Listed, InputError> {
    let wanted = "a catalog is TOML with `[[model]]` tables, or a price list: a JSON object of model name to prices";
    let refused = [
        Looks::JsonArray,
        Looks::Csv,
        Looks::WebPage,
        Looks::Key,
        Looks::Anchor,
        Looks::TreeHead,
        Looks::Policy,
    ];
    Looks::refuse(file, text, &refused, wanted)?;
    let own: OwnFile = toml::from_str(text).map_err(|error| toml_error(file, text, &error))?;
    let mut places = Places::of(text);
    let candidates = own.model.into_iter().map(|entry| {
        entry
            .into_candidate(&mut places)
            .map_err(|(offset, what)| InputError::at(file, Place::of(text, offset), what))
    });
    Ok(Listed { candidates: candidates.collect::<Result<_, _>>()?, ..Listed::default() })
}

/// An offset in the text, and what is wrong there.
type Fault = (usize, String);

impl OwnEntry {
    fn into_candidate(self, places: &mut Places<'_>) -> Result<Candidate, Fault> {
        let start = self.name.span().start;
        let name = self.name.into_inner().value();
        let rates = stated([
            Some(self.input_price_microunits_per_million_tokens),
            self.cache_read_price_microunits_per_million_tokens,
            self.cache_write_price_microunits_per_million_tokens,
            self.cache_write_long_price_microunits_per_million_tokens,
            self.audio_input_price_microunits_per_million_tokens,
            Some(self.output_price_microunits_per_million_tokens),
            self.reasoning_price_microunits_per_million_tokens,
            self.audio_output_price_microunits_per_million_tokens,
        ]);
        let mut listed_classes = rates.classes();
        let mut price = Price::new(rates.complete());
        let mut below = rates;
        for band in self.band {
            let offset = band.span().start;
            let (above, rates) = band.into_inner().over(below);
            price = price
                .with_band(above, rates.complete())
                .map_err(|error| (offset, format!("model `{name}`: {error}")))?;
            listed_classes = listed_classes.iter().chain(rates.classes().iter()).collect();
            below = rates;
        }
        let search_fee = match (self.search_fee_microunits.value(), self.search_fee_unit) {
            (None, None) => SearchFee::NONE,
            (None, Some(_)) => {
                let what =
                    format!("model `{name}`: `search_fee_unit` without `search_fee_microunits`");
                return Err((start, what));
            }
            (Some(fee), None | Some(FeeUnit::Search)) => SearchFee::per_search(fee),
            (Some(fee), Some(FeeUnit::Request)) => SearchFee::per_request(fee),
        };
        Ok(Candidate {
            place: places.at(start),
            name,
            provider: self.provider.value(),
            listed_price: price.with_search_fee(search_fee),
            listed_classes,
            service_tier: None,
            retirement: None,
            capabilities: self.capabilities.value(),
            traits: Traits {
                quality: self.quality_bps.value(),
                risk_ceiling: self.risk_ceiling_bps.value(),
                p95_latency_ms: self.p95_latency_ms,
                regions: self.regions.value(),
                fixed_price: self.fixed_price_microunits.value(),
                enabled: self.enabled,
                max_prompt_tokens: self.max_prompt_tokens,
                max_completion_tokens: self.max_completion_tokens,
                max_total_tokens: self.max_total_tokens,
            },
            is_enabled_by_default: true,
            notes: BTreeSet::new(),
        })
    }
}

impl OwnBand {
    /// The threshold, and these rates over those of the band below.
    fn over(self, mut rates: ListedRates) -> (u32, ListedRates) {
        rates.overlay(&stated([
            self.input_price_microunits_per_million_tokens,
            self.cache_read_price_microunits_per_million_tokens,
            self.cache_write_price_microunits_per_million_tokens,
            self.cache_write_long_price_microunits_per_million_tokens,
            self.audio_input_price_microunits_per_million_tokens,
            self.output_price_microunits_per_million_tokens,
            self.reasoning_price_microunits_per_million_tokens,
            self.audio_output_price_microunits_per_million_tokens,
        ]));
        (self.above_prompt_tokens, rates)
    }
}

/// The rates that are stated, given in the order of the classes.
fn stated(rates: [Option<Amount>; 8]) -> ListedRates {
    let rates = TokenClass::ALL.into_iter().zip(rates);
    rates.filter_map(|(class, rate)| Some((class, rate.value()?))).collect::<ListedRates>()
}
