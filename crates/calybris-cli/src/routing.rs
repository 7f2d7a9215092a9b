//! The main job: every request through the engine, from first to last, then the log verified from the disk.

use std::io::IsTerminal;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use calybris_core::engine::{Call, Engine, EngineOptions};
use calybris_core::kernel::Request;
use calybris_core::wal::{Anchor, Key, Report, VerifyOptions, verify};
use indicatif::{ProgressBar, ProgressStyle};

use crate::failure::Failure;
use crate::input::catalog::Catalog;
use crate::input::error::InputError;
use crate::input::policy::PolicyFile;
use crate::input::request::RequestParser;
use crate::input::row::RequestFile;
use crate::tally::Tally;

/// Checked inputs of a run.
pub(crate) struct Job<'a> {
    pub(crate) policy: &'a PolicyFile,
    pub(crate) catalog: &'a Catalog,
    pub(crate) requests: &'a RequestFile,
    pub(crate) log: &'a Path,
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
    /// Tenant, what it was granted, what it has left.
    pub(crate) balances: Vec<(String, u64, u64)>,
}

/// What opening found.
pub(crate) struct Earlier {
    pub(crate) records: u64,
    pub(crate) decisions: u64,
    /// What a crash had torn and opening set aside, in words; `None` if the log ended cleanly.
    pub(crate) torn: Option<String>,
    /// Tickets that the earlier run had left open. Nothing was ever dispatched for them, so they are abandoned, logged.
    pub(crate) abandoned_tickets: u64,
    pub(crate) abandoned_microunits: u64,
}

impl Job<'_> {
    /// Reads the requests once from first to last and says how many there are, or what is wrong with one of them.
    ///
    /// So a bad line 9,000 is found before line 1 is decided, and nothing half-done is left behind.
    pub(crate) fn check_requests(&self) -> Result<u64, InputError> {
        let parser = RequestParser::new(self.policy, self.catalog.snapshot.names());
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
        let engine_failure = |error| Failure::of_engine(self.log, &error);
        let mut options = EngineOptions::default();
        if let Some(key) = &self.key {
            options = options.key(key.clone());
        }
        let engine = Engine::open(self.log, &options, self.catalog.snapshot.clone())
            .map_err(engine_failure)?;
        let earlier = self.take_over(&engine)?;
        for (tenant, granted_microunits) in &self.policy.tenants {
            engine
                .ensure_tenant(tenant, *granted_microunits, now_unix_ms())
                .map_err(engine_failure)?;
        }
        let (tally, elapsed) = self.route(&engine, request_count)?;
        let balances = engine.budget().tenants().into_iter().map(|tenant| {
            let account = tenant.snapshot();
            (tenant.name().to_owned(), account.granted_microunits, account.available_microunits)
        });
        let balances = balances.collect();
        let anchor = engine.close().map_err(engine_failure)?;
        let options = VerifyOptions {
            key: self.key.clone(),
            anchor: Some(anchor),
            ..VerifyOptions::default()
        };
        let report =
            verify(self.log, &options).map_err(|error| Failure::of_log(self.log, &error))?;
        Ok(Routed { tally, earlier, elapsed, anchor, report, balances })
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

    fn route(&self, engine: &Engine, request_count: u64) -> Result<(Tally, Duration), Failure> {
        let names = self.catalog.snapshot.names();
        let parser = RequestParser::new(self.policy, names);
        let bar = progress_bar(request_count);
        let mut tally = Tally::default();
        let mut elapsed = Duration::ZERO;
        for (position, row) in (1..).zip(self.requests.rows()?) {
            let routed = parser.parse(&row?, position)?;
            let time_unix_ms = routed.time_unix_ms.unwrap_or_else(now_unix_ms);
            let call = Call {
                tenant: &routed.tenant,
                time_unix_ms,
                correlation_id: &routed.correlation_id,
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
            tally.count(&routed.tenant, &routed.request, &outcome, settlement.as_ref(), names);
            bar.inc(1);
        }
        bar.finish_and_clear();
        tally.finish(names);
        Ok((tally, elapsed))
    }
}

fn progress_bar(length: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let template = "{bar:40} {pos}/{len} decided, {per_sec}, {eta} left";
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length).with_style(style)
}

/// The program's clock, for what the files do not date.
fn now_unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
