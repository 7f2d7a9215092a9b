//! The form in which prices are read and written. Reading goes through the constructors.

use alloc::vec::Vec;

use calybris_units::Microunits;

use crate::{Band, Price, PriceError, SearchFee};

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PriceFields {
    #[serde(rename = "fixed_price_microunits", default)]
    fixed_price: Microunits,
    #[serde(default)]
    search_fee: SearchFee,
    bands: Vec<Band>,
}

impl From<Price> for PriceFields {
    fn from(price: Price) -> Self {
        Self {
            fixed_price: price.fixed_price,
            search_fee: price.search_fee,
            bands: price.bands().copied().collect(),
        }
    }
}

impl TryFrom<PriceFields> for Price {
    type Error = PriceError;

    fn try_from(fields: PriceFields) -> Result<Self, PriceError> {
        let mut bands = fields.bands.into_iter();
        let price = match bands.next() {
            Some(first) if first.above_prompt_tokens == 0 => Self::new(first.rates),
            Some(Band { above_prompt_tokens, .. }) => {
                return Err(PriceError::FirstBand { above_prompt_tokens });
            }
            None => return Err(PriceError::NoBand),
        };
        bands
            .try_fold(price, |price, band| price.with_band(band.above_prompt_tokens, band.rates))
            .map(|price| {
                price.with_fixed_price(fields.fixed_price).with_search_fee(fields.search_fee)
            })
    }
}
