//! What was asked of the kernel.

use calybris_kernel::{
    CapabilitySet, Ceiling, ExcludedModels, ProviderSet, RegionSet, Request, TokenClassSet, Usage,
};
use calybris_units::{BasisPoints, Microunits};
use serde::{Deserialize, Serialize};

use super::bits::{Bits64, Bits256};
use super::flagged::{flagged, spelled_as};
use super::invalid::InvalidField;
use super::says::{FitsV1, Says};

/// A request of plain input and output tokens to the whole catalog, which may use what it is expected to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RequestV1 {
    sequence: u64,
    requested_model_id: u32,
    input_tokens: u32,
    output_tokens: u32,
    business_value_microunits: i64,
    budget_limit_microunits: u64,
    risk_bps: u16,
    confidence_bps: u16,
    minimum_quality_bps: u16,
    max_p95_latency_ms: u32,
    required_capabilities: Bits64,
    allowed_providers: Bits256,
    required_regions: Bits64,
}

flagged! {
    /// Any request.
    pub(crate) struct RequestV2: RequestV1 {
        0 ceiling: CeilingV1,
        1 cache_read_tokens: u32,
        2 cache_write_tokens: u32,
        3 group_id: u8,
        4 excluded_model_ids: Vec<u32>,
        5 reasoning_tokens: u32,
        6 searches: u32,
        7 cache_write_long_tokens: u32,
        8 audio_input_tokens: u32,
        9 audio_output_tokens: u32,
    }
}

/// The most that a request may use. A class of tokens is a bit of `classes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct CeilingV1 {
    prompt_tokens: u32,
    completion_tokens: u32,
    searches: u32,
    classes: u8,
}

impl Says<Request> for RequestV1 {
    fn of(request: &Request) -> Self {
        Self {
            sequence: request.sequence,
            requested_model_id: request.requested_model_id,
            input_tokens: request.usage.input_tokens,
            output_tokens: request.usage.output_tokens,
            business_value_microunits: request.business_value_microunits,
            budget_limit_microunits: request.budget_limit.get(),
            risk_bps: request.risk.get(),
            confidence_bps: request.confidence.get(),
            minimum_quality_bps: request.minimum_quality.get(),
            max_p95_latency_ms: request.max_p95_latency_ms,
            required_capabilities: Bits64(request.required_capabilities.bits()),
            allowed_providers: Bits256(request.allowed_providers.words()),
            required_regions: Bits64(request.required_regions.bits()),
        }
    }

    fn read(&self) -> Result<Request, InvalidField> {
        let tokens = (self.input_tokens, self.output_tokens);
        Ok(Request::new(self.sequence, self.requested_model_id, tokens.0, tokens.1)
            .with_business_value_microunits(self.business_value_microunits)
            .with_budget_limit(Microunits::new(self.budget_limit_microunits))
            .with_risk(BasisPoints::new(self.risk_bps))
            .with_confidence(BasisPoints::new(self.confidence_bps))
            .with_minimum_quality(BasisPoints::new(self.minimum_quality_bps))
            .with_max_p95_latency_ms(self.max_p95_latency_ms)
            .with_required_capabilities(CapabilitySet::from_bits(self.required_capabilities.0))
            .with_allowed_providers(ProviderSet::from_words(self.allowed_providers.0))
            .with_required_regions(RegionSet::from_bits(self.required_regions.0)))
    }
}

impl FitsV1 for Request {
    fn fits_v1(&self) -> bool {
        self.usage == Usage::new(self.usage.input_tokens, self.usage.output_tokens)
            && self.ceiling.is_none()
            && self.group_id.is_none()
            && self.excluded_models.is_empty()
    }
}

impl Says<Request> for RequestV2 {
    fn of(request: &Request) -> Self {
        let some = |count: u32| (count > 0).then_some(count);
        let (usage, excluded) = (&request.usage, request.excluded_models.model_ids());
        Self {
            base: RequestV1::of(request),
            unknown_flags: 0,
            ceiling: request.ceiling.as_ref().map(Into::into),
            cache_read_tokens: some(usage.cache_read_tokens),
            cache_write_tokens: some(usage.cache_write_tokens),
            group_id: request.group_id,
            excluded_model_ids: (!excluded.is_empty()).then(|| excluded.to_vec()),
            reasoning_tokens: some(usage.reasoning_tokens),
            searches: some(usage.searches),
            cache_write_long_tokens: some(usage.cache_write_long_tokens),
            audio_input_tokens: some(usage.audio_input_tokens),
            audio_output_tokens: some(usage.audio_output_tokens),
        }
    }

    fn read(&self) -> Result<Request, InvalidField> {
        let mut request = self.base.read()?;
        let count = |count: Option<u32>| count.unwrap_or(0);
        request.usage = request
            .usage
            .with_cache_read_tokens(count(self.cache_read_tokens))
            .with_cache_write_tokens(count(self.cache_write_tokens))
            .with_cache_write_long_tokens(count(self.cache_write_long_tokens))
            .with_audio_input_tokens(count(self.audio_input_tokens))
            .with_reasoning_tokens(count(self.reasoning_tokens))
            .with_audio_output_tokens(count(self.audio_output_tokens))
            .with_searches(count(self.searches));
        request.ceiling = self.ceiling.map(Into::into);
        request.group_id = self.group_id;
        if let Some(model_ids) = &self.excluded_model_ids {
            request.excluded_models = excluded_models(model_ids)?;
        }
        spelled_as("request.flags", self, &Self::of(&request))?;
        Ok(request)
    }
}

fn excluded_models(model_ids: &[u32]) -> Result<ExcludedModels, InvalidField> {
    const FIELD: &str = "request.excluded_model_ids";
    if !model_ids.is_sorted_by(|before, after| before < after) {
        return Err(InvalidField::new(FIELD, "they are not in ascending order, each once"));
    }
    ExcludedModels::new(model_ids).map_err(|too_many| InvalidField::new(FIELD, too_many))
}

impl From<&Ceiling> for CeilingV1 {
    fn from(ceiling: &Ceiling) -> Self {
        Self {
            prompt_tokens: ceiling.prompt_tokens,
            completion_tokens: ceiling.completion_tokens,
            searches: ceiling.searches,
            classes: ceiling.classes.bits(),
        }
    }
}

impl From<CeilingV1> for Ceiling {
    fn from(wire: CeilingV1) -> Self {
        Self::new(wire.prompt_tokens, wire.completion_tokens)
            .with_searches(wire.searches)
            .with_classes(TokenClassSet::from_bits(wire.classes))
    }
}
