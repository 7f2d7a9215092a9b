//! Records as lines. The widths of the columns are known before the first line, so lines can be printed as they come.

use calybris_core::budget::BudgetEvent;
use calybris_core::engine::{Admission, Entry, Names, Record};
use calybris_core::kernel::Action;

use crate::amount::{counted, money};
use crate::log::account::rules_words;
use crate::log::journal::Journal;
use crate::log::json::kind;
use crate::log::naming::{action_word, model_name, requested_name};
use crate::log::outcome::{Ending, Followed};
use crate::terminal::{Paint, clipped, clipped_inside, columns};
use crate::time::to_the_second;
use crate::visible::visible_within_a_line;

/// The widths of the columns, which depend on the terminal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Columns {
    /// The width of the terminal; `None` if standard output is not one, and then nothing is cut.
    line: Option<usize>,
    sequence: usize,
    /// How many letters of `2026-11-02 09:05:05` are shown, counted from its end.
    time: usize,
    tenant: usize,
    model: usize,
    tokens_in: usize,
    tokens_out: usize,
    /// Whether the estimated cost has a column.
    estimate: bool,
}

impl Columns {
    pub(crate) fn of_stdout() -> Self {
        Self::of(columns())
    }

    fn of(line: Option<usize>) -> Self {
        let all = Self {
            line,
            sequence: 7,
            time: 19,
            tenant: 10,
            model: 20,
            tokens_in: 7,
            tokens_out: 7,
            estimate: true,
        };
        let Some(letters) = line else { return all };
        let columns = match letters {
            120.. => all,
            100.. => Self { time: 14, estimate: false, ..all },
            _ => Self {
                sequence: 6,
                time: 8,
                tenant: 8,
                tokens_in: 6,
                tokens_out: 5,
                estimate: false,
                ..all
            },
        };
        // The rest of the line is for the names of two models.
        let left = letters.saturating_sub(columns.others());
        Self { model: (left / 2).max(LEAST_MODEL_LETTERS), ..columns }
    }

    /// The width of all columns except the two with a model, including the blanks between them.
    const fn others(self) -> usize {
        let estimate = if self.estimate { ESTIMATE + 1 } else { 0 };
        self.sequence
            + self.time
            + self.tenant
            + self.tokens_in
            + self.tokens_out
            + estimate
            + OUTCOME
            + 7
    }

    /// The text in a column of that width.
    fn cut(self, text: &str, width: usize) -> String {
        match self.line {
            None => visible_within_a_line(text),
            Some(_) => clipped_inside(text, width),
        }
    }

    /// Whether the line of a decision shows only the time of day.
    pub(crate) const fn leave_out_the_day(self) -> bool {
        self.time < 14
    }

    /// The text after so many letters, in as many lines as it needs. Only a word that is longer than a line is cut, which no
    /// number is.
    fn folded(self, text: &str, behind: usize) -> String {
        let Some(letters) = self.line else { return visible_within_a_line(text) };
        let room = letters.saturating_sub(behind).max(LEAST_WORDS_LETTERS);
        let mut folded = String::new();
        let mut used = 0;
        for word in visible_within_a_line(text).split_whitespace() {
            let word = clipped_inside(word, room);
            let longer = word.chars().count();
            if used > 0 && used + 1 + longer > room {
                folded.push('\n');
                folded.push_str(&" ".repeat(behind));
                used = 0;
            } else if used > 0 {
                folded.push(' ');
                used += 1;
            }
            folded.push_str(&word);
            used += longer;
        }
        folded
    }

    /// The text in the rest of a line after so many letters.
    fn rest(self, text: &str, behind: usize) -> String {
        let room = self.line.map(|letters| letters.saturating_sub(behind));
        clipped(text, room.unwrap_or(usize::MAX))
    }
}

/// The least letters of a model's name, however narrow the terminal is.
const LEAST_MODEL_LETTERS: usize = 8;
const ESTIMATE: usize = 9;
/// The least letters of a record's words in a line, however narrow the terminal is: enough for every amount.
const LEAST_WORDS_LETTERS: usize = 27;
/// As long as `settled 0.000135`.
const OUTCOME: usize = 16;

/// The heading of [`decision_line`].
pub(crate) fn decision_heading(columns: Columns) -> String {
    let Columns { sequence, time, tenant, model, tokens_in, tokens_out, estimate, .. } = columns;
    let out = if tokens_out < 7 { "out" } else { "tok out" };
    let utc = if time < 10 { "UTC" } else { "time (UTC)" };
    let estimate = if estimate { format!(" {:>ESTIMATE$}", "estimate") } else { String::new() };
    format!(
        "{:>sequence$} {utc:time$} {:tenant$} {:model$} {:>tokens_in$} {:>tokens_out$} \
         {:model$}{estimate} outcome, reason",
        "seq", "tenant", "asked for", "tok in", out, "chosen"
    )
}

/// A decision with its outcome: the requested and the chosen model. `names` are those of its snapshot.
pub(crate) fn decision_line(
    followed: &Followed,
    names: &Names,
    columns: Columns,
    paint: Paint,
) -> String {
    let Columns { sequence, time, tenant, model, tokens_in, tokens_out, .. } = columns;
    let decided = &followed.decided;
    let request = &decided.request;
    let at = to_the_second(decided.time.get());
    let at = at.get(at.len().saturating_sub(time)..).unwrap_or(&at);
    let asked_for = model_name(names, request.requested_model_id);
    let asked = format!(
        "{:>sequence$} {at:time$} {:tenant$} {:model$} {:>tokens_in$} {:>tokens_out$}",
        followed.sequence,
        columns.cut(&decided.tenant, tenant),
        columns.cut(&asked_for, model),
        request.usage.prompt_tokens(),
        request.usage.completion_tokens(),
    );
    let (Some(chosen), Action::ExecuteRequested | Action::Substitute) =
        (followed.model(), decided.decision.action)
    else {
        let reason = format!("rejected: {}", decided.decision.reason);
        let reason = columns.rest(&reason, asked.chars().count() + 1);
        return format!("{asked} {}", paint.bad(&reason));
    };
    let chosen = match followed.models().next() {
        Some(first) if !followed.failed.is_empty() && first != chosen => match columns.line {
            None => format!("{} > {}", columns.cut(first, model), columns.cut(chosen, model)),
            Some(_) => fallback(first, chosen, model),
        },
        _ => columns.cut(chosen, model),
    };
    let chosen = format!("{chosen:model$}");
    let chosen = match decided.decision.action {
        Action::ExecuteRequested => paint.good(&chosen),
        _ => chosen,
    };
    let estimate = if columns.estimate {
        format!(" {:>ESTIMATE$}", money(followed.estimated_cost_microunits()))
    } else {
        String::new()
    };
    let word = outcome(followed);
    let outcome = match followed.ending {
        Ending::Unfunded(_) => paint.bad(&word),
        Ending::Open => paint.notable(&word),
        _ => word,
    };
    format!("{asked} {chosen}{estimate} {outcome}")
}

/// `chosen > next` in at most `width` letters. If both do not fit, the longer one is cut first.
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
pub(crate) fn record_line(
    entry: &Entry,
    journal: &Journal,
    columns: Columns,
    paint: Paint,
) -> String {
    let what = columns.folded(&words(entry, journal), BEFORE_WHAT);
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

/// Letters of a record's line before its words.
const BEFORE_WHAT: usize = 39;

/// When the record was made, by the clock of the engine's caller.
pub(crate) const fn time_of(record: &Record<'_>) -> u64 {
    match record {
        Record::SnapshotInstalled { time, .. }
        | Record::BudgetChanged { time, .. }
        | Record::Settled { time, .. }
        | Record::Abandoned { time, .. }
        | Record::FellBack { time, .. } => time.get(),
        Record::Decided(decided) => decided.time.get(),
        Record::Checkpoint(checkpoint) => checkpoint.time.get(),
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
        Record::BudgetChanged { event, reason, .. } if reason.is_empty() => event_words(event),
        Record::BudgetChanged { event, reason, .. } => {
            format!("{}: {}", event_words(event), visible_within_a_line(reason))
        }
        Record::Decided(decided) => {
            let decision = &decided.decision;
            let (tenant, request) = (&decided.tenant, &decided.request);
            let names = journal.names_of(&entry.record);
            let asked_for = format!(
                "asked for {}, {} tokens in, {} out",
                requested_name(names, request.requested_model_id),
                request.usage.prompt_tokens(),
                request.usage.completion_tokens()
            );
            let action = action_word(decision.action);
            let Some(model_id) = decision.selected_model_id else {
                return format!("{tenant}: {action}, {}; {asked_for}", decision.reason);
            };
            let model = model_name(names, model_id);
            let refused = match decided.admission {
                Admission::NotAsked | Admission::Reserved => String::new(),
                refusal => format!(", {}", refusal_word(refusal)),
            };
            let cost = money(decision.estimated_cost.get());
            format!("{tenant}: {action} {model} {cost}{refused}; {asked_for}")
        }
        Record::Settled { decision_sequence, actual_cost, .. } => {
            format!("decision {decision_sequence} cost {}", money(actual_cost.get()))
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
    let name = |tenant: &str| format!("`{}`", visible_within_a_line(tenant));
    match event {
        BudgetEvent::TenantOpened { tenant, granted } => {
            format!("{} opened with {}", name(tenant), money(granted.get()))
        }
        BudgetEvent::ChildOpened { tenant, parent, granted } => {
            let (tenant, parent) = (name(tenant), name(parent));
            format!("{tenant} opened below {parent} with {}", money(granted.get()))
        }
        BudgetEvent::Reserved { tenant, reservation, amount }
        | BudgetEvent::ReservedOnce { tenant, reservation, amount, .. } => {
            format!(
                "{} reserved {} as reservation {reservation}",
                name(tenant),
                money(amount.get())
            )
        }
        BudgetEvent::Committed { reservation, actual } => {
            format!("reservation {reservation} committed {}", money(actual.get()))
        }
        BudgetEvent::PartCommitted { reservation, actual } => {
            format!("reservation {reservation} committed {} and goes on", money(actual.get()))
        }
        BudgetEvent::Released { reservation } => format!("reservation {reservation} released"),
        BudgetEvent::Expired { reservation } => format!("reservation {reservation} expired"),
        BudgetEvent::Dispatched { reservation } => format!("reservation {reservation} dispatched"),
        BudgetEvent::Extended { reservation, amount } => {
            format!("reservation {reservation} extended by {}", money(amount.get()))
        }
        BudgetEvent::Overdrawn { reservation, extra, .. } => {
            format!("reservation {reservation} overdrawn by {}", money(extra.get()))
        }
        BudgetEvent::ToppedUp { tenant, amount } => {
            format!("{} topped up by {}", name(tenant), money(amount.get()))
        }
        BudgetEvent::Reduced { tenant, amount } => {
            format!("{} reduced by {}", name(tenant), money(amount.get()))
        }
        BudgetEvent::Refunded { tenant, amount } => {
            format!("{} refunded {}", name(tenant), money(amount.get()))
        }
        BudgetEvent::Repaid { tenant, amount } => {
            format!("{} repaid {}", name(tenant), money(amount.get()))
        }
        BudgetEvent::Frozen { tenant } => format!("{} frozen", name(tenant)),
        BudgetEvent::Unfrozen { tenant } => format!("{} unfrozen", name(tenant)),
        BudgetEvent::RulesSet { tenant, rules } => {
            format!("{} has the rules {}", name(tenant), rules_words(rules))
        }
        BudgetEvent::SoftLimitReached { tenant } => {
            format!("{} reached its soft limit", name(tenant))
        }
        BudgetEvent::CarriedOver { from, to, amount } => {
            format!("{} to {}: {} carried over", name(from), name(to), money(amount.get()))
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_are_as_wide_as_the_terminal_and_a_pipe_gets_whole_names() {
        for letters in 72..300 {
            let columns = Columns::of(Some(letters));
            let whole = columns.others() + 2 * columns.model;
            assert!((letters - 1..=letters).contains(&whole), "{letters}: {whole}");
            assert_eq!(columns.cut("openrouter/openai/gpt-4o", 8), "ope~t-4o");
        }
        let piped = Columns::of(None);
        assert_eq!(piped.cut("openrouter/openai/gpt-4o", 8), "openrouter/openai/gpt-4o");
        assert_eq!(piped.rest(&"x".repeat(200), 100), "x".repeat(200));
    }

    #[test]
    fn what_has_no_room_in_a_line_goes_on_in_the_next_and_no_number_is_cut() {
        let text =
            format!("`{}` opened below `acme` with 18,446,744,073,709.551615", "t".repeat(60));
        for letters in 1..160 {
            let folded = Columns::of(Some(letters)).folded(&text, BEFORE_WHAT);
            assert!(folded.contains("18,446,744,073,709.551615"), "{letters}: {folded}");
            let first = folded.lines().next().unwrap().chars().count() + BEFORE_WHAT;
            let widest = folded.lines().skip(1).map(|line| line.chars().count()).max();
            let most = letters.max(BEFORE_WHAT + LEAST_WORDS_LETTERS);
            assert!(first.max(widest.unwrap_or_default()) <= most, "{letters}: {folded}");
        }
        assert_eq!(Columns::of(None).folded(&text, BEFORE_WHAT), text);
    }

    #[test]
    fn a_line_without_room_for_the_date_says_so() {
        for (letters, leaves_out) in [(Some(80), true), (Some(100), false), (None, false)] {
            assert_eq!(Columns::of(letters).leave_out_the_day(), leaves_out, "{letters:?}");
        }
    }

    #[test]
    fn a_fallback_names_both_models_in_its_column() {
        assert_eq!(fallback("small", "large", 22), "small > large");
        assert_eq!(fallback("gemini-2.5-flash-lite", "gpt-4o", 22), "gemini-2.5-f~ > gpt-4o");
        assert_eq!(fallback("gpt-4o", "gemini-2.5-flash-lite", 22), "gpt-4o > gemini-2.5-f~");
        let both = fallback("gemini-2.5-flash-lite", "claude-sonnet-4-5", 22);
        assert_eq!(both, "gemini-2~ > claude-so~");
    }
}
