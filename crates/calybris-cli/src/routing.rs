//! The main job: every request through the engine, from first to last, then the log verified from the disk.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use calybris_core::budget::AccountSnapshot;
use calybris_core::engine::{Call, Engine, EngineOptions, Names, Outcome, Settlement};
use calybris_core::kernel::{Policy, Request};
use calybris_core::wal::{Anchor, Key, Report, VerifyOptions, verify};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::input::catalog::Catalog;
use crate::input::error::{InputError, quoted};
use crate::input::policy::{Microunits, PolicyFile};
use crate::input::request::{RequestParser, RoutedRequest};
use crate::input::row::RequestFile;
use crate::log::journal::Journal;
use crate::log::naming::model_name;
use crate::page::Stream;
use crate::tally::Tally;
use crate::terminal::progress_bar;

/// Checked inputs of a run.
pub(crate) struct Job<'a> {
    pub(crate) policy: &'a PolicyFile,
    /// What messages call the policy file.
    pub(crate) policy_file: &'a Path,
    pub(crate) catalog: &'a Catalog,
    pub(crate) requests: &'a RequestFile,
    pub(crate) log: &'a Path,
    /// Continue a log that exists, instead of making a new one.
    pub(crate) append: bool,
    /// Print each decision, a JSON line, when it is in the log.
    pub(crate) each: bool,
    pub(crate) key: Option<Key>,
}

/// What a run came to.
pub(crate) struct Routed {
    pub(crate) tally: Tally,
    /// What an earlier run had left in the log.
    pub(crate) earlier: Earlier,
    /// Deciding, reserving, logging and settling, without reading the input files.
    pub(crate) elapsed: Duration,
    pub(crate) anchor: Anchor,
    /// The log as verified from the disk after it was closed, against `anchor`.
    pub(crate) report: Report,
    /// Every tenant's balance at the end.
    pub(crate) accounts: Vec<(String, AccountSnapshot)>,
}

/// What opening found.
pub(crate) struct Earlier {
    pub(crate) records: u64,
    pub(crate) decisions: u64,
    /// What a crash had torn and opening set aside, in words; `None` if the log ended cleanly.
    pub(crate) torn: Option<String>,
    /// Tickets that the earlier run had left open. This program dispatches nothing, so they are abandoned, logged.
    pub(crate) abandoned_tickets: u64,
    pub(crate) abandoned_microunits: u64,
    /// What this run put in force in place of what the earlier run had; `None` if that is the same.
    pub(crate) replaced: Option<Replaced>,
}

/// A policy and a catalog that were installed in place of others.
pub(crate) struct Replaced {
    /// The record that installed them.
    pub(crate) sequence: u64,
    /// The numbers of the policy changed, and `policy_epoch` is not higher.
    pub(crate) policy_epoch_not_raised: bool,
    /// The models changed, and `catalog_epoch` is not higher.
    pub(crate) catalog_epoch_not_raised: bool,
}

impl Job<'_> {
    /// Reads the requests once from first to last and says how many there are, or what is wrong with one of them.
    ///
    /// So a bad line 9,000 is found before line 1 is decided, and nothing half-done is left behind.
    pub(crate) fn check_requests(&self) -> Result<u64, InputError> {
        let parser = RequestParser::new(self.policy, self.catalog.snapshot.names());
        parser.check_defaults(self.policy_file)?;
        let mut count = 0;
        for (position, row) in (1..).zip(self.requests.rows()?) {
            parser.parse(&row?, position)?;
            count = position;
        }
        if count == 0 {
            return Err(InputError::in_file(self.requests.name(), "holds no request"));
        }
        Ok(count)
    }

    /// Opens or creates the log, routes every request, settles it, closes the log and verifies it from the disk.
    pub(crate) fn run(&self, request_count: u64) -> Result<Routed, Failure> {
        self.check_log()?;
        let refuse = |error| Failure::of_engine(self.log, &error);
        let mut options = EngineOptions::default();
        if let Some(key) = &self.key {
            options = options.key(key.clone());
        }
        let engine = Engine::open(self.log, &options).map_err(refuse)?;
        if !self.append && !engine.recovery().log.created {
            return Err(Failure::at(self.log, NEVER_OVERWRITTEN));
        }
        self.check_grants(&engine)?;
        // From here on there are new records, and a failure says how far it came.
        let mut decided = 0;
        let routed = self.route_all(engine, request_count, &mut decided);
        routed.map_err(|failure| failure.after(decided, request_count))
    }

    /// A log is made where nothing is, and continued where one is and only if that was asked for.
    fn check_log(&self) -> Result<(), Failure> {
        let mut names = Vec::new();
        match std::fs::read_dir(self.log) {
            Ok(entries) => names.extend(entries.flatten().map(|entry| entry.file_name())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(Failure::at(self.log, error)),
        }
        let is_segment = |name: &std::ffi::OsString| name.to_string_lossy().ends_with(".cwal");
        match self.append {
            true if !names.iter().any(is_segment) => {
                let what = "there is no log to continue: without --append a new one is made";
                Err(Failure::at(self.log, what))
            }
            false if !names.is_empty() => Err(Failure::at(self.log, NEVER_OVERWRITTEN)),
            _ => Ok(()),
        }
    }

    /// What the log grants a tenant is what the policy file has to say.
    fn check_grants(&self, engine: &Engine) -> Result<(), Failure> {
        for (tenant, Microunits(granted)) in &self.policy.tenants {
            let logged = engine.account(tenant).map(|account| account.granted_microunits);
            if let Some(logged) = logged.filter(|logged| logged != granted) {
                let what = format!(
                    "tenant {}: found {granted} microunits, but the log in {} grants {logged}; a grant is given once",
                    quoted(tenant),
                    self.log.display()
                );
                return Err(Failure::at(self.policy_file, what));
            }
        }
        Ok(())
    }

    fn route_all(
        &self,
        engine: Engine,
        request_count: u64,
        decided: &mut u64,
    ) -> Result<Routed, Failure> {
        let refuse = |error| Failure::of_engine(self.log, &error);
        let last = engine.head().sequence;
        let installed =
            engine.install(self.catalog.snapshot.clone(), now_unix_ms()).map_err(refuse)?;
        let mut earlier = self.take_over(&engine)?;
        if installed > last {
            earlier.replaced = self.replaced_by(installed)?;
        }
        for (tenant, Microunits(granted)) in &self.policy.tenants {
            engine.ensure_tenant(tenant, *granted, now_unix_ms()).map_err(refuse)?;
        }
        let (tally, elapsed) = self.route(&engine, request_count, decided)?;
        let accounts = engine.accounts();
        let anchor = engine.close().map_err(refuse)?;
        let options = VerifyOptions {
            key: self.key.clone(),
            anchor: Some(anchor),
            ..VerifyOptions::default()
        };
        let report =
            verify(self.log, &options).map_err(|error| Failure::of_log(self.log, &error))?;
        Ok(Routed { tally, earlier, elapsed, anchor, report, accounts })
    }

    /// Compares what the record at `sequence` installs with what was in force before it; `None` if nothing was.
    fn replaced_by(&self, sequence: u64) -> Result<Option<Replaced>, Failure> {
        let mut journal = Journal::open(self.log, self.key.as_ref())?;
        let mut before = None;
        while let Some(entry) = journal.next()? {
            if entry.sequence >= sequence {
                break;
            }
            before = journal.snapshot(entry.sequence).or(before);
        }
        let Some(before) = before else { return Ok(None) };
        let (old, new) = (before.policy_snapshot(), self.catalog.snapshot.policy_snapshot());
        let numbers = |policy: &Policy| Policy { policy_epoch: 0, catalog_epoch: 0, ..*policy };
        let (was, is) = (old.policy(), new.policy());
        let same_catalog =
            old.models() == new.models() && before.names() == self.catalog.snapshot.names();
        Ok(Some(Replaced {
            sequence,
            policy_epoch_not_raised: numbers(was) != numbers(is)
                && is.policy_epoch <= was.policy_epoch,
            catalog_epoch_not_raised: !same_catalog && is.catalog_epoch <= was.catalog_epoch,
        }))
    }

    /// What an earlier run left: its open tickets go back to their tenants.
    fn take_over(&self, engine: &Engine) -> Result<Earlier, Failure> {
        let recovery = engine.recovery();
        let mut earlier = Earlier {
            records: recovery.records,
            decisions: recovery.decisions,
            torn: recovery.log.quarantined.as_ref().map(|torn| {
                let (bytes, path) = (torn.bytes, torn.path.display());
                format!("{bytes} bytes at the end were no whole record and are now in {path}")
            }),
            abandoned_tickets: 0,
            abandoned_microunits: 0,
            replaced: None,
        };
        for open in engine.open_tickets() {
            let Some(ticket) = engine.ticket(open.decision_sequence) else { continue };
            let abandoned = engine.abandon(ticket, now_unix_ms());
            let returned =
                abandoned.map_err(|refused| Failure::of_settlement(self.log, &refused))?;
            earlier.abandoned_tickets += 1;
            earlier.abandoned_microunits =
                earlier.abandoned_microunits.saturating_add(returned.returned_microunits);
        }
        Ok(earlier)
    }

    fn route(
        &self,
        engine: &Engine,
        request_count: u64,
        decided: &mut u64,
    ) -> Result<(Tally, Duration), Failure> {
        let names = self.catalog.snapshot.names();
        let parser = RequestParser::new(self.policy, names);
        let bar = progress_bar("{bar:30} {human_pos} of {human_len} decided, {eta} left");
        bar.set_length(request_count);
        let mut tally = Tally::default();
        let mut elapsed = Duration::ZERO;
        let mut each = self.each.then(Stream::stdout);
        for (position, row) in (1..).zip(self.requests.rows()?) {
            let routed = parser.parse(&row?, position)?;
            let time_unix_ms = routed.time_unix_ms.unwrap_or_else(now_unix_ms);
            let call = Call {
                tenant: &routed.tenant,
                time_unix_ms,
                correlation_id: &routed.correlation_id,
                request_key: "",
                request: routed.request,
            };
            let start = Instant::now();
            let mut outcome =
                engine.decide(&call).map_err(|error| Failure::of_engine(self.log, &error))?;
            let mut settlement = None;
            if let Some(ticket) = outcome.ticket.take() {
                let generated =
                    Request { output_tokens: routed.actual_output_tokens, ..routed.request };
                let model = self.catalog.snapshot.policy_snapshot().model(ticket.model_id());
                let cost = model.map_or(0, |model| model.cost_microunits(&generated));
                let settled = engine.settle(ticket, cost, time_unix_ms);
                settlement =
                    Some(settled.map_err(|refused| Failure::of_settlement(self.log, &refused))?);
            }
            elapsed += start.elapsed();
            if let Some(out) = &mut each {
                out.line(line_of(&routed, &outcome, settlement.as_ref(), names))?;
                out.flush()?;
            }
            tally.count(&routed.tenant, &routed.request, &outcome, settlement.as_ref(), names);
            *decided = position;
            bar.inc(1);
        }
        bar.finish_and_clear();
        if *decided != request_count {
            let what =
                format!("held {request_count} requests when it was checked, and then {decided}");
            return Err(Failure::at(self.requests.name(), what));
        }
        tally.finish(names);
        Ok((tally, elapsed))
    }
}

/// One request, decided: what `--each` prints.
fn line_of(
    routed: &RoutedRequest,
    outcome: &Outcome,
    settlement: Option<&Settlement>,
    names: &Names,
) -> Value {
    let model_id = outcome.decision.selected_model_id;
    json!({
        "decision_sequence": outcome.decision_sequence,
        "tenant": routed.tenant,
        "correlation_id": routed.correlation_id,
        "action": outcome.decision.action,
        "reason": outcome.decision.reason,
        "model": model_id.map(|model_id| model_name(names, model_id)),
        "admission": outcome.admission,
        "settled_sequence": settlement.map(|settlement| settlement.sequence),
        "actual_cost_microunits": settlement.map(|settlement| settlement.committed_microunits),
    })
}

const NEVER_OVERWRITTEN: &str = "exists and is not empty; a log is never overwritten: \
     name another directory, or continue the log in it with --append";

/// The program's clock, for what the files do not date.
fn now_unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
