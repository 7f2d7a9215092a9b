//! `calybris demo`: the main job on bundled data, for a first look.

use std::path::{Path, PathBuf};

use crate::command::{route, summary};
use crate::failure::Failure;
use crate::input::catalog::CatalogFile;
use crate::input::policy::PolicyFile;
use crate::input::row::RequestFile;
use crate::page::Page;
use crate::routing::Job;

/// See it work: 300 bundled requests of three tenants against 40 real models.
#[derive(clap::Args)]
#[command(after_help = "\
Prices are public list prices; quality, risk, latency and regions are examples.

Example:
  calybris demo --dir ./demo")]
pub(crate) struct Arguments {
    /// Where to put the log and the input files; by default a new directory for temporary files
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

const CATALOG: (&str, &str) = ("catalog.toml", include_str!("../../data/demo-catalog.toml"));
const POLICY: (&str, &str) = ("policy.toml", include_str!("../../data/demo-policy.toml"));
const REQUESTS: (&str, &str) = ("requests.csv", include_str!("../../data/demo-requests.csv"));

pub(crate) fn run(arguments: &Arguments) -> Result<Page, Failure> {
    let dir = match &arguments.dir {
        Some(dir) => dir.clone(),
        None => new_directory()?,
    };
    if route::is_used(&dir)? {
        let what = "exists and is not empty; nothing is ever overwritten: name another directory";
        return Err(Failure::at(&dir, what));
    }
    let policy = PolicyFile::parse(Path::new(POLICY.0), POLICY.1)?;
    let catalog_file = CatalogFile::parse(Path::new(CATALOG.0), CATALOG.1)?;
    let catalog = catalog_file.join(Path::new(CATALOG.0), &policy, Path::new(POLICY.0))?;
    let requests = RequestFile::Bundled(REQUESTS.0, REQUESTS.1);
    let log = dir.join("log");
    let job = Job { policy: &policy, catalog: &catalog, requests: &requests, log: &log, key: None };
    let request_count = job.check_requests()?;
    write_inputs(&dir)?;
    let routed = job.run(request_count)?;
    let mut page = Page::default();
    page.line(format_args!(
        "Calybris routes {request_count} example requests: each is decided under hard limits, its cost is"
    ));
    page.line("reserved from its tenant's budget, logged, and settled. Quality, risk, latency and regions of the");
    page.line("models are made up; their prices are real.\n");
    summary::tables(&job, &routed, &mut page);
    let anchor = dir.join("anchor");
    write(&anchor, &format!("{}\n", routed.anchor))?;
    next(&dir, &log, &anchor, &mut page);
    Ok(page)
}

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
            Err(error) => return Err(Failure::at(&dir, error)),
        }
    }
}

/// Puts the inputs beside the log, to be looked at, edited and routed again.
fn write_inputs(dir: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(dir).map_err(|error| Failure::at(dir, error))?;
    for (name, text) in [CATALOG, POLICY, REQUESTS] {
        write(&dir.join(name), text)?;
    }
    Ok(())
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(file, text).map_err(|error| Failure::at(file, error))
}

fn next(dir: &Path, log: &Path, anchor: &Path, page: &mut Page) {
    let (dir, log, anchor) = (dir.display(), log.display(), anchor.display());
    let program = program_name();
    page.line(format_args!(
        "
What to try next (inputs and log are in {dir}):
  check the log, and that nothing was cut from its end:
    {program} verify {log} --anchor {anchor}
  change one byte in it, and check again:
    printf X | dd of=$(ls {log}/*.cwal) bs=1 seek=30000 conv=notrunc status=none
    {program} verify {log}
  edit {dir}/policy.toml and route the same requests under it:
    {program} route --policy {dir}/policy.toml --catalog {dir}/catalog.toml \\
      --requests {dir}/requests.csv --log {dir}/log-2"
    ));
}

/// The program as it was called, so that what is printed can be typed.
fn program_name() -> String {
    std::env::args().next().unwrap_or_else(|| "calybris".to_owned())
}
