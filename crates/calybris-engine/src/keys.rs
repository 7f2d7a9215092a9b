//! Request keys: the last decisions that had one, so that a repeated call is decided once.

use std::collections::{BTreeMap, HashMap};

use calybris_units::{BrokenInvariant, invariant};
use parking_lot::{Condvar, Mutex};

use crate::record::{Decided, KeyedDecision};

/// The keyed decisions with the highest sequences, as many as the window holds.
///
/// The window depends on the log alone, not on the order in which concurrent callers return from it.
pub(crate) struct KeyWindow {
    capacity: usize,
    by_sequence: BTreeMap<u64, KeyedDecision<'static>>,
}

/// The window of a live engine.
pub(crate) struct RequestKeys {
    state: Mutex<State>,
    /// Notified when a decision under a key was made or failed.
    done: Condvar,
}

struct State {
    window: KeyWindow,
    /// INVARIANT (known keys): a key that is `DecidedAt` a sequence has its decision there in the window.
    by_key: HashMap<TenantKey, Known>,
}

/// A tenant's name and its key: keys of different tenants are independent.
type TenantKey = (String, String);

#[derive(PartialEq)]
enum Known {
    BeingDecided,
    DecidedAt(u64),
}

/// The answer to a claim of a key.
pub(crate) enum Claim<'a> {
    Decided(Box<KeyedDecision<'static>>),
    /// The key is new. The caller decides, and other callers with the same key wait.
    New(Claimed<'a>),
}

/// The right to decide under a key. If it is dropped, the next caller with the key gets it.
pub(crate) struct Claimed<'a> {
    keys: &'a RequestKeys,
    key: TenantKey,
}

impl KeyWindow {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, by_sequence: BTreeMap::new() }
    }

    /// Adds a decision, and answers the one that no longer fits, which may be the same.
    pub(crate) fn add(
        &mut self,
        decision: KeyedDecision<'static>,
    ) -> Option<KeyedDecision<'static>> {
        self.by_sequence.insert(decision.decision_sequence, decision);
        let over = self.by_sequence.len() > self.capacity;
        over.then(|| self.by_sequence.pop_first()).flatten().map(|(_, oldest)| oldest)
    }

    /// The decisions, oldest first.
    pub(crate) fn decisions(&self) -> impl DoubleEndedIterator<Item = &KeyedDecision<'static>> {
        self.by_sequence.values()
    }
}

impl RequestKeys {
    pub(crate) fn new(window: KeyWindow) -> Self {
        let known = |decision: &KeyedDecision<'static>| {
            (tenant_key(decision), Known::DecidedAt(decision.decision_sequence))
        };
        let by_key = window.decisions().map(known).collect();
        Self { state: Mutex::new(State { window, by_key }), done: Condvar::new() }
    }

    /// The decision for this tenant under this key. Waits while another caller is deciding under it.
    ///
    /// # Errors
    /// The decision under a known key is not in the window.
    pub(crate) fn claim(
        &self,
        tenant: &str,
        request_key: &str,
    ) -> Result<Claim<'_>, BrokenInvariant> {
        let key = (tenant.to_owned(), request_key.to_owned());
        let mut state = self.state.lock();
        loop {
            match state.by_key.get(&key) {
                Some(Known::BeingDecided) => self.done.wait(&mut state),
                Some(Known::DecidedAt(sequence)) => {
                    let decision = invariant!(
                        state.window.by_sequence.get(sequence),
                        "a key that is known to be decided has its decision in the window"
                    )?;
                    return Ok(Claim::Decided(Box::new(decision.clone())));
                }
                None => {
                    state.by_key.insert(key.clone(), Known::BeingDecided);
                    return Ok(Claim::New(Claimed { keys: self, key }));
                }
            }
        }
    }

    /// Loses every decision, but not its key: INVARIANT (known keys) is broken.
    #[cfg(test)]
    pub(crate) fn break_known_keys(&self) {
        self.state.lock().window.by_sequence.clear();
    }

    /// The decisions that are remembered, oldest first.
    pub(crate) fn remembered(&self) -> Vec<KeyedDecision<'static>> {
        self.state.lock().window.decisions().cloned().collect()
    }
}

fn tenant_key(decision: &KeyedDecision<'_>) -> TenantKey {
    (decision.tenant.to_string(), decision.request_key.to_string())
}

impl Claimed<'_> {
    /// Makes this the answer to every later call under the key.
    pub(crate) fn decided(self, decision_sequence: u64, decided: &Decided<'_>) {
        let mut state = self.keys.state.lock();
        state.by_key.insert(self.key.clone(), Known::DecidedAt(decision_sequence));
        if let Some(oldest) = state.window.add(decided.keyed(decision_sequence)) {
            let forgotten = Known::DecidedAt(oldest.decision_sequence);
            let oldest = tenant_key(&oldest);
            if state.by_key.get(&oldest) == Some(&forgotten) {
                state.by_key.remove(&oldest);
            }
        }
        // Dropping `self` notifies the callers that wait.
    }
}

impl Drop for Claimed<'_> {
    fn drop(&mut self) {
        let mut state = self.keys.state.lock();
        if state.by_key.get(&self.key) == Some(&Known::BeingDecided) {
            state.by_key.remove(&self.key);
        }
        drop(state);
        self.keys.done.notify_all();
    }
}
