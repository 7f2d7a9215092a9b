//! What is charged by the request or by the search.

use std::collections::BTreeSet;

use calybris_kernel::SearchFee;
use calybris_units::Microunits;

use crate::error::InputError;
use crate::json::Value;
use crate::note::Note;

use super::entry::Entry;

const SEARCH_PRICES: &str = "search_context_cost_per_query";
const SEARCH_UNIT: &str = "web_search_billing_unit";
const FREE_SEARCHES: &str = "search_free_requests";
const REQUEST_PRICE: &str = "input_cost_per_request";

/// The fee for searches. A list may have a price for each size of search; the dearest is charged, because the size is not
/// known beforehand.
pub(super) fn search_fee(
    entry: Entry<'_>,
    provider: &str,
    notes: &mut BTreeSet<Note>,
) -> Result<SearchFee, InputError> {
    let Some(node) = entry.field(SEARCH_PRICES) else { return Ok(SearchFee::NONE) };
    let mut amounts = BTreeSet::new();
    if matches!(node.value, Value::Object(_)) {
        let sizes = entry.within(node);
        for (size, _) in sizes.fields() {
            amounts.extend(sizes.fee(size)?.map(|fee| fee.amount));
        }
    } else {
        amounts.extend(entry.fee(SEARCH_PRICES)?.map(|fee| fee.amount));
    }
    if amounts.len() > 1 {
        notes.insert(Note::DearestSearchSize);
    }
    if entry.field(FREE_SEARCHES).is_some() {
        notes.insert(Note::FreeSearches);
    }
    let dearest = amounts.last().copied().unwrap_or_default();
    let is_per_request = match entry.field(SEARCH_UNIT) {
        None => is_google(entry.name, provider),
        Some(node) => match node.value.as_text() {
            Some("per_prompt") => true,
            Some("per_query") => false,
            _ => {
                let allowed = "allowed are `per_prompt` and `per_query`";
                return Err(entry.refuse_found(node, SEARCH_UNIT, allowed));
            }
        },
    };
    Ok(if is_per_request {
        SearchFee::per_request(dearest)
    } else {
        SearchFee::per_search(dearest)
    })
}

/// Whether Google's own models serve a call, which charge a prompt that searches once unless the list says something else.
fn is_google(name: &str, provider: &str) -> bool {
    provider == "gemini"
        || (provider.starts_with("vertex_ai") && !name.to_lowercase().contains("claude"))
}

/// Whether a key has a fee that is read.
pub(super) fn is_fee(key: &str) -> bool {
    [SEARCH_PRICES, REQUEST_PRICE].contains(&key)
}

/// The price of the request itself.
pub(super) fn fixed_price(entry: Entry<'_>) -> Result<Option<Microunits>, InputError> {
    Ok(entry.fee(REQUEST_PRICE)?.map(|fee| fee.amount))
}
