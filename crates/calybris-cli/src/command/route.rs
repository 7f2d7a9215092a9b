//! `calybris route`: the main job on the user's own files.

use std::path::PathBuf;

use crate::command::summary;
use crate::failure::Failure;
use crate::input::catalog::CatalogFile;
use crate::input::key::read_key;
use crate::input::policy::PolicyFile;
use crate::input::row::RequestFile;
use crate::page::Page;
use crate::routing::Job;

/// Route requests: decide, reserve, log and settle each, then verify the log.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  calybris route --policy policy.toml --catalog catalog.toml --requests requests.csv --log ./log
  calybris route --policy policy.toml --catalog model_prices_and_context_window.json \\
                 --requests trace.csv --log ./log --key-file log.key

The catalog is our TOML or a LiteLLM price list (JSON). Requests are CSV or JSON lines with our field names, or a trace
with the columns TIMESTAMP,ContextTokens,GeneratedTokens. What a request or a price list does not say comes from the
policy file.

Exit codes: 0 done and verified; 1 the log is not intact; 2 nothing was done, and the message says why.")]
pub(crate) struct Arguments {
    /// Limits, tenants and defaults (TOML)
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// Models and prices (TOML, or a LiteLLM price list)
    #[arg(long, value_name = "FILE")]
    catalog: PathBuf,
    /// Requests (CSV, JSON lines or a trace)
    #[arg(long, value_name = "FILE")]
    requests: PathBuf,
    /// The log's directory; made if it does not exist
    #[arg(long, value_name = "DIR")]
    log: PathBuf,
    /// Continue a log that exists; without this, an existing log is left alone
    #[arg(long)]
    append: bool,
    /// Authenticate the log with the key in this file (64 hexadecimal digits or more)
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Print one JSON object, amounts in microunits
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Page, Failure> {
    let log = &arguments.log;
    let key = arguments.key_file.as_deref().map(read_key).transpose()?;
    let policy = PolicyFile::read(&arguments.policy)?;
    let catalog_file = CatalogFile::read(&arguments.catalog)?;
    let catalog = catalog_file.join(&arguments.catalog, &policy, &arguments.policy)?;
    let requests = RequestFile::OnDisk(arguments.requests.clone());
    let job = Job { policy: &policy, catalog: &catalog, requests: &requests, log, key };
    let request_count = job.check_requests()?;
    if !arguments.append && is_used(log)? {
        let what = "exists and is not empty; a log is never overwritten: name another directory, or continue this log with --append";
        return Err(Failure::at(log, what));
    }
    let routed = job.run(request_count)?;
    let mut page = Page::default();
    let show = if arguments.json { summary::json } else { summary::tables };
    show(&job, &routed, &mut page);
    Ok(page)
}

/// Whether there is anything at the path.
pub(crate) fn is_used(log: &std::path::Path) -> Result<bool, Failure> {
    match std::fs::read_dir(log) {
        Ok(mut entries) => Ok(entries.next().is_some()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Failure::at(log, error)),
    }
}
