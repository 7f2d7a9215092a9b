//! Every story with every fate: cuts, errors that pass and errors that last, writing and reading.

use std::io::ErrorKind;

use crate::WalError;
use crate::fault_injection::memory::{Dice, Fault, Memory};
use crate::fault_injection::story::{Story, Witness, log};

/// Nothing acknowledged is lost: not now, and not in a power cut after the story was told again.
fn goes_on(story: Story, disk: &Memory, witness: &mut Witness, dice: &mut Dice, context: &str) {
    story.check(disk, witness).unwrap_or_else(|error| panic!("{context}: {error}"));
    story.tell(disk, witness).unwrap_or_else(|error| panic!("{context}, told again: {error}"));
    disk.crash(dice);
    story.check(disk, witness).unwrap_or_else(|error| panic!("{context}: {error}"));
}

#[test]
fn no_story_loses_what_was_acknowledged_in_a_power_cut_at_any_call() {
    for story in Story::all(0..2) {
        for at in 0..=story.calls() {
            let context = format!("{story:?}, call {at}");
            let mut dice = Dice(story.seed * 1_000 + at);
            let (disk, mut witness) = (Memory::default(), Witness::default());
            disk.fail(at, Fault::Freeze);
            drop(story.tell(&disk, &mut witness));
            disk.crash(&mut dice);
            story.check(&disk, &witness).unwrap_or_else(|error| panic!("{context}: {error}"));
            // A second power cut, while the log recovers from the first or is written on.
            disk.fail(dice.roll(20), Fault::Freeze);
            drop(story.tell(&disk, &mut witness));
            disk.crash(&mut dice);
            goes_on(story, &disk, &mut witness, &mut dice, &context);
        }
    }
}

#[test]
fn no_story_loses_what_was_acknowledged_to_an_error_at_any_call() {
    let kinds = [ErrorKind::Other, ErrorKind::StorageFull, ErrorKind::ReadOnlyFilesystem];
    for story in Story::all(3..4) {
        for at in 0..story.calls() {
            let kind = kinds[usize::try_from(at % 3).unwrap()];
            let passing = Fault::Error(kind);
            for fault in [passing, Fault::Lasting(kind)] {
                let context = format!("{story:?}, call {at}, {fault:?}");
                let mut dice = Dice(at);
                let (disk, mut witness) = (Memory::default(), Witness::default());
                disk.fail(at, fault);
                match story.tell(&disk, &mut witness) {
                    Err(WalError::Io { .. }) => {}
                    // A writer that is dropped says nothing when its last calls fail.
                    Ok(()) if fault == passing => {}
                    other => panic!("{context}: {other:?}"),
                }
                // While it lasts nothing more is promised than that nothing is destroyed.
                drop(story.open(&disk, &witness));
                disk.heal();
                if dice.roll(2) == 0 {
                    disk.crash(&mut dice);
                }
                goes_on(story, &disk, &mut witness, &mut dice, &context);
            }
        }
    }
}

#[test]
fn what_cannot_be_read_is_an_error_and_no_damage() {
    for story in Story::all(4..5) {
        let (disk, mut witness) = (Memory::default(), Witness::default());
        story.tell(&disk, &mut witness).unwrap();
        // A torn end, so that opening has something to do.
        let log = log(&disk);
        let last = log.segments().pop().unwrap();
        let torn = [&log.read(&last)[..], &[0xEE; 30]].concat();
        log.put(&last, &torn);
        let before = disk.reads();
        drop(story.open(&disk, &witness).unwrap());
        let reads = disk.reads() - before;
        for at in 0..reads {
            let passing = Fault::Error(ErrorKind::Other);
            for fault in [passing, Fault::Lasting(ErrorKind::Other)] {
                let context = format!("{story:?}, read {at}, {fault:?}");
                log.put(&last, &torn);
                disk.fail_reads(at, fault);
                let outcome = story.open(&disk, &witness).map(drop);
                match outcome {
                    Err(WalError::Io { .. }) => {}
                    // What could not be read once may be read again.
                    Ok(()) if fault == passing => {}
                    other => panic!("{context}: {other:?}"),
                }
                disk.heal();
                disk.fail_reads(at, fault);
                if let Err(refused) = story.check(&disk, &witness) {
                    assert!(refused.contains("cannot"), "{context}: {refused}");
                }
                disk.heal();
                story.check(&disk, &witness).unwrap_or_else(|error| panic!("{context}: {error}"));
                let mut places = log.files().into_iter().map(|name| log.read(&name));
                assert!(places.any(|bytes| bytes.ends_with(&[0xEE; 30])), "{context}");
            }
        }
    }
}
