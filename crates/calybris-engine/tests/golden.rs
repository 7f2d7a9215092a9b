//! Records keep their bytes, and a log written once opens forever.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

mod world;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use calybris_budget::{BudgetEvent, OverrunPolicy, Replay, TenantRules};
use calybris_engine::{
    Admission, Checkpoint, Decided, DecisionProof, Engine, EngineOptions, Fallback, KeyedDecision,
    LoggedSnapshot, LoggedTicket, Names, Record, RecordedDecision, ReplayOptions, SCHEMA_ID,
    Snapshot, replay,
};
use calybris_kernel::{
    Action, CapabilitySet, Ceiling, Decision, ExcludedModels, Group, Model, PolicySnapshot, Price,
    Rates, Reason, RegionSet, Request, SearchFee, TokenClass, TokenClassSet, Usage, Window,
};
use calybris_units::BasisPoints;
use calybris_wal::{LogId, WalOptions, WalWriter};
use world::*;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn blessing() -> bool {
    std::env::var("CALYBRIS_BLESS").as_deref() == Ok("1")
}

/// One record of each kind, and a decision of each admission.
fn every_record() -> Vec<Record<'static>> {
    let snapshot = snapshot();
    let decide =
        |sequence, quality| snapshot.policy_snapshot().prescribe(&request(sequence, quality));
    let decided = |sequence, quality, admission| {
        Record::Decided(Decided {
            time: UnixMillis::new(1_700_000_000_000 + sequence),
            tenant: Cow::Borrowed("search"),
            correlation_id: Cow::Borrowed("4bf92f3577b34da6a3ce929d0e0e4736"),
            request_key: Cow::Owned(format!("order-{sequence}")),
            snapshot_sequence: 1,
            request: request(sequence, quality),
            decision: decide(sequence, quality),
            admission,
        })
    };
    let logged_snapshot = LoggedSnapshot {
        digest: snapshot.digest(),
        policy: POLICY,
        models: snapshot.policy_snapshot().models().collect(),
        groups: Cow::Borrowed(&[]),
        names: Cow::Owned(snapshot.names().clone()),
    };
    let fell_back = |failed_model_id, fallback| Record::FellBack {
        time: UnixMillis::new(1_700_000_000_011),
        decision_sequence: 9,
        snapshot_sequence: 1,
        failed_model_id,
        fallback,
    };
    let to_small = Fallback {
        model_id: SMALL,
        estimated_cost: Microunits::new(200),
        maximum_cost: Microunits::new(200),
        expected_utility_microunits: 5_991,
    };
    let mut records = vec![
        Record::SnapshotInstalled {
            time: UnixMillis::new(1_700_000_000_000),
            snapshot: logged_snapshot.clone(),
        },
        Record::BudgetChanged {
            time: UnixMillis::new(1_700_000_000_000),
            event: BudgetEvent::TenantOpened {
                tenant: "search".to_owned(),
                granted: Microunits::new(4_000),
            },
            reason: "".into(),
        },
        decided(1, 9_000, Admission::Reserved),
        Record::Settled {
            time: UnixMillis::new(1_700_000_000_009),
            decision_sequence: 3,
            actual_cost: Microunits::new(1_500),
        },
        decided(2, 9_000, Admission::Reserved),
        decided(3, 9_000, Admission::Insufficient { available: Microunits::new(500) }),
        Record::Abandoned { time: UnixMillis::new(1_700_000_000_010), decision_sequence: 5 },
        decided(4, 9_500, Admission::NotAsked),
        decided(5, 9_000, Admission::Reserved),
        fell_back(LARGE, Some(to_small)),
        fell_back(SMALL, None),
        Record::BudgetChanged {
            time: UnixMillis::new(1_700_000_000_012),
            event: BudgetEvent::Extended { reservation: 9.into(), amount: Microunits::new(50) },
            reason: "".into(),
        },
    ];
    let keyed = (1_u64..).zip(&records).filter_map(|(decision_sequence, record)| match record {
        Record::Decided(decided) => Some(KeyedDecision {
            decision_sequence,
            request_key: decided.request_key.clone(),
            tenant: decided.tenant.clone(),
            request: decided.request,
            decision: decided.decision,
            admission: decided.admission,
        }),
        _ => None,
    });
    let ticket = LoggedTicket {
        decision_sequence: 9,
        model_id: SMALL,
        failed_model_ids: vec![LARGE, SMALL],
        request: request(5, 9_000),
    };
    let checkpoint = Checkpoint {
        time: UnixMillis::new(1_700_000_000_013),
        snapshot: Some(logged_snapshot),
        budget: books().numbered_up_to(12.into()),
        tickets: Cow::Owned(vec![ticket]),
        keyed_decisions: keyed.collect(),
        decisions: 5,
    };
    records.push(Record::Checkpoint(checkpoint));
    for (sequence, admission) in [
        (6, Admission::Frozen),
        (7, Admission::InDebt { debt: Microunits::new(7) }),
        (8, Admission::Exposed { reserved: Microunits::new(250), cap: Microunits::new(300) }),
    ] {
        let Record::Decided(decided) = decided(sequence, 9_000, admission) else { continue };
        records.push(Record::Decided(Decided { snapshot_sequence: 13, ..decided }));
    }
    records
}

/// The budget that the first twelve records lead to.
fn books() -> calybris_budget::BudgetState {
    let mut replay = Replay::new();
    let reserved = |id: u64| BudgetEvent::Reserved {
        tenant: "search".into(),
        reservation: id.into(),
        amount: Microunits::new(2_000),
    };
    for event in [
        BudgetEvent::TenantOpened { tenant: "search".into(), granted: Microunits::new(4_000) },
        reserved(3),
        BudgetEvent::Committed { reservation: 3.into(), actual: Microunits::new(1_500) },
        reserved(5),
        BudgetEvent::Released { reservation: 5.into() },
        reserved(9),
        BudgetEvent::PartReleased { reservation: 9.into(), amount: Microunits::new(1_800) },
        BudgetEvent::Extended { reservation: 9.into(), amount: Microunits::new(50) },
    ] {
        replay.apply(event).unwrap();
    }
    replay.state().unwrap()
}

/// One record of every form that those do not have: each change of a budget, sets that are neither empty nor full, numbers
/// of every length, texts of several scripts.
fn other_forms() -> Vec<Record<'static>> {
    let tenant = || "acme/web".to_owned();
    let rules = |overrun, exposure_cap: Option<u64>, soft_limit: Option<u64>| {
        let mut rules = TenantRules::default().with_overrun(overrun);
        rules.exposure_cap = exposure_cap.map(Microunits::new);
        rules.soft_limit = soft_limit.map(Microunits::new);
        BudgetEvent::RulesSet { tenant: tenant(), rules }
    };
    let money = Microunits::new;
    let events = [
        BudgetEvent::TenantOpened { tenant: tenant(), granted: money(250) },
        BudgetEvent::ChildOpened {
            tenant: tenant(),
            parent: "acme".to_owned(),
            granted: money(251),
        },
        BudgetEvent::ToppedUp { tenant: tenant(), amount: money(65_535) },
        BudgetEvent::Reduced { tenant: tenant(), amount: money(65_536) },
        BudgetEvent::Refunded { tenant: tenant(), amount: money(u64::from(u32::MAX)) },
        BudgetEvent::Repaid { tenant: tenant(), amount: money(1 << 32) },
        BudgetEvent::CarriedOver { from: tenant(), to: "acme".to_owned(), amount: money(1) },
        BudgetEvent::Frozen { tenant: tenant() },
        BudgetEvent::Unfrozen { tenant: tenant() },
        rules(OverrunPolicy::Reject, None, None),
        rules(OverrunPolicy::DrawThenDebt, Some(0), Some(900)),
        rules(OverrunPolicy::CapAtReserved, Some(1_000), None),
        BudgetEvent::SoftLimitReached { tenant: tenant() },
        BudgetEvent::Extended { reservation: 9.into(), amount: money(50) },
        BudgetEvent::Overdrawn {
            reservation: 9.into(),
            extra: money(300),
            drawn: [300, 0, 299].map(money).into(),
        },
    ];
    let changed = |event| {
        let (time, reason) = (UnixMillis::new(0), "".into());
        Record::BudgetChanged { time, event, reason }
    };
    let mut records: Vec<Record<'static>> = events.map(changed).into();
    let names = Names {
        models: [(0, "a".to_owned()), (u32::MAX, "\u{e9}\u{1f980}".to_owned())].into(),
        providers: [(0, "first".to_owned()), (255, "last".to_owned())].into(),
        capabilities: [(63, "tools".to_owned())].into(),
        regions: [(0, "eu".to_owned())].into(),
        groups: [].into(),
    };
    let everything = Model::new(u32::MAX, 255, BasisPoints::WHOLE)
        .with_risk_ceiling(BasisPoints::percent(90))
        .with_enabled(false)
        .with_p95_latency_ms(100)
        .with_capabilities(CapabilitySet::from_bits(1 << 63))
        .with_price(
            Price::per_million_tokens(Microunits::new(1), Microunits::new(1))
                .with_fixed_price(Microunits::MAX),
        );
    let snapshot = LoggedSnapshot {
        digest: snapshot().digest(),
        policy: POLICY.with_risk_penalty_multiplier(BasisPoints::new(u16::MAX)),
        models: Cow::Owned(vec![model(0, 0, 0), everything]),
        groups: Cow::Borrowed(&[]),
        names: Cow::Owned(names),
    };
    records.push(Record::SnapshotInstalled { time: UnixMillis::new(u64::MAX), snapshot });
    let asked = request(u64::MAX, 10_001)
        .with_business_value_microunits(i64::MIN)
        .with_required_capabilities(CapabilitySet::from_bits(0b101))
        .with_allowed_providers([3, 200].into_iter().collect())
        .with_required_regions(RegionSet::from_bits(0b10));
    for reason in Reason::ALL.into_iter().filter(|reason| reason.code() < 112) {
        let mut decision = Decision::rejected(u64::MAX, 300, reason);
        decision.evaluated_models = 70_000;
        let selected = match reason {
            Reason::RequestedModelMaximizesUtility => Some((Action::ExecuteRequested, 300)),
            Reason::AlternativeMaximizesUtility => Some((Action::Substitute, 301)),
            _ => None,
        };
        if let Some((action, model_id)) = selected {
            decision.action = action;
            decision.selected_model_id = Some(model_id);
            decision.estimated_cost = Microunits::new(251);
            decision.maximum_cost = decision.estimated_cost;
            decision.expected_utility_microunits = 125;
            decision.runner_up_model_id = Some(u32::MAX);
            decision.runner_up_utility_microunits = 1;
            decision.eligible_models = 65_536;
        }
        records.push(Record::Decided(Decided {
            time: UnixMillis::new(0),
            tenant: Cow::Borrowed("\u{e9}"),
            correlation_id: Cow::Borrowed(""),
            request_key: Cow::Borrowed(""),
            snapshot_sequence: 300,
            request: asked,
            decision,
            admission: Admission::NotAsked,
        }));
    }
    let checkpoint = Checkpoint {
        time: UnixMillis::new(0),
        snapshot: None,
        budget: Replay::new().state().unwrap(),
        tickets: Cow::Owned(vec![]),
        keyed_decisions: Cow::Owned(vec![]),
        decisions: 0,
    };
    records.push(Record::Checkpoint(checkpoint));
    records
}

/// Every form of every record of the first versions.
fn first_versions() -> Vec<Record<'static>> {
    every_record().into_iter().chain(other_forms()).collect()
}

/// Prices by class in two bands, a search fee and a window; and a group that leaves it out.
fn classed_snapshot() -> Snapshot {
    let money = Microunits::new;
    let short = Rates::plain(money(10_000_000), money(40_000_000))
        .with(TokenClass::CacheRead, money(1_000_000))
        .with(TokenClass::CacheWrite, money(12_500_000));
    let long = Rates::plain(money(20_000_000), money(60_000_000))
        .with(TokenClass::CacheRead, money(2_000_000))
        .with(TokenClass::CacheWrite, money(25_000_000));
    let price = Price::new(short)
        .with_band(200_000, long)
        .unwrap()
        .with_search_fee(SearchFee::per_search(money(10_000)));
    let window =
        Window::UNKNOWN.with_max_prompt_tokens(1_000_000).with_max_completion_tokens(64_000);
    let classed = model(LARGE, 9_000, 0).with_price(price).with_window(window);
    let short = Window::UNKNOWN.with_max_total_tokens(32_000);
    let small = model(SMALL, 7_000, 1_000_000).with_window(short);
    let models = [classed, small, model(FREE, 4_000, 0)];
    let groups = [Group::new(0, [LARGE, SMALL]), Group::new(9, [SMALL, FREE])];
    let mut names = snapshot().names().clone();
    names.groups = [(0, "paid".to_owned()), (9, "small".to_owned())].into();
    Snapshot::new(PolicySnapshot::with_groups(POLICY, models, groups).unwrap(), names)
}

/// A log in which everything of the second versions is used, and its records.
fn second_log() -> Vec<Record<'static>> {
    let snapshot = classed_snapshot();
    let logged_snapshot = LoggedSnapshot {
        digest: snapshot.digest(),
        policy: POLICY,
        models: snapshot.policy_snapshot().models().collect(),
        groups: Cow::Owned(snapshot.policy_snapshot().groups().to_vec()),
        names: Cow::Owned(snapshot.names().clone()),
    };
    let usage = Usage::new(100, 100).with_cache_read_tokens(2_000).with_cache_write_tokens(100);
    let classed = request(1, 9_000)
        .with_business_value_microunits(30_000)
        .with_usage(usage)
        .with_ceiling(Ceiling::new(2_200, 200).with_searches(1))
        .with_group_id(0)
        .with_excluded_models(ExcludedModels::new(&[7, FREE, 300]).unwrap());
    let text = TokenClassSet::ALL.without(TokenClass::AudioInput).without(TokenClass::AudioOutput);
    let small = request(2, 6_000).with_ceiling(Ceiling::new(100, 4_096).with_classes(text));
    let decided = |request: Request, admission| {
        Record::Decided(Decided {
            time: UnixMillis::new(1_700_000_000_000 + request.sequence),
            tenant: Cow::Borrowed("search"),
            correlation_id: Cow::Borrowed(""),
            request_key: Cow::Owned(format!("order-{}", request.sequence)),
            snapshot_sequence: 1,
            request,
            decision: snapshot.policy_snapshot().prescribe(&request),
            admission,
        })
    };
    let ranked = {
        let mut best = [calybris_kernel::RankedModel::default(); 2];
        assert_eq!(snapshot.policy_snapshot().rank(&small, &mut best), 2);
        best[1]
    };
    let fallback = Fallback {
        model_id: ranked.model_id,
        estimated_cost: ranked.cost,
        maximum_cost: ranked.maximum_cost,
        expected_utility_microunits: ranked.utility_microunits,
    };
    let mut records = vec![
        Record::SnapshotInstalled {
            time: UnixMillis::new(1_700_000_000_000),
            snapshot: logged_snapshot.clone(),
        },
        Record::BudgetChanged {
            time: UnixMillis::new(1_700_000_000_000),
            event: BudgetEvent::TenantOpened {
                tenant: "search".to_owned(),
                granted: Microunits::new(1_000_000),
            },
            reason: "".into(),
        },
        decided(classed, Admission::Reserved),
        Record::Settled {
            time: UnixMillis::new(1_700_000_000_009),
            decision_sequence: 3,
            actual_cost: Microunits::new(9_000),
        },
        decided(small, Admission::Reserved),
        Record::FellBack {
            time: UnixMillis::new(1_700_000_000_011),
            decision_sequence: 5,
            snapshot_sequence: 1,
            failed_model_id: SMALL,
            fallback: Some(fallback),
        },
        decided(request(3, 6_000).with_usage(Usage::new(1_000_001, 1)), Admission::NotAsked),
        decided(request(4, 9_000).with_group_id(1), Admission::NotAsked),
    ];
    let mut books = Replay::new();
    let reserved = |sequence: u64, record: &Record<'_>| {
        let Record::Decided(decided) = record else { panic!("the order of the records") };
        let (tenant, amount) = ("search".to_owned(), decided.decision.maximum_cost);
        BudgetEvent::Reserved { tenant, reservation: sequence.into(), amount }
    };
    let Record::BudgetChanged { event, .. } = &records[1] else {
        panic!("the order of the records")
    };
    books.apply(event.clone()).unwrap();
    books.apply(reserved(3, &records[2])).unwrap();
    let committed =
        BudgetEvent::Committed { reservation: 3.into(), actual: Microunits::new(9_000) };
    books.apply(committed).unwrap();
    books.apply(reserved(5, &records[4])).unwrap();
    let before = books.reservation(5.into()).unwrap().amount();
    let grown = fallback.maximum_cost.checked_sub(before).unwrap();
    books.apply(BudgetEvent::Extended { reservation: 5.into(), amount: grown }).unwrap();
    let keyed = (1_u64..).zip(&records).filter_map(|(decision_sequence, record)| match record {
        Record::Decided(decided) => Some(KeyedDecision {
            decision_sequence,
            request_key: decided.request_key.clone(),
            tenant: decided.tenant.clone(),
            request: decided.request,
            decision: decided.decision,
            admission: decided.admission,
        }),
        _ => None,
    });
    let ticket = LoggedTicket {
        decision_sequence: 5,
        model_id: ranked.model_id,
        failed_model_ids: vec![SMALL],
        request: small,
    };
    let checkpoint = Checkpoint {
        time: UnixMillis::new(1_700_000_000_013),
        snapshot: Some(logged_snapshot),
        budget: books.state().unwrap().numbered_up_to(8.into()),
        tickets: Cow::Owned(vec![ticket]),
        keyed_decisions: keyed.collect(),
        decisions: 4,
    };
    records.push(Record::Checkpoint(checkpoint));
    records
}

/// The forms of the second versions that the log does not have: every flag alone and all together, numbers of every length, and
/// the reason that came with them.
fn other_second_forms() -> Vec<Record<'static>> {
    let money = Microunits::new;
    let any = classed_snapshot();
    let plain = request(1, 9_000);
    let counts = [1, 250, 251, 65_536, u32::MAX, 7];
    let classes = TokenClass::ALL
        .into_iter()
        .filter(|class| !matches!(class, TokenClass::Input | TokenClass::Output));
    let one_class = classes
        .zip(counts)
        .map(|(class, count)| plain.with_usage(plain.usage.with_tokens(class, count)));
    let mut requests: Vec<Request> = one_class.collect();
    let most = ExcludedModels::new(&(0..16).map(|n| n * 0x1111_1111).collect::<Vec<_>>()).unwrap();
    let everything = TokenClass::ALL
        .into_iter()
        .fold(Usage::new(0, 0), |usage, class| usage.with_tokens(class, 3))
        .with_searches(251);
    requests.extend([
        plain.with_usage(plain.usage.with_searches(1)),
        plain.with_ceiling(Ceiling::new(u32::MAX, 0).with_classes(TokenClassSet::EMPTY)),
        plain.with_group_id(0),
        plain.with_group_id(255),
        plain.with_excluded_models(ExcludedModels::new(&[0]).unwrap()),
        plain.with_excluded_models(most),
        plain
            .with_usage(everything)
            .with_ceiling(Ceiling::new(15, 9).with_searches(300))
            .with_group_id(9)
            .with_excluded_models(most),
    ]);
    let decided = |request: Request, decision: Decision| {
        Record::Decided(Decided {
            time: UnixMillis::new(0),
            tenant: Cow::Borrowed("a"),
            correlation_id: Cow::Borrowed(""),
            request_key: Cow::Borrowed(""),
            snapshot_sequence: 1,
            request,
            decision,
            admission: Admission::NotAsked,
        })
    };
    let rejected = |reason| Decision::rejected(1, LARGE, reason);
    let mut records: Vec<_> = requests
        .into_iter()
        .map(|request| decided(request, rejected(Reason::NoEnabledModel)))
        .collect();
    let mut maximum = any.policy_snapshot().prescribe(&plain);
    maximum.maximum_cost = Microunits::MAX;
    records.push(decided(plain, maximum));
    // Of the first version, with the reason that came with the second.
    records.push(decided(plain, rejected(Reason::WindowConstraint)));
    records.push(Record::FellBack {
        time: UnixMillis::new(0),
        decision_sequence: 9,
        snapshot_sequence: 1,
        failed_model_id: LARGE,
        fallback: Some(Fallback {
            model_id: SMALL,
            estimated_cost: money(0),
            maximum_cost: money(1),
            expected_utility_microunits: 1,
        }),
    });
    let rates = |rate: u64| {
        let plain = Rates::plain(money(rate), money(rate + 1));
        (0..)
            .zip(TokenClass::ALL)
            .fold(plain, |rates, (n, class)| rates.with(class, money(rate + n)))
    };
    let four_bands = Price::new(rates(10))
        .with_band(1, rates(250))
        .and_then(|price| price.with_band(251, rates(70_000)))
        .and_then(|price| price.with_band(u32::MAX, rates(u64::MAX - 7)))
        .unwrap();
    let fees = [SearchFee::per_search(Microunits::MAX), SearchFee::per_request(money(1))];
    let windows = [
        Window::UNKNOWN.with_max_prompt_tokens(0),
        Window::UNKNOWN.with_max_completion_tokens(1),
        Window::UNKNOWN.with_max_total_tokens(u32::MAX),
    ];
    let everything = windows[0].with_max_completion_tokens(2).with_max_total_tokens(3);
    let models = [
        model(0, 0, 0).with_price(four_bands.with_search_fee(fees[0])).with_window(everything),
        model(1, 0, 0).with_price(Price::FREE.with_search_fee(fees[1])),
        model(2, 0, 0).with_window(windows[0]),
        model(3, 0, 0).with_window(windows[1]),
        model(4, 0, 0).with_window(windows[2]),
        model(5, 0, 0),
    ];
    let named = |groups: &[(u8, &str)]| Names {
        groups: groups.iter().map(|(id, name)| (*id, (*name).to_owned())).collect(),
        ..Names::default()
    };
    let installed = |models: &[Model], groups: Vec<Group>, names| Record::SnapshotInstalled {
        time: UnixMillis::new(0),
        snapshot: LoggedSnapshot {
            digest: any.digest(),
            policy: POLICY,
            models: Cow::Owned(models.to_vec()),
            groups: Cow::Owned(groups),
            names: Cow::Owned(names),
        },
    };
    records.extend([
        installed(&models, vec![], Names::default()),
        installed(
            &models[5..],
            vec![Group::new(0, []), Group::new(255, [0, 250, 251, u32::MAX])],
            named(&[]),
        ),
        installed(&[], vec![], named(&[(0, "\u{e9}"), (255, "")])),
    ]);
    let changed = |event, reason: &str| {
        let (time, reason) = (UnixMillis::new(0), Cow::Owned(reason.to_owned()));
        Record::BudgetChanged { time, event, reason }
    };
    let tenant = || "a".to_owned();
    let drawn = [Microunits::new(1), Microunits::ZERO].into();
    records.extend([
        changed(BudgetEvent::ToppedUp { tenant: tenant(), amount: money(1) }, "more seats"),
        changed(BudgetEvent::Frozen { tenant: tenant() }, &"\u{e9}".repeat(128)),
        changed(
            BudgetEvent::Overdrawn { reservation: 9.into(), extra: Microunits::new(1), drawn },
            " ",
        ),
    ]);
    records
}

/// Every form of every record of the second versions.
fn second_versions() -> Vec<Record<'static>> {
    second_log().into_iter().chain(other_second_forms()).collect()
}

/// Writes the records into a log with a fixed id.
fn write_log(dir: &Path, records: &[Record<'_>]) {
    let options = WalOptions::new(SCHEMA_ID).log_id(LogId::from_bytes(*b"calybris golden!"));
    let log = WalWriter::open(dir, &options).unwrap();
    for record in records {
        log.append(record).unwrap();
    }
    log.close().unwrap();
}

/// The golden files of the records: those of the first versions never change.
fn forms() -> [(&'static str, Vec<Record<'static>>); 2] {
    [("records", first_versions()), ("second_records", second_versions())]
}

#[test]
fn records_keep_their_bytes() {
    for (name, records) in forms() {
        let mut text = String::new();
        for (number, record) in (1..).zip(&records) {
            let bytes = base16ct::lower::encode_string(&payload(record));
            writeln!(text, "{number} {bytes}").unwrap();
        }
        assert_eq!(text, kept(&format!("{name}.txt"), &text));
    }
}

#[test]
fn kept_bytes_read_as_what_was_written() {
    for (name, records) in forms() {
        let kept = std::fs::read_to_string(golden(&format!("{name}.txt"))).unwrap();
        for (record, line) in records.iter().zip(kept.lines()) {
            let (number, digits) = line.split_once(' ').unwrap();
            let bytes = base16ct::lower::decode_vec(digits).unwrap();
            assert_eq!(Record::decode(7, &bytes).unwrap(), *record, "{name} {number}");
        }
        assert_eq!(kept.lines().count(), records.len());
    }
}

#[test]
fn a_record_is_of_its_first_version_exactly_if_that_says_all_of_it() {
    let variants = |records: Vec<Record<'_>>| -> BTreeSet<u8> {
        records.iter().map(|record| payload(record)[0]).collect()
    };
    assert_eq!(variants(first_versions()), (0..7).collect());
    // The change of a budget, the settlement and the two rejections of requests that the first version says.
    assert_eq!(variants(second_versions()), [1, 2, 3, 7, 8, 9, 10, 11].into());
}

#[test]
fn every_variant_is_pinned() {
    let payloads: Vec<_> = first_versions().iter().chain(&second_versions()).map(payload).collect();
    let records: BTreeSet<u8> = payloads.iter().map(|bytes| bytes[0]).collect();
    // Behind the variant and a time of 0.
    let events: BTreeSet<u8> =
        payloads.iter().filter(|bytes| bytes.starts_with(&[1, 0])).map(|bytes| bytes[2]).collect();
    assert_eq!(records, (0..12).collect());
    assert_eq!(events, (0..13).collect());
    // The next one is nothing yet: a new variant stands in this test, in the golden file and in `RECORDS.md`.
    assert!(Record::decode(7, &[12, 0, 0, 0]).is_err());
    assert!(Record::decode(7, &[1, 0, 13, 0, 0]).is_err());
}

#[test]
fn records_keep_their_json() {
    for (name, records) in forms() {
        let line = |(number, record): (usize, &Record<'_>)| {
            format!("{number} {}\n", serde_json::to_string(record).unwrap())
        };
        let text: String = (1..).zip(&records).map(line).collect();
        assert_eq!(text, kept(&format!("{name}.json.txt"), &text));
    }
}

/// The golden file, written anew if the tests are told to.
fn kept(name: &str, text: &str) -> String {
    if blessing() {
        std::fs::write(golden(name), text).unwrap();
    }
    std::fs::read_to_string(golden(name)).unwrap()
}

#[test]
fn a_log_written_once_opens_forever() {
    let copy = kept_log("log.cwal", &every_record());
    let records: Vec<_> = records(copy.path()).into_iter().map(|(_, record)| record).collect();
    assert_eq!(records, every_record());
    let engine = Engine::open(copy.path(), &EngineOptions::default()).unwrap();
    // Its checkpoint was not finished, so opening put the snapshot behind it; it is the one given here.
    assert_eq!(engine.install(snapshot(), UnixMillis::new(1)).unwrap(), 17);
    assert_eq!(balances(&engine)["search"], (4_000, 2_250, 250, 1_500));
    assert_eq!(engine.open_tickets().len(), 1);
    assert_eq!(engine.head().sequence, 17);
}

/// A log that was kept, in a folder of its own.
fn kept_log(name: &str, records: &[Record<'_>]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let kept = golden(name);
    if blessing() {
        write_log(dir.path(), records);
        std::fs::copy(segment(dir.path()), &kept).unwrap();
    }
    let copy = tempfile::tempdir().unwrap();
    std::fs::copy(kept, copy.path().join("00000000000000000001.cwal")).unwrap();
    copy
}

#[test]
fn a_log_of_the_second_versions_opens_and_replays_forever() {
    let log = kept_log("second_log.cwal", &second_log());
    let found: Vec<_> = records(log.path()).into_iter().map(|(_, record)| record).collect();
    assert_eq!(found, second_log());
    let report = replay(log.path(), None, &ReplayOptions::default(), |_| Ok(vec![]), |_| {});
    let report = report.unwrap();
    assert_eq!((report.decisions, report.fallbacks, report.snapshots), (4, 1, 1));
    let engine = Engine::open(log.path(), &EngineOptions::default()).unwrap();
    assert_eq!(engine.install(classed_snapshot(), UnixMillis::new(1)).unwrap(), 10);
    let [open] = engine.open_tickets().try_into().unwrap();
    assert_eq!((open.model_id, open.failed_model_ids), (LARGE, vec![SMALL]));
    let (granted, available, reserved, committed) = balances(&engine)["search"];
    assert_eq!((granted, committed), (1_000_000, 9_000));
    assert_eq!((reserved, available), (open.reserved.get(), 991_000 - open.reserved.get()));
}

#[test]
fn a_log_of_the_first_versions_is_answered_as_it_was() {
    let log = kept_log("log.cwal", &every_record());
    for (sequence, record) in records(log.path()) {
        let Record::Decided(decided) = record else { continue };
        assert_eq!(decided.decision.maximum_cost, decided.decision.estimated_cost);
        RecordedDecision::find(log.path(), None, sequence).unwrap().replay().unwrap();
    }
}

#[test]
fn a_proof_made_once_holds_forever() {
    let dir = tempfile::tempdir().unwrap();
    write_log(dir.path(), &every_record());
    let made = DecisionProof::in_tree(dir.path(), None, 6, 9).unwrap();
    let text = serde_json::to_string_pretty(&made).unwrap() + "\n";
    let kept = kept("proof.json", &text);
    assert_eq!(kept, text);
    let head = "cwal1-tree:63616c796272697320676f6c64656e21:9:\
        27016ad47ddfc1de9d6e78387f71b3bb365df642e4b428aab8637af7bc37cb86";
    let proof: DecisionProof = serde_json::from_str(&kept).unwrap();
    let checked = proof.check(&head.parse().unwrap(), None).unwrap();
    assert_eq!((checked.sequence, &*checked.decided.tenant), (6, "search"));
}
