//! `calybris tenant rules`: what a tenant may reserve, when it is warned, and what a cost above its reservation does.

use calybris_core::budget::{BudgetEvent, OverrunPolicy, TenantRules};
use calybris_core::engine::Ledger;
use clap::ValueEnum;

use super::arguments::TenantArguments;
use super::change::Change;
use super::refusal::unknown_tenant;
use crate::failure::Failure;
use crate::input::currency::{self, Limit};
use crate::output::Page;

/// Change the rules of a tenant: those that are named, and no others.
#[derive(clap::Args)]
#[command(after_help = concat!("\
Examples:
  calybris tenant rules ./log acme --exposure-cap 25 --reason 'test key'
  calybris tenant rules ./log acme --soft-limit none --overrun draw-then-debt \\
      --reason 'trusted'

What happens to a cost above its reservation:
  reject           it is refused, and the ticket stays open
  draw-then-debt   it is taken from what is available, and the rest is owed
  cap-at-reserved  no more than the reservation is charged
", exit_codes!()))]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) of: TenantArguments,
    #[command(flatten)]
    rules: RuleArguments,
}

/// The rules that are to change.
#[derive(clap::Args)]
#[group(required = true, multiple = true)]
struct RuleArguments {
    /// The most that the tenant may have reserved at once, in currency units, or `none`
    #[arg(long, value_name = "AMOUNT", value_parser = currency::limit, display_order = 1)]
    exposure_cap: Option<Limit>,
    /// What it has reserved and spent when it is warned, in currency units, or `none`
    #[arg(long, value_name = "AMOUNT", value_parser = currency::limit, display_order = 2)]
    soft_limit: Option<Limit>,
    /// What happens to a cost above its reservation
    #[arg(long, value_name = "RULE", display_order = 3)]
    overrun: Option<Overrun>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Overrun {
    Reject,
    DrawThenDebt,
    CapAtReserved,
}

pub(super) fn run(arguments: &Arguments) -> Result<Page, Failure> {
    let Arguments { of, rules: named } = arguments;
    let event = |ledger: &Ledger| {
        let tenant = of.name();
        let account = ledger.accounts.iter().find(|account| account.tenant == tenant);
        let account = account.ok_or_else(|| unknown_tenant(&of.log, ledger, &tenant))?;
        Ok(BudgetEvent::RulesSet { rules: named.instead_of(account.rules), tenant })
    };
    Change { verb: "rules", done: "under these rules", event: &event }.run(of)
}

impl RuleArguments {
    /// The rules with those that are named; the others stay as they are.
    fn instead_of(&self, mut rules: TenantRules) -> TenantRules {
        if let Some(Limit(exposure_cap)) = self.exposure_cap {
            rules.exposure_cap = exposure_cap;
        }
        if let Some(Limit(soft_limit)) = self.soft_limit {
            rules.soft_limit = soft_limit;
        }
        rules.overrun = match self.overrun {
            None => rules.overrun,
            Some(Overrun::Reject) => OverrunPolicy::Reject,
            Some(Overrun::DrawThenDebt) => OverrunPolicy::DrawThenDebt,
            Some(Overrun::CapAtReserved) => OverrunPolicy::CapAtReserved,
        };
        rules
    }
}
