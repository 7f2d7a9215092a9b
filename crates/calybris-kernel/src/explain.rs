//! Why a decision is what it is: one verdict per model.

use alloc::vec::Vec;

use crate::gates::admit_model;
use crate::utility::{CostAndUtility, UtilityTerms};
use crate::{Decision, PolicySnapshot, Refusal, Request};

/// A decision with its grounds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Explanation {
    /// The decision itself, the same that `prescribe` returns.
    pub decision: Decision,
    /// Why the request was rejected before any model was looked at; nothing if it was not.
    pub request_refusal: Option<Refusal>,
    /// One verdict per candidate, in ascending order of ids; none if the request was
    /// rejected before any model was looked at.
    pub models: Vec<ModelVerdict>,
}

impl Explanation {
    /// The verdict on the model with this id; nothing if it is no candidate, or the request
    /// was rejected before any model was looked at.
    ///
    /// ```
    /// # mod plain { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/plain.inc")); }
    /// # use calybris_kernel::*;
    /// # use plain::{POLICY, REQUEST, model};
    /// let snapshot = PolicySnapshot::new(POLICY, [model(1, 300), model(2, 700)])?;
    /// let explanation = snapshot.explain(&REQUEST);
    /// let dear = explanation.model(2).expect("the catalog has it");
    /// assert!(matches!(dear.verdict, Verdict::Refused(Refusal::Budget { .. })));
    /// let Some(ModelVerdict { verdict: Verdict::Eligible { utility_microunits, terms }, .. }) =
    ///     explanation.model(1)
    /// else {
    ///     panic!("it passes every gate")
    /// };
    /// assert_eq!(terms.adjusted_value, Microunits::new(900)); // 1,000 at a quality of 90%
    /// assert_eq!(terms.cost, Microunits::new(300));
    /// assert_eq!(*utility_microunits, terms.utility_microunits());
    /// # Ok::<(), SnapshotError>(())
    /// ```
    #[must_use]
    pub fn model(&self, model_id: u32) -> Option<&ModelVerdict> {
        let found = self.models.binary_search_by_key(&model_id, |verdict| verdict.model_id).ok()?;
        self.models.get(found)
    }
}

/// The verdict on one model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ModelVerdict {
    /// The model.
    pub model_id: u32,
    /// The verdict.
    pub verdict: Verdict,
}

/// Turned away at a gate, or eligible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[expect(clippy::exhaustive_enums, reason = "a model is refused or eligible, there is no third")]
pub enum Verdict {
    /// The first gate that failed, with its evidence.
    Refused(Refusal),
    /// The model passed every gate.
    Eligible {
        /// Its utility, above 0.
        utility_microunits: i64,
        /// What the utility is made of.
        terms: UtilityTerms,
    },
}

impl PolicySnapshot {
    /// Gives the verdict on each model: the gate that refused it, with what was measured and the
    /// limit, or the terms of its utility.
    ///
    /// Runs the gates and the terms that [`prescribe`](Self::prescribe) runs, and holds the same
    /// decision. A request that is rejected before any model is looked at has no verdicts on
    /// models but a refusal of its own.
    ///
    /// ```
    /// # mod plain { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/plain.inc")); }
    /// # use calybris_kernel::*;
    /// # use plain::{POLICY, REQUEST, model};
    /// let snapshot = PolicySnapshot::new(POLICY, [model(1, 700)])?;
    /// let explanation = snapshot.explain(&REQUEST);
    /// assert_eq!(explanation.decision, snapshot.prescribe(&REQUEST));
    /// assert_eq!(
    ///     explanation.models[0].verdict,
    ///     Verdict::Refused(Refusal::Budget { maximum_cost: Microunits::new(700), limit: Microunits::new(500) }),
    /// );
    /// # Ok::<(), SnapshotError>(())
    /// ```
    #[must_use]
    pub fn explain(&self, request: &Request) -> Explanation {
        explain(self, request)
    }
}

fn explain(snapshot: &PolicySnapshot, request: &Request) -> Explanation {
    let decision = snapshot.prescribe(request);
    if let Err(refusal) = snapshot.admit(request) {
        return Explanation { decision, request_refusal: Some(refusal), models: Vec::new() };
    }
    let valuation = snapshot.valuation(request);
    let models = snapshot
        .candidates(request)
        .iter()
        .map(|entry| {
            let verdict = match admit_model(&valuation, entry) {
                Ok(CostAndUtility { utility_microunits, .. }) => {
                    Verdict::Eligible { utility_microunits, terms: valuation.terms(entry) }
                }
                Err(refusal) => Verdict::Refused(refusal),
            };
            ModelVerdict { model_id: entry.model_id, verdict }
        })
        .collect();
    Explanation { decision, request_refusal: None, models }
}
