//! The main job: route every request through the engine, then verify the log from the disk.

pub(crate) mod clock;
mod directory;
mod extent;
mod job;
mod resume;
mod unbound;

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use calybris_catalog::text::quoted;
use calybris_catalog::{Date, InputError, UnlistedModels};
use calybris_core::budget::AccountSnapshot;
use calybris_core::engine::{
    Call, Engine, EngineError, EngineOptions, MAX_REQUEST_KEYS, Microunits, Names, Outcome,
    RecordedDecision, Settlement, Snapshot, UnixMillis,
};
use calybris_core::units::invariant;
use calybris_core::wal::{Anchor, Report, VerifyOptions, WalError, verify};
use serde_json::{Value, json};

use self::directory::has_segment;
use self::extent::Written;
pub(crate) use self::job::Job;
use self::resume::Resumed;
use self::unbound::Unbound;
use crate::failure::Failure;
use crate::input::request::{RequestParser, RoutedRequest};
use crate::input::row::Row;
use crate::log::naming::model_name;
use crate::stream::Stream;
use crate::tally::Tally;
use crate::terminal::progress_bar;
use crate::time::day;

/// The results of a run.
pub(crate) struct Routed {
    pub(crate) tally: Tally,
    /// What an earlier run had left in the log.
    pub(crate) resumed: Resumed,
    /// Deciding, reserving, logging and settling, without reading the input files.
    pub(crate) elapsed: Duration,
    pub(crate) anchor: Anchor,
    /// The log as verified from the disk after it was closed, against `anchor`.
    pub(crate) report: Report,
    /// Every tenant's balance at the end.
    pub(crate) accounts: Vec<(String, AccountSnapshot)>,
    /// Columns and keys of the requests file that were passed over.
    pub(crate) ignored: Vec<String>,
    /// Requests whose time has no time zone.
    pub(crate) times_without_zone: u64,
}

/// What the check of the requests found, before the first is decided.
#[derive(Clone, Debug)]
pub(crate) struct Checked {
    requests: u64,
    /// Those with a request key.
    keyed: usize,
    /// The columns or keys that were ignored.
    ignored: Vec<String>,
    /// Those whose time has no time zone.
    times_without_zone: u64,
    /// The models that they ask for and the catalog does not list.
    unlisted: UnlistedModels,
}

impl Job<'_> {
    /// Reads all requests once and checks them.
    ///
    /// So an error in line 9,000 is found before line 1 is decided, and no run stops half-way because of it.
    pub(crate) fn check_requests(&self) -> Result<Checked, InputError> {
        let own_names = self.catalog.own_names();
        let parser = RequestParser::new(self.policy, &own_names);
        parser.check_defaults()?;
        let mut checked = Checked {
            requests: 0,
            keyed: 0,
            ignored: Vec::new(),
            times_without_zone: 0,
            unlisted: UnlistedModels::default(),
        };
        let mut first_uses = HashMap::new();
        let mut rows = self.requests.rows()?;
        for (position, row) in (1..).zip(rows.by_ref()) {
            let row = row?;
            let routed = parser.parse(&row, position)?;
            checked.requests = position;
            checked.times_without_zone += u64::from(row.time_lacks_zone());
            for name in parser.unlisted_models(&row) {
                checked.unlisted.add(name);
            }
            if routed.request_key.is_empty() {
                continue;
            }
            checked.keyed += 1;
            // A file with more keys is refused below, so they need no memory.
            if checked.keyed <= MAX_REQUEST_KEYS {
                let key = (routed.tenant.clone(), routed.request_key.clone());
                let (first, request) = *first_uses.entry(key).or_insert((position, routed.request));
                if request != routed.request {
                    let place = format!("request {first} of this file");
                    return Err(reused_key(&row, &routed, &place));
                }
            }
        }
        rows.check_mappings()?;
        checked.ignored = rows.ignored().to_vec();
        if checked.requests == 0 {
            return Err(InputError::in_file(self.requests.name(), "holds no request"));
        }
        if checked.keyed > MAX_REQUEST_KEYS {
            let what = format!(
                "holds {} requests with a `request_key`, and a log remembers the last {MAX_REQUEST_KEYS}: \
                 route it in parts, with --append",
                checked.keyed
            );
            return Err(InputError::in_file(self.requests.name(), what));
        }
        Ok(checked)
    }

    /// Opens or creates the log, routes every request, settles it, closes the log and verifies it from the disk.
    pub(crate) fn run(&self, checked: &Checked) -> Result<Routed, Failure> {
        self.check_directory()?;
        let refuse = |error| Failure::of_engine(self.log, &error);
        let mut options =
            EngineOptions::default().request_keys(checked.keyed.max(LEAST_KEYS_REMEMBERED));
        if let Some(key) = &self.key {
            options = options.key(key.clone());
        }
        let engine = Engine::open(self.log, &options).map_err(|error| {
            let is_refused_by_system = matches!(error, EngineError::Log(WalError::Io { .. }));
            let failure = refuse(error);
            match (self.append || failure.is_verdict(), has_segment(self.log)) {
                (false, true) => failure.noting(&self.without_record(checked.requests)),
                (false, false) if is_refused_by_system => {
                    failure.noting("nothing was decided: after that, type the same command again")
                }
                _ => failure,
            }
        })?;
        if self.append == engine.recovery().log.created {
            return Err(Failure::at(self.log, CHANGED_MEANWHILE));
        }
        self.check_grants(&engine)?;
        // From here on there are new records, so a failure says how far the run got.
        let found = engine.head().sequence;
        let mut repeated = 0;
        let routed = self.route_all(engine, checked, &mut repeated);
        routed.map_err(|failure| {
            let (written, damaged) = (self.written_after(found), failure.is_verdict());
            match written {
                Ok(Written { last_sequence: 0, .. }) if !damaged => {
                    failure.without_effect().noting(&self.without_record(checked.requests))
                }
                written => {
                    let came_to = self.came_to(written, repeated, checked.requests, damaged);
                    failure.begun(&came_to)
                }
            }
        })
    }

    /// Refuses a policy file that grants a tenant another amount than the log does.
    fn check_grants(&self, engine: &Engine) -> Result<(), Failure> {
        for (tenant, granted) in self.policy.tenants() {
            let granted = granted.get();
            let logged = engine.account(tenant).map(|account| account.granted.get());
            if let Some(logged) = logged.filter(|logged| *logged != granted) {
                let what = format!(
                    "tenant {}: found {granted} microunits, but the log in {} grants {logged}: write {logged} here too, or route into a new log",
                    quoted(tenant),
                    self.log.display()
                );
                return Err(self.policy.refuse(&["tenants", tenant], what).into());
            }
        }
        Ok(())
    }

    fn route_all(
        &self,
        engine: Engine,
        checked: &Checked,
        repeated: &mut u64,
    ) -> Result<Routed, Failure> {
        let refuse = |error| Failure::of_engine(self.log, &error);
        let last = engine.head().sequence;
        // The snapshot also names the requested models that the catalog does not list, so that the log keeps their names.
        let snapshot = self.catalog.snapshot_naming(&checked.unlisted);
        let names = snapshot.names().clone();
        let installed = engine.install(snapshot, UnixMillis::new(self.clock.unix_ms()));
        let installed = installed.map_err(refuse)?;
        let mut resumed = Resumed::found_by(&engine);
        if installed > last {
            resumed.replaced = self.replaced_by(installed)?;
        }
        // A ticket with a request key stays open: its request may come again in this file, and is carried out then.
        let kept = if checked.keyed > 0 { self.keyed_tickets(&engine)? } else { BTreeSet::new() };
        self.give_back(&engine, &kept, &mut resumed)?;
        for (tenant, granted) in self.policy.tenants() {
            // A grant may have changed since it was opened; `check_grants` has compared it.
            if engine.account(tenant).is_none() {
                let time = UnixMillis::new(self.clock.unix_ms());
                engine.ensure_tenant(tenant, *granted, time).map_err(refuse)?;
            }
        }
        let (tally, elapsed) = self.route(&engine, &names, checked.requests, repeated)?;
        self.give_back(&engine, &BTreeSet::new(), &mut resumed)?;
        let accounts = engine.accounts();
        let anchor = engine.close().map_err(refuse)?;
        let options = VerifyOptions::default().with_key(self.key.clone()).with_anchor(anchor);
        let report =
            verify(self.log, &options).map_err(|error| Failure::of_log(self.log, &error))?;
        let ignored = checked.ignored.clone();
        let times_without_zone = checked.times_without_zone;
        Ok(Routed {
            tally,
            resumed,
            elapsed,
            anchor,
            report,
            accounts,
            ignored,
            times_without_zone,
        })
    }

    fn route(
        &self,
        engine: &Engine,
        names: &Names,
        request_count: u64,
        repeated: &mut u64,
    ) -> Result<(Tally, Duration), Failure> {
        let own_names = self.catalog.own_names();
        let parser = RequestParser::new(self.policy, &own_names);
        let bar = progress_bar("{bar:30} {human_pos} of {human_len} decided, {eta} left");
        bar.set_length(request_count);
        let mut tally = Tally::default();
        let unbound = Unbound::new(self.catalog.snapshot.policy_snapshot())?;
        let retirements = self.retirements();
        let mut elapsed = Duration::ZERO;
        let mut each = self.each.then(Stream::stdout);
        let mut decided = 0;
        for (position, row) in (1..).zip(self.requests.rows()?) {
            let row = row?;
            let routed = parser.parse(&row, position)?;
            let start = Instant::now();
            let (outcome, settlement) = self.carry_out(engine, &routed, &row)?;
            elapsed += start.elapsed();
            *repeated += u64::from(outcome.repeated);
            if let Some(out) = &mut each {
                out.line(line_of(&routed, &outcome, settlement.as_ref(), names))?;
                out.flush()?;
            }
            tally.count(&routed.tenant, &routed.request, &outcome, settlement.as_ref(), names);
            if !outcome.repeated {
                let chosen = outcome.decision.selected_model_id;
                unbound.compare(&routed.request, chosen, &mut tally);
                let retirement = chosen.and_then(|model_id| retirements.get(&model_id));
                if let (Some((name, retirement)), Some(day)) = (retirement, self.day_of(&routed))
                    && *retirement <= day
                {
                    *tally.retired.entry((*name).to_owned()).or_default() += 1;
                }
            }
            decided = position;
            bar.inc(1);
        }
        bar.finish_and_clear();
        if decided != request_count {
            let what = format!(
                "held {request_count} requests when it was checked, and then {decided}: \
                     leave the file as it is while it is routed"
            );
            return Err(Failure::at(self.requests.name(), what));
        }
        tally.finish(names);
        Ok((tally, elapsed))
    }

    /// The models that have a date of retirement, by id.
    fn retirements(&self) -> HashMap<u32, (&str, Date)> {
        let named = self.catalog.snapshot.names().models.iter();
        let retiring = named.filter_map(|(model_id, name)| {
            let retirement = self.catalog.listed.candidate(name)?.retirement?;
            Some((*model_id, (name.as_str(), retirement)))
        });
        retiring.collect()
    }

    /// The day of a request: that of its decision in the log.
    fn day_of(&self, routed: &RoutedRequest) -> Option<Date> {
        day(routed.time_unix_ms.unwrap_or_else(|| self.clock.unix_ms())).parse().ok()
    }

    /// Decides a request and settles it. A request that was decided before under its request key is settled only if its ticket
    /// is still open.
    fn carry_out(
        &self,
        engine: &Engine,
        routed: &RoutedRequest,
        row: &Row,
    ) -> Result<(Outcome, Option<Settlement>), Failure> {
        let time_unix_ms = routed.time_unix_ms.unwrap_or_else(|| self.clock.unix_ms());
        let call = Call::new(&routed.tenant, UnixMillis::new(time_unix_ms), routed.request)
            .with_correlation_id(&routed.correlation_id)
            .with_request_key(&routed.request_key);
        let mut outcome = engine.decide(&call).map_err(|error| match error {
            EngineError::RequestKeyReused { decision_sequence, .. } => {
                let place = format!("decision {decision_sequence} of {}", self.log.display());
                Failure::from(reused_key(row, routed, &place))
            }
            error => Failure::of_engine(self.log, &error),
        })?;
        let Some(ticket) = outcome.ticket.take() else { return Ok((outcome, None)) };
        let model_id = ticket.model_id();
        let cost = |snapshot: &Snapshot| {
            let model = snapshot.policy_snapshot().model(model_id);
            model.map(|model| model.price.cost(&routed.actual_usage).get())
        };
        let cost = if outcome.repeated {
            // The prices are those of the snapshot that it was decided under.
            let decision = outcome.decision_sequence;
            let recorded = RecordedDecision::find(self.log, self.key.as_ref(), decision);
            let recorded = recorded.map_err(|error| Failure::of_engine(self.log, &error))?;
            cost(&recorded.snapshot).ok_or_else(|| {
                let what = format!(
                    "decision {decision} fell back to a model that the catalog it was made under does not list: it is settled \
                     by the program that made it"
                );
                Failure::at(self.log, what)
            })?
        } else {
            invariant!(cost(&self.catalog.snapshot), "a model is chosen from its catalog")?
        };
        let settled = engine.settle(ticket, Microunits::new(cost), UnixMillis::new(time_unix_ms));
        let settlement = settled.map_err(|refused| Failure::of_settlement(self.log, &refused))?;
        Ok((outcome, Some(settlement)))
    }
}

/// Refuses a request key that its tenant used for another request; `place` says where.
fn reused_key(row: &Row, routed: &RoutedRequest, place: &str) -> InputError {
    let what = format!(
        "found {}, which tenant {} used for another request, {place}: a request is the same only if its tokens, limits \
         and names are the same, from the row or the policy file, and the catalog still lists its models",
        quoted(&routed.request_key),
        quoted(&routed.tenant),
    );
    row.refuse("request_key", what)
}

/// The line of `--each` for one request.
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
        "request_key": routed.request_key,
        "repeated": outcome.repeated,
        "action": outcome.decision.action,
        "reason": outcome.decision.reason,
        "model": model_id.map(|model_id| model_name(names, model_id)),
        "admission": outcome.admission,
        "settled_sequence": settlement.map(|settlement| settlement.sequence),
        "actual_cost_microunits": settlement.map(|settlement| settlement.committed.get()),
    })
}

/// The engine's default number of remembered request keys; a run remembers all keys of its file if there are more.
const LEAST_KEYS_REMEMBERED: usize = 4_096;

const CHANGED_MEANWHILE: &str =
    "another process changed the directory meanwhile: look at it, and try again";
