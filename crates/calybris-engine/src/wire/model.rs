//! A model of the catalog.

use calybris_kernel::{
    Band, CapabilitySet, Model, Price, Rates, RegionSet, SearchFee, TokenClass, Window,
};
use calybris_units::{BasisPoints, Microunits};
use serde::{Deserialize, Serialize};

use super::bits::Bits64;
use super::flagged::{flagged, spelled_as};
use super::invalid::InvalidField;
use super::says::{FitsV1, Says};

/// A model with two prices for prompts of any length, a fixed price, and no window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ModelV1 {
    model_id: u32,
    provider_id: u8,
    quality_bps: u16,
    risk_ceiling_bps: u16,
    enabled: bool,
    p95_latency_ms: u32,
    capabilities: Bits64,
    regions: Bits64,
    input_price_microunits_per_million_tokens: u64,
    output_price_microunits_per_million_tokens: u64,
    fixed_price_microunits: u64,
}

flagged! {
    /// Any model. The prices of tokens are those of the first band.
    pub(super) struct ModelV2: ModelV1 {
        0 max_prompt_tokens: u32,
        1 max_completion_tokens: u32,
        2 cache_read_price_microunits_per_million_tokens: u64,
        3 cache_write_price_microunits_per_million_tokens: u64,
        /// The bands behind the first.
        4 bands: Vec<BandV1>,
        5 search_fee_microunits_per_search: u64,
        6 reasoning_price_microunits_per_million_tokens: u64,
        7 max_total_tokens: u32,
        8 cache_write_long_price_microunits_per_million_tokens: u64,
        9 audio_input_price_microunits_per_million_tokens: u64,
        10 audio_output_price_microunits_per_million_tokens: u64,
        11 search_fee_microunits_per_request: u64,
    }
}

/// The threshold of a band, and its plain prices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct PlainBandV1 {
    above_prompt_tokens: u32,
    input_price_microunits_per_million_tokens: u64,
    output_price_microunits_per_million_tokens: u64,
}

flagged! {
    /// What longer prompts cost. A class of tokens that is not there has the plain price of its side.
    struct BandV1: PlainBandV1 {
        0 cache_read_price_microunits_per_million_tokens: u64,
        1 cache_write_price_microunits_per_million_tokens: u64,
        2 cache_write_long_price_microunits_per_million_tokens: u64,
        3 audio_input_price_microunits_per_million_tokens: u64,
        4 reasoning_price_microunits_per_million_tokens: u64,
        5 audio_output_price_microunits_per_million_tokens: u64,
    }
}

/// The classes whose rates a model or a band states by themselves, each with the rate if it is there.
macro_rules! own_rates {
    ($wire:expr) => {
        [
            (TokenClass::CacheRead, $wire.cache_read_price_microunits_per_million_tokens),
            (TokenClass::CacheWrite, $wire.cache_write_price_microunits_per_million_tokens),
            (
                TokenClass::CacheWriteLong,
                $wire.cache_write_long_price_microunits_per_million_tokens,
            ),
            (TokenClass::AudioInput, $wire.audio_input_price_microunits_per_million_tokens),
            (TokenClass::Reasoning, $wire.reasoning_price_microunits_per_million_tokens),
            (TokenClass::AudioOutput, $wire.audio_output_price_microunits_per_million_tokens),
        ]
    };
}

impl Says<Model> for ModelV1 {
    fn of(model: &Model) -> Self {
        let rates = &model.price.band(0).rates;
        Self {
            model_id: model.model_id,
            provider_id: model.provider_id,
            quality_bps: model.quality.get(),
            risk_ceiling_bps: model.risk_ceiling.get(),
            enabled: model.enabled,
            p95_latency_ms: model.p95_latency_ms,
            capabilities: Bits64(model.capabilities.bits()),
            regions: Bits64(model.regions.bits()),
            input_price_microunits_per_million_tokens: rates.input.get(),
            output_price_microunits_per_million_tokens: rates.output.get(),
            fixed_price_microunits: model.price.fixed_price().get(),
        }
    }

    fn read(&self) -> Result<Model, InvalidField> {
        Ok(Model::new(self.model_id, self.provider_id, BasisPoints::new(self.quality_bps))
            .with_risk_ceiling(BasisPoints::new(self.risk_ceiling_bps))
            .with_enabled(self.enabled)
            .with_p95_latency_ms(self.p95_latency_ms)
            .with_capabilities(CapabilitySet::from_bits(self.capabilities.0))
            .with_regions(RegionSet::from_bits(self.regions.0))
            .with_price(
                Price::per_million_tokens(
                    Microunits::new(self.input_price_microunits_per_million_tokens),
                    Microunits::new(self.output_price_microunits_per_million_tokens),
                )
                .with_fixed_price(Microunits::new(self.fixed_price_microunits)),
            ))
    }
}

impl FitsV1 for Model {
    fn fits_v1(&self) -> bool {
        let Rates { input, output, .. } = self.price.band(0).rates;
        let flat = Price::per_million_tokens(input, output);
        self.window == Window::UNKNOWN
            && self.price == flat.with_fixed_price(self.price.fixed_price())
    }
}

impl Says<Model> for ModelV2 {
    fn of(model: &Model) -> Self {
        let rates = &model.price.band(0).rates;
        let own = |class| own_rate(rates, class);
        let fee = model.price.search_fee();
        let some_fee = |is_per_request| {
            let amount = fee.amount().get();
            (amount > 0 && fee.is_per_request() == is_per_request).then_some(amount)
        };
        let bands: Vec<BandV1> = model.price.bands().skip(1).map(Into::into).collect();
        Self {
            base: ModelV1::of(model),
            unknown_flags: 0,
            max_prompt_tokens: model.window.max_prompt_tokens,
            max_completion_tokens: model.window.max_completion_tokens,
            cache_read_price_microunits_per_million_tokens: own(TokenClass::CacheRead),
            cache_write_price_microunits_per_million_tokens: own(TokenClass::CacheWrite),
            bands: (!bands.is_empty()).then_some(bands),
            search_fee_microunits_per_search: some_fee(false),
            reasoning_price_microunits_per_million_tokens: own(TokenClass::Reasoning),
            max_total_tokens: model.window.max_total_tokens,
            cache_write_long_price_microunits_per_million_tokens: own(TokenClass::CacheWriteLong),
            audio_input_price_microunits_per_million_tokens: own(TokenClass::AudioInput),
            audio_output_price_microunits_per_million_tokens: own(TokenClass::AudioOutput),
            search_fee_microunits_per_request: some_fee(true),
        }
    }

    fn read(&self) -> Result<Model, InvalidField> {
        let mut model = self.base.read()?;
        let rates = with_own_rates(model.price.band(0).rates, own_rates!(self));
        let mut price = Price::new(rates).with_fixed_price(model.price.fixed_price());
        for band in self.bands.iter().flatten() {
            let threshold = band.base.above_prompt_tokens;
            price = price.with_band(threshold, band.rates()).map_err(|error| {
                let why = format_args!("{error}, at model {}", model.model_id);
                InvalidField::new("snapshot.models", why)
            })?;
        }
        if let Some(amount) = self.search_fee_microunits_per_search {
            price = price.with_search_fee(SearchFee::per_search(Microunits::new(amount)));
        }
        if let Some(amount) = self.search_fee_microunits_per_request {
            price = price.with_search_fee(SearchFee::per_request(Microunits::new(amount)));
        }
        model.price = price;
        model.window.max_prompt_tokens = self.max_prompt_tokens;
        model.window.max_completion_tokens = self.max_completion_tokens;
        model.window.max_total_tokens = self.max_total_tokens;
        spelled_as("snapshot.models.flags", self, &Self::of(&model))?;
        Ok(model)
    }
}

impl From<&Band> for BandV1 {
    fn from(band: &Band) -> Self {
        let own = |class| own_rate(&band.rates, class);
        Self {
            base: PlainBandV1 {
                above_prompt_tokens: band.above_prompt_tokens,
                input_price_microunits_per_million_tokens: band.rates.input.get(),
                output_price_microunits_per_million_tokens: band.rates.output.get(),
            },
            unknown_flags: 0,
            cache_read_price_microunits_per_million_tokens: own(TokenClass::CacheRead),
            cache_write_price_microunits_per_million_tokens: own(TokenClass::CacheWrite),
            cache_write_long_price_microunits_per_million_tokens: own(TokenClass::CacheWriteLong),
            audio_input_price_microunits_per_million_tokens: own(TokenClass::AudioInput),
            reasoning_price_microunits_per_million_tokens: own(TokenClass::Reasoning),
            audio_output_price_microunits_per_million_tokens: own(TokenClass::AudioOutput),
        }
    }
}

impl BandV1 {
    fn rates(&self) -> Rates {
        let plain = Rates::plain(
            Microunits::new(self.base.input_price_microunits_per_million_tokens),
            Microunits::new(self.base.output_price_microunits_per_million_tokens),
        );
        with_own_rates(plain, own_rates!(self))
    }
}

/// The rate of a class, if it is not the plain one of its side.
fn own_rate(rates: &Rates, class: TokenClass) -> Option<u64> {
    let rate = rates.of(class);
    (rate != rates.plain_of(class)).then(|| rate.get())
}

fn with_own_rates(plain: Rates, own: [(TokenClass, Option<u64>); 6]) -> Rates {
    own.into_iter().fold(plain, |rates, (class, rate)| match rate {
        Some(rate) => rates.with(class, Microunits::new(rate)),
        None => rates,
    })
}
