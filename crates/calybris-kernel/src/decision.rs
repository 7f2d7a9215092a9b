//! The answer: what to do, why, and at what cost.

use core::fmt;

use calybris_units::Microunits;

/// What the caller should do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the list is complete: another action would be another law"
)]
pub enum Action {
    /// The requested model is the best one: call it.
    ExecuteRequested = 1,
    /// Another model is better: call that one.
    Substitute = 2,
    /// No model may be called.
    Reject = 3,
}

/// Why the kernel decided so. The codes are permanent: logs hold them.
///
/// The list is complete: another reason would be another law, and so a new major version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the list is complete: another reason would be another law"
)]
pub enum Reason {
    /// The requested model has the highest utility.
    RequestedModelMaximizesUtility = 1,
    /// Another model has the highest utility.
    AlternativeMaximizesUtility = 2,
    /// The request's risk reaches the policy's hard limit.
    RiskHardLimit = 100,
    /// The request's confidence is below the policy's minimum.
    ConfidenceHardLimit = 101,
    /// None of the candidates is enabled.
    NoEnabledModel = 102,
    /// Quality turned away the most models.
    QualityConstraint = 103,
    /// Latency turned away the most models.
    LatencyConstraint = 104,
    /// A missing capability turned away the most models.
    CapabilityConstraint = 105,
    /// The allowed providers turned away the most models.
    ProviderConstraint = 106,
    /// The required regions turned away the most models.
    RegionConstraint = 107,
    /// The request's cost limit turned away the most models.
    BudgetConstraint = 108,
    /// Utility that is not positive turned away the most models.
    NonPositiveUtility = 109,
    /// The models' risk ceilings turned away the most models.
    RiskCeilingConstraint = 110,
    /// The request contradicts itself or the snapshot.
    InvalidRequest = 111,
    /// The models' windows turned away the most models.
    WindowConstraint = 112,
}

/// A number that is no code of an [`Action`] or a [`Reason`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{code}` is not a code of {kind}")]
pub struct UnknownCode {
    kind: &'static str,
    code: u16,
}

impl Action {
    /// All actions, by code.
    pub const ALL: [Self; 3] = [Self::ExecuteRequested, Self::Substitute, Self::Reject];

    /// The permanent code.
    ///
    /// ```
    /// use calybris_kernel::Action;
    ///
    /// assert_eq!(Action::Reject.code(), 3);
    /// assert_eq!(Action::try_from(3), Ok(Action::Reject));
    /// assert_eq!(Action::try_from(4).unwrap_err().to_string(), "`4` is not a code of an action");
    /// ```
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }
}

impl TryFrom<u8> for Action {
    type Error = UnknownCode;

    fn try_from(code: u8) -> Result<Self, UnknownCode> {
        let known = Self::ALL.into_iter().find(|action| action.code() == code);
        known.ok_or(UnknownCode { kind: "an action", code: u16::from(code) })
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ExecuteRequested => "execute the requested model",
            Self::Substitute => "substitute another model",
            Self::Reject => "reject the request",
        })
    }
}

impl Reason {
    /// All reasons, by code.
    pub const ALL: [Self; 15] = [
        Self::RequestedModelMaximizesUtility,
        Self::AlternativeMaximizesUtility,
        Self::RiskHardLimit,
        Self::ConfidenceHardLimit,
        Self::NoEnabledModel,
        Self::QualityConstraint,
        Self::LatencyConstraint,
        Self::CapabilityConstraint,
        Self::ProviderConstraint,
        Self::RegionConstraint,
        Self::BudgetConstraint,
        Self::NonPositiveUtility,
        Self::RiskCeilingConstraint,
        Self::InvalidRequest,
        Self::WindowConstraint,
    ];

    /// The permanent code.
    ///
    /// ```
    /// use calybris_kernel::Reason;
    ///
    /// assert_eq!(Reason::BudgetConstraint.code(), 108);
    /// assert_eq!(Reason::try_from(108), Ok(Reason::BudgetConstraint));
    /// assert!(Reason::try_from(113).is_err());
    /// ```
    #[must_use]
    pub const fn code(self) -> u16 {
        self as u16
    }
}

impl TryFrom<u16> for Reason {
    type Error = UnknownCode;

    fn try_from(code: u16) -> Result<Self, UnknownCode> {
        let known = Self::ALL.into_iter().find(|reason| reason.code() == code);
        known.ok_or(UnknownCode { kind: "a reason", code })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RequestedModelMaximizesUtility => "the requested model has the highest utility",
            Self::AlternativeMaximizesUtility => "another model has the highest utility",
            Self::RiskHardLimit => "the risk of the request reaches the hard limit",
            Self::ConfidenceHardLimit => "the confidence of the request is below the minimum",
            Self::NoEnabledModel => "no candidate is enabled",
            Self::QualityConstraint => "quality turned away the most models",
            Self::LatencyConstraint => "latency turned away the most models",
            Self::CapabilityConstraint => "capabilities turned away the most models",
            Self::ProviderConstraint => "providers turned away the most models",
            Self::RegionConstraint => "regions turned away the most models",
            Self::BudgetConstraint => "the request's cost limit turned away the most models",
            Self::NonPositiveUtility => "utility turned away the most models",
            Self::RiskCeilingConstraint => "risk ceilings turned away the most models",
            Self::InvalidRequest => "the request contradicts itself or the catalog",
            Self::WindowConstraint => "windows turned away the most models",
        })
    }
}

/// The answer to one request.
///
/// On a reject nothing is selected, there is no runner-up, and all amounts are 0.
///
/// [`prescribe`](crate::PolicySnapshot::prescribe) makes them. Where one was written down and is read again,
/// [`rejected`](Self::rejected) makes one to be filled in, and [`check`](Self::check) then says whether the kernel
/// could have made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Decision {
    /// Copied from the request.
    pub sequence: u64,
    /// Copied from the policy.
    pub policy_epoch: u64,
    /// Copied from the policy.
    pub catalog_epoch: u64,
    /// What to do.
    pub action: Action,
    /// Why.
    pub reason: Reason,
    /// Copied from the request.
    pub requested_model_id: u32,
    /// The model to call; nothing on a reject.
    pub selected_model_id: Option<u32>,
    /// What calling it costs, for the usage that the request expects.
    #[cfg_attr(feature = "serde", serde(rename = "estimated_cost_microunits"))]
    pub estimated_cost: Microunits,
    /// What calling it costs at most, for the ceiling of the request; the estimated cost if it has none. Reserve this
    /// much.
    #[cfg_attr(feature = "serde", serde(rename = "maximum_cost_microunits"))]
    pub maximum_cost: Microunits,
    /// The utility of the selected model in microunits; above 0 unless rejected.
    pub expected_utility_microunits: i64,
    /// The best of the other eligible models, if there is one.
    pub runner_up_model_id: Option<u32>,
    /// Its utility in microunits; 0 if there is none.
    pub runner_up_utility_microunits: i64,
    /// How many models were looked at: the candidates, disabled ones included, or 0 if the request itself was
    /// rejected.
    pub evaluated_models: u32,
    /// How many of them passed every gate.
    pub eligible_models: u32,
}

/// A decision that contradicts itself: no kernel made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the decision contradicts itself: {rule}")]
pub struct InconsistentDecision {
    rule: &'static str,
}

impl Decision {
    /// A reject for this reason, with both epochs and both counts of models 0.
    #[must_use]
    pub const fn rejected(sequence: u64, requested_model_id: u32, reason: Reason) -> Self {
        Self {
            sequence,
            policy_epoch: 0,
            catalog_epoch: 0,
            action: Action::Reject,
            reason,
            requested_model_id,
            selected_model_id: None,
            estimated_cost: Microunits::ZERO,
            maximum_cost: Microunits::ZERO,
            expected_utility_microunits: 0,
            runner_up_model_id: None,
            runner_up_utility_microunits: 0,
            evaluated_models: 0,
            eligible_models: 0,
        }
    }

    /// Checks the rules that every decision of the kernel keeps.
    ///
    /// ```
    /// use calybris_kernel::{Action, Decision, Microunits, Reason};
    ///
    /// let mut decision = Decision::rejected(1, 7, Reason::NoEnabledModel);
    /// assert_eq!(decision.check(), Ok(()));
    ///
    /// decision.estimated_cost = Microunits::new(450);
    /// decision.maximum_cost = Microunits::new(900);
    /// let error = decision.check().unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "the decision contradicts itself: a reject selects no model, has no runner-up and no amounts",
    /// );
    ///
    /// decision.action = Action::ExecuteRequested;
    /// decision.reason = Reason::RequestedModelMaximizesUtility;
    /// decision.selected_model_id = Some(7);
    /// decision.expected_utility_microunits = 1;
    /// (decision.evaluated_models, decision.eligible_models) = (3, 1);
    /// assert_eq!(decision.check(), Ok(()));
    /// ```
    ///
    /// # Errors
    ///
    /// Action, reason, selected model, runner-up, amounts and counts do not fit together.
    pub fn check(&self) -> Result<(), InconsistentDecision> {
        let selecting_reason = match self.reason {
            Reason::RequestedModelMaximizesUtility => Some(Action::ExecuteRequested),
            Reason::AlternativeMaximizesUtility => Some(Action::Substitute),
            _ => None,
        };
        let as_asked = self.selected_model_id == Some(self.requested_model_id);
        let rules = [
            (
                "the reason belongs to the action",
                selecting_reason.unwrap_or(Action::Reject) == self.action,
            ),
            (
                "a reject selects no model, has no runner-up and no amounts",
                self.action != Action::Reject
                    || (self.selected_model_id.is_none()
                        && self.runner_up_model_id.is_none()
                        && self.estimated_cost.is_zero()
                        && self.maximum_cost.is_zero()
                        && self.expected_utility_microunits == 0
                        && self.eligible_models == 0),
            ),
            (
                "the requested model is selected if it is to be executed, and another if it is substituted",
                match self.action {
                    Action::ExecuteRequested => as_asked,
                    Action::Substitute => self.selected_model_id.is_some() && !as_asked,
                    Action::Reject => true,
                },
            ),
            ("a model costs at most its maximum cost", self.estimated_cost <= self.maximum_cost),
            (
                "a selected model has a utility above 0",
                self.selected_model_id.is_none() || self.expected_utility_microunits > 0,
            ),
            (
                "a runner-up is another model with a utility above 0 and at most that of the selected one",
                match self.runner_up_model_id {
                    Some(_) => {
                        self.runner_up_model_id != self.selected_model_id
                            && self.runner_up_utility_microunits > 0
                            && self.runner_up_utility_microunits <= self.expected_utility_microunits
                    }
                    None => self.runner_up_utility_microunits == 0,
                },
            ),
            (
                "selected model and runner-up are eligible, and eligible models are evaluated",
                (self.selected_model_id.is_some() == (self.eligible_models > 0))
                    && (self.runner_up_model_id.is_some() == (self.eligible_models > 1))
                    && self.eligible_models <= self.evaluated_models,
            ),
        ];
        match rules.into_iter().find(|&(_, holds)| !holds) {
            Some((rule, _)) => Err(InconsistentDecision { rule }),
            None => Ok(()),
        }
    }
}

/// Serialized forms: the variant's name where a person reads, the permanent code where not.
#[cfg(feature = "serde")]
mod serialized {
    use super::{Action, Reason};
    use alloc::format;
    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::{Serialize, Serializer};

    impl Serialize for Action {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            if serializer.is_human_readable() {
                serializer.collect_str(&format_args!("{self:?}"))
            } else {
                serializer.serialize_u8(self.code())
            }
        }
    }

    impl<'de> Deserialize<'de> for Action {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            if deserializer.is_human_readable() {
                let name = alloc::string::String::deserialize(deserializer)?;
                let known = Self::ALL.into_iter().find(|action| format!("{action:?}") == name);
                known.ok_or_else(|| D::Error::custom(format!("`{name}` is not an action")))
            } else {
                Self::try_from(u8::deserialize(deserializer)?).map_err(D::Error::custom)
            }
        }
    }

    impl Serialize for Reason {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            if serializer.is_human_readable() {
                serializer.collect_str(&format_args!("{self:?}"))
            } else {
                serializer.serialize_u16(self.code())
            }
        }
    }

    impl<'de> Deserialize<'de> for Reason {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            if deserializer.is_human_readable() {
                let name = alloc::string::String::deserialize(deserializer)?;
                let known = Self::ALL.into_iter().find(|reason| format!("{reason:?}") == name);
                known.ok_or_else(|| D::Error::custom(format!("`{name}` is not a reason")))
            } else {
                Self::try_from(u16::deserialize(deserializer)?).map_err(D::Error::custom)
            }
        }
    }
}
