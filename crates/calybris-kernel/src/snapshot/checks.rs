//! The checks that a policy and a catalog pass to make a snapshot.

use calybris_units::BasisPoints;

use crate::{Model, Policy, SnapshotError};

pub(super) fn count_models(found: usize) -> Result<u32, SnapshotError> {
    u32::try_from(found).map_err(|_| SnapshotError::TooManyModels { found })
}

pub(super) fn check_policy(policy: &Policy) -> Result<(), SnapshotError> {
    let fields = [
        ("hard_risk_limit_bps", policy.hard_risk_limit),
        ("minimum_confidence_bps", policy.minimum_confidence),
    ];
    match fields.into_iter().find(|&(_, found)| found > BasisPoints::WHOLE) {
        Some((field, found)) => Err(SnapshotError::PolicyOutOfRange { field, found }),
        None => Ok(()),
    }
}

/// Checks models that stand in ascending order of their ids.
pub(super) fn check_models(models: &[Model]) -> Result<(), SnapshotError> {
    // Ids are checked before fields: the order of two models with one id is arbitrary, so an error in a
    // field of one of them would be, too.
    let duplicate = models.windows(2).find_map(|pair| match pair {
        [first, second] if first.model_id == second.model_id => Some(first.model_id),
        _ => None,
    });
    if let Some(model_id) = duplicate {
        return Err(SnapshotError::DuplicateModelId { model_id });
    }
    for model in models {
        let fields = [("quality_bps", model.quality), ("risk_ceiling_bps", model.risk_ceiling)];
        if let Some((field, found)) = fields.into_iter().find(|&(_, bps)| bps > BasisPoints::WHOLE)
        {
            let model_id = model.model_id;
            return Err(SnapshotError::ModelOutOfRange { model_id, field, found });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_pointer_width = "64")]
    #[test]
    fn a_catalog_beyond_u32_is_too_many_models() {
        assert_eq!(count_models(0xffff_ffff), Ok(u32::MAX));
        let found = 0x1_0000_0000;
        let error = count_models(found).unwrap_err();
        assert_eq!(error, SnapshotError::TooManyModels { found });
        let message = "the catalog has 4294967296 models and may have at most 4294967295";
        assert_eq!(alloc::string::ToString::to_string(&error), message);
    }
}
