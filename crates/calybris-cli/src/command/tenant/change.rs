//! One change of a tenant: asked of the ledger, then made under the log's lock.

use calybris_core::budget::BudgetEvent;
use calybris_core::engine::{Act, Engine, EngineError, Ledger, LedgerAccount};
use calybris_core::units::{UnixMillis, invariant};
use serde_json::json;

use super::arguments::TenantArguments;
use super::difference::Difference;
use super::refusal::refused;
use crate::failure::Failure;
use crate::log::intact::{Intact, change_failed, torn_tail};
use crate::output::Page;
use crate::time::{rfc3339, to_the_second};
use crate::visible::visible_within_a_line;

/// A change that a command asks for.
pub(super) struct Change<'a> {
    /// The command, for JSON.
    pub(super) verb: &'static str,
    /// What has been done to the tenant then: `topped up by 5.000000`.
    pub(super) done: &'a str,
    /// The change, of a log that leads to this.
    pub(super) event: &'a dyn Fn(&Ledger) -> Result<BudgetEvent, Failure>,
}

/// The record that made a change, and a torn tail that was set aside to write it.
struct Record {
    sequence: u64,
    torn: Option<String>,
}

impl Change<'_> {
    /// Makes the change, or says what it would do.
    pub(super) fn run(&self, of: &TenantArguments) -> Result<Page, Failure> {
        let (dir, time) = (of.log.dir(), of.change.time()?);
        if of.reason.is_empty() {
            return Err(Failure::refused("--reason: it is empty, and the record is to say why"));
        }
        let act = Act::new(time).with_reason(&of.reason);
        act.check().map_err(|error| Failure::refused(format_args!("--reason: {error}")))?;
        let mut intact = Intact::read(&of.log)?;
        let (_, mut differences) = self.asked(&intact.ledger, of)?;
        let mut record = None;
        if !of.change.dry_run && !differences.is_empty() {
            let engine = intact.open(dir)?;
            // What was written since it was read may change the answer.
            let (event, still) = self.asked(&intact.ledger, of)?;
            differences = still;
            if !differences.is_empty() {
                make(&engine, &event, act).map_err(|error| change_failed(&of.log, &error))?;
                let (sequence, torn) = (engine.head().sequence, torn_tail(&engine));
                for difference in &mut differences {
                    let account = engine.account(&difference.after.tenant);
                    difference.after.balance = invariant!(account, "a tenant stays open")?;
                }
                engine.close().map_err(|error| change_failed(&of.log, &error))?;
                record = Some(Record { sequence, torn });
            }
        }
        let mut page = Page::default();
        if record.is_some() {
            page.remains(dir, &of.log.key.typed_again());
        }
        if of.log.json {
            page.line(format_args!("{:#}", self.object(of, time, record.as_ref(), &differences)));
        } else {
            self.words(of, time, record.as_ref(), &differences, &mut page);
        }
        Ok(page)
    }

    /// The change, and what it would do to each account. It may do nothing.
    fn asked(
        &self,
        ledger: &Ledger,
        of: &TenantArguments,
    ) -> Result<(BudgetEvent, Vec<Difference>), Failure> {
        let event = (self.event)(ledger)?;
        let after = ledger
            .after(event.clone())
            .map_err(|error| refused(&of.log, ledger, &self.attempt(&of.name()), &error))?;
        let before = |after: &LedgerAccount| {
            ledger.accounts.iter().find(|before| before.tenant == after.tenant).cloned()
        };
        let differences =
            after.into_iter().map(|after| Difference { before: before(&after), after });
        let mut changed: Vec<_> = differences.filter(Difference::is_one).collect();
        // The tenant itself, then those above it that the change reaches.
        changed.sort_by_key(|difference| difference.after.tenant != of.name());
        Ok((event, changed))
    }

    /// What cannot be done if it is refused.
    fn attempt(&self, tenant: &str) -> String {
        format!("`{}` cannot be {}", visible_within_a_line(tenant), self.done)
    }

    fn words(
        &self,
        of: &TenantArguments,
        time: UnixMillis,
        record: Option<&Record>,
        differences: &[Difference],
        page: &mut Page,
    ) {
        let (dir, tenant) = (of.log.dir().display(), visible_within_a_line(&of.name()));
        let done = &self.done;
        match record {
            None if differences.is_empty() => {
                page.line(format_args!("{dir}: nothing to do, `{tenant}` is {done} already"));
                return;
            }
            None => {
                page.line(format_args!("{dir}: `{tenant}` would be {done}; nothing was changed"));
            }
            Some(Record { sequence, .. }) => {
                page.line(format_args!("{dir}: `{tenant}` is {done}, by record {sequence}"));
            }
        }
        page.line(format_args!("  time    {} UTC", to_the_second(time.get())));
        page.wrapped("  reason  ", &of.reason);
        if let Some(torn) = record.and_then(|record| record.torn.as_ref()) {
            page.wrapped("  aside   ", torn);
        }
        for difference in differences {
            page.line("");
            difference.words(differences.len() > 1, page);
        }
        page.line("amounts in currency units of 1,000,000 microunits");
    }

    fn object(
        &self,
        of: &TenantArguments,
        time: UnixMillis,
        record: Option<&Record>,
        differences: &[Difference],
    ) -> serde_json::Value {
        json!({
            "change": self.verb,
            "tenant": of.name(),
            "reason": of.reason,
            "time_unix_ms": time.get(),
            "time": rfc3339(time.get()),
            "dry_run": of.change.dry_run,
            "sequence": record.map(|record| record.sequence),
            "torn_tail": record.and_then(|record| record.torn.as_ref()),
            "accounts": differences.iter().map(Difference::object).collect::<Vec<_>>(),
        })
    }
}

fn make(engine: &Engine, event: &BudgetEvent, act: Act<'_>) -> Result<(), EngineError> {
    match event {
        BudgetEvent::TenantOpened { tenant, granted } => {
            engine.ensure_tenant(tenant, *granted, act)
        }
        BudgetEvent::ChildOpened { tenant, parent, granted } => {
            engine.ensure_child(tenant, parent, *granted, act)
        }
        BudgetEvent::ToppedUp { tenant, amount } => engine.top_up(tenant, *amount, act),
        BudgetEvent::Reduced { tenant, amount } => engine.reduce(tenant, *amount, act),
        BudgetEvent::Refunded { tenant, amount } => engine.refund(tenant, *amount, act),
        BudgetEvent::Frozen { tenant } => engine.freeze(tenant, act),
        BudgetEvent::Unfrozen { tenant } => engine.unfreeze(tenant, act),
        BudgetEvent::RulesSet { tenant, rules } => engine.set_rules(tenant, *rules, act),
        _ => Ok(invariant!(None, "a command makes no other change")?),
    }
}
