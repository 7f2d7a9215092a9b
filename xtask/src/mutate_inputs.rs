//! `cargo xtask mutate-inputs`: broken files of every kind that the program reads, each given to a process of its own.
//!
//! No file may make the program panic, hang or take more memory than its limit. A refusal names the file and, where there is
//! one, the place in it, and comes before anything is decided. An accepted requests file has every row decided, in order and
//! under its own name, as read by a reader that shares no code with the program's.

mod judge;
mod kinds;
mod mutate;
mod reference;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use self::judge::{Ran, judge, place_of};
use self::kinds::{Kind, Workshop};
use self::mutate::Random;
use crate::shell::{Outcome, cargo, root};

const THREADS: usize = 2;
const COUNT: u64 = 20_000;
const MEMORY_LIMIT_KIB: u64 = 1 << 20;
const TIME_LIMIT_S: u64 = 20;

/// The options of the task.
struct Options {
    count: u64,
    seed: u64,
    kind: Option<String>,
    program: Option<PathBuf>,
}

impl Options {
    fn parse(words: &[String]) -> Result<Self, String> {
        let mut options = Self { count: COUNT, seed: 1, kind: None, program: None };
        let mut words = words.iter();
        while let Some(option) = words.next() {
            let value = words.next().ok_or_else(|| format!("{option} takes a value"))?;
            let number = || value.parse().map_err(|error| format!("{option} {value}: {error}"));
            match option.as_str() {
                "--count" => options.count = number()?,
                "--seed" => options.seed = number()?,
                "--kind" => options.kind = Some(value.clone()),
                "--program" => options.program = Some(PathBuf::from(value)),
                _ => return Err(format!("{option}: known are --count, --seed, --kind, --program")),
            }
        }
        Ok(options)
    }
}

/// The results of one kind of file.
#[derive(Default)]
struct Tally {
    accepted: u64,
    /// Exit code 1: the log or the proof is not what the file says.
    verdicts: u64,
    refused_with_place: u64,
    refused_whole: u64,
    faults: Vec<String>,
}

pub(crate) fn run(words: &[String]) -> Outcome {
    let options = Options::parse(words)?;
    let program = match &options.program {
        Some(program) => {
            program.canonicalize().map_err(|error| format!("{}: {error}", program.display()))?
        }
        None => {
            cargo("build --release -p calybris-cli")?;
            root().join("target/release/calybris")
        }
    };
    let kept = root().join("target/mutate-inputs");
    let _ = std::fs::remove_dir_all(&kept);
    std::fs::create_dir_all(&kept).map_err(|error| format!("{}: {error}", kept.display()))?;
    let dir = std::env::temp_dir().join(format!("calybris-mutate-{}", std::process::id()));
    let workshop = Workshop::set_up(&dir, &program)?;
    println!(
        "{:<14} {:>8} {:>8} {:>8} {:>10} {:>10} {:>6} {:>6}",
        "kind", "files", "accepted", "verdicts", "with place", "whole file", "faults", "s"
    );
    let mut faults = 0;
    let wanted = |kind: &&Kind| options.kind.as_ref().is_none_or(|name| name == kind.name());
    for kind in Kind::ALL.iter().filter(wanted) {
        let start = Instant::now();
        let tally = mutate_kind(*kind, &workshop, &options, &kept)?;
        let seconds = start.elapsed().as_secs();
        let (accepted, verdicts) = (tally.accepted, tally.verdicts);
        let (with_place, whole) = (tally.refused_with_place, tally.refused_whole);
        let (name, count, found) = (kind.name(), options.count, tally.faults.len());
        println!(
            "{name:<14} {count:>8} {accepted:>8} {verdicts:>8} {with_place:>10} {whole:>10} {found:>6} {seconds:>6}"
        );
        for fault in tally.faults.iter().take(FAULTS_SHOWN) {
            println!("  {fault}");
        }
        faults += found;
    }
    let _ = std::fs::remove_dir_all(&dir);
    if faults == 0 {
        Ok(())
    } else {
        Err(format!("{faults} faults; the files are in {}", kept.display()))
    }
}

const FAULTS_SHOWN: usize = 12;

/// All files of a kind, divided between the threads by their numbers.
fn mutate_kind(
    kind: Kind,
    workshop: &Workshop,
    options: &Options,
    kept: &Path,
) -> Result<Tally, String> {
    let parts = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| scope.spawn(move || one_thread(kind, workshop, options, kept, thread)))
            .collect();
        let joined = threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_| "a thread died".to_owned())?);
        joined.collect::<Result<Vec<Tally>, String>>()
    })?;
    Ok(parts.into_iter().fold(Tally::default(), |mut sum, part| {
        sum.accepted += part.accepted;
        sum.verdicts += part.verdicts;
        sum.refused_with_place += part.refused_with_place;
        sum.refused_whole += part.refused_whole;
        sum.faults.extend(part.faults);
        sum
    }))
}

fn one_thread(
    kind: Kind,
    workshop: &Workshop,
    options: &Options,
    kept: &Path,
    thread: usize,
) -> Result<Tally, String> {
    let bench = workshop.bench(thread)?;
    let seeds = workshop.seeds(kind);
    let mut tally = Tally::default();
    let mut number = u64::try_from(thread).unwrap_or(0);
    while number < options.count {
        let mut random = Random::new(options.seed ^ kind.salt() ^ (number << 8));
        let mutated = mutate::mutated(&seeds, &mut random);
        let file = bench.join(kind.file_name());
        std::fs::write(&file, &mutated).map_err(|error| format!("{}: {error}", file.display()))?;
        let log = bench.join("log");
        let _ = std::fs::remove_dir_all(&log);
        let ran = start(workshop, &kind.arguments(workshop, &file, &log))?;
        match judge(kind, &ran, &mutated, &log) {
            Ok(()) => match ran.code {
                Some(0) => tally.accepted += 1,
                Some(1) => tally.verdicts += 1,
                _ if place_of(&ran).is_some() => tally.refused_with_place += 1,
                _ => tally.refused_whole += 1,
            },
            Err(fault) => {
                let kept = kept.join(format!("{}-{number}", kind.name()));
                let _ = std::fs::write(&kept, &mutated);
                let said = ran.err.lines().next().unwrap_or_default();
                let said: String = said.chars().take(300).collect();
                tally.faults.push(format!("{}: {fault}: {said}", kept.display()));
            }
        }
        number += u64::try_from(THREADS).unwrap_or(1);
    }
    Ok(tally)
}

/// Runs the program with limits on its memory and its time; a run that is killed for time ends with code 137.
fn start(workshop: &Workshop, arguments: &[String]) -> Result<Ran, String> {
    let limited =
        format!("ulimit -v {MEMORY_LIMIT_KIB}; exec timeout -s KILL {TIME_LIMIT_S} \"$0\" \"$@\"");
    let output =
        Command::new("sh").arg("-c").arg(limited).arg(&workshop.program).args(arguments).output();
    let output = output.map_err(|error| format!("cannot start sh: {error}"))?;
    Ok(Ran {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
