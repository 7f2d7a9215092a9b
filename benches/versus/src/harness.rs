//! Interleaved short samples, their minimum and median, and one line per peer and case.
//!
//! Every contestant runs in every round, one after the other, so a busy moment of the machine
//! strikes all of them. The minimum says what the code costs; the median, what one gets.

use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long to measure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Effort {
    /// Enough for a figure to be quoted.
    #[default]
    Full,
    /// Enough to see that nothing is broken: an area ends within a minute.
    Quick,
}

impl Effort {
    fn rounds(self) -> usize {
        match self {
            Self::Full => 150,
            Self::Quick => 12,
        }
    }

    /// How long a sample should last; the number of iterations is chosen for it.
    fn sample(self) -> Duration {
        match self {
            Self::Full => Duration::from_micros(250),
            Self::Quick => Duration::from_micros(100),
        }
    }
}

/// One that does the work: called with a number of iterations, it does that many.
pub struct Contestant<'a> {
    pub name: &'static str,
    pub run: Box<dyn FnMut(u64) + 'a>,
    /// A sample is a whole number of laps.
    lap: u64,
}

impl<'a> Contestant<'a> {
    pub fn new(name: &'static str, run: impl FnMut(u64) + 'a) -> Self {
        Self { name, run: Box::new(run), lap: 1 }
    }

    /// One whose iterations differ: after so many of them it has gone once round all there is. Its
    /// samples are whole laps, so that every sample of every contestant is the same work.
    pub fn in_laps(lap: usize, name: &'static str, run: impl FnMut(u64) + 'a) -> Self {
        Self { lap: lap as u64, ..Self::new(name, run) }
    }
}

/// The output of results.
#[derive(Debug, Default)]
pub struct Report {
    pub effort: Effort,
    /// One JSON object per line, instead of a table.
    pub json: bool,
    /// The folder with real data, if the caller has any.
    pub data: Option<PathBuf>,
    /// Whether the head of the table has been printed.
    headed: bool,
}

impl Report {
    /// Measures ours against each peer on one case and prints a line per peer.
    ///
    /// `unit` names what one iteration costs, such as `ns/decision`: nanoseconds are measured.
    pub fn duel(
        &mut self,
        area: &str,
        case: &str,
        n: usize,
        unit: &str,
        ours: Contestant<'_>,
        peers: Vec<Contestant<'_>>,
    ) {
        let mut contestants = vec![ours];
        contestants.extend(peers);
        let samples = self.measure(&mut contestants);
        let figures: Vec<Figures> = samples.into_iter().map(Figures::new).collect();
        let ours = &figures[0];
        for (contestant, peer) in contestants.iter().zip(&figures).skip(1) {
            self.line(area, case, n, contestant.name, unit, ours, peer);
        }
    }

    /// Measures ours alone, and prints it beside the most that it may be.
    pub fn against_limit(
        &mut self,
        area: &str,
        case: &str,
        n: usize,
        unit: &str,
        ours: &mut Contestant<'_>,
        limit: f64,
    ) {
        let samples = self.measure(std::slice::from_mut(ours)).remove(0);
        let limit = Figures { min: limit, median: limit };
        self.line(area, case, n, "limit", unit, &Figures::new(samples), &limit);
    }

    /// Prints one figure of ours beside one of a peer's: something counted, or timed once.
    #[allow(clippy::too_many_arguments, reason = "the columns of a line")]
    pub fn figure(
        &mut self,
        area: &str,
        case: &str,
        n: usize,
        unit: &str,
        ours: f64,
        peer: &str,
        theirs: f64,
    ) {
        let [ours, theirs] = [ours, theirs].map(|figure| Figures { min: figure, median: figure });
        self.line(area, case, n, peer, unit, &ours, &theirs);
    }

    #[allow(clippy::too_many_arguments, reason = "the columns of a line")]
    fn line(
        &mut self,
        area: &str,
        case: &str,
        n: usize,
        name: &str,
        unit: &str,
        ours: &Figures,
        peer: &Figures,
    ) {
        let (ratio_min, ratio_median) = (peer.min / ours.min, peer.median / ours.median);
        let (ours_min, peer_min) = (ours.min, peer.min);
        if self.json {
            println!(
                "{{\"area\":\"{area}\",\"case\":\"{case}\",\"n\":{n},\"peer\":\"{name}\",\
                 \"ours_min\":{ours_min:.2},\"peer_min\":{peer_min:.2},\
                 \"ratio_min\":{},\"ratio_median\":{},\"unit\":\"{unit}\"}}",
                json_number(ratio_min),
                json_number(ratio_median),
            );
            return;
        }
        if !self.headed {
            println!(
                "{:<8} {:<14} {:>6} {:<7} {:>11} {:>11} {:>8} {:>8}  unit",
                "area", "case", "n", "peer", "ours min", "peer min", "ratio", "median"
            );
            self.headed = true;
        }
        println!(
            "{area:<8} {case:<14} {n:>6} {name:<7} {ours_min:>11.1} {peer_min:>11.1} \
             {ratio_min:>8.2} {ratio_median:>8.2}  {unit}"
        );
    }

    /// Nanoseconds per iteration, one sample per contestant and round.
    fn measure(&self, contestants: &mut [Contestant<'_>]) -> Vec<Vec<f64>> {
        let iterations: Vec<u64> =
            contestants.iter_mut().map(|contestant| self.iterations(contestant)).collect();
        let mut samples = vec![Vec::new(); contestants.len()];
        for _ in 0..self.effort.rounds() {
            for ((contestant, &iterations), samples) in
                contestants.iter_mut().zip(&iterations).zip(&mut samples)
            {
                let started = Instant::now();
                (contestant.run)(iterations);
                let elapsed = started.elapsed();
                samples.push(elapsed.as_nanos() as f64 / iterations as f64);
            }
        }
        samples
    }

    /// How many iterations last about one sample.
    fn iterations(&self, contestant: &mut Contestant<'_>) -> u64 {
        let mut iterations = contestant.lap;
        loop {
            let started = Instant::now();
            (contestant.run)(iterations);
            let elapsed = started.elapsed();
            if elapsed * 2 >= self.effort.sample() || iterations > 1 << 30 {
                let per_iteration = elapsed.as_nanos() as f64 / iterations as f64;
                let wanted = self.effort.sample().as_nanos() as f64 / per_iteration;
                return (wanted as u64).div_ceil(contestant.lap).max(1) * contestant.lap;
            }
            iterations *= 2;
        }
    }
}

/// JSON knows no infinity: a ratio to nothing is `null`.
fn json_number(ratio: f64) -> String {
    if ratio.is_finite() { format!("{ratio:.3}") } else { "null".to_owned() }
}

struct Figures {
    min: f64,
    median: f64,
}

impl Figures {
    fn new(mut samples: Vec<f64>) -> Self {
        samples.sort_by(f64::total_cmp);
        Self { min: samples[0], median: samples[samples.len() / 2] }
    }
}
