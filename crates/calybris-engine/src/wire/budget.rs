//! Changes of a budget, and a whole budget as a checkpoint has it.

use std::borrow::Cow;

use calybris_budget::{BudgetEvent, OverrunPolicy, TenantRules};
use serde::{Deserialize, Serialize};

/// A budget changed otherwise than by a decision or by what became of it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct BudgetChangedV1<'a> {
    pub(super) time_unix_ms: u64,
    #[serde(borrow)]
    pub(super) event: EventV1<'a>,
}

/// The changes that have no record of their own. A reservation is named by the sequence of its decision.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum EventV1<'a> {
    /// 0
    TenantOpened { tenant: &'a str, granted_microunits: u64 },
    /// 1
    ChildOpened { tenant: &'a str, parent: &'a str, granted_microunits: u64 },
    /// 2
    ToppedUp { tenant: &'a str, amount_microunits: u64 },
    /// 3
    Reduced { tenant: &'a str, amount_microunits: u64 },
    /// 4
    Refunded { tenant: &'a str, amount_microunits: u64 },
    /// 5
    Repaid { tenant: &'a str, amount_microunits: u64 },
    /// 6
    CarriedOver { from: &'a str, to: &'a str, amount_microunits: u64 },
    /// 7
    Frozen { tenant: &'a str },
    /// 8
    Unfrozen { tenant: &'a str },
    /// 9
    RulesSet { tenant: &'a str, rules: RulesV1 },
    /// 10
    SoftLimitReached { tenant: &'a str },
    /// 11
    Extended { reservation: u64, amount_microunits: u64 },
    /// 12
    Overdrawn { reservation: u64, extra_microunits: u64, drawn_microunits: Cow<'a, [u64]> },
}

/// The rules of a tenant.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RulesV1 {
    exposure_cap_microunits: Option<u64>,
    soft_limit_microunits: Option<u64>,
    overrun: OverrunV1,
}

/// What happens to a cost above its reservation.
#[derive(Debug, Serialize, Deserialize)]
enum OverrunV1 {
    /// 0
    Reject,
    /// 1
    DrawThenDebt,
    /// 2
    CapAtReserved,
}

/// A whole budget.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct BudgetStateV1<'a>(Cow<'a, calybris_budget::Checkpoint>);

impl<'a> From<&'a calybris_budget::Checkpoint> for BudgetStateV1<'a> {
    fn from(state: &'a calybris_budget::Checkpoint) -> Self {
        Self(Cow::Borrowed(state))
    }
}

impl From<BudgetStateV1<'_>> for calybris_budget::Checkpoint {
    fn from(wire: BudgetStateV1<'_>) -> Self {
        wire.0.into_owned()
    }
}

/// A change or a rule of a budget that no record says by itself.
#[derive(Debug, thiserror::Error)]
#[error("{change} is in no record by itself")]
pub(super) struct NotLogged {
    change: String,
}

impl NotLogged {
    fn of(change: &impl std::fmt::Debug) -> Self {
        Self { change: format!("{change:?}") }
    }
}

impl<'a> TryFrom<&'a BudgetEvent> for EventV1<'a> {
    type Error = NotLogged;

    fn try_from(event: &'a BudgetEvent) -> Result<Self, NotLogged> {
        Ok(match event {
            &BudgetEvent::TenantOpened { ref tenant, granted_microunits } => {
                Self::TenantOpened { tenant, granted_microunits }
            }
            &BudgetEvent::ChildOpened { ref tenant, ref parent, granted_microunits } => {
                Self::ChildOpened { tenant, parent, granted_microunits }
            }
            &BudgetEvent::ToppedUp { ref tenant, amount_microunits } => {
                Self::ToppedUp { tenant, amount_microunits }
            }
            &BudgetEvent::Reduced { ref tenant, amount_microunits } => {
                Self::Reduced { tenant, amount_microunits }
            }
            &BudgetEvent::Refunded { ref tenant, amount_microunits } => {
                Self::Refunded { tenant, amount_microunits }
            }
            &BudgetEvent::Repaid { ref tenant, amount_microunits } => {
                Self::Repaid { tenant, amount_microunits }
            }
            &BudgetEvent::CarriedOver { ref from, ref to, amount_microunits } => {
                Self::CarriedOver { from, to, amount_microunits }
            }
            BudgetEvent::Frozen { tenant } => Self::Frozen { tenant },
            BudgetEvent::Unfrozen { tenant } => Self::Unfrozen { tenant },
            BudgetEvent::RulesSet { tenant, rules } => {
                Self::RulesSet { tenant, rules: rules.try_into()? }
            }
            BudgetEvent::SoftLimitReached { tenant } => Self::SoftLimitReached { tenant },
            &BudgetEvent::Extended { hold: reservation, amount_microunits } => {
                Self::Extended { reservation, amount_microunits }
            }
            &BudgetEvent::Overdrawn {
                hold: reservation,
                extra_microunits,
                ref drawn_microunits,
            } => {
                let drawn_microunits = Cow::Borrowed(drawn_microunits.as_slice());
                Self::Overdrawn { reservation, extra_microunits, drawn_microunits }
            }
            other => return Err(NotLogged::of(other)),
        })
    }
}

impl From<EventV1<'_>> for BudgetEvent {
    fn from(wire: EventV1<'_>) -> Self {
        match wire {
            EventV1::TenantOpened { tenant, granted_microunits } => {
                Self::TenantOpened { tenant: tenant.to_owned(), granted_microunits }
            }
            EventV1::ChildOpened { tenant, parent, granted_microunits } => Self::ChildOpened {
                tenant: tenant.to_owned(),
                parent: parent.to_owned(),
                granted_microunits,
            },
            EventV1::ToppedUp { tenant, amount_microunits } => {
                Self::ToppedUp { tenant: tenant.to_owned(), amount_microunits }
            }
            EventV1::Reduced { tenant, amount_microunits } => {
                Self::Reduced { tenant: tenant.to_owned(), amount_microunits }
            }
            EventV1::Refunded { tenant, amount_microunits } => {
                Self::Refunded { tenant: tenant.to_owned(), amount_microunits }
            }
            EventV1::Repaid { tenant, amount_microunits } => {
                Self::Repaid { tenant: tenant.to_owned(), amount_microunits }
            }
            EventV1::CarriedOver { from, to, amount_microunits } => {
                Self::CarriedOver { from: from.to_owned(), to: to.to_owned(), amount_microunits }
            }
            EventV1::Frozen { tenant } => Self::Frozen { tenant: tenant.to_owned() },
            EventV1::Unfrozen { tenant } => Self::Unfrozen { tenant: tenant.to_owned() },
            EventV1::RulesSet { tenant, rules } => {
                Self::RulesSet { tenant: tenant.to_owned(), rules: rules.into() }
            }
            EventV1::SoftLimitReached { tenant } => {
                Self::SoftLimitReached { tenant: tenant.to_owned() }
            }
            EventV1::Extended { reservation, amount_microunits } => {
                Self::Extended { hold: reservation, amount_microunits }
            }
            EventV1::Overdrawn { reservation, extra_microunits, drawn_microunits } => {
                Self::Overdrawn {
                    hold: reservation,
                    extra_microunits,
                    drawn_microunits: drawn_microunits.into_owned(),
                }
            }
        }
    }
}

impl TryFrom<&TenantRules> for RulesV1 {
    type Error = NotLogged;

    fn try_from(rules: &TenantRules) -> Result<Self, NotLogged> {
        Ok(Self {
            exposure_cap_microunits: rules.exposure_cap_microunits,
            soft_limit_microunits: rules.soft_limit_microunits,
            overrun: match rules.overrun {
                OverrunPolicy::Reject => OverrunV1::Reject,
                OverrunPolicy::DrawThenDebt => OverrunV1::DrawThenDebt,
                OverrunPolicy::CapAtReserved => OverrunV1::CapAtReserved,
                other => return Err(NotLogged::of(&other)),
            },
        })
    }
}

impl From<RulesV1> for TenantRules {
    fn from(wire: RulesV1) -> Self {
        Self {
            exposure_cap_microunits: wire.exposure_cap_microunits,
            soft_limit_microunits: wire.soft_limit_microunits,
            overrun: match wire.overrun {
                OverrunV1::Reject => OverrunPolicy::Reject,
                OverrunV1::DrawThenDebt => OverrunPolicy::DrawThenDebt,
                OverrunV1::CapAtReserved => OverrunPolicy::CapAtReserved,
            },
        }
    }
}
