//! Changes of a budget.

use std::borrow::Cow;

use calybris_budget::{BudgetEvent, Microunits, OverrunPolicy, TenantRules};
use calybris_units::UnixMillis;
use serde::{Deserialize, Serialize};

use super::invalid::InvalidField;
use crate::act::wrong_with_reason;
use crate::record::Record;

/// A budget changed otherwise than by a decision or by what became of it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct BudgetChangedV1<'a> {
    pub(super) time_unix_ms: u64,
    #[serde(borrow)]
    pub(super) event: EventV1<'a>,
}

/// The same with the reason that the administrator gave.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct BudgetChangedV2<'a> {
    pub(super) time_unix_ms: u64,
    #[serde(borrow)]
    pub(super) event: EventV1<'a>,
    pub(super) reason: &'a str,
}

impl BudgetChangedV2<'_> {
    /// INVARIANT (one version): without a reason the record is of the first version.
    pub(super) fn read(self) -> Result<Record<'static>, InvalidField> {
        let why = match self.reason {
            "" => Some("it is empty, and the record is of the second version".to_owned()),
            reason => wrong_with_reason(reason),
        };
        if let Some(why) = why {
            return Err(InvalidField::new("reason", why));
        }
        Ok(Record::BudgetChanged {
            time: UnixMillis::new(self.time_unix_ms),
            event: self.event.into(),
            reason: Cow::Owned(self.reason.to_owned()),
        })
    }
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
    Overdrawn { reservation: u64, extra_microunits: u64, drawn_microunits: Vec<u64> },
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
            BudgetEvent::TenantOpened { tenant, granted } => {
                Self::TenantOpened { tenant, granted_microunits: granted.get() }
            }
            BudgetEvent::ChildOpened { tenant, parent, granted } => {
                Self::ChildOpened { tenant, parent, granted_microunits: granted.get() }
            }
            BudgetEvent::ToppedUp { tenant, amount } => {
                Self::ToppedUp { tenant, amount_microunits: amount.get() }
            }
            BudgetEvent::Reduced { tenant, amount } => {
                Self::Reduced { tenant, amount_microunits: amount.get() }
            }
            BudgetEvent::Refunded { tenant, amount } => {
                Self::Refunded { tenant, amount_microunits: amount.get() }
            }
            BudgetEvent::Repaid { tenant, amount } => {
                Self::Repaid { tenant, amount_microunits: amount.get() }
            }
            BudgetEvent::CarriedOver { from, to, amount } => {
                Self::CarriedOver { from, to, amount_microunits: amount.get() }
            }
            BudgetEvent::Frozen { tenant } => Self::Frozen { tenant },
            BudgetEvent::Unfrozen { tenant } => Self::Unfrozen { tenant },
            BudgetEvent::RulesSet { tenant, rules } => {
                Self::RulesSet { tenant, rules: rules.try_into()? }
            }
            BudgetEvent::SoftLimitReached { tenant } => Self::SoftLimitReached { tenant },
            BudgetEvent::Extended { reservation, amount } => {
                let reservation = reservation.as_u64();
                Self::Extended { reservation, amount_microunits: amount.get() }
            }
            BudgetEvent::Overdrawn { reservation, extra, drawn } => Self::Overdrawn {
                reservation: reservation.as_u64(),
                extra_microunits: extra.get(),
                drawn_microunits: drawn.iter().copied().map(Microunits::get).collect(),
            },
            other => return Err(NotLogged::of(other)),
        })
    }
}

impl From<EventV1<'_>> for BudgetEvent {
    fn from(wire: EventV1<'_>) -> Self {
        let money = Microunits::new;
        match wire {
            EventV1::TenantOpened { tenant, granted_microunits } => {
                Self::TenantOpened { tenant: tenant.to_owned(), granted: money(granted_microunits) }
            }
            EventV1::ChildOpened { tenant, parent, granted_microunits } => Self::ChildOpened {
                tenant: tenant.to_owned(),
                parent: parent.to_owned(),
                granted: money(granted_microunits),
            },
            EventV1::ToppedUp { tenant, amount_microunits } => {
                Self::ToppedUp { tenant: tenant.to_owned(), amount: money(amount_microunits) }
            }
            EventV1::Reduced { tenant, amount_microunits } => {
                Self::Reduced { tenant: tenant.to_owned(), amount: money(amount_microunits) }
            }
            EventV1::Refunded { tenant, amount_microunits } => {
                Self::Refunded { tenant: tenant.to_owned(), amount: money(amount_microunits) }
            }
            EventV1::Repaid { tenant, amount_microunits } => {
                Self::Repaid { tenant: tenant.to_owned(), amount: money(amount_microunits) }
            }
            EventV1::CarriedOver { from, to, amount_microunits } => Self::CarriedOver {
                from: from.to_owned(),
                to: to.to_owned(),
                amount: money(amount_microunits),
            },
            EventV1::Frozen { tenant } => Self::Frozen { tenant: tenant.to_owned() },
            EventV1::Unfrozen { tenant } => Self::Unfrozen { tenant: tenant.to_owned() },
            EventV1::RulesSet { tenant, rules } => {
                Self::RulesSet { tenant: tenant.to_owned(), rules: rules.into() }
            }
            EventV1::SoftLimitReached { tenant } => {
                Self::SoftLimitReached { tenant: tenant.to_owned() }
            }
            EventV1::Extended { reservation, amount_microunits } => {
                Self::Extended { reservation: reservation.into(), amount: money(amount_microunits) }
            }
            EventV1::Overdrawn { reservation, extra_microunits, drawn_microunits } => {
                Self::Overdrawn {
                    reservation: reservation.into(),
                    extra: money(extra_microunits),
                    drawn: drawn_microunits.into_iter().map(money).collect(),
                }
            }
        }
    }
}

impl TryFrom<&TenantRules> for RulesV1 {
    type Error = NotLogged;

    fn try_from(rules: &TenantRules) -> Result<Self, NotLogged> {
        Ok(Self {
            exposure_cap_microunits: rules.exposure_cap.map(Microunits::get),
            soft_limit_microunits: rules.soft_limit.map(Microunits::get),
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
        let mut rules = Self::default().with_overrun(match wire.overrun {
            OverrunV1::Reject => OverrunPolicy::Reject,
            OverrunV1::DrawThenDebt => OverrunPolicy::DrawThenDebt,
            OverrunV1::CapAtReserved => OverrunPolicy::CapAtReserved,
        });
        rules.exposure_cap = wire.exposure_cap_microunits.map(Microunits::new);
        rules.soft_limit = wire.soft_limit_microunits.map(Microunits::new);
        rules
    }
}
