//! `calybris route`: the main job on the user's files.

use std::path::PathBuf;

use calybris_catalog::Numbering;

use crate::command::summary;
use crate::failure::Failure;
use crate::input::key::KeyArgument;
use crate::input::pin::read_anchor;
use crate::input::requests::{RequestArguments, RequestFile};
use crate::input::source::{check_not_a_stream, read_catalog, read_policy};
use crate::log::journal::in_force;
use crate::output::Page;
use crate::routing::Job;
use crate::routing::clock::Clock;

/// Route requests: decide, reserve, log and settle each, then verify the log.
#[derive(clap::Args)]
#[command(mut_arg("key_file", |key| key.help("Authenticate the log with the key in this file (`calybris keygen`)")), after_help = "\
Examples:
  calybris route --policy policy.toml --catalog catalog.toml \\
      --requests requests.csv --log ./log
  calybris route --policy policy.toml --catalog prices.json \\
      --requests trace.csv --log ./log --key-file log.key
  calybris route --policy policy.toml --catalog prices.json --log ./log \\
      --requests calls.csv --columns model=requested_model --ignore-unknown
  calybris route --policy policy.toml --catalog prices.json --log ./log \\
      --requests BurstGPT.csv --start 2023-11-01T00:00:00Z
  gateway-trace | calybris route --policy policy.toml --catalog prices.json \\
      --requests - --log ./log --append --each --json

The catalog is our TOML or a LiteLLM price list (JSON). Requests are CSV or
JSON lines with our field names in any case, or a public trace: Azure LLM
inference, BurstGPT or Mooncake. The times of the last two count from the
beginning of the trace; --start says when that was. Fields that requests leave
out come from the policy file. Either every row is decided, or the file is
refused before the first one is.

One of the files may be `-`, standard input. A request with a `request_key` is
decided and charged once, so a file with keys may be routed again with --append
after a crash.

A new log needs a directory that is empty, does not exist, or holds nothing but
an empty file LOCK. --append continues a log that holds at least one record.
Neither starts a log over where there was one.

Exit codes:
  0  done, and the log verified
  1  the log is not intact, or does not reach --anchor
  2  nothing was done, and the message says why
  3  begun and not finished; what was decided is in the log")]
pub(crate) struct Arguments {
    /// Limits, tenants and defaults (TOML)
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// Models and prices (TOML, or a LiteLLM price list)
    #[arg(long, value_name = "FILE")]
    catalog: PathBuf,
    #[command(flatten)]
    requests: RequestArguments,
    /// The log's directory; made if it does not exist
    #[arg(long, value_name = "DIR")]
    log: PathBuf,
    /// Continue the log in DIR, which must hold a record. All requests of the file are routed, including those that an
    /// earlier run routed, except those whose `request_key` the log knows. Tickets that an earlier run left open are abandoned
    #[arg(long)]
    append: bool,
    /// An anchor that was kept elsewhere (the line, or a file with it): continue the log only if it still reaches the anchor
    #[arg(long, value_name = "ANCHOR", requires = "append")]
    anchor: Option<PathBuf>,
    /// Print each decision as a JSON line as soon as it is settled, then the summary
    #[arg(long)]
    each: bool,
    #[command(flatten)]
    key: KeyArgument,
    /// Print one JSON object, amounts in microunits; with --each it is the last line
    #[arg(long, display_order = 903)]
    pub(crate) json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Page, Failure> {
    check_not_a_stream(&arguments.log)?;
    let key = arguments.key.read()?;
    let anchor = arguments.anchor.as_deref().map(read_anchor).transpose()?;
    let policy = read_policy(&arguments.policy)?;
    let catalog_file = read_catalog(&arguments.catalog)?;
    // A log that is continued keeps its numbers: a repeated request is compared with the recorded one by number.
    let in_force = arguments.append.then(|| in_force(&arguments.log, key.as_ref())).flatten();
    let numbering = in_force.map_or_else(Numbering::default, |snapshot| Numbering::of(&snapshot));
    let catalog = catalog_file.join_numbered(&policy, &numbering)?;
    let requests = RequestFile::open(&arguments.requests)?;
    let job = Job {
        policy: &policy,
        catalog: &catalog,
        requests: &requests,
        log: &arguments.log,
        append: arguments.append,
        anchor,
        each: arguments.each,
        key,
        clock: Clock::System,
    };
    let checked = job.check_requests()?;
    let routed = job.run(&checked)?;
    let mut page = summary::page(&job, &routed, arguments.json);
    page.remains(&arguments.log, &arguments.key.typed_again());
    Ok(page)
}
