//! Our own catalog: TOML with a table `[[model]]` for each model.

use std::path::Path;

use serde::Deserialize;
use toml::Spanned;

use super::catalog::{Candidate, CatalogFile};
use super::error::InputError;
use super::looks::Looks;
use super::place::Places;
use super::policy::{Bps, Microunits, Name, Traits, toml_error};

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
    input_price_microunits_per_million_tokens: Microunits,
    output_price_microunits_per_million_tokens: Microunits,
    #[serde(default)]
    capabilities: Vec<Name>,
    quality_bps: Option<Bps>,
    risk_ceiling_bps: Option<Bps>,
    p95_latency_ms: Option<u32>,
    regions: Option<Vec<Name>>,
    fixed_price_microunits: Option<Microunits>,
    enabled: Option<bool>,
}

/// Parses the text of a catalog; `file` is what messages call it.
pub(crate) fn parse(file: &Path, text: &str) -> Result<CatalogFile, InputError> {
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
    Ok(CatalogFile { candidates, ..CatalogFile::default() })
}

fn texts(names: Vec<Name>) -> Vec<String> {
    names.into_iter().map(|Name(name)| name).collect()
}

impl OwnEntry {
    fn into_candidate(self, places: &mut Places<'_>) -> Candidate {
        Candidate {
            place: places.at(self.name.span().start),
            name: self.name.into_inner().0,
            provider: self.provider.0,
            input_price_microunits_per_million_tokens: self
                .input_price_microunits_per_million_tokens
                .0,
            output_price_microunits_per_million_tokens: self
                .output_price_microunits_per_million_tokens
                .0,
            capabilities: texts(self.capabilities),
            traits: Traits {
                quality_bps: self.quality_bps,
                risk_ceiling_bps: self.risk_ceiling_bps,
                p95_latency_ms: self.p95_latency_ms,
                regions: self.regions,
                fixed_price_microunits: self.fixed_price_microunits,
                enabled: self.enabled,
            },
        }
    }
}
