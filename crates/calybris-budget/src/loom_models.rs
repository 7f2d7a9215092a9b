//! Every interleaving of the account, explored by loom: the hot word and the stock beside it, the
//! order of log and ledger, the guard, and that a reservation is settled once. Each model has a control: the same with one
//! thing done wrong, which loom must catch.
//!
//! Of the accesses to a word loom remembers the last: where one thread reads and another reads and then
//! writes, it does not explore the writing before the first reading. So in most models who only reads
//! is spawned, and meets what its parent has written.
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test -p calybris-budget --release --lib
//! ```

mod account;
mod hierarchy;
mod reservations;

use loom::sync::Arc;

use crate::account::{Account, Balance};

fn account(granted: u64) -> Arc<Account> {
    Arc::new(Account::new(Balance::of_grant(granted)))
}

/// Runs a model that must fail, and says so if it does not.
fn must_fail(model: impl Fn() + Sync + Send + 'static) {
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| loom::model(model)));
    assert!(caught.is_err(), "the control passed: the model proves nothing");
}
