//! The arguments that the changes of a tenant have in common.

use calybris_core::units::Microunits;

use crate::input::currency;
use crate::log::arguments::{ChangeArguments, LogArguments};

/// Which tenant of which log is changed, and why.
#[derive(clap::Args)]
pub(crate) struct TenantArguments {
    #[command(flatten)]
    pub(crate) log: LogArguments,
    /// The name of the tenant
    tenant: String,
    /// The reason for the change, kept in the log: at most 256 bytes on one line
    #[arg(long, value_name = "TEXT", display_order = 0)]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) change: ChangeArguments,
}

impl TenantArguments {
    pub(crate) fn name(&self) -> String {
        self.tenant.clone()
    }
}

/// The same with an amount.
#[derive(clap::Args)]
pub(crate) struct AmountArguments {
    #[command(flatten)]
    pub(crate) of: TenantArguments,
    /// The amount in currency units (500, 0.0075, or as it is printed: 1,500.000000)
    #[arg(value_parser = currency::amount)]
    pub(crate) amount: Microunits,
}
