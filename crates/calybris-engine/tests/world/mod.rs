//! A small world for the tests: three models, two tenants, one clock that the tests set.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code, and no test uses all of it"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use calybris_budget::{BudgetEvent, OverrunPolicy};
use calybris_engine::{Admission, Call, Engine, EngineOptions, Names, Record, Snapshot};
use calybris_kernel::{
    BasisPoints, Ceiling, ExcludedModels, Group, Model, Policy, PolicySnapshot, Price, Rates,
    RegionSet, Request, SearchFee, TokenClass, Usage, Window,
};
pub(crate) use calybris_units::{Microunits, UnixMillis};
use calybris_wal::{Durability, Reader};

pub(crate) const POLICY: Policy = Policy::new()
    .with_policy_epoch(1)
    .with_catalog_epoch(1)
    .with_hard_risk_limit(BasisPoints::percent(90))
    .with_minimum_confidence(BasisPoints::percent(50))
    .with_risk_penalty_multiplier(BasisPoints::percent(25))
    .with_latency_penalty_per_ms(Microunits::new(1));

pub(crate) const LARGE: u32 = 1;
pub(crate) const SMALL: u32 = 2;
pub(crate) const FREE: u32 = 3;

pub(crate) fn model(
    model_id: u32,
    quality_bps: u16,
    price_microunits_per_million_tokens: u64,
) -> Model {
    Model::new(model_id, 0, BasisPoints::new(quality_bps))
        .with_risk_ceiling(BasisPoints::percent(90))
        .with_p95_latency_ms(100)
        .with_regions(RegionSet::EMPTY)
        .with_price(Price::per_million_tokens(
            Microunits::new(price_microunits_per_million_tokens),
            Microunits::new(price_microunits_per_million_tokens),
        ))
}

pub(crate) fn snapshot_under(policy: Policy) -> Snapshot {
    let models =
        [model(LARGE, 9_000, 10_000_000), model(SMALL, 7_000, 1_000_000), model(FREE, 4_000, 0)];
    let names = Names {
        models: BTreeMap::from([(LARGE, "large".to_owned()), (SMALL, "small".to_owned())]),
        ..Names::default()
    };
    Snapshot::new(PolicySnapshot::new(policy, models).unwrap(), names)
}

pub(crate) fn snapshot() -> Snapshot {
    snapshot_under(POLICY)
}

pub(crate) fn open(dir: &Path) -> Engine {
    open_with(dir, snapshot())
}

pub(crate) fn open_with(dir: &Path, snapshot: Snapshot) -> Engine {
    let engine = Engine::open(dir, &EngineOptions::default()).unwrap();
    engine.install(snapshot, UnixMillis::new(0)).unwrap();
    engine
}

/// The same models. LARGE has a price for writing a cache, a second band, a search fee and a window; the group 0 has what
/// must be paid for, the group 1 what is cheap.
pub(crate) fn snapshot_by_class() -> Snapshot {
    let money = Microunits::new;
    let rates = |rate, write| {
        Rates::plain(money(rate), money(rate)).with(TokenClass::CacheWrite, money(write))
    };
    let price = Price::new(rates(10_000_000, 12_500_000))
        .with_band(1_000, rates(20_000_000, 25_000_000))
        .unwrap()
        .with_search_fee(SearchFee::per_search(money(5)));
    let large = model(LARGE, 9_000, 0)
        .with_price(price)
        .with_window(Window::UNKNOWN.with_max_prompt_tokens(100_000));
    let models = [large, model(SMALL, 7_000, 1_000_000), model(FREE, 4_000, 0)];
    let groups = [Group::new(0, [LARGE, SMALL]), Group::new(1, [SMALL, FREE])];
    let mut names = snapshot().names().clone();
    names.groups = [(0, "paid".to_owned()), (1, "cheap".to_owned())].into();
    Snapshot::new(PolicySnapshot::with_groups(POLICY, models, groups).unwrap(), names)
}

/// As [`request`], of the group 0. LARGE costs 2,100 microunits and at most 2,350, SMALL 200 and at most 210.
pub(crate) fn request_by_class(sequence: u64, minimum_quality_bps: u16) -> Request {
    request(sequence, minimum_quality_bps)
        .with_usage(Usage::new(60, 100).with_cache_write_tokens(40))
        .with_ceiling(Ceiling::new(100, 110))
        .with_group_id(0)
        .with_excluded_models(ExcludedModels::new(&[77, FREE]).unwrap())
}

pub(crate) fn call_by_class(tenant: &str, sequence: u64, minimum_quality_bps: u16) -> Call<'_> {
    let request = request_by_class(sequence, minimum_quality_bps);
    Call::new(tenant, UnixMillis::new(1_000 + sequence), request)
}

/// A request that the model of at least that quality wins: 9,000 LARGE, 7,000 SMALL, 4,000 FREE.
///
/// With 100 tokens in and out LARGE costs 2,000 microunits, SMALL 200, FREE nothing.
pub(crate) fn request(sequence: u64, minimum_quality_bps: u16) -> Request {
    Request::new(sequence, LARGE, 100, 100)
        .with_business_value_microunits(10_000)
        .with_budget_limit(Microunits::new(1_000_000))
        .with_risk(BasisPoints::percent(1))
        .with_confidence(BasisPoints::percent(90))
        .with_minimum_quality(BasisPoints::new(minimum_quality_bps))
}

pub(crate) fn call(tenant: &str, sequence: u64, minimum_quality_bps: u16) -> Call<'_> {
    let request = request(sequence, minimum_quality_bps);
    Call::new(tenant, UnixMillis::new(1_000 + sequence), request)
}

/// Granted, available, reserved and committed microunits of a tenant.
pub(crate) type Balance = (u64, u64, u64, u64);

pub(crate) fn balances(engine: &Engine) -> BTreeMap<String, Balance> {
    let balance = |(tenant, account): (String, calybris_budget::AccountSnapshot)| {
        let balance = (
            account.granted.get(),
            account.available.get(),
            account.reserved.get(),
            account.committed.get(),
        );
        (tenant, balance)
    };
    engine.accounts().into_iter().map(balance).collect()
}

/// What a log says, added up here and by nothing of the engine: balances by tenant, and open reservations by decision.
///
/// Fails if any prefix of the log spends what a tenant does not have, or closes a ticket that is not open.
pub(crate) fn fold(
    records: &[(u64, Record<'static>)],
) -> (BTreeMap<String, Balance>, BTreeMap<u64, u64>) {
    let mut books = Books::default();
    for (sequence, record) in records {
        books.add(*sequence, record);
    }
    let balance = |(name, account): (String, Account)| {
        let [granted, available, reserved, committed, _] =
            account.sums.map(|sum| u64::try_from(sum).expect("no balance is negative"));
        (name, (granted, available, reserved, committed))
    };
    let open = books
        .open
        .into_iter()
        .map(|(sequence, open)| (sequence, u64::try_from(open.amount).unwrap()));
    (books.accounts.into_iter().map(balance).collect(), open.collect())
}

#[derive(Default)]
struct Books {
    accounts: BTreeMap<String, Account>,
    open: BTreeMap<u64, OpenReservation>,
}

struct Account {
    parent: Option<String>,
    overrun: OverrunPolicy,
    /// Granted, available, reserved, committed, debt.
    sums: [i128; 5],
}

struct OpenReservation {
    tenant: String,
    model_id: u32,
    amount: i128,
}

impl Books {
    fn add(&mut self, sequence: u64, record: &Record<'static>) {
        match record {
            Record::BudgetChanged { event, .. } => self.change(event),
            Record::Decided(decided) if decided.admission == Admission::Reserved => {
                let tenant = decided.tenant.to_string();
                let model_id = decided.decision.selected_model_id.expect("a model was chosen");
                self.open.insert(sequence, OpenReservation { tenant, model_id, amount: 0 });
                self.reserve(sequence, decided.decision.maximum_cost.get().into());
            }
            Record::Settled { decision_sequence, actual_cost, .. } => {
                let open = self.open.remove(decision_sequence).expect("settled once");
                let actual = i128::from(actual_cost.get());
                let capped = self.accounts[&open.tenant].overrun == OverrunPolicy::CapAtReserved;
                assert!(capped || actual <= open.amount, "settled within the reservation");
                let actual = actual.min(open.amount);
                self.each_level(&open.tenant, [0, open.amount - actual, -open.amount, actual, 0]);
            }
            Record::Abandoned { decision_sequence, .. } => {
                let open = self.open.remove(decision_sequence).expect("abandoned once");
                self.each_level(&open.tenant, [0, open.amount, -open.amount, 0, 0]);
            }
            Record::FellBack { decision_sequence, failed_model_id, fallback, .. } => {
                let open = self.open.get_mut(decision_sequence).expect("the ticket is open");
                assert_eq!(open.model_id, *failed_model_id);
                if let Some(fallback) = fallback {
                    open.model_id = fallback.model_id;
                    let more = i128::from(fallback.maximum_cost.get()) - open.amount;
                    self.reserve(*decision_sequence, more);
                }
            }
            _ => {}
        }
    }

    fn change(&mut self, event: &BudgetEvent) {
        match event {
            BudgetEvent::TenantOpened { tenant, granted: granted_microunits } => {
                self.open_account(tenant, None, granted_microunits.get());
            }
            BudgetEvent::ChildOpened { tenant, parent, granted: granted_microunits } => {
                self.open_account(tenant, Some(parent.clone()), granted_microunits.get());
            }
            BudgetEvent::ToppedUp { tenant, amount: amount_microunits } => {
                let amount = i128::from(amount_microunits.get());
                let paid = self.accounts[tenant].sums[4].min(amount);
                self.one_level(tenant, [amount, amount - paid, 0, 0, -paid]);
            }
            BudgetEvent::Reduced { tenant, amount: amount_microunits } => {
                let amount = i128::from(amount_microunits.get());
                self.one_level(tenant, [-amount, -amount, 0, 0, 0]);
            }
            BudgetEvent::Repaid { tenant, amount: amount_microunits } => {
                let amount = i128::from(amount_microunits.get());
                self.one_level(tenant, [0, -amount, 0, 0, -amount]);
            }
            BudgetEvent::CarriedOver { from, to, amount: amount_microunits } => {
                let amount = i128::from(amount_microunits.get());
                self.one_level(from, [-amount, -amount, 0, 0, 0]);
                let paid = self.accounts[to].sums[4].min(amount);
                self.one_level(to, [amount, amount - paid, 0, 0, -paid]);
            }
            BudgetEvent::Refunded { tenant, amount: amount_microunits } => {
                let amount = i128::from(amount_microunits.get());
                self.each_level(tenant, [0, amount, 0, -amount, 0]);
            }
            BudgetEvent::RulesSet { tenant, rules } => {
                self.accounts.get_mut(tenant).unwrap().overrun = rules.overrun;
            }
            BudgetEvent::Extended { reservation, amount: amount_microunits } => {
                self.reserve(reservation.as_u64(), amount_microunits.get().into());
            }
            BudgetEvent::Overdrawn {
                reservation,
                extra: extra_microunits,
                drawn: drawn_microunits,
            } => {
                let extra = i128::from(extra_microunits.get());
                let open = self.open.get_mut(&reservation.as_u64()).expect("the ticket is open");
                open.amount += extra;
                let mut level = Some(open.tenant.clone());
                let mut drawn = drawn_microunits.iter().map(|drawn| i128::from(drawn.get()));
                while let Some(name) = level {
                    let drawn = drawn.next().expect("drawn from each level");
                    self.one_level(&name, [0, -drawn, extra, 0, extra - drawn]);
                    level = self.accounts[&name].parent.clone();
                }
            }
            _ => {}
        }
    }

    fn open_account(&mut self, tenant: &str, parent: Option<String>, granted: u64) {
        let overrun = OverrunPolicy::default();
        let account = Account { parent, overrun, sums: [granted.into(), granted.into(), 0, 0, 0] };
        assert!(self.accounts.insert(tenant.to_owned(), account).is_none());
    }

    fn reserve(&mut self, decision_sequence: u64, more: i128) {
        let open = self.open.get_mut(&decision_sequence).expect("the ticket is open");
        open.amount += more;
        let tenant = open.tenant.clone();
        self.each_level(&tenant, [0, -more, more, 0, 0]);
    }

    fn each_level(&mut self, tenant: &str, changes: [i128; 5]) {
        let mut level = Some(tenant.to_owned());
        while let Some(name) = level {
            self.one_level(&name, changes);
            level = self.accounts[&name].parent.clone();
        }
    }

    fn one_level(&mut self, tenant: &str, changes: [i128; 5]) {
        let sums = &mut self.accounts.get_mut(tenant).expect("the tenant is open").sums;
        for (sum, change) in sums.iter_mut().zip(changes) {
            *sum += change;
            assert!(*sum >= 0, "the log overspends the budget of {tenant}");
        }
        let [granted, available, reserved, committed, debt] = *sums;
        assert_eq!(granted + debt, available + reserved + committed);
    }
}

/// The files of a log, in order.
pub(crate) fn segments(dir: &Path) -> Vec<PathBuf> {
    let segments = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut segments: Vec<PathBuf> =
        segments.filter(|path| path.extension().is_some_and(|ending| ending == "cwal")).collect();
    segments.sort();
    segments
}

/// All that can be seen of an engine's state.
pub(crate) fn state(engine: &Engine) -> impl PartialEq + std::fmt::Debug + use<> {
    (engine.accounts(), engine.open_tickets())
}

pub(crate) fn records(dir: &Path) -> Vec<(u64, Record<'static>)> {
    let entries = Reader::open(dir, None).unwrap().map(Result::unwrap);
    let decoded = |entry: calybris_wal::Record| {
        let sequence = entry.sequence();
        (sequence, Record::decode(sequence, entry.payload()).unwrap())
    };
    entries.map(decoded).collect()
}

/// The payload of a record.
pub(crate) fn payload(record: &Record<'_>) -> Vec<u8> {
    bincode::serde::encode_to_vec(record, bincode::config::standard()).unwrap()
}

pub(crate) fn segment(dir: &Path) -> PathBuf {
    let [segment] = segments(dir).try_into().unwrap();
    segment
}

/// Runs `administer` while three callers make forty calls each for the tenant `a`. Each record waits for the disk, so that
/// others come between it and the change that it says if anything lets them.
pub(crate) fn beside_three_callers(dir: &Path, administer: impl FnOnce(&Engine) + Send) {
    let options = EngineOptions::default().durability(Durability::Synced);
    let engine = Engine::open(dir, &options).unwrap();
    engine.install(snapshot(), UnixMillis::new(0)).unwrap();
    engine.ensure_tenant("a", Microunits::new(1_000_000), UnixMillis::new(1)).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for sequence in 0..40 {
                    let _open = engine.decide(&call("a", sequence, 7_000)).unwrap();
                }
            });
        }
        scope.spawn(|| administer(&engine));
    });
}
