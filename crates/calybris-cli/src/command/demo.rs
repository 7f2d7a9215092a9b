//! `calybris demo`: the main job on bundled data, for a first look.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use calybris_catalog::{CatalogFile, InputError, PolicyFile};
use calybris_core::engine::Record;
use calybris_core::kernel::Action;

use crate::command::summary;
use crate::failure::{Failure, noting_failure};
use crate::input::request::RequestParser;
use crate::input::requests::RequestFile;
use crate::input::source::check_not_a_stream;
use crate::log::journal::Journal;
use crate::new_file::{NewFile, Readers, Replaces};
use crate::output::Page;
use crate::routing::Job;
use crate::routing::clock::Clock;
use crate::system::in_words;
use crate::terminal::{program_name, shell_word};

/// See it work: 300 bundled requests of three tenants against 40 real models.
#[derive(clap::Args)]
#[command(after_help = "\
Prices are public list prices; quality, risk, latency and regions are examples.

Example:
  calybris demo --dir ./demo

Exit codes:
  0  done, and the log verified
  1  the log is not intact
  2  nothing was done, and the message says why
  3  begun and not finished, or a file could not be written; what was decided is
     in the log")]
pub(crate) struct Arguments {
    /// Where to put the log and the input files; by default a new directory for temporary files
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Print one JSON object, amounts in microunits
    #[arg(long)]
    pub(crate) json: bool,
}

const CATALOG: (&str, &str) = ("catalog.toml", include_str!("../../data/demo-catalog.toml"));
const POLICY: (&str, &str) = ("policy.toml", include_str!("../../data/demo-policy.toml"));
/// The same policy with four numbers changed, for a replay.
const STRICT_POLICY: (&str, &str) =
    ("policy-strict.toml", include_str!("../../data/demo-policy-strict.toml"));
const REQUESTS: (&str, &str) = ("requests.csv", include_str!("../../data/demo-requests.csv"));

pub(crate) fn run(arguments: &Arguments) -> Result<Page, Failure> {
    let dir = match &arguments.dir {
        Some(dir) => {
            check_not_a_stream(dir)?;
            dir.clone()
        }
        None => new_directory()?,
    };
    if std::fs::read_dir(&dir).is_ok_and(|mut entries| entries.next().is_some()) {
        let what = "exists and is not empty; nothing is ever overwritten: name another directory";
        return Err(Failure::at(&dir, what));
    }
    let policy = PolicyFile::parse(POLICY.0, POLICY.1)?;
    let catalog = CatalogFile::parse(CATALOG.0, CATALOG.1)?.join(&policy)?;
    let requests = RequestFile::bundled(REQUESTS.0, REQUESTS.1);
    let names = catalog.own_names();
    let parser = RequestParser::new(&policy, &names);
    let begun_unix_ms = day_before_first(&requests, &parser)?;
    let log = dir.join("log");
    let job = Job {
        policy: &policy,
        catalog: &catalog,
        requests: &requests,
        log: &log,
        append: false,
        anchor: None,
        each: false,
        key: None,
        clock: Clock::Stopped { unix_ms: begun_unix_ms },
    };
    let checked = job.check_requests()?;
    write_inputs(&dir)?;
    let routed = job.run(&checked)?;
    let anchor = dir.join("anchor");
    let written = write(&anchor, &format!("{}\n", routed.anchor));
    let mut page = Page::default();
    page.remains(&log, "");
    if arguments.json {
        let object = noting_failure(summary::object(&job, &routed), written.as_ref().err());
        page.line(format_args!("{object:#}"));
        return Failure::page_despite(page, written);
    }
    page.line("Each example request is decided under hard limits, its cost reserved from its");
    page.line("tenant's budget, logged, and settled. Prices are real; quality, risk, latency");
    page.line("and regions of the models are made up.");
    page.line("");
    page.append(&summary::page(&job, &routed, false));
    next(&dir, &anchor, worth_explaining(&log)?, &mut page);
    Failure::page_despite(page, written)
}

/// The policy and the budgets are dated a day before the first request. No time in the demo's log depends on the day on
/// which it runs, so its output is the same every day.
fn day_before_first(requests: &RequestFile, parser: &RequestParser<'_>) -> Result<u64, InputError> {
    let first = requests.rows()?.next().map(|row| parser.parse(&row?, 1)).transpose()?;
    let first_unix_ms = first.and_then(|first| first.time_unix_ms);
    first_unix_ms
        .and_then(|unix_ms| unix_ms.checked_sub(DAY_MS))
        .ok_or_else(|| InputError::in_file(requests.name(), "the first request has no time"))
}

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// The first free `calybris-demo-N` among the temporary files.
fn new_directory() -> Result<PathBuf, Failure> {
    let base = std::env::temp_dir();
    let mut number = 1_u32;
    loop {
        let dir = base.join(format!("calybris-demo-{number}"));
        match std::fs::create_dir(&dir) {
            Ok(()) => return Ok(dir),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                number = number.saturating_add(1);
            }
            Err(error) => return Err(Failure::at(&dir, in_words(&error))),
        }
    }
}

/// Writes the input files beside the log, so that they can be read, edited and routed again.
fn write_inputs(dir: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(dir).map_err(|error| Failure::at(dir, in_words(&error)))?;
    for (name, text) in [CATALOG, POLICY, STRICT_POLICY, REQUESTS] {
        write(&dir.join(name), text)?;
    }
    Ok(())
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    NewFile::at(file, Replaces::Nothing, Readers::Usual)?.write(text)
}

/// How many decisions the first suggested command shows.
const SHOWN: usize = 10;

/// Of the decisions shown, the last one for which many models passed and another model than the requested one won; if there
/// is none, the last.
fn worth_explaining(log: &Path) -> Result<u64, Failure> {
    let mut journal = Journal::open(log, None)?;
    let mut shown = VecDeque::with_capacity(SHOWN + 1);
    while let Some(entry) = journal.next()? {
        if let Record::Decided(decided) = &entry.record {
            let decision = &decided.decision;
            let telling = decision.action == Action::Substitute && decision.eligible_models >= 5;
            shown.push_back((entry.sequence, telling));
            if shown.len() > SHOWN {
                shown.pop_front();
            }
        }
    }
    let telling = shown.iter().rev().find(|(_, telling)| *telling).or_else(|| shown.back());
    Ok(telling.map_or(1, |(sequence, _)| *sequence))
}

fn next(dir: &Path, anchor: &Path, decision: u64, page: &mut Page) {
    let file = |name: &str| shell_word(&dir.join(name));
    let (log, anchor, program) = (file("log"), shell_word(anchor), program_name());
    let (copy, policy, strict) = (file("log-changed"), file(POLICY.0), file(STRICT_POLICY.0));
    let (catalog, requests) = (file(CATALOG.0), file(REQUESTS.0));
    let (page_of_log, report, log_2) = (file("log.html"), file("report.html"), file("log-2"));
    let (head, proof) = (file("tree-head"), file("proof.json"));
    page.line(format_args!(
        "
What to try next. Inputs and log are in {}

understand one decision: why this model, and not the one that was asked for
  {program} show {log} --tail {SHOWN}
  {program} explain {log} {decision}

see who spent what, and that it adds up
  {program} budget {log}
  {program} spend {log} --by tenant,model
  {program} report {log} --html {page_of_log}

change one byte in a copy of the log, and see it caught
  cp -r {log} {copy}
  printf X | dd of={copy}/00000000000000000001.cwal bs=1 seek=30000 conv=notrunc
  {program} verify {copy}
  {program} verify {log} --anchor {anchor}

prove that decision to somebody who has no log, only its tree head
  {program} anchor {log} --tree > {head}
  {program} prove {log} {decision} --output {proof}
  {program} check {proof} --tree-head {head}

see what a stricter policy would have changed, and look at the page it writes
  {program} replay {log} --policy {strict} --html {report}

edit the policy, and route the same requests under it
  {program} route --policy {policy} --catalog {catalog} \\
      --requests {requests} --log {log_2}",
        dir.display(),
    ));
}
