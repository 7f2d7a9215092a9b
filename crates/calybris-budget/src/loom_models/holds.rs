//! The holds: each is settled once, whoever comes for it.

use loom::sync::{Arc, Mutex};
use loom::thread;

use super::{account, must_fail};
use crate::account::Account;
use crate::ring::{Short, Slot};
use crate::sync::AtomicU64;
use crate::sync::Ordering::{Acquire, Release};

/// A slot of the ring: two threads take the hold that stands there and one gets it; a third puts the
/// next one into the slot as soon as it is free, and nobody gets that one for the first.
#[test]
fn a_hold_in_the_ring_is_taken_once() {
    loom::model(|| {
        let slot = Arc::new(Slot::new());
        let [first, second] =
            [(1, Short { tenant: 1, amount: 6 }), (9, Short { tenant: 2, amount: 3 })];
        assert!(slot.keep(first.0, first.1, || false));
        let take = move |slot: &Slot| match slot.peek(first.0) {
            Some(seen) if slot.take(first.0) => {
                assert_eq!(seen, first.1);
                1
            }
            _ => 0,
        };
        let rival = thread::spawn({
            let slot = slot.clone();
            move || take(&slot)
        });
        let next = thread::spawn({
            let slot = slot.clone();
            move || slot.keep(second.0, second.1, || false)
        });
        let mine = take(&slot);
        assert_eq!(mine + rival.join().unwrap(), 1);
        if next.join().unwrap() {
            assert_eq!(slot.peek(second.0), Some(second.1));
            assert!(slot.take(second.0));
        }
        assert_eq!(slot.peek(first.0), None);
    });
}

/// The control of the ring: who has seen the hold frees the slot, whatever stands there by now.
#[test]
fn control_a_hold_in_the_ring_that_is_freed_without_a_look() {
    must_fail(|| {
        let state = Arc::new(AtomicU64::new(1));
        let take = |state: &AtomicU64| {
            let seen = state.load(Acquire) == 1;
            if seen {
                state.store(0, Release);
            }
            u8::from(seen)
        };
        let rival = thread::spawn({
            let state = state.clone();
            move || take(&state)
        });
        let mine = take(&state);
        assert_eq!(mine + rival.join().unwrap(), 1, "settled twice");
    });
}

/// Two threads settle the same hold: whoever takes it settles it, and the other finds nothing.
#[test]
fn a_hold_is_settled_once() {
    loom::model(|| {
        let account = account(10);
        account.debit(6).unwrap();
        let hold = Arc::new(Mutex::new(Some(6)));
        let rival = thread::spawn({
            let (account, hold) = (account.clone(), hold.clone());
            move || {
                let taken = hold.lock().unwrap().take();
                taken.map(|reserved| account.settle(reserved, 0)).is_some()
            }
        });
        let taken = hold.lock().unwrap().take();
        let mine = taken.map(|reserved| account.settle(reserved, 0)).is_some();
        assert!(mine != rival.join().unwrap());
        assert_eq!(account.read().available, 10);
    });
}

/// The control of the settlement: look, then settle, then take.
#[test]
fn control_a_hold_that_is_looked_at_before_it_is_taken() {
    must_fail(|| {
        let account = account(10);
        account.debit(6).unwrap();
        let hold = Arc::new(Mutex::new(Some(6)));
        let settle = |account: &Account, hold: &Mutex<Option<u64>>| {
            let seen = *hold.lock().unwrap();
            if let Some(reserved) = seen {
                account.settle(reserved, 0);
                *hold.lock().unwrap() = None;
            }
        };
        let rival = thread::spawn({
            let (account, hold) = (account.clone(), hold.clone());
            move || settle(&account, &hold)
        });
        settle(&account, &hold);
        rival.join().unwrap();
        assert_eq!(account.read().available, 10, "settled twice");
    });
}
