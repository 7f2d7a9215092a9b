//! One decision of a log, with the snapshot it was made under.

use std::path::Path;
use std::sync::Arc;

use calybris_wal::Key;

use crate::error::EngineError;
use crate::history::{History, name_of};
use crate::record::{Decided, Record};
use crate::snapshot::Snapshot;

/// One decision as the log holds it, with the snapshot that it names.
///
/// ```
/// # use calybris_engine::{Call, Engine, EngineOptions, Names, Snapshot};
/// # use calybris_kernel::*;
/// # let dir = tempfile::tempdir()?;
/// # let dir = dir.path().join("log");
/// # let policy = Policy {
/// #     policy_epoch: 1, catalog_epoch: 1, hard_risk_limit_bps: 9_000, minimum_confidence_bps: 5_000,
/// #     risk_penalty_multiplier_bps: 2_500, latency_penalty_microunits_per_ms: 1,
/// # };
/// # let snapshot = Snapshot::new(PolicySnapshot::new(policy, vec![])?, Names::default());
/// # let request = Request {
/// #     sequence: 1, requested_model_id: 7, input_tokens: 1_000, output_tokens: 500,
/// #     business_value_microunits: 50_000, budget_limit_microunits: 20_000, risk_bps: 500,
/// #     confidence_bps: 9_000, minimum_quality_bps: 7_000, max_p95_latency_ms: 0,
/// #     required_capabilities: CapabilitySet::EMPTY, allowed_providers: ProviderSet::ALL,
/// #     required_regions: RegionSet::EMPTY,
/// # };
/// # let engine = Engine::open(&dir, &EngineOptions::default())?;
/// # engine.install(snapshot, 1_700_000_000_000)?;
/// # engine.ensure_tenant("search", 1_000_000, 1_700_000_000_000)?;
/// # let call = Call { tenant: "search", time_unix_ms: 1_700_000_000_001, correlation_id: "", request };
/// use calybris_engine::RecordedDecision;
///
/// let outcome = engine.decide(&call)?;
/// let recorded = RecordedDecision::find(&dir, None, outcome.decision_sequence)?;
/// assert_eq!(recorded.decided.decision, outcome.decision);
/// let explanation = recorded.snapshot.policy_snapshot().explain(&recorded.decided.request);
/// assert_eq!(explanation.decision, outcome.decision);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct RecordedDecision {
    /// Its sequence in the log.
    pub sequence: u64,
    /// Its record's hash.
    pub hash: [u8; 32],
    /// What was asked and answered.
    pub decided: Decided<'static>,
    /// What it was decided under.
    pub snapshot: Arc<Snapshot>,
}

impl RecordedDecision {
    /// Finds the decision at that sequence of the log in `dir`.
    ///
    /// # Errors
    /// [`EngineError::NoSuchRecord`] if the log has no record there, [`EngineError::NotADecision`] if it has another,
    /// [`EngineError::Contradiction`] if the snapshot that the decision names is none, and those of
    /// [`History::open`].
    pub fn find(
        dir: impl AsRef<Path>,
        key: Option<&Key>,
        sequence: u64,
    ) -> Result<Self, EngineError> {
        let mut history = History::open(dir, key)?;
        let (mut first, mut last) = (None, 0);
        while let Some(entry) = history.next().transpose()? {
            first.get_or_insert(entry.sequence);
            last = entry.sequence;
            if entry.sequence != sequence {
                continue;
            }
            let Record::Decided(decided) = entry.record else {
                let found = name_of(&entry.record);
                return Err(EngineError::NotADecision { sequence, found });
            };
            let named = decided.snapshot_sequence;
            let snapshot = history.snapshot(named).cloned().ok_or_else(|| {
                let contradiction = format!("record {named} installed no snapshot");
                EngineError::Contradiction { sequence, contradiction }
            })?;
            return Ok(Self { sequence, hash: entry.hash, decided, snapshot });
        }
        Err(EngineError::NoSuchRecord { sequence, first: first.unwrap_or(1), last })
    }
}
