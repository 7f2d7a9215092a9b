//! `calybris tenant`: look at the tenants of a log that no engine has open, and change them.

/// The exit codes of every command that changes a tenant.
macro_rules! exit_codes {
    () => {
        "
Exit codes:
  0  done, or there was nothing to do
  1  nothing was done: the log is not intact
  2  nothing was done: the budget refuses it, usage, an unknown tenant, a
     missing key, a missing log, a writer at work
  3  begun and not finished, or done and the output could not be written"
    };
}

mod arguments;
mod change;
mod difference;
mod list;
mod open;
mod refusal;
mod rules;

use calybris_core::budget::BudgetEvent;
use calybris_core::units::Microunits;

use self::arguments::{AmountArguments, TenantArguments};
use self::change::Change;
use crate::amount::money;
use crate::failure::Failure;
use crate::output::Page;

/// List the tenants of a log, and change their budgets and rules by hand.
///
/// Each change is one record, which has its reason. The whole log is read and verified first, and a change that the budget
/// refuses leaves every byte as it was. No other process may have the log open for writing.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    List(list::Arguments),
    Open(open::Arguments),
    /// Add to a tenant's grant; a debt is paid first.
    #[command(after_help = concat!("\
Examples:
  calybris tenant top-up ./log acme 500 --reason 'more seats'
  calybris tenant top-up ./log acme 500 --reason 'more seats' --dry-run
", exit_codes!()))]
    TopUp(AmountArguments),
    /// Take back a part of a tenant's grant that is available and not owed.
    #[command(after_help = concat!("\
Example:
  calybris tenant reduce ./log acme 120.5 --reason 'fewer seats'
", exit_codes!()))]
    Reduce(AmountArguments),
    /// Give back a part of what a tenant spent, to it and to every tenant above it.
    #[command(after_help = concat!("\
Example:
  calybris tenant refund ./log acme 0.0075 --reason 'credit note 17'

A debt stays as it is; topping the tenant up pays it.
", exit_codes!()))]
    Refund(AmountArguments),
    /// Refuse every new call of a tenant and of all tenants below it.
    #[command(after_help = concat!("\
Example:
  calybris tenant freeze ./log acme --reason 'key leaked'

Tickets that are open stay open, and are settled as usual.
", exit_codes!()))]
    Freeze(TenantArguments),
    /// Admit the calls of a frozen tenant again.
    #[command(after_help = concat!("\
Example:
  calybris tenant unfreeze ./log acme --reason 'new key'
", exit_codes!()))]
    Unfreeze(TenantArguments),
    Rules(rules::Arguments),
}

impl Command {
    pub(crate) fn run(&self) -> Result<Page, Failure> {
        match self {
            Self::List(arguments) => list::run(arguments),
            Self::Open(arguments) => open::run(arguments),
            Self::TopUp(of) => amount("top-up", "topped up by", of, |tenant, amount| {
                BudgetEvent::ToppedUp { tenant, amount }
            }),
            Self::Reduce(of) => amount("reduce", "reduced by", of, |tenant, amount| {
                BudgetEvent::Reduced { tenant, amount }
            }),
            Self::Refund(of) => amount("refund", "refunded", of, |tenant, amount| {
                BudgetEvent::Refunded { tenant, amount }
            }),
            Self::Freeze(of) => {
                let event = |_: &_| Ok(BudgetEvent::Frozen { tenant: of.name() });
                Change { verb: "freeze", done: "frozen", event: &event }.run(of)
            }
            Self::Unfreeze(of) => {
                let event = |_: &_| Ok(BudgetEvent::Unfrozen { tenant: of.name() });
                Change { verb: "unfreeze", done: "unfrozen", event: &event }.run(of)
            }
            Self::Rules(arguments) => rules::run(arguments),
        }
    }

    /// Whether the answer is JSON.
    pub(crate) const fn json(&self) -> bool {
        match self {
            Self::List(arguments) => arguments.log.json,
            Self::Open(arguments) => arguments.of.log.json,
            Self::TopUp(arguments) | Self::Reduce(arguments) | Self::Refund(arguments) => {
                arguments.of.log.json
            }
            Self::Freeze(of) | Self::Unfreeze(of) => of.log.json,
            Self::Rules(arguments) => arguments.of.log.json,
        }
    }
}

/// Changes a tenant by an amount.
fn amount(
    verb: &'static str,
    done: &str,
    arguments: &AmountArguments,
    event: fn(String, Microunits) -> BudgetEvent,
) -> Result<Page, Failure> {
    let AmountArguments { of, amount } = arguments;
    let done = format!("{done} {}", money(amount.get()));
    Change { verb, done: &done, event: &|_| Ok(event(of.name(), *amount)) }.run(of)
}
