//! Disks that leave a sync out: each loses records, so each sync is needed and the simulation can fail.

use std::path::Path;

use crate::fault_injection::memory::{Dice, Fault, LeftOut, Memory};
use crate::fault_injection::story::{Story, Witness};

/// How many power cuts lose something when this is left out in this directory.
fn losses(what: Option<LeftOut>, directory: &str, stories: &[Story]) -> usize {
    let mut losses = 0;
    for story in stories {
        for at in 0..=story.calls() {
            let mut dice = Dice(story.seed * 1_000 + at);
            let (disk, mut witness) = (Memory::default(), Witness::default());
            if let Some(what) = what {
                disk.at(Path::new(directory)).leave_out(what);
            }
            disk.fail(at, Fault::Freeze);
            drop(story.tell(&disk, &mut witness));
            disk.crash(&mut dice);
            losses += usize::from(story.check(&disk, &witness).is_err());
        }
    }
    losses
}

#[test]
fn each_sync_that_is_left_out_loses_something() {
    let stories: Vec<Story> = Story::all(1..2).into_iter().filter(|story| story.archives).collect();
    let (log, archive) = ("memory/deep/log", "memory/shelf/archive");
    assert_eq!(losses(None, log, &stories), 0);
    for what in [LeftOut::Files, LeftOut::Directory, LeftOut::Ancestors] {
        for directory in [log, archive] {
            let losses = losses(Some(what), directory, &stories);
            println!("{what:?} of {directory}: {losses}");
            assert!(losses > 0, "{what:?} of {directory}");
        }
    }
}
