//! What would have been chosen without ceilings, or without windows: so a run can say how many choices each of them changed.

use calybris_catalog::InputError;
use calybris_core::kernel::{PolicySnapshot, Request, Window};

use crate::tally::{Changed, Tally};

/// The snapshot of a run, as it is and without windows.
pub(super) struct Unbound<'a> {
    snapshot: &'a PolicySnapshot,
    /// `None` if no model has a window.
    without_windows: Option<PolicySnapshot>,
}

impl<'a> Unbound<'a> {
    pub(super) fn new(snapshot: &'a PolicySnapshot) -> Result<Self, InputError> {
        let has_windows = snapshot.models().any(|model| model.window != Window::UNKNOWN);
        let without_windows = has_windows.then(|| {
            let models = snapshot.models().map(|model| model.with_window(Window::UNKNOWN));
            let models: Vec<_> = models.collect();
            PolicySnapshot::with_groups(*snapshot.policy(), models, snapshot.groups().to_vec())
        });
        let refuse = |error| InputError::in_file("the catalog without windows", error);
        Ok(Self { snapshot, without_windows: without_windows.transpose().map_err(refuse)? })
    }

    /// Counts what ceiling and windows did to one choice.
    pub(super) fn compare(&self, request: &Request, chosen: Option<u32>, tally: &mut Tally) {
        if request.ceiling.is_some() {
            tally.with_ceiling += 1;
            let mut free = *request;
            free.ceiling = None;
            count(&mut tally.changed_by_ceilings, self.snapshot, &free, chosen);
        }
        if let Some(snapshot) = &self.without_windows {
            tally.with_windows += 1;
            count(&mut tally.changed_by_windows, snapshot, request, chosen);
        }
    }
}

fn count(changed: &mut Changed, snapshot: &PolicySnapshot, request: &Request, chosen: Option<u32>) {
    let free = snapshot.prescribe(request).selected_model_id;
    if free == chosen {
        return;
    }
    match chosen {
        Some(_) => changed.to_another_model += 1,
        None => changed.to_none += 1,
    }
}
