//! The account: one instant, exact admission, the order of log and ledger, the guard.

use loom::sync::{Arc, Mutex};
use loom::thread;

use calybris_units::BrokenInvariant;

use super::{account, must_fail};

use crate::account::{Account, NotDebited};
use crate::sync::Ordering::{Acquire, Relaxed, Release};
use crate::sync::{AtomicU64, Ordering};

/// A reading taken while one thread reserves 6, commits 2 and returns 4, and another reserves 3.
/// Of ten granted it must find at most nine reserved and at most two committed, and never a
/// negative rest (which would wrap).
#[test]
fn a_reading_is_one_instant() {
    loom::model(|| {
        let account = account(10);
        let reader = thread::spawn({
            let account = account.clone();
            move || account.read()
        });
        let other = thread::spawn({
            let account = account.clone();
            move || account.debit(3).unwrap()
        });
        account.debit(6).unwrap();
        account.settle(6, 2).unwrap();
        let seen = reader.join().unwrap();
        assert!(matches!(seen.reserved().unwrap(), 0 | 3 | 4 | 6 | 7 | 9), "{seen:?}");
        assert!(seen.committed == 0 || seen.committed == 2, "{seen:?}");
        other.join().unwrap();
        let now = account.read();
        assert_eq!((now.available, now.reserved().unwrap(), now.committed), (5, 3, 2));
    });
}

/// The control of the reading: the same two amounts in two words, read one after the other.
#[test]
fn control_a_reading_of_two_words() {
    must_fail(|| {
        let words = Arc::new((AtomicU64::new(10), AtomicU64::new(0)));
        let writer = thread::spawn({
            let words = words.clone();
            move || {
                words.0.fetch_sub(6, Acquire);
                words.1.fetch_add(6, Release);
            }
        });
        let available = words.0.load(Acquire);
        let committed = words.1.load(Acquire);
        writer.join().unwrap();
        assert!(available + committed <= 10, "more than was granted");
    });
}

/// Of twenty granted, sixteen are ready in the narrow hot word that loom explores. Two threads want
/// twelve and eight: both fit, whoever has to fetch from the stock, and a reader sees neither half of
/// the move.
#[test]
fn what_stands_in_the_stock_is_admitted_exactly() {
    loom::model(|| {
        let account = account(20);
        let rival = thread::spawn({
            let account = account.clone();
            move || reserve(&account, 8)
        });
        assert!(reserve(&account, 12), "a phantom refusal");
        let now = account.read();
        assert!(matches!(now.reserved().unwrap(), 12 | 20), "{now:?}");
        assert!(rival.join().unwrap(), "a phantom refusal");
        assert!(!reserve(&account, 1), "overspent");
    });
}

/// What the tenant does: without the lock, and with it when it has to be asked.
fn reserve(account: &Account, amount: u64) -> bool {
    match account.debit(amount) {
        Ok(()) => true,
        Err(NotDebited::Short(_)) => false,
        Err(NotDebited::Guarded) => account
            .lock()
            .with(|| account.admit(amount).is_ok() && account.debit_locked(amount).is_ok()),
    }
}

/// The control of the stock: who finds too little in the hot word refuses.
#[test]
fn control_a_debit_that_does_not_ask_for_the_stock() {
    must_fail(|| {
        let account = account(20);
        let rival = thread::spawn({
            let account = account.clone();
            move || account.debit(8).is_ok()
        });
        assert!(account.debit(12).is_ok(), "a phantom refusal");
        assert!(rival.join().unwrap(), "a phantom refusal");
    });
}

/// Two settlements that the narrow hot word has no room for together: one of them moves what was
/// spent aside, and nothing of the other is lost.
#[test]
fn what_has_no_room_in_the_hot_word_is_settled_beside_it() {
    loom::model(|| {
        let account = account(60);
        assert!(reserve(&account, 40));
        let rival = thread::spawn({
            let account = account.clone();
            move || account.settle(20, 17).unwrap()
        });
        account.settle(20, 16).unwrap();
        let now = account.read();
        assert!(matches!((now.committed, now.reserved().unwrap()), (16, 20) | (33, 0)), "{now:?}");
        rival.join().unwrap();
        let now = account.read();
        assert_eq!((now.available, now.committed, now.reserved().unwrap()), (27, 33, 0));
    });
}

/// The control of the room: the part that overflows runs into the other.
#[test]
fn control_a_settlement_that_does_not_look_for_room() {
    must_fail(|| {
        let word = Arc::new(AtomicU64::new(0));
        let rival = thread::spawn({
            let word = word.clone();
            move || word.fetch_add(17 << 5, Release)
        });
        word.fetch_add(16 << 5, Release);
        rival.join().unwrap();
        assert_eq!((word.load(Acquire) >> 5) & 31, 33, "something spent was lost");
    });
}

/// Two threads want 6 of 10: one gets it, and a doomed 11 disturbs neither.
#[test]
fn admission_is_exact() {
    loom::model(|| {
        let account = account(10);
        let rival = thread::spawn({
            let account = account.clone();
            move || account.debit(6).is_ok()
        });
        let doomed = thread::spawn({
            let account = account.clone();
            move || account.debit(11).is_ok()
        });
        let mine = account.debit(6).is_ok();
        let (rival, doomed) = (rival.join().unwrap(), doomed.join().unwrap());
        assert!(mine != rival, "one of two fits");
        assert!(!doomed);
        assert_eq!(account.read().available, 4);
    });
}

/// The control of admission: take first, look after, and put back what was too much.
#[test]
fn control_admission_by_subtraction_refuses_what_fits() {
    must_fail(|| {
        let available = Arc::new(AtomicU64::new(10));
        let debit = |available: &AtomicU64, amount: u64| {
            let was = available.fetch_sub(amount, Ordering::AcqRel);
            // A wrapped difference is above any amount.
            let fits = was >= amount && was <= 10;
            if !fits {
                available.fetch_add(amount, Ordering::AcqRel);
            }
            fits
        };
        let doomed = thread::spawn({
            let available = available.clone();
            move || debit(&available, 11)
        });
        assert!(debit(&available, 10), "a phantom refusal");
        doomed.join().unwrap();
    });
}

/// One thread logs a release and credits it, another debits what it gave and logs that: the log
/// has them in an order that it can cover.
fn ordering(log_then_credit: bool) {
    let account = account(1);
    let log: Arc<Mutex<Vec<i64>>> = Arc::new(Mutex::new(Vec::new()));
    account.debit(1).unwrap();
    log.lock().unwrap().push(-1);
    let taker = thread::spawn({
        let (account, log) = (account.clone(), log.clone());
        move || {
            if account.debit(1).is_ok() {
                log.lock().unwrap().push(-1);
            }
        }
    });
    if log_then_credit {
        log.lock().unwrap().push(1);
        account.settle(1, 0).unwrap();
    } else {
        account.settle(1, 0).unwrap();
        log.lock().unwrap().push(1);
    }
    taker.join().unwrap();
    let mut balance = 1;
    for change in log.lock().unwrap().iter() {
        balance += change;
        assert!(balance >= 0, "a prefix of the log does not cover its debits");
    }
}

#[test]
fn every_prefix_of_the_log_is_covered() {
    loom::model(|| ordering(true));
}

#[test]
fn control_credit_before_the_log() {
    must_fail(|| ordering(false));
}

/// An adjustment that moves an amount between two words is seen whole or not at all.
#[test]
fn an_adjustment_is_seen_whole() {
    loom::model(|| {
        let account = account(10);
        account.debit(4).unwrap();
        // One adjusts at a time, so the lock would only add interleavings.
        let owner = thread::spawn({
            let account = account.clone();
            move || {
                let raised = account.adjust(|words| {
                    words.raise_granted(5)?;
                    words.raise_available(5)
                });
                raised.unwrap();
            }
        });
        let now = account.read();
        assert!(now.reserved().unwrap() == 4, "{now:?}");
        assert!(now.granted == 10 || now.granted == 15);
        owner.join().unwrap();
    });
}

/// The control of the adjustment: the same change without the version.
#[test]
fn control_an_adjustment_without_its_version() {
    must_fail(|| {
        let words = Arc::new((AtomicU64::new(10), AtomicU64::new(6)));
        let owner = thread::spawn({
            let words = words.clone();
            move || {
                words.0.fetch_add(5, Release);
                words.1.fetch_add(5, Release);
            }
        });
        let granted = words.0.load(Acquire);
        let available = words.1.load(Acquire);
        owner.join().unwrap();
        assert_eq!(granted - available, 4, "torn");
    });
}

/// Once a freeze has returned, no lock-free debit succeeds any more, and one that came before is
/// counted.
#[test]
fn the_guard_stops_every_later_debit() {
    loom::model(|| {
        let account = account(10);
        let frozen = Arc::new(AtomicU64::new(0));
        let caller = thread::spawn({
            let (account, frozen) = (account.clone(), frozen.clone());
            move || {
                let was_frozen = frozen.load(Acquire) == 1;
                let answer = account.debit(6);
                assert!(!(was_frozen && answer.is_ok()), "reserved from a frozen tenant");
                assert_ne!(answer, Err(NotDebited::Short(10)));
                answer.is_ok()
            }
        });
        account.lock().with(|| {
            account.rules().freeze(true);
            account.guard();
        });
        frozen.store(1, Release);
        let reserved = caller.join().unwrap();
        assert_eq!(account.read().available, if reserved { 4 } else { 10 });
    });
}

/// The control of the guard: a rule that is looked up beside the word.
#[test]
fn control_a_rule_beside_the_word() {
    must_fail(|| {
        let available = Arc::new(AtomicU64::new(10));
        let frozen = Arc::new(AtomicU64::new(0));
        let caller = thread::spawn({
            let (available, frozen) = (available.clone(), frozen.clone());
            move || {
                if frozen.load(Acquire) == 0 {
                    available.fetch_sub(6, Acquire);
                }
            }
        });
        frozen.store(1, Release);
        let at_freeze = available.load(Acquire);
        caller.join().unwrap();
        assert_eq!(available.load(Relaxed), at_freeze, "reserved after the freeze");
    });
}

/// An account is broken off while its owner lifts a freeze: the guard stays, and no debit passes it.
#[test]
fn a_broken_account_stays_guarded() {
    loom::model(|| {
        let account = account(10);
        account.rules().freeze(true);
        account.guard();
        let owner = thread::spawn({
            let account = account.clone();
            move || {
                account.lock().with(|| {
                    account.rules().freeze(false);
                    account.guard();
                });
            }
        });
        account.lock().with(|| {
            account.break_off(BrokenInvariant::found("a model says so", file!(), line!()));
        });
        assert_eq!(account.debit(6), Err(NotDebited::Guarded), "reserved from a broken account");
        owner.join().unwrap();
        assert_eq!(account.debit(6), Err(NotDebited::Guarded), "reserved from a broken account");
        assert!(account.settle(0, 0).is_err());
    });
}

/// The control of the broken account: it shares the bit of the guard, so a thread that lifts the guard lifts both.
#[test]
fn control_a_broken_account_with_the_guard_for_a_sign() {
    must_fail(|| {
        let hot = Arc::new(AtomicU64::new(1));
        let owner = thread::spawn({
            let hot = hot.clone();
            move || hot.fetch_and(!1, Ordering::AcqRel)
        });
        hot.fetch_or(1, Ordering::AcqRel);
        owner.join().unwrap();
        assert_eq!(hot.load(Acquire), 1, "reserved from a broken account");
    });
}
