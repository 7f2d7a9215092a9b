//! The command line, and the table that a run prints.

use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Instant;

use comfy_table::{CellAlignment, LineStyle, Table, TableStyle};

use crate::campaign::{Campaign, Failure, Tally};
use crate::disk::Omission;
use crate::mount::{Mount, check_machine, keep_mounts_private};
use crate::names::Metadata;
use crate::plan::Plan;
use crate::run::{self, RunId};
use crate::transcript::Verdict;

/// How many times the power is cut for each kind of metadata, unless told.
const CUTS: u64 = 5000;

/// For each control there is one cut for this many of the real log, but never fewer than [`CUTS_OF_CONTROL_MIN`].
const CUTS_PER_CUT_OF_CONTROL: u64 = 20;
const CUTS_OF_CONTROL_MIN: u64 = 200;

/// A control that has lost nothing yet is run again with twice as many cuts, up to this many: by chance, a few plans may
/// hardly use the sync that is left out.
const CUTS_OF_CONTROL_MAX: u64 = 3200;

/// How many causes of failures are printed for each row.
const CAUSES_PRINTED: usize = 12;

/// The syncs that are left out in turn. Each must lose something: otherwise losses are not seen here.
///
/// With ordered metadata a sync of anything syncs every name, so that none of a folder can be missed.
const CONTROLS: [(Metadata, Omission); 7] = [
    (Metadata::Ordered, Omission::LogBytes),
    (Metadata::Ordered, Omission::ArchiveBytes),
    (Metadata::Unordered, Omission::LogBytes),
    (Metadata::Unordered, Omission::LogNames),
    (Metadata::Unordered, Omission::Ancestors),
    (Metadata::Unordered, Omission::ArchiveBytes),
    (Metadata::Unordered, Omission::ArchiveNames),
];

/// One image of one run: kind of metadata, plan, call and image.
type Only = (Metadata, u64, u64, u64);

/// The options of the command line.
pub struct Wanted {
    cuts: u64,
    seed: u64,
    only: Option<Only>,
}

impl Wanted {
    pub fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut wanted = Self { cuts: CUTS, seed: 1, only: None };
        let mut arguments = arguments.iter();
        while let Some(option) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("`{option}` needs a value"))?;
            match option.as_str() {
                "--cuts" => wanted.cuts = number(value)?,
                "--seed" => wanted.seed = number(value)?,
                "--only" => wanted.only = Some(parse_only(value)?),
                _ => {
                    return Err(format!("`{option}` is none of `--cuts`, `--seed`, `--only`"));
                }
            }
        }
        Ok(wanted)
    }
}

fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{text}` is not a number"))
}

fn parse_only(text: &str) -> Result<Only, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let &[metadata, plan, call, image] = parts.as_slice() else {
        return Err(format!("`{text}` is not METADATA:PLAN:CALL:IMAGE"));
    };
    let metadata = [Metadata::Ordered, Metadata::Unordered]
        .into_iter()
        .find(|known| known.to_string() == metadata)
        .ok_or_else(|| format!("`{metadata}` is neither `ordered` nor `unordered`"))?;
    Ok((metadata, number(plan)?, number(call)?, number(image)?))
}

/// Runs all that is wanted; `false` if the log has lost something, or a control has not.
pub fn run(wanted: &Wanted) -> Result<bool, String> {
    check_machine()?;
    keep_mounts_private().map_err(|error| format!("cannot keep mounts private: {error}"))?;
    let failed = |error: io::Error| format!("the file system failed: {error}");
    if let Some(only) = wanted.only {
        return run_only(wanted.seed, only).map_err(failed);
    }
    let seed = wanted.seed;
    let control_cuts = (wanted.cuts / CUTS_PER_CUT_OF_CONTROL).max(CUTS_OF_CONTROL_MIN);
    let real = [Metadata::Ordered, Metadata::Unordered].map(|metadata| (metadata, None));
    let controls = CONTROLS.map(|(metadata, omission)| (metadata, Some(omission)));
    let mut rows = Vec::new();
    for (metadata, omission) in real.into_iter().chain(controls) {
        let cuts = if omission.is_none() { wanted.cuts } else { control_cuts };
        let mut campaign = Campaign { seed, metadata, omission, cuts };
        let started = Instant::now();
        let mut tally = campaign.run().map_err(failed)?;
        while losses(omission, &tally) == Some(0) && campaign.cuts < CUTS_OF_CONTROL_MAX {
            campaign.cuts *= 2;
            tally = campaign.run().map_err(failed)?;
        }
        eprintln!("{campaign}: {} cuts in {} s", tally.cuts, started.elapsed().as_secs());
        if omission.is_none() {
            print_causes(&campaign, &tally).map_err(failed)?;
        }
        rows.push((campaign, tally));
    }
    println!("{}", table(&rows));
    Ok(judge(&rows))
}

fn run_only(seed: u64, (metadata, plan, cut_call, image): Only) -> io::Result<bool> {
    let mount = Mount::new()?;
    let id = RunId { seed, metadata, omission: None, plan, cut_call };
    println!("{:#?}", Plan::new(id.plan_seed()));
    let cut = run::write(&mount, &id)?;
    println!("{}the power was cut at call {}", cut.transcript, cut.calls);
    let checked = run::check(&mount, &id, &cut, image)?;
    let said_after_cut = checked.transcript.lines().iter().skip(cut.transcript.lines().len());
    said_after_cut.for_each(|line| println!("{line}"));
    let good = cut.verdict == Verdict::Good && checked.verdict == Verdict::Good;
    let failure = Failure { id, image, verdict: cut.verdict, checked: Some(checked) };
    println!("what was left: {}", save(&failure)?.display());
    Ok(good)
}

/// Prints each cause of a failure once, and where the images and the transcript are kept.
fn print_causes(campaign: &Campaign, tally: &Tally) -> io::Result<()> {
    for (count, failure) in tally.causes().into_iter().take(CAUSES_PRINTED) {
        let Failure { id, image, verdict, .. } = failure;
        let RunId { seed, metadata, plan, cut_call, .. } = id;
        eprintln!("{campaign}: {count} like this: {verdict:?}");
        eprintln!("    again: --seed {seed} --only {metadata}:{plan}:{cut_call}:{image}");
        eprintln!("    what was left: {}", save(failure)?.display());
    }
    Ok(())
}

/// Writes the images and the transcript into a new folder, and returns its path.
fn save(failure: &Failure) -> io::Result<PathBuf> {
    let Failure { id: RunId { seed, metadata, plan, cut_call, .. }, image, checked, .. } = failure;
    let name = format!("{seed}-{metadata}-{plan}-{cut_call}-{image}");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/left").join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    if let Some(checked) = checked {
        checked.save(&folder)?;
    }
    Ok(folder)
}

fn table(rows: &[(Campaign, Tally)]) -> Table {
    let mut table = Table::new();
    let line = LineStyle::new('-', '-', '-', '-');
    table.load_style(TableStyle::new().header_separator(line));
    table.set_header([
        "metadata",
        "left out",
        "plans",
        "runs cut",
        "killed before",
        "images",
        "cut again",
        "records acknowledged",
        "records lost",
        "logs with losses",
        "logs that do not open",
        "archives with gaps",
        "otherwise wrong",
    ]);
    for (campaign, tally) in rows {
        let omission = campaign.omission.map_or("nothing".to_owned(), |one| one.to_string());
        let mut row = vec![campaign.metadata.to_string(), omission];
        let numbers = [
            tally.plans,
            tally.cuts,
            tally.killed_before,
            tally.images,
            tally.more_cuts,
            tally.acknowledged,
            tally.lost_records,
            tally.lost,
            tally.shut,
            tally.archive,
            tally.broken,
        ];
        row.extend(numbers.map(|number| number.to_string()));
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// Whether the real log has lost nothing, and each control something.
fn judge(rows: &[(Campaign, Tally)]) -> bool {
    let mut good = true;
    for (campaign, tally) in rows {
        match losses(campaign.omission, tally) {
            None if tally.wrong() > 0 => {
                eprintln!("error: {campaign}: {} logs are not as promised", tally.wrong());
                good = false;
            }
            Some(0) => {
                eprintln!(
                    "error: {campaign}: no loss was seen, so this would not see one elsewhere"
                );
                good = false;
            }
            _ => {}
        }
    }
    good
}

/// How much a control has lost of the kind that it must lose; `None` for the real log.
fn losses(omission: Option<Omission>, tally: &Tally) -> Option<u64> {
    Some(match omission? {
        Omission::ArchiveBytes | Omission::ArchiveNames => tally.archive,
        Omission::LogBytes | Omission::LogNames | Omission::Ancestors => tally.lost,
    })
}
