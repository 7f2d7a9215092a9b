//! A small log that is the same byte for byte wherever it is written: five models, two policies, hostile names.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "test code, and no test uses all of it"
)]

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use calybris_core::engine::{
    Admission, Decided, LoggedSnapshot, Names, Record, SCHEMA_ID, Snapshot, UnixMillis,
};
use calybris_core::kernel::{
    BasisPoints, CapabilitySet, Microunits, Model, Policy, PolicySnapshot, Price, RegionSet,
    Request,
};
use calybris_core::wal::{LogId, Reader, WalOptions, WalWriter};

/// A tenant's name as somebody might choose it who knows that it will stand on a page.
pub(crate) const HOSTILE: &str = "<img src=x onerror='alert(1)'>";

pub(crate) const POLICY: Policy = Policy::new()
    .with_policy_epoch(1)
    .with_catalog_epoch(1)
    .with_hard_risk_limit(BasisPoints::percent(90))
    .with_minimum_confidence(BasisPoints::percent(50))
    .with_risk_penalty_multiplier(BasisPoints::percent(25))
    .with_latency_penalty_per_ms(Microunits::new(1));

/// The policy file that the tests propose.
pub(crate) const PROPOSED: &str = "\
[policy]
policy_epoch = 2
catalog_epoch = 1
hard_risk_limit_bps = 6_000
minimum_confidence_bps = 4_000
risk_penalty_multiplier_bps = 2_500
latency_penalty_microunits_per_ms = 6
[tenants]
search = 1
[[model]]
name = \"*\"
set = { risk_ceiling_bps = 9_000, regions = [\"eu\"] }
";

/// The recorded catalog as a file, in another order, with a model that sorts before all others and is not enabled.
pub(crate) fn catalog_file() -> String {
    let mut text = "[[model]]\nname = \"aaa-first\"\nprovider = \"newcomer\"\nenabled = false\nquality_bps = 9_999\n\
         p95_latency_ms = 1\ninput_price_microunits_per_million_tokens = 0\n\
         output_price_microunits_per_million_tokens = 0\ncapabilities = [\"audio\"]\n"
        .to_owned();
    for (name, provider, quality_bps, p95_latency_ms, price, capabilities) in MODELS.iter().rev() {
        let listed: Vec<String> = ["tools", "vision"]
            .iter()
            .enumerate()
            .filter(|(bit, _)| capabilities >> bit & 1 == 1)
            .map(|(_, name)| format!("\"{name}\""))
            .collect();
        text += &format!(
            "[[model]]\nname = \"{name}\"\nprovider = \"{}\"\nquality_bps = {quality_bps}\n\
             p95_latency_ms = {p95_latency_ms}\ninput_price_microunits_per_million_tokens = {price}\n\
             output_price_microunits_per_million_tokens = {}\ncapabilities = [{}]\n",
            PROVIDERS[usize::from(*provider)],
            price * 4,
            listed.join(", ")
        );
    }
    text
}

const PROVIDERS: [&str; 2] = ["north", "south"];

/// Name, provider, quality, latency, input price, capabilities.
const MODELS: [(&str, u8, u16, u32, u64, u64); 5] = [
    ("large", 0, 9_400, 1_800, 5_000_000, 0b11),
    ("medium", 0, 8_600, 900, 1_200_000, 0b11),
    ("quick", 1, 7_900, 250, 1_500_000, 0b01),
    ("small", 1, 7_000, 400, 150_000, 0b01),
    ("tiny & <b>cheap</b>", 1, 5_500, 300, 20_000, 0b00),
];

pub(crate) fn snapshot(policy: Policy) -> Snapshot {
    let models: Vec<Model> = (1..)
        .zip(&MODELS)
        .map(|(model_id, &(_, provider_id, quality_bps, p95_latency_ms, price, capabilities))| {
            Model::new(model_id, provider_id, BasisPoints::new(quality_bps))
                .with_risk_ceiling(BasisPoints::percent(90))
                .with_p95_latency_ms(p95_latency_ms)
                .with_capabilities(CapabilitySet::from_bits(capabilities))
                .with_regions(RegionSet::from_bits(0b1))
                .with_price(Price::per_million_tokens(
                    Microunits::new(price),
                    Microunits::new(price * 4),
                ))
        })
        .collect();
    let numbered = |names: &[&str]| {
        (0..).zip(names).map(|(number, name)| (number, (*name).to_owned())).collect()
    };
    let names = Names {
        models: (1..).zip(&MODELS).map(|(id, model)| (id, model.0.to_owned())).collect(),
        providers: numbered(&PROVIDERS),
        capabilities: numbered(&["tools", "vision"]),
        regions: numbered(&["eu"]),
        ..Names::default()
    };
    Snapshot::new(PolicySnapshot::new(policy, models).unwrap(), names)
}

fn request(sequence: u64) -> Request {
    // A few different remainders of one number make requests of every kind.
    let pick = |among: u64, salt: u64| (sequence * 2_654_435_761 + salt * 40_503) / 7 % among;
    Request::new(
        sequence,
        2,
        u32::try_from(200 + pick(40, 1) * 150).unwrap(),
        u32::try_from(50 + pick(20, 2) * 40).unwrap(),
    )
    .with_business_value_microunits(i64::try_from(4_000 + pick(30, 3) * 2_000).unwrap())
    .with_budget_limit(Microunits::new(30_000))
    .with_risk(BasisPoints::new(u16::try_from(pick(96, 4) * 100).unwrap()))
    .with_confidence(BasisPoints::new(u16::try_from(4_400 + pick(56, 5) * 100).unwrap()))
    .with_minimum_quality(BasisPoints::new(u16::try_from(5_000 + pick(5, 6) * 900).unwrap()))
    .with_max_p95_latency_ms([0, 0, 1_000, 500][usize::try_from(pick(4, 7)).unwrap()])
    .with_required_capabilities(CapabilitySet::from_bits(pick(3, 8) & 1))
    .with_required_regions(RegionSet::from_bits(pick(2, 9)))
}

/// Writes the log into `dir`: 200 decisions, the policy changed after the half, every twentieth without money. `edit` may
/// change what a record says; the chain is over what it says then.
pub(crate) fn write_log(dir: &Path, edit: impl Fn(u64, &mut Decided<'_>)) {
    write_decisions(dir, 200, edit);
}

/// The same, with the first `count` of the decisions; of none only the policy is there.
pub(crate) fn write_decisions(dir: &Path, count: u64, edit: impl Fn(u64, &mut Decided<'_>)) {
    let options = WalOptions::new(SCHEMA_ID).log_id(LogId::from_bytes(*b"calybris replays"));
    let log = WalWriter::open(dir, &options).unwrap();
    let mut installed = 0;
    for number in 1..=count.max(1) {
        let policy = match number {
            1..=100 => POLICY,
            _ => POLICY.with_policy_epoch(2).with_minimum_confidence(BasisPoints::percent(45)),
        };
        let snapshot = snapshot(policy);
        if number == 1 || number == 101 {
            let record = Record::SnapshotInstalled {
                time: UnixMillis::new(1_700_000_000_000),
                snapshot: LoggedSnapshot {
                    digest: snapshot.digest(),
                    policy,
                    models: snapshot.policy_snapshot().models().collect(),
                    groups: Cow::Borrowed(snapshot.policy_snapshot().groups()),
                    names: Cow::Borrowed(snapshot.names()),
                },
            };
            installed = log.append(&record).unwrap().sequence;
        }
        if count == 0 {
            break;
        }
        let request = request(number);
        let decision = snapshot.policy_snapshot().prescribe(&request);
        let correlation_id = format!("call-{number}");
        let mut decided = Decided {
            time: UnixMillis::new(1_700_000_000_000 + number * 1_000),
            tenant: Cow::Borrowed(
                ["search", "chat", HOSTILE][usize::try_from(number % 3).unwrap()],
            ),
            correlation_id: Cow::Borrowed(&correlation_id),
            request_key: Cow::Borrowed(""),
            snapshot_sequence: installed,
            request,
            decision,
            admission: match decision.selected_model_id {
                None => Admission::NotAsked,
                Some(_) if number % 20 == 0 => {
                    Admission::Insufficient { available: Microunits::new(0) }
                }
                Some(_) => Admission::Reserved,
            },
        };
        edit(number, &mut decided);
        log.append(&Record::Decided(decided)).unwrap();
    }
    log.close().unwrap();
}

/// What the tests propose, as the kernel takes it.
pub(crate) const PROPOSED_POLICY: Policy = Policy::new()
    .with_policy_epoch(2)
    .with_catalog_epoch(1)
    .with_hard_risk_limit(BasisPoints::percent(60))
    .with_minimum_confidence(BasisPoints::percent(40))
    .with_risk_penalty_multiplier(BasisPoints::percent(25))
    .with_latency_penalty_per_ms(Microunits::new(6));

/// Decisions, changed ones, rejections and costs of a tenant, recorded and proposed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) decisions: u64,
    pub(crate) changed: u64,
    pub(crate) recorded_cost_microunits: u64,
    pub(crate) proposed_cost_microunits: u64,
    pub(crate) newly_rejected: u64,
    pub(crate) proposed_utility_microunits: i64,
}

/// By tenant, added up from the records themselves, and how many had no money.
pub(crate) fn sums(log: &Path, policy: Policy) -> (BTreeMap<String, Sums>, u64) {
    let mut tenants: BTreeMap<String, Sums> = BTreeMap::new();
    let mut unfunded = 0;
    let proposed = snapshot(policy);
    for record in Reader::open(log, None).unwrap() {
        let record = record.unwrap();
        let record = Record::decode(record.sequence(), record.payload()).unwrap();
        let Record::Decided(decided) = record else {
            continue;
        };
        if !matches!(decided.admission, Admission::NotAsked | Admission::Reserved) {
            unfunded += 1;
            continue;
        }
        let now = proposed.policy_snapshot().prescribe(&decided.request);
        let was = decided.decision;
        let sums = tenants.entry(decided.tenant.into_owned()).or_default();
        sums.decisions += 1;
        sums.changed += u64::from(was.selected_model_id != now.selected_model_id);
        sums.recorded_cost_microunits += was.estimated_cost.get();
        sums.proposed_cost_microunits += now.estimated_cost.get();
        sums.newly_rejected +=
            u64::from(was.selected_model_id.is_some() && now.selected_model_id.is_none());
        sums.proposed_utility_microunits += now.expected_utility_microunits;
    }
    (tenants, unfunded)
}
