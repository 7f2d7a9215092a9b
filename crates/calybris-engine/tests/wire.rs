//! Between what a record says and its bytes nothing is lost, and bytes that say what no record may say are refused.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

mod python;
mod world;

use std::borrow::Cow;
use std::collections::BTreeMap;

use calybris_budget::{
    BudgetEvent, BudgetState, KeyState, OverrunPolicy, ReservationState, TenantRules, TenantState,
};
use calybris_engine::{
    Admission, Checkpoint, Decided, EngineError, Fallback, KeyedDecision, LoggedSnapshot,
    LoggedTicket, Names, Record,
};
use calybris_kernel::{
    Action, CapabilitySet, Ceiling, Decision, ExcludedModels, Group, Model, Policy, Price,
    ProviderSet, Rates, Reason, RegionSet, Request, SearchFee, TokenClass, TokenClassSet, Usage,
    Window,
};
use calybris_units::BasisPoints;
use calybris_wal::WalError;
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use world::*;

/// Numbers at the boundaries of the codec's lengths, and any others.
fn number() -> BoxedStrategy<u64> {
    let boundaries =
        [0, 1, 250, 251, 0xffff, 0x1_0000, 0xffff_ffff, 0x1_0000_0000, u64::MAX - 1, u64::MAX];
    prop_oneof![select(boundaries.to_vec()), any::<u64>(), 0..300_u64].boxed()
}

fn number32() -> BoxedStrategy<u32> {
    number().prop_map(|number| u32::try_from(number).unwrap_or(u32::MAX)).boxed()
}

fn number16() -> BoxedStrategy<u16> {
    number().prop_map(|number| u16::try_from(number).unwrap_or(u16::MAX)).boxed()
}

fn signed() -> BoxedStrategy<i64> {
    number().prop_map(u64::cast_signed).boxed()
}

/// A set of 64: empty, full, or anything.
fn bits() -> BoxedStrategy<u64> {
    prop_oneof![Just(0), Just(u64::MAX), number()].boxed()
}

fn providers() -> BoxedStrategy<ProviderSet> {
    let words = [bits(), bits(), bits(), bits()].prop_map(ProviderSet::from_words);
    prop_oneof![Just(ProviderSet::ALL), Just(ProviderSet::EMPTY), words].boxed()
}

fn money() -> BoxedStrategy<Microunits> {
    number().prop_map(Microunits::new).boxed()
}

fn time() -> BoxedStrategy<UnixMillis> {
    number().prop_map(UnixMillis::new).boxed()
}

fn share() -> BoxedStrategy<BasisPoints> {
    number16().prop_map(BasisPoints::new).boxed()
}

fn text() -> BoxedStrategy<Cow<'static, str>> {
    ".{0,16}".prop_map(Cow::Owned).boxed()
}

/// A usage: plain, or of any classes.
fn usage() -> BoxedStrategy<Usage> {
    let plain = (number32(), number32()).prop_map(|(input, output)| Usage::new(input, output));
    let classed =
        (plain.clone(), [number32(), number32(), number32(), number32()], any::<u8>(), number32())
            .prop_map(|(plain, counts, classes, searches)| {
                let classes = TokenClassSet::from_bits(classes);
                let usage = classes.iter().zip(counts.into_iter().cycle());
                usage
                    .fold(plain, |usage, (class, count)| usage.with_tokens(class, count))
                    .with_searches(searches)
            });
    prop_oneof![plain, classed].boxed()
}

fn ceiling() -> BoxedStrategy<Ceiling> {
    (number32(), number32(), number32(), any::<u8>())
        .prop_map(|(prompt, completion, searches, classes)| {
            Ceiling::new(prompt, completion)
                .with_searches(searches)
                .with_classes(TokenClassSet::from_bits(classes))
        })
        .boxed()
}

/// Excluded models: none, a few, or as many as may be.
fn excluded() -> BoxedStrategy<ExcludedModels> {
    let some = btree_set(number32(), 0..=16)
        .prop_map(|ids| ExcludedModels::new(&ids.into_iter().collect::<Vec<_>>()).unwrap());
    prop_oneof![Just(ExcludedModels::NONE), some].boxed()
}

fn request() -> BoxedStrategy<Request> {
    let more = (usage(), option::of(ceiling()), option::of(any::<u8>()), excluded());
    (plain_request(), more, any::<bool>())
        .prop_map(|(plain, (usage, ceiling, group_id, excluded), is_plain)| {
            if is_plain {
                return plain;
            }
            let mut request = plain.with_usage(usage).with_excluded_models(excluded);
            (request.ceiling, request.group_id) = (ceiling, group_id);
            request
        })
        .boxed()
}

fn plain_request() -> BoxedStrategy<Request> {
    let asked = (number(), number32(), number32(), number32(), signed());
    let limits = (money(), share(), share(), share(), number32());
    (asked, limits, bits(), providers(), bits())
        .prop_map(|(asked, limits, capabilities, providers, regions)| {
            Request::new(asked.0, asked.1, asked.2, asked.3)
                .with_business_value_microunits(asked.4)
                .with_budget_limit(limits.0)
                .with_risk(limits.1)
                .with_confidence(limits.2)
                .with_minimum_quality(limits.3)
                .with_max_p95_latency_ms(limits.4)
                .with_required_capabilities(CapabilitySet::from_bits(capabilities))
                .with_allowed_providers(providers)
                .with_required_regions(RegionSet::from_bits(regions))
        })
        .boxed()
}

/// A decision as a kernel could have made it.
fn decision() -> BoxedStrategy<Decision> {
    let numbers = (number(), number(), number(), number32(), 2..=u32::MAX);
    let utilities = (1..=i64::MAX, any::<prop::sample::Index>());
    let costs = (money(), prop_oneof![Just(Microunits::ZERO), money()]);
    let choice = (select(Reason::ALL.to_vec()), number32(), option::of(number32()), costs);
    (numbers, choice, utilities)
        .prop_map(|(numbers, (reason, requested, runner_up, cost), (utility, lower))| {
            let mut decision = Decision::rejected(numbers.0, requested, reason);
            (decision.policy_epoch, decision.catalog_epoch) = (numbers.1, numbers.2);
            decision.evaluated_models = numbers.4;
            decision.action = match reason {
                Reason::RequestedModelMaximizesUtility => Action::ExecuteRequested,
                Reason::AlternativeMaximizesUtility => Action::Substitute,
                _ => return decision,
            };
            let selected = match decision.action {
                Action::ExecuteRequested => requested,
                _ if numbers.3 == requested => requested ^ 1,
                _ => numbers.3,
            };
            decision.selected_model_id = Some(selected);
            decision.estimated_cost = cost.0;
            decision.maximum_cost = cost.0.max(cost.1);
            decision.expected_utility_microunits = utility;
            decision.runner_up_model_id = runner_up.filter(|id| *id != selected);
            decision.eligible_models = 1;
            if decision.runner_up_model_id.is_some() {
                decision.eligible_models = 2;
                let places = usize::try_from(utility).unwrap();
                let utility = i64::try_from(lower.index(places)).unwrap() + 1;
                decision.runner_up_utility_microunits = utility;
            }
            decision
        })
        .boxed()
}

fn admission() -> BoxedStrategy<Admission> {
    (0..6_u8, money(), money())
        .prop_map(|(kind, amount, other)| match kind {
            0 => Admission::NotAsked,
            1 => Admission::Reserved,
            2 => Admission::Insufficient { available: amount },
            3 => Admission::Frozen,
            4 => Admission::InDebt { debt: amount },
            _ => Admission::Exposed { reserved: amount, cap: other },
        })
        .boxed()
}

fn decided() -> BoxedStrategy<Decided<'static>> {
    let texts = (text(), text(), text());
    (time(), texts, number(), request(), decision(), admission())
        .prop_map(|(time, texts, snapshot_sequence, request, decision, admission)| Decided {
            time,
            tenant: texts.0,
            correlation_id: texts.1,
            request_key: texts.2,
            snapshot_sequence,
            request,
            decision,
            admission,
        })
        .boxed()
}

/// Rates of which each is the plain one of its side or another.
fn rates() -> BoxedStrategy<Rates> {
    let own = vec((0..8_usize, money()), 0..4);
    (money(), money(), own)
        .prop_map(|(input, output, own)| {
            let plain = Rates::plain(input, output);
            own.into_iter()
                .fold(plain, |rates, (class, rate)| rates.with(TokenClass::ALL[class], rate))
        })
        .boxed()
}

fn price() -> BoxedStrategy<Price> {
    let fee = (money(), any::<bool>()).prop_map(|(amount, is_per_request)| match is_per_request {
        true => SearchFee::per_request(amount),
        false => SearchFee::per_search(amount),
    });
    let flat =
        (money(), money()).prop_map(|(input, output)| Price::per_million_tokens(input, output));
    let bands = vec((number32(), rates()), 0..4);
    let classed = (rates(), fee, bands).prop_map(|(rates, fee, bands)| {
        let mut price = Price::new(rates).with_search_fee(fee);
        let mut before = rates;
        for (above_prompt_tokens, rates) in bands {
            let risen = TokenClass::ALL.into_iter().fold(rates, |rates, class| {
                rates.with(class, rates.of(class).max(before.of(class)))
            });
            if let Ok(longer) = price.with_band(above_prompt_tokens, risen) {
                (price, before) = (longer, risen);
            }
        }
        price
    });
    (prop_oneof![flat, classed], money())
        .prop_map(|(price, fixed)| price.with_fixed_price(fixed))
        .boxed()
}

fn window() -> BoxedStrategy<Window> {
    let maxima = [option::of(number32()), option::of(number32()), option::of(number32())];
    let some = maxima.prop_map(|maxima| {
        let mut window = Window::UNKNOWN;
        [window.max_prompt_tokens, window.max_completion_tokens, window.max_total_tokens] = maxima;
        window
    });
    prop_oneof![Just(Window::UNKNOWN), some].boxed()
}

fn model() -> BoxedStrategy<Model> {
    let served = (number32(), any::<u8>(), share(), share(), any::<bool>(), number32());
    (served, bits(), bits(), price(), window())
        .prop_map(|(served, capabilities, regions, price, window)| {
            Model::new(served.0, served.1, served.2)
                .with_risk_ceiling(served.3)
                .with_enabled(served.4)
                .with_p95_latency_ms(served.5)
                .with_capabilities(CapabilitySet::from_bits(capabilities))
                .with_regions(RegionSet::from_bits(regions))
                .with_price(price)
                .with_window(window)
        })
        .boxed()
}

fn names() -> BoxedStrategy<Names> {
    let models = btree_map(number32(), ".{0,8}", 0..4);
    let bits = || btree_map(0..64_u8, ".{0,8}", 0..4);
    let numbers = || btree_map(any::<u8>(), ".{0,8}", 0..4);
    let groups = prop_oneof![Just(BTreeMap::new()), numbers()];
    (models, numbers(), bits(), bits(), groups)
        .prop_map(|(models, providers, capabilities, regions, groups)| Names {
            models,
            providers,
            capabilities,
            regions,
            groups,
        })
        .boxed()
}

fn logged_snapshot() -> BoxedStrategy<LoggedSnapshot<'static>> {
    let policy = (number(), number(), share(), share(), share(), money());
    let groups = btree_map(any::<u8>(), btree_set(number32(), 0..4), 0..3);
    let groups = prop_oneof![Just(BTreeMap::new()), groups];
    (policy, vec(model(), 0..4), groups, names())
        .prop_map(|(policy, models, groups, names)| {
            let by_id: BTreeMap<u32, Model> =
                models.into_iter().map(|model| (model.model_id, model)).collect();
            LoggedSnapshot {
                digest: snapshot().digest(),
                policy: Policy::new()
                    .with_policy_epoch(policy.0)
                    .with_catalog_epoch(policy.1)
                    .with_hard_risk_limit(policy.2)
                    .with_minimum_confidence(policy.3)
                    .with_risk_penalty_multiplier(policy.4)
                    .with_latency_penalty_per_ms(policy.5),
                models: by_id.into_values().collect(),
                groups: groups
                    .into_iter()
                    .map(|(id, models)| Group::new(id, Vec::from_iter(models)))
                    .collect(),
                names: Cow::Owned(names),
            }
        })
        .boxed()
}

fn rules() -> BoxedStrategy<TenantRules> {
    let overruns =
        vec![OverrunPolicy::Reject, OverrunPolicy::DrawThenDebt, OverrunPolicy::CapAtReserved];
    (option::of(money()), option::of(money()), select(overruns))
        .prop_map(|(exposure_cap, soft_limit, overrun)| {
            let mut rules = TenantRules::default().with_overrun(overrun);
            (rules.exposure_cap, rules.soft_limit) = (exposure_cap, soft_limit);
            rules
        })
        .boxed()
}

fn event() -> BoxedStrategy<BudgetEvent> {
    let names = (".{0,16}", ".{0,16}");
    (0..13_u8, names, money(), number(), vec(money(), 0..4), rules())
        .prop_map(|(kind, (tenant, other), amount, number, drawn, rules)| {
            let reservation = number.into();
            match kind {
                0 => BudgetEvent::TenantOpened { tenant, granted: amount },
                1 => BudgetEvent::ChildOpened { tenant, parent: other, granted: amount },
                2 => BudgetEvent::ToppedUp { tenant, amount },
                3 => BudgetEvent::Reduced { tenant, amount },
                4 => BudgetEvent::Refunded { tenant, amount },
                5 => BudgetEvent::Repaid { tenant, amount },
                6 => BudgetEvent::CarriedOver { from: tenant, to: other, amount },
                7 => BudgetEvent::Frozen { tenant },
                8 => BudgetEvent::Unfrozen { tenant },
                9 => BudgetEvent::RulesSet { tenant, rules },
                10 => BudgetEvent::SoftLimitReached { tenant },
                11 => BudgetEvent::Extended { reservation, amount },
                _ => BudgetEvent::Overdrawn { reservation, extra: amount, drawn },
            }
        })
        .boxed()
}

/// A budget of any numbers: a replay says whether they add up.
fn budget() -> BoxedStrategy<BudgetState> {
    let numbers = [money(), money(), money(), money(), money(), money()];
    let flags = (any::<bool>(), any::<bool>());
    let tenant = (".{0,8}", option::of(".{0,8}"), numbers, rules(), flags).prop_map(
        |(name, parent, [opened_with, numbers @ ..], rules, flags)| {
            let mut tenant = TenantState::new(name, opened_with);
            tenant.parent = parent;
            let account = &mut tenant.account;
            [
                account.granted,
                account.available,
                account.reserved,
                account.committed,
                account.debt,
            ] = numbers;
            tenant.rules = rules;
            (tenant.frozen, tenant.warned) = flags;
            tenant
        },
    );
    let reservations = btree_map(number(), (".{0,8}", money(), any::<bool>()), 0..3);
    let key = (".{0,8}", ".{0,8}", money(), number())
        .prop_map(|(key, tenant, amount, id)| KeyState::new(key, tenant, amount, id.into()));
    (vec(tenant, 0..3), reservations, vec(key, 0..3), number())
        .prop_map(|(tenants, reservations, keys, last_reservation)| {
            let mut state = BudgetState::default();
            state.tenants = tenants;
            let reservation = |(id, (tenant, amount, dispatched)): (u64, (String, _, _))| {
                let mut reservation = ReservationState::new(id.into(), tenant, amount);
                reservation.dispatched = dispatched;
                reservation
            };
            state.reservations = reservations.into_iter().map(reservation).collect();
            state.keys = keys;
            state.last_reservation = last_reservation.into();
            state
        })
        .boxed()
}

fn checkpoint() -> BoxedStrategy<Checkpoint<'static>> {
    let ticket = (number32(), vec(number32(), 0..3), request());
    let tickets = btree_map(number(), ticket, 0..3);
    let keyed = btree_map(number(), decided(), 0..3);
    (time(), option::of(logged_snapshot()), budget(), tickets, keyed, number())
        .prop_map(|(time, snapshot, budget, tickets, keyed, decisions)| {
            let ticket = |(decision_sequence, (model_id, failed_model_ids, request))| {
                LoggedTicket { decision_sequence, model_id, failed_model_ids, request }
            };
            let remembered =
                |(decision_sequence, decided): (u64, Decided<'static>)| KeyedDecision {
                    decision_sequence,
                    request_key: decided.request_key,
                    tenant: decided.tenant,
                    request: decided.request,
                    decision: decided.decision,
                    admission: decided.admission,
                };
            Checkpoint {
                time,
                snapshot,
                budget,
                tickets: tickets.into_iter().map(ticket).collect(),
                keyed_decisions: keyed.into_iter().map(remembered).collect(),
                decisions,
            }
        })
        .boxed()
}

/// Mostly none; otherwise any text that a record may have.
fn reason() -> BoxedStrategy<Cow<'static, str>> {
    prop_oneof![2 => Just(String::new()), 1 => "\\PC{1,20}", 1 => "[ -~]{256}"]
        .prop_map(Cow::Owned)
        .boxed()
}

fn record() -> BoxedStrategy<Record<'static>> {
    let maximum = prop_oneof![Just(Microunits::ZERO), money()];
    let fallback = (number32(), money(), maximum, signed()).prop_map(
        |(model_id, estimated_cost, maximum, expected_utility_microunits)| Fallback {
            model_id,
            estimated_cost,
            maximum_cost: maximum.max(estimated_cost),
            expected_utility_microunits,
        },
    );
    prop_oneof![
        (time(), logged_snapshot())
            .prop_map(|(time, snapshot)| { Record::SnapshotInstalled { time, snapshot } }),
        (time(), event(), reason()).prop_map(|(time, event, reason)| Record::BudgetChanged {
            time,
            event,
            reason
        }),
        decided().prop_map(Record::Decided),
        (time(), number(), money()).prop_map(|(time, decision_sequence, actual_cost)| {
            Record::Settled { time, decision_sequence, actual_cost }
        }),
        (time(), number())
            .prop_map(|(time, decision_sequence)| Record::Abandoned { time, decision_sequence }),
        (time(), number(), number(), number32(), option::of(fallback)).prop_map(
            |(time, decision_sequence, snapshot_sequence, failed_model_id, fallback)| {
                Record::FellBack {
                    time,
                    decision_sequence,
                    snapshot_sequence,
                    failed_model_id,
                    fallback,
                }
            }
        ),
        checkpoint().prop_map(Record::Checkpoint),
    ]
    .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn a_record_is_read_as_it_was_written(record in record()) {
        let bytes = payload(&record);
        let read = Record::decode(3, &bytes).unwrap();
        prop_assert_eq!(&read, &record);
        prop_assert_eq!(payload(&read), bytes);
    }

    #[test]
    fn a_record_is_of_the_second_version_exactly_if_its_json_has_a_key_that_the_first_has_not(
        record in record(),
    ) {
        let first = payload(&record)[0];
        let says_more = serde_json::to_string(&record).unwrap();
        let keys = ["\"ceiling\"", "cache_read", "cache_write", "audio", "reasoning", "searches", "search_fee", "group",
            "excluded", "maximum_cost", "_prompt_tokens", "_completion_tokens", "_total_tokens", "bands",
            "}},\"reason\""];
        prop_assert_eq!(first >= 7, keys.iter().any(|key| says_more.contains(key)), "{}", says_more);
    }

    #[test]
    fn no_part_of_a_record_is_a_record(record in record(), part in any::<prop::sample::Index>()) {
        let bytes = payload(&record);
        let part = &bytes[..part.index(bytes.len())];
        prop_assert!(Record::decode(3, part).is_err());
        prop_assert!(Record::decode(3, &[&bytes[..], &[0]].concat()).is_err());
    }

    #[test]
    fn an_altered_record_is_refused_or_says_something_else(
        record in record(), at in any::<prop::sample::Index>(), to: u8,
    ) {
        let mut bytes = payload(&record);
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != to);
        bytes[at] = to;
        if let Ok(read) = Record::decode(3, &bytes) {
            prop_assert_ne!(read, record);
        }
    }
}

#[test]
fn the_second_reader_reads_any_record_alike() {
    if !python::can_run() {
        return;
    }
    let mut runner = TestRunner::deterministic();
    let mut payloads = Vec::new();
    for number in 0..400 {
        let bytes = payload(&record().new_tree(&mut runner).unwrap().current());
        payloads.extend(python::mutations(&bytes, 997).into_iter().take(number % 10));
        payloads.push(bytes);
    }
    let differ = python::disagreements(&payloads, |payload| match Record::decode(3, payload) {
        Ok(record) => Ok(serde_json::to_value(record).unwrap().to_string()),
        Err(error) => Err(error.to_string()),
    });
    assert!(differ.is_empty(), "{} differ:\n{}", differ.len(), differ.join("\n"));
}

/// The error of a record at sequence 3 that says what no record may say: its field, and what is wrong.
fn invalid(payload: &[u8]) -> (&'static str, &'static str, String) {
    match Record::decode(3, payload).unwrap_err() {
        EngineError::InvalidRecord { sequence: 3, record, field, why } => (record, field, why),
        other => panic!("{other}"),
    }
}

fn not_decoded(payload: &[u8]) -> String {
    match Record::decode(3, payload).unwrap_err() {
        EngineError::Log(WalError::Decode { sequence: 3, source }) => source.to_string(),
        other => panic!("{other}"),
    }
}

/// A decision of which every number takes one byte: the places of its fields are known.
fn plain_decision() -> Decided<'static> {
    let request = Request::new(1, LARGE, 100, 100)
        .with_budget_limit(Microunits::ZERO)
        .with_confidence(BasisPoints::ZERO);
    let decision = snapshot().policy_snapshot().prescribe(&request);
    Decided {
        time: UnixMillis::new(0),
        tenant: Cow::Borrowed("a"),
        correlation_id: Cow::Borrowed(""),
        request_key: Cow::Borrowed(""),
        snapshot_sequence: 1,
        request,
        decision,
        admission: Admission::NotAsked,
    }
}

/// Where the fields of a plain decision begin, behind the variant, the time, three texts and the snapshot.
const REQUEST: usize = 1 + 1 + 2 + 1 + 1 + 1;
const PROVIDERS: usize = REQUEST + 11;
const DECISION: usize = REQUEST + 13;
const ACTION: usize = DECISION + 3;
const REASON: usize = DECISION + 4;
const ADMISSION: usize = DECISION + 13;

#[test]
fn unknown_codes_are_refused_by_name() {
    let bytes = payload(&Record::Decided(plain_decision()));
    assert_eq!(bytes.len(), ADMISSION + 1);
    assert_eq!((bytes[ACTION], bytes[REASON]), (Action::Reject.code(), 101));
    for code in 0..=u8::MAX {
        let mut bytes = bytes.clone();
        bytes[ACTION] = code;
        match Action::try_from(code) {
            Ok(Action::Reject) => assert!(Record::decode(3, &bytes).is_ok()),
            // A reason of a rejection.
            Ok(_) => assert_eq!(invalid(&bytes).1, "decision"),
            Err(unknown) => {
                let found = ("a decision", "decision.action", unknown.to_string());
                assert_eq!(invalid(&bytes), found);
            }
        }
    }
    for code in 0..=250 {
        let mut bytes = bytes.clone();
        bytes[REASON] = code;
        match Reason::try_from(u16::from(code)) {
            Ok(_) if code >= 100 => assert!(Record::decode(3, &bytes).is_ok()),
            Ok(_) => assert_eq!(invalid(&bytes).1, "decision"),
            Err(unknown) => {
                let found = ("a decision", "decision.reason", unknown.to_string());
                assert_eq!(invalid(&bytes), found);
            }
        }
    }
    for (at, first_unknown) in [(0, 12), (ADMISSION, 6)] {
        let mut bytes = bytes.clone();
        bytes[at] = first_unknown;
        not_decoded(&bytes);
    }
}

#[test]
fn a_text_above_its_limit_is_refused_by_name() {
    for (length, allowed) in [(64, true), (65, false)] {
        let text: Cow<'_, str> = Cow::Owned("x".repeat(length));
        let by_id = Decided { correlation_id: text.clone(), ..plain_decision() };
        let by_key = Decided { request_key: text, ..plain_decision() };
        for (decided, field) in [(by_id, "correlation_id"), (by_key, "request_key")] {
            let bytes = payload(&Record::Decided(decided));
            assert_eq!(Record::decode(3, &bytes).is_ok(), allowed, "{length}");
            if !allowed {
                let why = "it has 65 bytes and may have at most 64".to_owned();
                assert_eq!(invalid(&bytes), ("a decision", field, why));
            }
        }
    }
}

/// The change of variant 11 with that reason behind a freeze of `a`.
fn frozen_for(reason: &[u8]) -> Vec<u8> {
    let length = match u8::try_from(reason.len()) {
        Ok(length @ 0..251) => vec![length],
        _ => [&[251][..], &u16::try_from(reason.len()).unwrap().to_le_bytes()].concat(),
    };
    [&[11, 0, 7, 1, b'a'][..], &length, reason].concat()
}

#[test]
fn a_reason_is_at_most_256_bytes_without_control_characters_and_never_empty() {
    let refused = |reason: &str| {
        let (record, field, why) = invalid(&frozen_for(reason.as_bytes()));
        assert_eq!((record, field), ("a change of a budget", "reason"), "{reason:?}");
        why
    };
    for reason in
        ["x".repeat(256), "\u{e9}".repeat(128), " ".to_owned(), "\u{ad}\u{2028}".to_owned()]
    {
        let read = Record::decode(3, &frozen_for(reason.as_bytes())).unwrap();
        let event = BudgetEvent::Frozen { tenant: "a".to_owned() };
        let reason = reason.into();
        let written = Record::BudgetChanged { time: UnixMillis::new(0), event, reason };
        assert_eq!(read, written);
        assert_eq!(payload(&written), payload(&read));
    }
    assert!(refused(&"x".repeat(257)).contains("257 bytes"));
    assert!(refused(&"\u{e9}".repeat(129)).contains("258 bytes"));
    assert!(refused("").contains("empty"));
    for control in ["\0", "\n", "a\tb", "\u{1f}", "\u{7f}", "\u{80}", "\u{9f}"] {
        assert!(refused(control).contains("the control character U+"), "{control:?}");
    }
    not_decoded(&frozen_for(&[0xff]));
}

#[test]
fn a_set_has_one_spelling() {
    let bytes = payload(&Record::Decided(plain_decision()));
    assert_eq!(bytes[PROVIDERS], 0);
    // Everybody, word by word: one byte each.
    let spelled = [&bytes[..PROVIDERS], &[1, 1, 1, 1, 1], &bytes[PROVIDERS + 1..]].concat();
    assert!(not_decoded(&spelled).contains("all 256"));
    let but_one = [&bytes[..PROVIDERS], &[1, 1, 1, 1, 3], &bytes[PROVIDERS + 1..]].concat();
    let Record::Decided(read) = Record::decode(3, &but_one).unwrap() else { panic!() };
    assert!(!read.request.allowed_providers.contains(192));
    assert!(read.request.allowed_providers.contains(193));
}

#[test]
fn what_is_to_be_in_order_is_refused_out_of_order() {
    let logged = LoggedSnapshot {
        digest: snapshot().digest(),
        policy: POLICY,
        models: Cow::Owned(vec![world::model(2, 1, 1), world::model(1, 1, 1)]),
        groups: Cow::Borrowed(&[]),
        names: Cow::Owned(Names::default()),
    };
    let installed = |snapshot| Record::SnapshotInstalled { time: UnixMillis::new(0), snapshot };
    let (record, field, _) = invalid(&payload(&installed(logged.clone())));
    assert_eq!((record, field), ("the installation of a snapshot", "snapshot.models"));
    let twice = LoggedSnapshot {
        models: Cow::Owned(vec![world::model(1, 1, 1), world::model(1, 2, 2)]),
        ..logged.clone()
    };
    assert_eq!(invalid(&payload(&installed(twice))).1, "snapshot.models");

    let no_models = LoggedSnapshot { models: Cow::Owned(vec![]), ..logged };
    let named = |bit: u8| {
        let regions = [(bit, "eu".to_owned())].into();
        let names = Cow::Owned(Names { regions, ..Names::default() });
        payload(&installed(LoggedSnapshot { names, ..no_models.clone() }))
    };
    assert!(Record::decode(3, &named(63)).is_ok());
    assert_eq!(invalid(&named(64)).1, "snapshot.names.regions");
    let mut two_names = named(3);
    let regions = two_names.len() - 5;
    assert_eq!(two_names[regions..], [1, 3, 2, b'e', b'u']);
    two_names[regions] = 2;
    for (second, ascending) in [(2, false), (3, false), (4, true)] {
        let bytes = [&two_names[..], &[second, 0]].concat();
        assert_eq!(Record::decode(3, &bytes).is_ok(), ascending, "{second}");
    }

    let ticket = |decision_sequence| LoggedTicket {
        decision_sequence,
        model_id: 1,
        failed_model_ids: vec![],
        request: world::request(1, 1),
    };
    let keyed = |decision_sequence| KeyedDecision {
        decision_sequence,
        request_key: Cow::Borrowed("k"),
        tenant: Cow::Borrowed("a"),
        request: world::request(1, 1),
        decision: plain_decision().decision,
        admission: Admission::NotAsked,
    };
    let checkpoint_of = |budget, tickets, keyed_decisions| {
        payload(&Record::Checkpoint(Checkpoint {
            time: UnixMillis::new(0),
            snapshot: None,
            budget,
            tickets: Cow::Owned(tickets),
            keyed_decisions: Cow::Owned(keyed_decisions),
            decisions: 0,
        }))
    };
    let checkpoint = |tickets, keyed| checkpoint_of(BudgetState::default(), tickets, keyed);
    assert!(Record::decode(3, &checkpoint(vec![ticket(1), ticket(2)], vec![keyed(1)])).is_ok());
    for tickets in [vec![ticket(2), ticket(1)], vec![ticket(1), ticket(1)]] {
        let (record, field, _) = invalid(&checkpoint(tickets, vec![]));
        assert_eq!((record, field), ("a checkpoint", "tickets"));
    }
    for decisions in [vec![keyed(2), keyed(1)], vec![keyed(1), keyed(1)]] {
        assert_eq!(invalid(&checkpoint(vec![], decisions)).1, "keyed_decisions");
    }
    for ids in [[2, 1], [1, 1]] {
        let mut budget = BudgetState::default();
        let reservation = |id: u64| ReservationState::new(id.into(), "a", Microunits::new(1));
        budget.reservations = ids.map(reservation).into();
        assert_eq!(invalid(&checkpoint_of(budget, vec![], vec![])).1, "budget.reservations");
    }
    let long_key = KeyedDecision { request_key: Cow::Owned("k".repeat(65)), ..keyed(1) };
    assert_eq!(invalid(&checkpoint(vec![], vec![long_key])).1, "request_key");
}

/// A decision of the second version: what stands behind the request of a plain one, and behind its decision.
fn second_decision(behind_request: &[u8], behind_decision: &[u8]) -> Vec<u8> {
    let plain = payload(&Record::Decided(plain_decision()));
    let parts = [&[8], &plain[1..DECISION], behind_request, &plain[DECISION..ADMISSION]];
    [&parts.concat(), behind_decision, &plain[ADMISSION..]].concat()
}

/// A record that installs a snapshot of the second version. Its one model has all prices 1, followed by the given bytes; the
/// given groups follow the models.
fn second_snapshot(behind_model: &[u8], groups: &[u8]) -> Vec<u8> {
    let installed = Record::SnapshotInstalled {
        time: UnixMillis::new(0),
        snapshot: LoggedSnapshot {
            digest: snapshot().digest(),
            policy: POLICY,
            models: Cow::Owned(vec![
                world::model(1, 1, 1)
                    .with_price(Price::per_million_tokens(Microunits::new(1), Microunits::new(1))),
            ]),
            groups: Cow::Borrowed(&[]),
            names: Cow::Owned(Names::default()),
        },
    };
    let plain = payload(&installed);
    let (before, names) = plain.split_at(plain.len() - 4);
    assert_eq!((plain[0], names), (0, [0; 4].as_slice()));
    // No name, the groups' either.
    [&[7], &before[1..], behind_model, groups, names, &[0]].concat()
}

#[test]
fn a_second_version_is_refused_by_field_where_it_says_nothing_or_what_no_record_may_say() {
    let sixteen = (0..16_u8).collect::<Vec<_>>();
    let excluded = |ids: &[u8]| [[16, u8::try_from(ids.len()).unwrap()].as_slice(), ids].concat();
    let decisions: [(&[u8], &[u8], Option<&str>); 21] = [
        (&[0], &[0], Some("flags")),
        (&[8, 5], &[0], None),
        (&[1, 1, 2, 3, 255], &[0], None),
        (&[2, 1], &[0], None),
        (&[2, 0], &[0], Some("request.flags")),
        (&[64, 0], &[0], Some("request.flags")),
        (&excluded(&[]), &[0], Some("request.flags")),
        (&excluded(&[1, 2]), &[0], None),
        (&excluded(&[2, 1]), &[0], Some("request.excluded_model_ids")),
        (&excluded(&[1, 1]), &[0], Some("request.excluded_model_ids")),
        (&excluded(&sixteen), &[0], None),
        (
            &excluded(&[sixteen.as_slice(), &[16]].concat()),
            &[0],
            Some("request.excluded_model_ids"),
        ),
        (&[251, 0, 2, 9], &[0], None),
        (&[251, 0, 4], &[0], Some("request.flags")),
        (&[251, 8, 4, 5], &[0], Some("request.flags")),
        (&[251, 0, 128], &[0], Some("request.flags")),
        (&[8, 5], &[1, 0], Some("decision.flags")),
        (&[8, 5], &[1, 5], Some("decision")),
        (&[8, 5], &[2], Some("decision.flags")),
        (&[0], &[1, 5], Some("decision")),
        (&[0], &[251, 0, 1], Some("decision.flags")),
    ];
    let band = |threshold: u8, input: u8, output: u8| vec![threshold, input, output, 0];
    let bands = |bands: &[Vec<u8>]| {
        [[16, u8::try_from(bands.len()).unwrap()].as_slice(), &bands.concat()].concat()
    };
    let several = |count: u8| bands(&(1..=count).map(|n| band(n, n, n)).collect::<Vec<_>>());
    let models: [(&[u8], Option<&str>); 23] = [
        (&[0], Some("flags")),
        (&[1, 0], None),
        (&[251, 0, 16], Some("snapshot.models.flags")),
        (&[251, 1, 16, 0], Some("snapshot.models.flags")),
        (&[4, 1], Some("snapshot.models.flags")),
        (&[4, 0], None),
        (&[64, 1], Some("snapshot.models.flags")),
        (&[64, 2], None),
        (&[32, 0], Some("snapshot.models.flags")),
        (&[32, 1], None),
        (&[251, 0, 8, 0], Some("snapshot.models.flags")),
        (&[251, 32, 8, 5, 7], Some("snapshot.models.flags")),
        (&bands(&[]), Some("snapshot.models.flags")),
        (&bands(&[band(5, 1, 1)]), None),
        (&bands(&[band(0, 1, 1)]), Some("snapshot.models")),
        (&bands(&[band(5, 1, 1), band(5, 1, 1)]), Some("snapshot.models")),
        (&bands(&[band(5, 1, 1), band(4, 1, 1)]), Some("snapshot.models")),
        (&bands(&[band(5, 0, 1)]), Some("snapshot.models")),
        (&bands(&[band(5, 2, 2), band(6, 2, 1)]), Some("snapshot.models")),
        (&bands(&[vec![5, 2, 2, 1, 2]]), Some("snapshot.models.flags")),
        (&bands(&[vec![5, 2, 2, 64]]), Some("snapshot.models.flags")),
        (&several(3), None),
        (&several(4), Some("snapshot.models")),
    ];
    // A price of its own in the first band is not to fall either, and the plain one of the next band may be less.
    let own_falls = [[20, 9].as_slice(), &bands(&[band(5, 8, 8)])[1..]].concat();
    let group_lists: [(&[u8], Option<&str>); 6] = [
        (&[0], Some("flags")),
        (&[1, 0, 0], None),
        (&[2, 0, 0, 255, 2, 1, 2], None),
        (&[2, 1, 0, 1, 0], Some("snapshot.groups")),
        (&[2, 2, 0, 1, 0], Some("snapshot.groups")),
        (&[1, 0, 2, 2, 1], Some("snapshot.groups")),
    ];
    let fallbacks: [(&[u8], Option<&str>); 6] = [
        (&[0], Some("flags")),
        (&[1, 1, 7, 1, 0], Some("flags")),
        (&[1, 1, 7, 1, 1, 8], None),
        (&[1, 1, 7, 1, 1, 7], Some("fallback.flags")),
        (&[1, 1, 7, 1, 1, 6], Some("fallback.maximum_cost_microunits")),
        (&[1, 1, 7, 1, 2], Some("fallback.flags")),
    ];
    let mut cases: Vec<(Vec<u8>, Option<&str>)> = vec![
        (second_snapshot(&own_falls, &[0]), Some("snapshot.models")),
        // An empty checkpoint: its first version says that.
        (vec![10, 0, 0, 0, 0, 0, 0, 0, 0, 0], Some("flags")),
    ];
    cases.extend(
        decisions.map(|(request, decision, field)| (second_decision(request, decision), field)),
    );
    cases.extend(models.map(|(model, field)| (second_snapshot(model, &[0]), field)));
    cases.extend(group_lists.map(|(groups, field)| (second_snapshot(&[0], groups), field)));
    let fell_back = |fallback: &[u8]| [[9, 0, 3, 1, 1].as_slice(), fallback].concat();
    cases.extend(fallbacks.map(|(fallback, field)| (fell_back(fallback), field)));
    for (payload, field) in &cases {
        match field {
            Some(field) => assert_eq!(invalid(payload).1, *field, "{payload:?}"),
            None => {
                let read = Record::decode(3, payload);
                assert_eq!(world::payload(&read.unwrap()), *payload, "{payload:?}");
            }
        }
    }
    if python::can_run() {
        let payloads: Vec<Vec<u8>> = cases.into_iter().map(|(payload, _)| payload).collect();
        let differ = python::disagreements(&payloads, |payload| match Record::decode(3, payload) {
            Ok(record) => Ok(serde_json::to_value(record).unwrap().to_string()),
            Err(error) => Err(error.to_string()),
        });
        assert!(differ.is_empty(), "{}", differ.join("\n"));
    }
}

#[test]
fn a_change_with_a_record_of_its_own_is_not_written_as_a_change() {
    let tenant = || "a".to_owned();
    let (reservation, amount) = (3.into(), Microunits::new(1));
    for event in [
        BudgetEvent::Reserved { tenant: tenant(), reservation: 9.into(), amount },
        BudgetEvent::Committed { reservation, actual: amount },
        BudgetEvent::Released { reservation },
        BudgetEvent::PartCommitted { reservation, actual: amount },
        BudgetEvent::Dispatched { reservation },
        BudgetEvent::Expired { reservation },
        BudgetEvent::PartReleased { reservation, amount },
    ] {
        let dir = tempfile::tempdir().unwrap();
        let options = calybris_wal::WalOptions::new(calybris_engine::SCHEMA_ID);
        let log = calybris_wal::WalWriter::open(dir.path(), &options).unwrap();
        let (time, reason) = (UnixMillis::new(0), "".into());
        let refused = log.append(&Record::BudgetChanged { time, event, reason }).unwrap_err();
        let WalError::Encode { source } = refused else { panic!("{refused}") };
        assert!(source.to_string().contains("in no record by itself"), "{source}");
    }
}
