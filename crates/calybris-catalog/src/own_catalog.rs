//! Our own catalog: TOML with a table `[[model]]` for each model.

use std::path::Path;

use serde::Deserialize;
use toml::Spanned;

use crate::candidate::{Candidate, Listed};
use crate::error::InputError;
use crate::form::{Amount, Form as _, Name, Share};
use crate::place::Places;
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
    #[serde(default)]
    capabilities: Vec<Name>,
    quality_bps: Option<Share>,
    risk_ceiling_bps: Option<Share>,
    p95_latency_ms: Option<u32>,
    regions: Option<Vec<Name>>,
    fixed_price_microunits: Option<Amount>,
    enabled: Option<bool>,
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
    let candidates = own.model.into_iter().map(|entry| entry.into_candidate(&mut places)).collect();
    Ok(Listed { candidates, ..Listed::default() })
}

impl OwnEntry {
    fn into_candidate(self, places: &mut Places<'_>) -> Candidate {
        Candidate {
            place: places.at(self.name.span().start),
            name: self.name.into_inner().value(),
            provider: self.provider.value(),
            input_price_per_million_tokens: self.input_price_microunits_per_million_tokens.value(),
            output_price_per_million_tokens: self
                .output_price_microunits_per_million_tokens
                .value(),
            capabilities: self.capabilities.value(),
            traits: Traits {
                quality: self.quality_bps.value(),
                risk_ceiling: self.risk_ceiling_bps.value(),
                p95_latency_ms: self.p95_latency_ms,
                regions: self.regions.value(),
                fixed_price: self.fixed_price_microunits.value(),
                enabled: self.enabled,
            },
        }
    }
}
