//! One run: a process works on a log until the power is cut, and others open what is left.

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use fastrand::Rng;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::check::SESSIONS_PER_CHECK;
use crate::disk::{Disk, Omission};
use crate::mount::{Connected, Mount};
use crate::names::Metadata;
use crate::plan::mixed;
use crate::transcript::{Line, Transcript, Verdict};

/// How long a process may take before it counts as hung.
const PATIENCE: Duration = Duration::from_secs(60);

/// The first session of the first check: plans have fewer.
const FIRST_CHECK_SESSION: u32 = 100;

/// The last call, of those that change or sync something, at which the power of a check is cut.
const LATEST_CUT_OF_CHECK: u64 = 40;

/// The word that makes this program the process that writes, and the one that checks.
pub const WRITE: &str = "write";
pub const CHECK: &str = "check";

/// Everything that determines a run, except the order of its threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunId {
    pub seed: u64,
    pub metadata: Metadata,
    pub omission: Option<Omission>,
    pub plan: u64,
    /// The call at which the power goes. 0: after all of them.
    pub cut_call: u64,
}

impl RunId {
    /// The seed of the plan: the same with both kinds of metadata.
    pub fn plan_seed(&self) -> u64 {
        mixed(&[self.seed, self.plan])
    }

    /// Randomness of its own for each image; 0 is for the run itself.
    fn random(&self, image: u64) -> Rng {
        Rng::with_seed(mixed(&[self.plan_seed(), self.cut_call, image]))
    }
}

/// A disk whose power was cut, and what was said until then.
pub struct Cut {
    disk: Disk,
    pub transcript: Transcript,
    /// How many calls of the plan had changed or synced something.
    pub calls: u64,
    /// Whether the process of the plan was killed first, and another one worked on until the cut.
    pub killed_before: bool,
    /// Failures that the run itself has shown.
    pub verdict: Verdict,
    next_session: u32,
}

/// The result of checking one image.
pub struct Checked {
    pub transcript: Transcript,
    pub verdict: Verdict,
    /// The image, then the image of each further cut.
    pub images: Vec<Disk>,
}

impl Checked {
    /// Writes each image and the transcript into a folder.
    pub fn save(&self, folder: &Path) -> io::Result<()> {
        for (number, image) in (1..).zip(&self.images) {
            image.copy_to(&folder.join(format!("image-{number}")))?;
        }
        std::fs::write(folder.join("transcript"), self.transcript.to_string())
    }
}

/// How a process ended.
struct Ended {
    text: String,
    hung: bool,
}

/// Lets a process work on a new disk until the power is cut.
///
/// In some runs the process is only killed, and the operating system keeps what it was given; another process opens the
/// log and works on, and then the power is cut.
pub fn write(mount: &Mount, id: &RunId) -> io::Result<Cut> {
    let mut random = id.random(0);
    let killed_before = id.cut_call != 0 && random.u8(0..4) == 0;
    let connected = mount.connect(Disk::new(id.metadata, id.omission));
    let process = Process::new(WRITE, &connected, id.plan_seed(), FIRST_CHECK_SESSION);
    // Half of the processes die with the power; the others see their calls fail.
    process.cut_at(&connected, id.cut_call, killed_before || random.bool());
    let ended = process.run("")?;
    let disk = connected.disconnect().ok_or_else(disk_is_gone)?;
    let (calls, next_session) = (disk.calls(), FIRST_CHECK_SESSION);
    let transcript = Transcript::parse(&ended.text);
    let failed = transcript.lines().iter().find_map(|line| match line {
        Line::Error(what) => Some(what.clone()),
        _ => None,
    });
    let verdict = match failed {
        _ if ended.hung => Verdict::Broken("the writer hangs".to_owned()),
        Some(what) if disk.has_power() => Verdict::Broken(format!("writing: {what}")),
        _ => Verdict::Good,
    };
    let cut = Cut { disk, transcript, calls, killed_before, verdict, next_session };
    if killed_before && cut.verdict == Verdict::Good {
        work_on(mount, id, cut, &mut random)
    } else {
        Ok(cut)
    }
}

/// Opens the log after the process was killed, and works on until the power is cut.
fn work_on(mount: &Mount, id: &RunId, cut: Cut, random: &mut Rng) -> io::Result<Cut> {
    let Cut { mut disk, mut transcript, next_session: session, .. } = cut;
    disk.go_on();
    let connected = mount.connect(disk);
    let process = Process::new(CHECK, &connected, id.plan_seed(), session);
    process.cut_at(&connected, random.u64(1..=LATEST_CUT_OF_CHECK), random.bool());
    let ended = process.run(&transcript.to_string())?;
    transcript.extend(&ended.text);
    let disk = connected.disconnect().ok_or_else(disk_is_gone)?;
    let verdict = verdict(&ended, &disk, &transcript).unwrap_or(Verdict::Good);
    Ok(Cut { disk, transcript, verdict, next_session: session + SESSIONS_PER_CHECK, ..cut })
}

/// Checks one of the images that the cut may leave.
pub fn check(mount: &Mount, id: &RunId, cut: &Cut, image: u64) -> io::Result<Checked> {
    let mut random = id.random(image + 1);
    let mut disk = cut.disk.after_cut(&mut random);
    let mut transcript = cut.transcript.clone();
    let mut session = cut.next_session;
    let mut images = Vec::new();
    loop {
        images.push(disk.clone());
        let connected = mount.connect(disk);
        let process = Process::new(CHECK, &connected, id.plan_seed(), session);
        if random.u8(0..3) == 0 {
            process.cut_at(&connected, random.u64(1..=LATEST_CUT_OF_CHECK), random.bool());
        }
        let ended = process.run(&transcript.to_string())?;
        transcript.extend(&ended.text);
        let left = connected.disconnect().ok_or_else(disk_is_gone)?;
        if let Some(verdict) = verdict(&ended, &left, &transcript) {
            return Ok(Checked { transcript, verdict, images });
        }
        disk = left.after_cut(&mut random);
        session += SESSIONS_PER_CHECK;
    }
}

/// The verdict of a checking process; `None` if its power was cut first.
fn verdict(ended: &Ended, disk: &Disk, transcript: &Transcript) -> Option<Verdict> {
    if ended.hung {
        return Some(Verdict::Broken("the check hangs".to_owned()));
    }
    disk.has_power().then(|| match transcript.lines().last() {
        Some(Line::Verdict(verdict)) => verdict.clone(),
        _ => Verdict::Broken("the check ended without a verdict".to_owned()),
    })
}

fn disk_is_gone() -> io::Error {
    io::Error::other("the disk is gone")
}

/// A process on a disk.
struct Process {
    command: Command,
    /// Its number, once it runs.
    pid: Arc<AtomicI32>,
}

impl Process {
    fn new(word: &str, connected: &Connected<'_>, plan_seed: u64, session: u32) -> Self {
        // Runs this very program, even if its file was replaced.
        let mut command = Command::new("/proc/self/exe");
        command.arg(word).arg(connected.path());
        command.args([plan_seed.to_string(), session.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        Self { command, pid: Arc::default() }
    }

    fn cut_at(&self, connected: &Connected<'_>, call: u64, killed: bool) {
        let pid = Arc::clone(&self.pid);
        let on_cut = move || {
            let pid = pid.load(Ordering::Relaxed);
            if killed && pid != 0 {
                // It may have ended; nobody else can have its number before it was waited for.
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        };
        connected.with(|disk| disk.cut_at(call, Arc::new(on_cut)));
    }

    /// Runs it to its end, and returns its transcript.
    fn run(mut self, input: &str) -> io::Result<Ended> {
        let mut child = self.command.spawn()?;
        let pid = child.id() as i32;
        self.pid.store(pid, Ordering::Relaxed);
        let (ended, waits) = mpsc::channel::<()>();
        let watch = std::thread::spawn(move || {
            let hung = waits.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout);
            if hung {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            hung
        });
        if let Some(mut stdin) = child.stdin.take() {
            // A process that was killed reads nothing.
            let _ = stdin.write_all(input.as_bytes());
        }
        let mut text = String::new();
        if let Some(mut stdout) = child.stdout.take() {
            stdout.read_to_string(&mut text)?;
        }
        drop(ended);
        let hung = watch.join().unwrap_or(true);
        child.wait()?;
        Ok(Ended { text, hung })
    }
}
