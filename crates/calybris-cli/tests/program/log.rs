//! A small log with a record of every kind, the same bytes each time: its id, its times and its records are fixed.

use std::borrow::Cow;
use std::path::Path;

use calybris_core::budget::BudgetEvent;
use calybris_core::engine::{
    Admission, Decided, Fallback, LoggedSnapshot, Names, Record, SCHEMA_ID, Snapshot, UnixMillis,
};
use calybris_core::kernel::{
    BasisPoints, CapabilitySet, Microunits, Model, Policy, PolicySnapshot, Price, RankedModel,
    RegionSet, Request, Usage,
};
use calybris_core::wal::{LogId, WalOptions, WalWriter};

/// Monday, 2 November 2026, 09:00:00 UTC.
const NINE_O_CLOCK_MS: u64 = 1_793_610_000_000;

/// Sequences of the decisions in the log.
pub(crate) const EXECUTED: u64 = 5;
pub(crate) const ABANDONED: u64 = 7;
pub(crate) const REJECTED: u64 = 9;
pub(crate) const UNFUNDED: u64 = 10;
pub(crate) const FELL_BACK: u64 = 11;
pub(crate) const OPEN: u64 = 16;
pub(crate) const RISKY: u64 = 19;
pub(crate) const LAST: u64 = 19;

/// Writes the log into `dir`.
pub(crate) fn write_log(dir: &Path) {
    let options =
        WalOptions::new(SCHEMA_ID).max_record_bytes(64 << 20).log_id(LogId::from_bytes([7; 16]));
    let mut log = Log {
        writer: WalWriter::open(dir, &options).unwrap(),
        sequence: 0,
        snapshot: (0, first()),
    };
    log.install(first());
    let open = |tenant: &str, granted_microunits| {
        let tenant = tenant.to_owned();
        BudgetEvent::TenantOpened { tenant, granted: Microunits::new(granted_microunits) }
    };
    log.budget(open("acme", 2_000_000));
    let (tenant, parent) = ("search".to_owned(), "acme".to_owned());
    log.budget(BudgetEvent::ChildOpened { tenant, parent, granted: Microunits::new(200_000) });
    log.budget(open("lab", 5_000));
    // 5 and 6: what was asked for is best, and is carried out.
    log.decide("search", "call-1", request(1, 3), Admission::Reserved);
    log.settle(EXECUTED, 2_100);
    // 7 and 8: another is better, and is not carried out.
    log.decide(
        "search",
        "call-2",
        request(2, 3).with_business_value_microunits(6_000),
        Admission::Reserved,
    );
    log.append(&Record::Abandoned {
        time: UnixMillis::new(log.now()),
        decision_sequence: ABANDONED,
    });
    // 9: nothing is good enough. 10: there is no money.
    log.decide(
        "lab",
        "call-3",
        request(3, 3).with_minimum_quality(BasisPoints::percent(99)),
        Admission::NotAsked,
    );
    let dear = request(4, 3)
        .with_usage(Usage::new(40_000, request(4, 3).usage.output_tokens))
        .with_business_value_microunits(900_000)
        .with_budget_limit(Microunits::new(900_000));
    log.decide(
        "lab",
        "call-4",
        dear,
        Admission::Insufficient { available: Microunits::new(5_000) },
    );
    // 11 to 13: the model fails, the next in rank does it.
    log.decide("search", "call-5", request(5, 3), Admission::Reserved);
    let mut rank = [RankedModel::default(); 2];
    let ranked = log.snapshot.1.policy_snapshot().rank(&request(5, 3), &mut rank);
    assert_eq!(ranked, rank.len());
    let [failed, next] = rank;
    log.append(&Record::FellBack {
        time: UnixMillis::new(log.now()),
        decision_sequence: FELL_BACK,
        snapshot_sequence: 1,
        failed_model_id: failed.model_id,
        fallback: Some(Fallback {
            model_id: next.model_id,
            estimated_cost: next.cost,
            maximum_cost: next.maximum_cost,
            expected_utility_microunits: next.utility_microunits,
        }),
    });
    log.settle(FELL_BACK, next.cost.get());
    // 14 to 16: another catalog, in which the models have other numbers; more money; a ticket that stays open.
    log.install(second());
    log.budget(BudgetEvent::ToppedUp { tenant: "lab".to_owned(), amount: Microunits::new(1_000) });
    log.decide("search", "call-6", request(6, 4), Admission::Reserved);
    log.budget(BudgetEvent::Frozen { tenant: "lab".to_owned() });
    log.decide("lab", "call-7", request(7, 4), Admission::Frozen);
    log.decide(
        "search",
        "call-8",
        request(8, 4).with_risk(BasisPoints::percent(92)),
        Admission::NotAsked,
    );
    log.writer.close().unwrap();
}

struct Log {
    writer: WalWriter,
    sequence: u64,
    /// The one in force and the sequence of its record.
    snapshot: (u64, Snapshot),
}

impl Log {
    fn now(&self) -> u64 {
        NINE_O_CLOCK_MS + 1_250 * self.sequence
    }

    fn append(&mut self, record: &Record<'_>) {
        self.sequence = self.writer.append(record).unwrap().sequence;
    }

    fn install(&mut self, snapshot: Snapshot) {
        let record = Record::SnapshotInstalled {
            time: UnixMillis::new(self.now()),
            snapshot: LoggedSnapshot {
                digest: snapshot.digest(),
                policy: *snapshot.policy_snapshot().policy(),
                models: snapshot.policy_snapshot().models().collect(),
                groups: Cow::Borrowed(snapshot.policy_snapshot().groups()),
                names: Cow::Borrowed(snapshot.names()),
            },
        };
        self.append(&record);
        self.snapshot = (self.sequence, snapshot);
    }

    fn budget(&mut self, event: BudgetEvent) {
        let (time, reason) = (UnixMillis::new(self.now()), "".into());
        self.append(&Record::BudgetChanged { time, event, reason });
    }

    fn decide(&mut self, tenant: &str, call: &str, request: Request, admission: Admission) {
        let decision = self.snapshot.1.policy_snapshot().prescribe(&request);
        let decided = Decided {
            time: UnixMillis::new(self.now()),
            tenant: tenant.into(),
            correlation_id: call.into(),
            request_key: "".into(),
            snapshot_sequence: self.snapshot.0,
            request,
            decision,
            admission,
        };
        self.append(&Record::Decided(decided));
    }

    fn settle(&mut self, decision_sequence: u64, actual_cost_microunits: u64) {
        let time_unix_ms = self.now();
        self.append(&Record::Settled {
            time: UnixMillis::new(time_unix_ms),
            decision_sequence,
            actual_cost: Microunits::new(actual_cost_microunits),
        });
    }
}

fn request(sequence: u64, requested_model_id: u32) -> Request {
    Request::new(sequence, requested_model_id, 1_000, 200)
        .with_business_value_microunits(60_000)
        .with_budget_limit(Microunits::new(20_000))
        .with_risk(BasisPoints::percent(5))
        .with_confidence(BasisPoints::percent(90))
        .with_minimum_quality(BasisPoints::percent(50))
        .with_max_p95_latency_ms(2_000)
        .with_required_capabilities(CapabilitySet::from_bits(0b01))
        .with_required_regions(RegionSet::from_bits(0b01))
}

/// Name, provider, quality, latency, capabilities, regions, input price.
type Row = (&'static str, u8, u16, u32, u64, u64, u64);

const MODELS: [Row; 7] = [
    ("blind", 0, 8_000, 500, 0b00, 0b01, 100_000),
    ("far", 1, 8_200, 500, 0b01, 0b10, 100_000),
    ("fast", 1, 7_000, 150, 0b01, 0b11, 150_000),
    ("grand", 0, 9_400, 900, 0b11, 0b11, 1_250_000),
    ("middle", 2, 8_600, 700, 0b01, 0b01, 600_000),
    ("rough", 2, 4_000, 100, 0b01, 0b11, 20_000),
    ("slow", 0, 9_800, 4_000, 0b11, 0b11, 2_000_000),
];

fn first() -> Snapshot {
    snapshot(1, &MODELS)
}

/// One model more, which comes first in the alphabet and so takes the number 0.
fn second() -> Snapshot {
    let newcomer = ("another", 1, 8_800, 600, 0b01, 0b01, 500_000);
    snapshot(2, &[[newcomer].as_slice(), &MODELS].concat())
}

fn snapshot(epoch: u64, rows: &[Row]) -> Snapshot {
    let policy = Policy::new()
        .with_policy_epoch(epoch)
        .with_catalog_epoch(epoch)
        .with_hard_risk_limit(BasisPoints::percent(90))
        .with_minimum_confidence(BasisPoints::percent(50))
        .with_risk_penalty_multiplier(BasisPoints::percent(25))
        .with_latency_penalty_per_ms(Microunits::new(1));
    let model = |(model_id, row): (u32, &Row)| {
        let &(_, provider_id, quality_bps, p95_latency_ms, capabilities, regions, price) = row;
        Model::new(model_id, provider_id, BasisPoints::new(quality_bps))
            .with_risk_ceiling(BasisPoints::percent(95))
            .with_p95_latency_ms(p95_latency_ms)
            .with_capabilities(CapabilitySet::from_bits(capabilities))
            .with_regions(RegionSet::from_bits(regions))
            .with_price(Price::per_million_tokens(
                Microunits::new(price),
                Microunits::new(4 * price),
            ))
    };
    let numbered =
        |names: &[&str]| (0..).zip(names.iter().map(|name| (*name).to_owned())).collect();
    let names = Names {
        models: (0..).zip(rows.iter().map(|row| row.0.to_owned())).collect(),
        providers: numbered(&["north", "east", "south"]),
        capabilities: numbered(&["tools", "vision"]),
        regions: numbered(&["eu", "us"]),
        ..Names::default()
    };
    let models: Vec<Model> = (0..).zip(rows).map(model).collect();
    Snapshot::new(PolicySnapshot::new(policy, models).unwrap(), names)
}
