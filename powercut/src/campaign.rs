//! Many runs: the plans of one kind of disk, each cut at many of its calls, on all processors.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use fastrand::Rng;

use crate::disk::Omission;
use crate::mount::Mount;
use crate::names::Metadata;
use crate::plan::mixed;
use crate::run::{self, Checked, RunId};
use crate::transcript::Verdict;

/// How many times one plan is cut: once after its end, and otherwise at calls spread over all that it makes.
const CUTS_PER_PLAN: u64 = 20;

/// How many of the images that a cut may leave are checked.
const IMAGES_PER_CUT: u64 = 2;

/// The work to do.
#[derive(Debug, Clone, Copy)]
pub struct Campaign {
    pub seed: u64,
    pub metadata: Metadata,
    pub omission: Option<Omission>,
    /// How many times the power is cut at least.
    pub cuts: u64,
}

/// A log that breaks a promise.
pub struct Failure {
    pub id: RunId,
    pub image: u64,
    pub verdict: Verdict,
    /// `None` where the run itself has shown it.
    pub checked: Option<Checked>,
}

/// The result of a campaign.
#[derive(Default)]
pub struct Tally {
    pub plans: u64,
    pub cuts: u64,
    /// How many of these came after a process was killed and another one had worked on.
    pub killed_before: u64,
    pub images: u64,
    /// How many times the power was cut once more while a log was being opened, checked and written on.
    pub more_cuts: u64,
    /// The records that were acknowledged when the power was cut, summed over the images.
    pub acknowledged: u64,
    pub lost_records: u64,
    /// The images by what is wrong with them.
    pub lost: u64,
    pub shut: u64,
    pub archive: u64,
    pub broken: u64,
    pub failures: Vec<Failure>,
}

impl Tally {
    /// How many images are not as promised.
    pub fn wrong(&self) -> u64 {
        self.lost + self.shut + self.archive + self.broken
    }

    /// The failures by their texts without numbers and paths, each with how many there are and the first of them.
    pub fn causes(&self) -> Vec<(u64, &Failure)> {
        let mut causes: BTreeMap<String, (u64, &Failure)> = BTreeMap::new();
        for failure in &self.failures {
            let text = format!("{:?}", failure.verdict);
            let varies = |word: &&str| word.contains(|c: char| c.is_ascii_digit() || c == '/');
            let words: Vec<&str> = text.split(' ').filter(|word| !varies(word)).collect();
            causes.entry(words.join(" ")).or_insert((0, failure)).0 += 1;
        }
        let mut causes: Vec<(u64, &Failure)> = causes.into_values().collect();
        causes.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
        causes
    }

    fn add(&mut self, failure: Failure) {
        match &failure.verdict {
            Verdict::Good => return,
            Verdict::Lost { records, .. } => {
                self.lost += 1;
                self.lost_records += records;
            }
            Verdict::Shut(_) => self.shut += 1,
            Verdict::Archive(_) => self.archive += 1,
            Verdict::Broken(_) => self.broken += 1,
        }
        self.failures.push(failure);
    }
}

impl Campaign {
    /// Runs all of it.
    pub fn run(&self) -> std::io::Result<Tally> {
        let plans = self.cuts.div_ceil(CUTS_PER_PLAN);
        let next = AtomicU64::new(0);
        let tally = Mutex::new(Tally::default());
        let work = || -> std::io::Result<()> {
            let mount = Mount::new()?;
            loop {
                let plan = next.fetch_add(1, Ordering::Relaxed);
                if plan >= plans {
                    return Ok(());
                }
                self.sweep(&mount, plan, &tally)?;
            }
        };
        let processors = std::thread::available_parallelism()?.get();
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..processors).map(|_| scope.spawn(work)).collect();
            workers.into_iter().try_for_each(|worker| match worker.join() {
                Ok(outcome) => outcome,
                Err(panic) => std::panic::resume_unwind(panic),
            })
        })?;
        let mut tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
        tally.failures.sort_by_key(|failure| (failure.id.plan, failure.id.cut_call, failure.image));
        Ok(tally)
    }

    /// Cuts one plan after its end, which tells how many calls it makes, and then at some of these.
    fn sweep(&self, mount: &Mount, plan: u64, tally: &Mutex<Tally>) -> std::io::Result<()> {
        let Self { seed, metadata, omission, .. } = *self;
        let mut id = RunId { seed, metadata, omission, plan, cut_call: 0 };
        let calls = self.cut(mount, &id, tally)?;
        let mut random = Rng::with_seed(mixed(&[id.plan_seed(), metadata as u64]));
        let others = CUTS_PER_PLAN - 1;
        for cut in 0..others {
            let (from, to) = (calls * cut / others, calls * (cut + 1) / others);
            id.cut_call = 1 + random.u64(from..to.max(from + 1));
            self.cut(mount, &id, tally)?;
        }
        let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.plans += 1;
        if tally.plans.is_multiple_of(25) {
            let Tally { plans, cuts, images, .. } = *tally;
            let wrong = tally.wrong();
            eprintln!("{self}: {plans} plans, {cuts} cuts, {images} images, {wrong} wrong");
        }
        Ok(())
    }

    /// One run and its images. Says how many calls there were.
    fn cut(&self, mount: &Mount, id: &RunId, tally: &Mutex<Tally>) -> std::io::Result<u64> {
        let cut = run::write(mount, id)?;
        let images = (0..IMAGES_PER_CUT).map(|image| run::check(mount, id, &cut, image));
        let images = images.collect::<std::io::Result<Vec<Checked>>>()?;
        let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.cuts += 1;
        tally.killed_before += u64::from(cut.killed_before);
        tally.add(Failure { id: *id, image: 0, verdict: cut.verdict, checked: None });
        for (image, checked) in (0..).zip(images) {
            tally.images += 1;
            tally.more_cuts += checked.images.len() as u64 - 1;
            tally.acknowledged += cut.transcript.acknowledged;
            let verdict = checked.verdict.clone();
            // A control's losses are counted but not examined.
            let checked = Some(checked).filter(|_| self.omission.is_none());
            tally.add(Failure { id: *id, image, verdict, checked });
        }
        Ok(cut.calls)
    }
}

impl std::fmt::Display for Campaign {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.metadata)?;
        self.omission.map_or(Ok(()), |omission| write!(f, " without sync of {omission}"))
    }
}
