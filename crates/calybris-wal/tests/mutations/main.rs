//! Logs of every kind are changed in every way that we know of, and two verifiers that share no code
//! say the same of each; what else is promised of every log holds as well.
//!
//! `cargo xtask mutate-logs` runs many more, through these variables of the environment.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    unreachable_pub,
    reason = "tests"
)]

mod bases;
mod forge;
mod laws;
#[path = "../logs/mod.rs"]
mod logs;
mod mutate;
mod random;
#[path = "../second_reader/mod.rs"]
mod second_reader;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use bases::{Base, KINDS, VARIANTS, secrets, write_image};
use laws::Laws;
use mutate::Mutant;
use random::Random;
use second_reader::{in_words, other_verdicts, python_is_here};

/// How many logs are changed unless `MUTATE_LOGS_COUNT` says so.
const COUNT: u64 = 400;

/// How many logs one process of the other verifier is asked about.
const BATCH: u64 = 200;

/// How many batches are under way at a time.
const WORKERS: u64 = 2;

/// How long nothing may happen. A log takes some milliseconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is to be done.
#[derive(Clone, Copy)]
struct Task {
    seed: u64,
    first: u64,
    end: u64,
    /// Whether the changed logs are kept and described.
    keep: bool,
}

/// What is said of a batch.
enum News {
    /// This log is begun.
    Begun(u64),
    Done(Vec<Outcome>),
}

/// What was found about one log.
struct Outcome {
    index: u64,
    kind: usize,
    /// What the crate says.
    verdict: String,
    /// What should not be so.
    broken: Vec<String>,
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// Each kind's logs, and for each another of the same kind.
type Bases = Vec<Vec<(Base, Base)>>;

fn write_bases(directory: &Path, seed: u64) -> Bases {
    let write = |(kind, variant): (usize, usize)| {
        let case = (kind * VARIANTS + variant) as u64;
        let mut random = Random::of(!seed, case);
        let [one, other] = [0, 1].map(|log| {
            let log_id = [(case * 2 + log).to_le_bytes(), seed.to_le_bytes()].concat();
            let path = directory.join(format!("{case}-{log}"));
            KINDS[kind].write(
                &path,
                calybris_wal::LogId::from_bytes(log_id.try_into().unwrap()),
                &mut random,
            )
        });
        (one, other)
    };
    (0..KINDS.len())
        .map(|kind| (0..VARIANTS).map(|variant| write((kind, variant))).collect())
        .collect()
}

fn kind_of(index: u64) -> usize {
    usize::try_from(index % KINDS.len() as u64).unwrap()
}

/// One of the logs, changed. The same for the same seed and index.
fn mutant(bases: &Bases, seed: u64, index: u64) -> (Mutant<'_>, Random) {
    let mut random = Random::of(seed, index);
    let (base, other) = random.pick(&bases[kind_of(index)]);
    (Mutant::of(base, other, &mut random), random)
}

/// Asks the other verifier about logs that have had so many keys each.
fn ask(logs: Vec<(PathBuf, usize)>) -> BTreeMap<PathBuf, String> {
    let mut verdicts = BTreeMap::new();
    for count in 0..=secrets().len() {
        let paths = logs.iter().filter(|(_, keys)| *keys == count).map(|(path, _)| path.clone());
        let paths: Vec<_> = paths.collect();
        let found = other_verdicts(&paths, &secrets()[..count]);
        verdicts.extend(paths.into_iter().zip(found));
    }
    verdicts
}

fn check(bases: &Bases, task: Task, directory: &Path, news: &Sender<News>) -> Vec<Outcome> {
    let mutants: Vec<_> =
        (task.first..task.end).map(|index| (index, mutant(bases, task.seed, index))).collect();
    let paths: Vec<PathBuf> =
        mutants.iter().map(|(index, _)| directory.join(index.to_string())).collect();
    for ((_, (mutant, _)), path) in mutants.iter().zip(&paths) {
        write_image(path, &mutant.image);
    }
    let to_ask = mutants.iter().zip(&paths);
    let to_ask = to_ask.map(|((_, (mutant, _)), path)| (path.clone(), mutant.base.keys)).collect();
    let others = std::thread::spawn(move || ask(to_ask));
    let scratch = directory.join(format!("scratch-{}", task.first));
    let mut outcomes = Vec::new();
    for ((index, (mutant, mut random)), path) in mutants.into_iter().zip(&paths) {
        let _ = news.send(News::Begun(index));
        if task.keep {
            eprintln!("{index}: {}, in {}", KINDS[kind_of(index)].name, path.display());
            eprintln!("{:#?}", mutant.done);
            for (name, bytes) in &mutant.image {
                eprintln!("  {name}, {} bytes", bytes.len());
            }
        }
        let laws = || Laws::check(&mutant, path, &scratch, &mut random);
        let (verdict, broken) = match catch_unwind(AssertUnwindSafe(laws)) {
            Ok((verdict, broken)) => (in_words(&verdict), broken),
            Err(_) => ("panicked".to_owned(), vec!["panicked".to_owned()]),
        };
        outcomes.push(Outcome { index, kind: kind_of(index), verdict, broken });
    }
    let others = others.join().expect("the other verifier answers");
    for (outcome, path) in outcomes.iter_mut().zip(&paths) {
        let other = &others[path];
        if outcome.verdict != *other {
            outcome.broken.push(format!("{} here, and there: {other}", outcome.verdict));
        }
    }
    for path in paths.iter().chain([&scratch]).filter(|_| !task.keep) {
        let _ = std::fs::remove_dir_all(path);
    }
    outcomes
}

/// How many logs of a kind had which verdict.
#[derive(Default, Clone, Copy)]
struct Row {
    mutations: u64,
    verified: u64,
    torn: u64,
    corrupt: u64,
    unchecked: u64,
    differences: u64,
}

impl Row {
    fn count(&mut self, outcome: &Outcome) {
        let mut words = outcome.verdict.split(' ');
        self.mutations += 1;
        match words.next() {
            Some("verified") if words.nth(2) != Some("0") => self.torn += 1,
            Some("verified") => self.verified += 1,
            Some("corrupt") => self.corrupt += 1,
            _ => self.unchecked += 1,
        }
        self.differences += u64::from(!outcome.broken.is_empty());
    }
}

fn table(rows: &BTreeMap<usize, Row>) -> String {
    let line = |name: &str, row: &Row| {
        format!(
            "{name:<22} {:>9} {:>9} {:>9} {:>9} {:>9} {:>11}\n",
            row.mutations, row.verified, row.torn, row.corrupt, row.unchecked, row.differences
        )
    };
    let mut text = format!(
        "{:<22} {:>9} {:>9} {:>9} {:>9} {:>9} {:>11}\n",
        "kind", "mutations", "verified", "torn", "corrupt", "unchecked", "differences"
    );
    let mut all = Row::default();
    for (kind, row) in rows {
        text += &line(KINDS[*kind].name, row);
        all.mutations += row.mutations;
        all.verified += row.verified;
        all.torn += row.torn;
        all.corrupt += row.corrupt;
        all.unchecked += row.unchecked;
        all.differences += row.differences;
    }
    text + &line("all", &all)
}

/// A directory in memory where there is one, since what is written need not last.
fn directory() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

#[test]
fn two_verifiers_and_all_laws_agree_on_changed_logs() {
    if !python_is_here() {
        return;
    }
    let seed = variable("MUTATE_LOGS_SEED").unwrap_or(1);
    let only = variable("MUTATE_LOGS_ONLY");
    let count = variable("MUTATE_LOGS_COUNT").unwrap_or(COUNT);
    let (first, end) = only.map_or((0, count), |only| (only, only + 1));
    let directory = directory();
    let bases = Arc::new(write_bases(directory.path(), seed));
    let (sender, news) = channel();
    // Nobody waits for a thread that does not come to an end.
    for worker in 0..WORKERS {
        let (bases, path, news) = (Arc::clone(&bases), directory.path().to_owned(), sender.clone());
        std::thread::spawn(move || {
            let [batch, worker, workers] =
                [BATCH, worker, WORKERS].map(|number| usize::try_from(number).unwrap());
            let starts = (first..end).step_by(batch);
            for first in starts.skip(worker).step_by(workers) {
                let end = end.min(first + BATCH);
                let task = Task { seed, first, end, keep: only.is_some() };
                let _ = news.send(News::Done(check(&bases, task, &path, &news)));
            }
        });
    }
    drop(sender);
    let mut rows = BTreeMap::<usize, Row>::new();
    let (mut begun, mut done, mut reported) = (Vec::new(), 0, 0);
    while done < end - first {
        match news.recv_timeout(PATIENCE) {
            Ok(News::Begun(index)) => {
                begun.retain(|other: &u64| other / BATCH % WORKERS != index / BATCH % WORKERS);
                begun.push(index);
            }
            Ok(News::Done(outcomes)) => {
                for outcome in outcomes {
                    done += 1;
                    rows.entry(outcome.kind).or_default().count(&outcome);
                    for broken in &outcome.broken {
                        let (index, name) = (outcome.index, KINDS[outcome.kind].name);
                        eprintln!("--seed {seed} --only {index} ({name}): {broken}");
                    }
                }
                if done >= reported + 2_000 {
                    reported = done;
                    let differences: u64 = rows.values().map(|row| row.differences).sum();
                    eprintln!("{done} of {}, {differences} differences", end - first);
                }
            }
            Err(error) => panic!("{error} for {PATIENCE:?}: seed {seed}, at {begun:?}"),
        }
    }
    eprint!("{}", table(&rows));
    let differences: u64 = rows.values().map(|row| row.differences).sum();
    if only.is_some() {
        eprintln!("kept in {}", directory.keep().display());
    }
    assert_eq!(differences, 0, "each is printed above, with how to see it again");
}
