//! The order of the rows of the index: those that are alike stand together.

use alloc::vec::Vec;

use super::blocks::BLOCK;
use super::quantize::{Code, Quanta, Quantum};
use super::rows::Row;

/// At most one outlier per this many models.
const MODELS_PER_OUTLIER: usize = 4 * BLOCK;

/// A row on its way to its position.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) code: Code,
    pub(super) index: u32,
    pub(super) outlier: bool,
    pub(super) enabled: bool,
}

/// Quanta that fit every model, or all but a few if that makes codes several times finer, so that a few
/// extreme prices do not coarsen all others. A model that does not fit is an outlier. It is always valued
/// exactly, which takes as long as judging sixteen models by their codes.
pub(super) fn quanta(rows: &[Row<'_>]) -> Quanta {
    let mut column = Vec::with_capacity(rows.len());
    let mut largest = |number: fn(&Row<'_>) -> u64| {
        column.clear();
        column.extend(rows.iter().filter(|row| row.model.enabled).map(number));
        let greatest = column.iter().copied().max().unwrap_or(0);
        let outliers = match column.len() {
            ..BLOCK => 0,
            rows => rows.div_ceil(MODELS_PER_OUTLIER),
        };
        let Some(rank) = column.len().checked_sub(1 + outliers) else { return greatest };
        let fitting = *column.select_nth_unstable(rank).1;
        if fitting < greatest / 4 { fitting } else { greatest }
    };
    Quanta {
        latency: Quantum::exact(largest(|row| row.model.p95_latency_ms.into())),
        input: Quantum::new(largest(|row| row.dearest_rates()[0].get())),
        output: Quantum::new(largest(|row| row.dearest_rates()[1].get())),
        fixed: Quantum::new(largest(|row| row.model.price.fixed_price().get())),
        per_search: Quantum::new(largest(|row| row.search_fees()[0].get())),
        per_request: Quantum::new(largest(|row| row.search_fees()[1].get())),
    }
}

/// Splits the catalog at the median of the column in which it is widest, and each half again,
/// until 64 models are left: those are alike (a k-d tree; Bentley 1975). Columns weigh as much as
/// they usually matter to the utility.
pub(super) fn gather_alike(places: &mut [Place]) {
    if places.len() <= BLOCK {
        return;
    }
    type Column = fn(&Place) -> u16;
    let columns: [(Column, u32); 5] = [
        (|place| place.code.quality, 4),
        (|place| place.code.input, 2),
        (|place| place.code.output, 2),
        (|place| place.code.latency, 1),
        (|place| place.code.fixed, 2),
    ];
    let spread = |(column, weight): &(Column, u32)| {
        let (low, high) = places
            .iter()
            .map(column)
            .fold((u16::MAX, 0), |(low, high), code| (code.min(low), code.max(high)));
        u32::from(high - low) * weight
    };
    let Some((widest, _)) = columns.into_iter().max_by_key(spread) else { return };
    // Half of the blocks on either side.
    let middle = (places.len().div_ceil(BLOCK) / 2) * BLOCK;
    // The index makes the key unique, so the outcome doesn't depend on how selection works.
    places.select_nth_unstable_by_key(middle, |place| (widest(place), place.index));
    let (low, high) = places.split_at_mut(middle);
    gather_alike(low);
    gather_alike(high);
}

/// See [`Index::positions`] and [`Index::first_rows`].
pub(super) fn positions(places: &[Place], rows: &[Row<'_>], models: usize) -> (Vec<u32>, Vec<u32>) {
    let mut positions = alloc::vec![0; places.len()];
    for (place, position) in places.iter().zip(0..) {
        if let Some(of_row) = positions.get_mut(place.index as usize) {
            *of_row = position;
        }
    }
    if rows.len() == models {
        return (positions, Vec::new());
    }
    let mut first_rows = Vec::with_capacity(models + 1);
    let mut model = None;
    for (row, number) in rows.iter().zip(0_u32..) {
        if model != Some(row.index) {
            first_rows.push(number);
            model = Some(row.index);
        }
    }
    first_rows.extend(u32::try_from(rows.len()));
    (positions, first_rows)
}

/// The best and the worst corner of the enabled models of a block.
pub(super) fn corners(block: &[Place]) -> (Code, Code) {
    let mut codes = block.iter().filter(|place| place.enabled).map(|place| place.code);
    let Some(first) = codes.next() else { return (Code::default(), Code::default()) };
    codes.fold((first, first), |(best, worst), code| (best.best(code), worst.worst(code)))
}
