//! A process of a run: it takes the disk as its root directory, and writes or checks the log there.

use std::io::Read;

use crate::check::check;
use crate::plan::Plan;
use crate::run::{CHECK, WRITE};
use crate::transcript::{Line, Teller, Transcript};
use crate::work;

/// Runs as `write` or `check`, with the path of the disk, the seed of the plan and the number of the first session.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let [word, disk, seed, session] = arguments else {
        return Err(format!("a process takes 4 arguments, found {}", arguments.len()));
    };
    let number = |text: &String| text.parse::<u64>().map_err(|error| format!("`{text}`: {error}"));
    let plan = Plan::new(number(seed)?);
    let session = u32::try_from(number(session)?).map_err(|error| error.to_string())?;
    let mut said = String::new();
    std::io::stdin().read_to_string(&mut said).map_err(|error| error.to_string())?;
    let teller = Teller::new(Transcript::parse(&said));
    // So that every folder above the log is on the disk too.
    let failed = |error: std::io::Error| format!("cannot take `{disk}` for the root: {error}");
    std::os::unix::fs::chroot(disk).map_err(failed)?;
    std::env::set_current_dir("/").map_err(failed)?;
    match word.as_str() {
        WRITE => work::write(&plan, &teller),
        CHECK => {
            let verdict = check(&plan, session, &teller);
            teller.tell(Line::Verdict(verdict));
        }
        _ => return Err(format!("`{word}` is nothing that a process does")),
    }
    Ok(())
}
