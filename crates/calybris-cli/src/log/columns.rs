//! Records as lines of at most 100 letters, in columns of fixed width, so that they can be printed as they come.

use calybris_core::budget::BudgetEvent;
use calybris_core::engine::{Admission, Entry, Record};
use calybris_core::kernel::Action;

use crate::amount::{counted, money};
use crate::log::fate::{Ending, Followed};
use crate::log::journal::Journal;
use crate::log::json::kind;
use crate::log::naming::{action_word, model_name};
use crate::terminal::{Paint, clipped, clipped_inside};
use crate::time::to_the_second;

/// The heading of [`decision_line`].
pub(crate) fn decision_heading() -> String {
    let (time, outcome) = ("time (UTC)", "outcome or reason");
    format!(
        "{:>7} {time:19} {:10} {:10} {:22} {:>9} {outcome}",
        "seq", "tenant", "action", "model", "estimate"
    )
}

/// A decision with what became of it.
pub(crate) fn decision_line(followed: &Followed, paint: Paint) -> String {
    let decided = &followed.decided;
    let rest = match (followed.model(), decided.decision.action) {
        (None, _) | (_, Action::Reject) => clipped(&decided.decision.reason.to_string(), 50),
        (Some(model), _) => {
            let word = outcome(followed);
            let outcome = match followed.ending {
                Ending::Unfunded(_) => paint.bad(&word),
                Ending::Open => paint.notable(&word),
                _ => word,
            };
            let cost = followed.estimated_cost_microunits();
            let model = match followed.models().next() {
                Some(chosen) if !followed.failed.is_empty() && chosen != model => {
                    fallback(chosen, model, 22)
                }
                _ => clipped(model, 22),
            };
            format!("{model:22} {:>9} {outcome}", money(cost))
        }
    };
    let action = format!("{:10}", action_word(decided.decision.action));
    let action = match decided.decision.action {
        Action::ExecuteRequested => paint.good(&action),
        Action::Substitute => action,
        Action::Reject => paint.bad(&action),
    };
    format!(
        "{:>7} {} {:10} {action} {rest}",
        followed.sequence,
        to_the_second(decided.time_unix_ms),
        clipped_inside(&decided.tenant, 10)
    )
}

/// `chosen > next` in at most `width` letters: where both do not fit, the longer one is cut first.
fn fallback(chosen: &str, next: &str, width: usize) -> String {
    let room = width.saturating_sub(3);
    let half = room / 2;
    let of_chosen = room.saturating_sub(next.chars().count()).max(half);
    let chosen = clipped(chosen, of_chosen);
    let of_next = room.saturating_sub(chosen.chars().count());
    format!("{chosen} > {}", clipped(next, of_next))
}

fn outcome(followed: &Followed) -> String {
    match &followed.ending {
        Ending::Settled { cost_microunits, .. } => format!("settled {}", money(*cost_microunits)),
        Ending::Abandoned { .. } => "abandoned".to_owned(),
        Ending::Open => "open".to_owned(),
        Ending::Unfunded(refusal) => refusal_word(*refusal).to_owned(),
        Ending::Rejected => "rejected".to_owned(),
    }
}

/// Why the budget refused, in a word or two.
pub(crate) fn refusal_word(refusal: Admission) -> &'static str {
    match refusal {
        Admission::Insufficient { .. } => "unfunded",
        Admission::Frozen => "tenant frozen",
        Admission::InDebt { .. } => "tenant in debt",
        Admission::Exposed { .. } => "over its cap",
        Admission::NotAsked | Admission::Reserved => "",
    }
}

/// The heading of [`record_line`].
pub(crate) fn record_heading() -> String {
    format!("{:>7} {:19} {:10} what", "seq", "time (UTC)", "record")
}

/// Any record by itself.
pub(crate) fn record_line(entry: &Entry, journal: &Journal, paint: Paint) -> String {
    let what = clipped(&words(entry, journal), 61);
    let kind = format!("{:10}", kind(&entry.record));
    let kind = match &entry.record {
        Record::Decided(_) => paint.strong(&kind),
        Record::FellBack { .. } => paint.notable(&kind),
        _ => paint.faint(&kind),
    };
    let time = to_the_second(time_of(&entry.record));
    let line = format!("{:>7} {time} {kind} {what}", entry.sequence);
    line.trim_end().to_owned()
}

/// When the record was made, by the clock of the engine's caller.
pub(crate) const fn time_of(record: &Record<'_>) -> u64 {
    match record {
        Record::SnapshotInstalled { time_unix_ms, .. }
        | Record::BudgetChanged { time_unix_ms, .. }
        | Record::Settled { time_unix_ms, .. }
        | Record::Abandoned { time_unix_ms, .. }
        | Record::FellBack { time_unix_ms, .. } => *time_unix_ms,
        Record::Decided(decided) => decided.time_unix_ms,
        Record::Checkpoint(checkpoint) => checkpoint.time_unix_ms,
        _ => 0,
    }
}

fn words(entry: &Entry, journal: &Journal) -> String {
    match &entry.record {
        Record::SnapshotInstalled { snapshot, .. } => {
            let digest: String = snapshot.digest.to_string().chars().take(8).collect();
            let models = counted(snapshot.models.len(), "model");
            let (policy, catalog) = (snapshot.policy.policy_epoch, snapshot.policy.catalog_epoch);
            format!("policy epoch {policy}, catalog epoch {catalog}, {models}, digest {digest}")
        }
        Record::BudgetChanged { event, .. } => event_words(event),
        Record::Decided(decided) => {
            let decision = &decided.decision;
            let tenant = clipped_inside(&decided.tenant, 16);
            let action = action_word(decision.action);
            let Some(model_id) = decision.selected_model_id else {
                return format!("{tenant}: {action}: {}", decision.reason);
            };
            let model = model_name(journal.names_of(&entry.record), model_id);
            let refused = match decided.admission {
                Admission::NotAsked | Admission::Reserved => String::new(),
                refusal => format!(", {}", refusal_word(refusal)),
            };
            let cost = money(decision.estimated_cost_microunits);
            format!("{tenant}: {action} {} {cost}{refused}", clipped(&model, 22))
        }
        Record::Settled { decision_sequence, actual_cost_microunits, .. } => {
            format!("decision {decision_sequence} cost {}", money(*actual_cost_microunits))
        }
        Record::Abandoned { decision_sequence, .. } => {
            format!("decision {decision_sequence} was not carried out")
        }
        Record::FellBack { decision_sequence, fallback, .. } => {
            let names = journal.names_of(&entry.record);
            let next = match fallback {
                Some(next) => format!("went on with {}", model_name(names, next.model_id)),
                None => "no other model can".to_owned(),
            };
            format!("decision {decision_sequence}: its model failed, {next}")
        }
        Record::Checkpoint(checkpoint) => format!(
            "after {}: every budget, {} open, what is installed",
            counted(checkpoint.decisions, "decision"),
            counted(checkpoint.tickets.len(), "ticket")
        ),
        _ => String::new(),
    }
}

/// A change of a budget in words.
fn event_words(event: &BudgetEvent) -> String {
    let name = |tenant: &str| format!("`{}`", clipped_inside(tenant, 24));
    match event {
        BudgetEvent::TenantOpened { tenant, granted_microunits } => {
            format!("{} opened with {}", name(tenant), money(*granted_microunits))
        }
        BudgetEvent::ChildOpened { tenant, parent, granted_microunits } => {
            let (tenant, parent) = (name(tenant), clipped_inside(parent, 12));
            format!("{tenant} opened below `{parent}` with {}", money(*granted_microunits))
        }
        BudgetEvent::Reserved { tenant, hold, amount_microunits }
        | BudgetEvent::ReservedOnce { tenant, hold, amount_microunits, .. } => {
            format!("{} reserved {} as hold {hold}", name(tenant), money(*amount_microunits))
        }
        BudgetEvent::Committed { hold, actual_microunits } => {
            format!("hold {hold} committed {}", money(*actual_microunits))
        }
        BudgetEvent::PartCommitted { hold, actual_microunits } => {
            format!("hold {hold} committed {} and goes on", money(*actual_microunits))
        }
        BudgetEvent::Released { hold } => format!("hold {hold} released"),
        BudgetEvent::Expired { hold } => format!("hold {hold} expired"),
        BudgetEvent::Dispatched { hold } => format!("hold {hold} dispatched"),
        BudgetEvent::Extended { hold, amount_microunits } => {
            format!("hold {hold} extended by {}", money(*amount_microunits))
        }
        BudgetEvent::Overdrawn { hold, extra_microunits, .. } => {
            format!("hold {hold} overdrawn by {}", money(*extra_microunits))
        }
        BudgetEvent::ToppedUp { tenant, amount_microunits } => {
            format!("{} topped up by {}", name(tenant), money(*amount_microunits))
        }
        BudgetEvent::Reduced { tenant, amount_microunits } => {
            format!("{} reduced by {}", name(tenant), money(*amount_microunits))
        }
        BudgetEvent::Refunded { tenant, amount_microunits } => {
            format!("{} refunded {}", name(tenant), money(*amount_microunits))
        }
        BudgetEvent::Repaid { tenant, amount_microunits } => {
            format!("{} repaid {}", name(tenant), money(*amount_microunits))
        }
        BudgetEvent::Frozen { tenant } => format!("{} frozen", name(tenant)),
        BudgetEvent::Unfrozen { tenant } => format!("{} unfrozen", name(tenant)),
        BudgetEvent::RulesSet { tenant, .. } => format!("{} has other rules", name(tenant)),
        BudgetEvent::SoftLimitReached { tenant } => {
            format!("{} reached its soft limit", name(tenant))
        }
        BudgetEvent::CarriedOver { from, to, amount_microunits } => {
            format!("{} to {}: {} carried over", name(from), name(to), money(*amount_microunits))
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::fallback;

    #[test]
    fn a_fallback_names_both_models_in_its_column() {
        assert_eq!(fallback("small", "large", 22), "small > large");
        assert_eq!(fallback("gemini-2.5-flash-lite", "gpt-4o", 22), "gemini-2.5-f~ > gpt-4o");
        assert_eq!(fallback("gpt-4o", "gemini-2.5-flash-lite", 22), "gpt-4o > gemini-2.5-f~");
        let both = fallback("gemini-2.5-flash-lite", "claude-sonnet-4-5", 22);
        assert_eq!(both, "gemini-2~ > claude-so~");
    }
}
