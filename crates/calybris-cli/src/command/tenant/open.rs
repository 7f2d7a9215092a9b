//! `calybris tenant open`: opens a tenant, or one below another.

use calybris_core::budget::BudgetEvent;
use calybris_core::units::Microunits;

use super::arguments::TenantArguments;
use super::change::Change;
use crate::amount::money;
use crate::failure::Failure;
use crate::input::currency;
use crate::output::Page;
use crate::visible::visible_within_a_line;

/// Open a tenant with a grant, or one below another.
///
/// A tenant below another takes what it reserves from its own grant and from that of every tenant above it.
#[derive(clap::Args)]
#[command(after_help = concat!("\
Examples:
  calybris tenant open ./log acme 1500 --reason 'contract of December'
  calybris tenant open ./log acme/web 600 --parent acme --reason 'own key'

With 0 a tenant can use free models only, until it is topped up. The same
command a second time has nothing to do.
", exit_codes!()))]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) of: TenantArguments,
    /// Its grant in currency units, 0 or more (500, 0.0075, or as it is printed: 1,500.000000)
    #[arg(value_parser = currency::amount_or_zero)]
    amount: Microunits,
    /// The tenant above it
    #[arg(long, value_name = "TENANT", display_order = 1)]
    parent: Option<String>,
}

pub(super) fn run(arguments: &Arguments) -> Result<Page, Failure> {
    let Arguments { of, amount: granted, parent } = arguments;
    let (granted, with) = (*granted, money(granted.get()));
    let done = match parent {
        None => format!("opened with {with}"),
        Some(parent) => format!("opened below `{}` with {with}", visible_within_a_line(parent)),
    };
    let event = |_: &_| {
        let tenant = of.name();
        Ok(match parent.clone() {
            None => BudgetEvent::TenantOpened { tenant, granted },
            Some(parent) => BudgetEvent::ChildOpened { tenant, parent, granted },
        })
    };
    Change { verb: "open", done: &done, event: &event }.run(of)
}
