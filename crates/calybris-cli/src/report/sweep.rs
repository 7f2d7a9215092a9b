//! The results of a sweep over one policy number: a table and a chart for a terminal, and an object for machines.

use std::collections::BTreeSet;
use std::path::Path;

use calybris_core::engine::{Delta, ReplayReport};
use serde_json::{Value, json};

use super::axis::Measure;
use super::numbers::PolicyNumber;
use super::object;
use super::{METHOD, NOT_A_FORECAST};
use crate::amount::{counted, grouped, signed_money};
use crate::log::beginning::{dropped, first_of};
use crate::output::Page;
use crate::table::table;

/// The results of one sweep.
pub(crate) struct Sweep<'a> {
    /// The log's directory, as the user called it.
    pub(crate) log: &'a Path,
    pub(crate) replayed: &'a ReplayReport,
    pub(crate) number: &'static PolicyNumber,
    /// The policy file that the other numbers come from; `None` if they are the recorded ones.
    pub(crate) policy_file: Option<&'a Path>,
    /// Each value in ascending order, with what it would have changed.
    pub(crate) points: Vec<(u64, Delta)>,
    /// The values that the number had in the log.
    pub(crate) recorded_values: BTreeSet<u64>,
    /// Decisions that the tenant's budget refused; they are left out.
    pub(crate) unfunded: u64,
}

/// One measure of a point, as a chart shows it.
pub(crate) struct Measured {
    pub(crate) name: &'static str,
    pub(crate) of: fn(&Delta) -> i128,
    pub(crate) unit: Measure,
}

/// The measures of a chart.
pub(crate) const MEASURES: [Measured; 3] = [
    Measured {
        name: "estimated cost",
        of: |shift| shift.proposed.estimated_cost_microunits,
        unit: Measure::Money,
    },
    Measured {
        name: "rejected",
        of: |shift| shift.proposed_rejections().into(),
        unit: Measure::Count,
    },
    Measured {
        name: "expected utility",
        of: |shift| shift.proposed.expected_utility_microunits,
        unit: Measure::Money,
    },
];

/// The header of the table of points.
pub(crate) const HEADER: [&str; 5] =
    ["value", "estimated cost", "rejected", "expected utility", "changed"];

/// Columns of a bar.
const BAR_COLUMNS: u8 = 17;

impl Sweep<'_> {
    /// The recorded side, which is the same for every point.
    pub(crate) fn recorded(&self) -> Delta {
        self.points.first().map(|(_, shift)| *shift).unwrap_or_default()
    }

    /// Where the rest of the policy comes from, in words.
    pub(crate) fn base(&self) -> String {
        self.policy_file.map_or_else(
            || "Every other number is as it was recorded.".to_owned(),
            |file| format!("Every other number is that of {}.", file.display()),
        )
    }

    /// The points as rows of a table.
    pub(crate) fn rows(&self) -> Vec<Vec<String>> {
        let row = |(value, shift): &(u64, Delta)| {
            let mark = if self.recorded_values.contains(value) { " *" } else { "  " };
            let mut row = vec![format!("{}{mark}", grouped(value))];
            row.extend(MEASURES.iter().map(|measure| measure.unit.written((measure.of)(shift))));
            row.push(grouped(shift.changed()));
            row
        };
        self.points.iter().map(row).collect()
    }

    /// Whether one of the recorded values is among the points.
    pub(crate) fn marks_a_point(&self) -> bool {
        self.points.iter().any(|(value, _)| self.recorded_values.contains(value))
    }

    /// The recorded side as a row of the same table.
    pub(crate) fn recorded_row(&self) -> Vec<String> {
        let shift = self.recorded();
        vec![
            "as recorded".to_owned(),
            signed_money(shift.recorded.estimated_cost_microunits),
            grouped(shift.recorded_rejections()),
            signed_money(shift.recorded.expected_utility_microunits),
            String::new(),
        ]
    }

    /// The recorded values, in words.
    pub(crate) fn recorded_value(&self) -> String {
        let values: Vec<String> = self.recorded_values.iter().take(5).map(grouped).collect();
        values.join(", ")
    }

    /// For a terminal of 80 columns.
    pub(crate) fn page(&self) -> Page {
        let mut page = Page::default();
        let key = self.number.key;
        page.line(format_args!("sweep    {key}, recorded as {}", self.recorded_value()));
        page.line(format_args!("log      {}", self.log.display()));
        let decisions = self.recorded().decisions;
        page.line(format_args!("         {} compared", counted(decisions, "decision")));
        if let Some(dropped) = dropped(first_of(self.replayed.records, self.replayed.head.sequence))
        {
            page.line(format_args!("         {dropped}"));
        }
        if self.unfunded > 0 {
            let left_out = counted(self.unfunded, "decision");
            page.line(format_args!("         {left_out} left out: a tenant's budget refused them"));
        }
        page.line("");
        page.wrapped("", &format!("{NOT_A_FORECAST} {METHOD} {}", self.base()));
        page.line("");
        let rows = self.rows().into_iter().chain([self.recorded_row()]);
        page.line(table(&HEADER, &[0, 1, 2, 3, 4], rows));
        let legend = if self.marks_a_point() { "* the value in the log. " } else { "" };
        page.line(format_args!("{legend}Amounts in currency units of 1,000,000 microunits\n"));
        self.bars(&mut page);
        page
    }

    fn bars(&self, page: &mut Page) {
        let rows = self.points.iter().map(|(value, shift)| {
            let mark = if self.recorded_values.contains(value) { " *" } else { "  " };
            let mut row = vec![format!("{}{mark}", grouped(value))];
            for measure in &MEASURES {
                let values = self.points.iter().map(|(_, shift)| (measure.of)(shift));
                let low = values.clone().min().unwrap_or_default();
                let high = values.max().unwrap_or_default();
                let columns = i128::from(BAR_COLUMNS);
                let up = (measure.of)(shift).saturating_sub(low);
                let height = high.saturating_sub(low);
                let filled = up.checked_mul(columns).and_then(|up| up.checked_div(height));
                row.push(bar(filled.unwrap_or_default()));
            }
            row
        });
        let header = ["value", "estimated cost", "rejected", "expected utility"];
        page.line(table(&header, &[0], rows));
        page.line("each bar from the least of its column (.) to the most (#)");
    }

    /// For machines: amounts are whole microunits.
    pub(crate) fn object(&self) -> Value {
        let points: Vec<Value> = self
            .points
            .iter()
            .map(|(value, shift)| {
                json!({
                    "value": value,
                    "is_recorded_value": self.recorded_values.contains(value),
                    "shift": object::shift(shift),
                })
            })
            .collect();
        json!({
            "kind": "sweep",
            "note": format!("{NOT_A_FORECAST} {METHOD}"),
            "log": self.log.display().to_string(),
            "log_id": self.replayed.head.log_id,
            "head": self.replayed.head.to_string(),
            "first_sequence": first_of(self.replayed.records, self.replayed.head.sequence),
            "records": self.replayed.records,
            "unfunded_left_out": self.unfunded,
            "without_snapshot_left_out": self.replayed.without_snapshot,
            "key": self.number.key,
            "policy_file": self.policy_file.map(|file| file.display().to_string()),
            "recorded_values": self.recorded_values,
            "points": points,
        })
    }
}

/// A bar with that many of its columns filled.
fn bar(filled: i128) -> String {
    (0..i128::from(BAR_COLUMNS)).map(|column| if column < filled { '#' } else { '.' }).collect()
}
