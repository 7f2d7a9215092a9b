//! The levels of a tree: debited together, and how a flat account becomes one of them.

use loom::sync::Arc;
use loom::thread;

use super::{account, must_fail};
use crate::account::Account;

fn level(granted: u64) -> Arc<Account> {
    let level = account(granted);
    level.become_level_alone();
    level
}

/// Two siblings want 6 of a root's 10, under its lock: one gets it on both levels, the other takes
/// from none. A reader without the lock sees each level whole.
#[test]
fn levels_are_debited_together() {
    loom::model(|| {
        let root = level(10);
        let children = [level(10), level(10)];
        let reserve = |root: &Account, child: &Account| {
            let admitted = root.lock().with(|| {
                let admitted = child.admit(6).and(root.admit(6)).is_ok();
                if admitted {
                    child.debit_locked(6).unwrap();
                    root.debit_locked(6).unwrap();
                }
                admitted
            });
            if admitted {
                root.lock().with(|| {
                    child.settle_locked(6, 5).unwrap();
                    root.settle_locked(6, 5).unwrap();
                });
            }
            admitted
        };
        let sibling = thread::spawn({
            let (root, child) = (root.clone(), children[0].clone());
            move || reserve(&root, &child)
        });
        let mine = reserve(&root, &children[1]);
        let now = root.read();
        assert!(now.reserved().unwrap() <= 6 && now.committed <= 5, "{now:?}");
        let theirs = sibling.join().unwrap();
        assert!(mine || theirs, "whoever came first fits");
        let spent = if mine { 5 } else { 0 } + if theirs { 5 } else { 0 };
        for (account, committed) in [(&root, spent), (&children[1], if mine { 5 } else { 0 })] {
            let now = account.read();
            assert_eq!((now.committed, now.reserved().unwrap()), (committed, 0));
        }
    });
}

/// The control of the levels: words of a level changed without the lock that makes its holder the
/// only writer.
#[test]
fn control_a_level_without_the_lock() {
    must_fail(|| {
        let child = level(10);
        let rival = thread::spawn({
            let child = child.clone();
            move || child.debit_locked(3)
        });
        child.debit_locked(3).unwrap();
        rival.join().unwrap().unwrap();
        assert_eq!(child.read().available, 4, "a debit was lost");
    });
}

/// A flat account becomes a level while a thread reserves from it without the lock: either that
/// one was first and the account stays flat, or it finds the guard.
#[test]
fn an_account_becomes_a_level_only_while_nobody_holds_a_debit() {
    loom::model(|| {
        let account = account(10);
        let flat = thread::spawn({
            let account = account.clone();
            move || {
                if account.debit(6).is_ok() {
                    assert!(!account.is_level());
                    account.settle(6, 5).unwrap();
                }
            }
        });
        let became = account.lock().with(|| account.become_level());
        if became.is_ok() {
            account.lock().with(|| account.debit_locked(1)).unwrap();
            account.lock().with(|| account.settle_locked(1, 1)).unwrap();
        }
        flat.join().unwrap();
        let now = account.read();
        assert_eq!(now.reserved().unwrap(), 0, "a settlement was lost: {now:?}");
    });
}
