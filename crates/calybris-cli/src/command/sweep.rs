//! `calybris sweep`: replays a log under a range of values of one policy number.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use calybris_catalog::text::quoted;
use calybris_catalog::{InputError, PolicyFile};
use calybris_core::engine::{Delta, Names, Snapshot};
use calybris_core::kernel::PolicySnapshot;

use crate::amount::grouped;
use crate::failure::Failure;
use crate::input::source::read_policy;
use crate::output::Page;
use crate::replaying::ReplayArguments;
use crate::report::html::Forms;
use crate::report::numbers::{POLICY_NUMBERS, PolicyNumber};
use crate::report::sweep::Sweep;
use crate::report::sweep_page;

/// Replay a log under a range of values of one policy number, in one reading.
///
/// Shows the cost, rejections and utility of each value, so that a limit can be chosen by looking. It is a replay, not a
/// forecast: requests are as they were, and budgets are not replayed.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  calybris sweep ./log --vary latency_penalty_microunits_per_ms=0..10:1
  calybris sweep ./log --vary hard_risk_limit_bps=5000..10000:500 --html a.html

Numbers that can be varied: hard_risk_limit_bps, minimum_confidence_bps,
risk_penalty_multiplier_bps, latency_penalty_microunits_per_ms.

Exit codes: as of `calybris replay`.")]
pub(crate) struct Arguments {
    /// The number and its values: key=from..to:step; `to` is included if a step meets it
    #[arg(long, value_name = "RANGE")]
    vary: String,
    /// The policy with the other numbers (TOML); without it they are as recorded
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) of: ReplayArguments,
}

/// The most values of a range.
const MOST_VALUES: u64 = 100;

pub(crate) fn run(arguments: &Arguments) -> Result<Page, Failure> {
    let (number, values) = parse_range(&arguments.vary)
        .map_err(|what| Failure::refused(format_args!("--vary: {what}")))?;
    let log = arguments.of.log.dir();
    let base = arguments.policy.as_deref().map(read_policy).transpose()?;
    let html = arguments.of.html()?;

    let mut points: Vec<(u64, Delta)> =
        values.iter().map(|value| (*value, Delta::default())).collect();
    let mut recorded_values = BTreeSet::new();
    let mut unfunded = 0_u64;
    let replayed = arguments.of.replay(
        |recorded| {
            let kernel = recorded.policy_snapshot();
            recorded_values.insert((number.of)(kernel.policy()));
            let policy = base.as_ref().map_or(*kernel.policy(), PolicyFile::policy);
            let proposed = values.iter().map(|value| {
                let varied = (number.with)(policy, *value);
                let models: Vec<_> = kernel.models().collect();
                let varied = PolicySnapshot::with_groups(varied, models, kernel.groups());
                // A sweep shows no model, so its snapshots need no names but those of the groups, which requests name.
                let groups = recorded.names().groups.clone();
                let names = Names { groups, ..Names::default() };
                varied.map(|varied| Arc::new(Snapshot::new(varied, names)))
            });
            let proposed: Result<Vec<_>, _> = proposed.collect();
            proposed.map_err(|error| InputError::in_file(log, error))
        },
        |replayed| {
            if replayed.decided.admission.is_refusal() {
                unfunded += 1;
                return;
            }
            let recorded = &replayed.decided.decision;
            for ((_, shift), proposed) in points.iter_mut().zip(replayed.proposed) {
                shift.add(recorded, proposed);
            }
        },
    )?;
    let sweep = Sweep {
        log,
        replayed: &replayed,
        number,
        policy_file: arguments.policy.as_deref(),
        points,
        recorded_values,
        unfunded,
    };
    let forms = Forms {
        html: || sweep_page::page(&sweep),
        object: || sweep.object(),
        tables: || sweep.page(),
    };
    forms.show(html.as_ref(), arguments.of.log.json)
}

/// `key=from..to:step` as a number of the policy and its values, ascending.
fn parse_range(text: &str) -> Result<(&'static PolicyNumber, Vec<u64>), String> {
    let shape = || format!("found {}, allowed is key=from..to:step", quoted(text));
    let (key, range) = text.split_once('=').ok_or_else(shape)?;
    let (from, rest) = range.split_once("..").ok_or_else(shape)?;
    let (to, step) = rest.split_once(':').ok_or_else(shape)?;
    let number = POLICY_NUMBERS.iter().find(|number| number.key == key).ok_or_else(|| {
        let known: Vec<&str> = POLICY_NUMBERS.iter().map(|number| number.key).collect();
        format!(
            "{} is not a number of the policy; the numbers are: {}",
            quoted(key),
            known.join(", ")
        )
    })?;
    let limit = number.limit;
    let parse = |what: &str, text: &str| {
        // As in the policy file: `_` stands between digits only.
        let is_digits =
            |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let digits = text.split('_').all(is_digits).then(|| text.replace('_', ""));
        let value = digits.and_then(|digits| digits.parse::<u64>().ok());
        value.filter(|value| *value <= limit).ok_or_else(|| {
            let (key, limit) = (number.key, grouped(limit));
            format!(
                "{what} {} is not a whole number from 0 to {limit}, as {key} must be",
                quoted(text)
            )
        })
    };
    let (from, to, step) = (parse("from", from)?, parse("to", to)?, parse("step", step)?);
    if step == 0 {
        return Err("the step is 0: it has to be at least 1".to_owned());
    }
    let Some(width) = to.checked_sub(from) else {
        return Err(format!(
            "the range is empty: it begins with {from}, which is above its end, {to}"
        ));
    };
    let count = (width / step).saturating_add(1);
    if count > MOST_VALUES {
        let least = width.div_ceil(MOST_VALUES - 1);
        return Err(format!(
            "{count} values, at most {MOST_VALUES} are allowed: a step of {least} or more would do"
        ));
    }
    Ok((number, (0..count).map(|place| from.saturating_add(place.saturating_mul(step))).collect()))
}

#[cfg(test)]
mod tests {
    use super::parse_range;

    fn values(text: &str) -> Vec<u64> {
        parse_range(text).map(|(_, values)| values).unwrap()
    }

    fn refusal(text: &str) -> String {
        parse_range(text).map(|(number, values)| (number.key, values)).unwrap_err()
    }

    #[test]
    fn the_end_belongs_to_the_range_if_a_step_meets_it() {
        assert_eq!(values("hard_risk_limit_bps=0..10_000:5_000"), [0, 5_000, 10_000]);
        assert_eq!(values("hard_risk_limit_bps=1..10:4"), [1, 5, 9]);
        assert_eq!(values("minimum_confidence_bps=7..7:1"), [7]);
        let last = u64::MAX;
        let most = format!("latency_penalty_microunits_per_ms={}..{last}:1", last - 1);
        assert_eq!(values(&most), [last - 1, last]);
    }

    #[test]
    fn a_bad_range_says_what_is_allowed() {
        for (text, part) in [
            ("", "key=from..to:step"),
            ("hard_risk_limit_bps", "key=from..to:step"),
            ("hard_risk_limit_bps=1..2", "key=from..to:step"),
            ("hard_limit=1..2:1", "minimum_confidence_bps, risk_penalty_multiplier_bps"),
            ("hard_risk_limit_bps=1..10001:1", "0 to 10,000"),
            ("risk_penalty_multiplier_bps=0..65536:1000", "0 to 65,535"),
            ("hard_risk_limit_bps=1__0..50:1", "from `1__0`"),
            ("hard_risk_limit_bps= 1..50:1", "from ` 1`"),
            ("hard_risk_limit_bps=-1..5:1", "from `-1`"),
            ("hard_risk_limit_bps=1..x:1", "to `x`"),
            ("hard_risk_limit_bps=1..5:0", "the step is 0"),
            ("hard_risk_limit_bps=5..1:1", "it begins with 5, which is above its end, 1"),
            ("hard_risk_limit_bps=0..100:1", "101 values, at most 100"),
        ] {
            let found = refusal(text);
            assert!(found.contains(part), "{text}: {found}");
        }
    }

    #[test]
    fn the_step_that_would_do_does() {
        let text = refusal("hard_risk_limit_bps=0..10000:1");
        assert!(text.contains("a step of 102 or more would do"), "{text}");
        assert_eq!(values("hard_risk_limit_bps=0..10000:102").len(), 99);
        assert_eq!(values("hard_risk_limit_bps=0..99:1").len(), 100);
    }
}
