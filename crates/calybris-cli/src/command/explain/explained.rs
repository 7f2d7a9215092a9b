//! A decision made again, with its explanation.

use calybris_catalog::text::quoted;
use calybris_core::engine::{Names, Snapshot};
use calybris_core::kernel::{Explanation, RankedModel, Request};

use crate::log::find::Found;
use crate::log::naming::model_name;

/// A decision made again, with its explanation.
pub(super) struct Explained<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) request: &'a Request,
    pub(super) explanation: Explanation,
    /// The eligible models, best first.
    pub(super) rank: Vec<RankedModel>,
}

impl<'a> Explained<'a> {
    /// Makes the decision again. `None` if it differs from the recorded one.
    pub(super) fn new(found: &'a Found) -> Option<Self> {
        let (snapshot, request) = (found.snapshot.as_ref(), &found.followed.decided.request);
        let explanation = snapshot.policy_snapshot().explain(request);
        let mut rank = vec![RankedModel::default(); explanation.models.len()];
        let count = snapshot.policy_snapshot().rank(request, &mut rank);
        rank.truncate(count);
        let same = explanation.decision == found.followed.decided.decision;
        same.then_some(Self { snapshot, request, explanation, rank })
    }

    pub(super) fn names(&self) -> &Names {
        self.snapshot.names()
    }

    pub(super) fn name(&self, model_id: u32) -> String {
        model_name(self.names(), model_id)
    }

    /// The id of the model with that name or number.
    pub(super) fn model_id(&self, name: &str) -> Result<u32, String> {
        let named = self.names().models.iter().find(|(_, known)| *known == name).map(|(id, _)| *id);
        let id = named.or_else(|| name.parse().ok());
        id.filter(|id| self.snapshot.policy_snapshot().model(*id).is_some()).ok_or_else(|| {
            let name = quoted(name);
            format!("model {name} is not in the catalog of this decision; --all lists its models")
        })
    }
}
