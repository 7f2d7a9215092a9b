//! A key change that is cut at any call, with every fate of its bytes, and then every key there is.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::fault_injection::memory::{Dice, Fault, Memory};
use crate::fault_injection::story::{payload, read};
use crate::storage::Storage;
use crate::{Durability, Key, LogId, RepairOptions, WalError, WalOptions, WalWriter};

fn secret(number: u8) -> Key {
    Key::new(&[number; 32]).unwrap()
}

/// The key that the log has, the one that it is given, and one that it could be given instead.
fn old() -> Key {
    secret(1)
}

fn new() -> Key {
    secret(2).replacing(&old())
}

fn other() -> Key {
    secret(3).replacing(&old())
}

fn open(disk: &Memory, durability: Durability, key: Option<&Key>) -> Result<WalWriter, WalError> {
    let options = WalOptions::new(1).log_id(LogId::from_bytes([1; 16])).durability(durability);
    WalWriter::open_in(Arc::new(disk.clone()), &options, key)
}

/// A log of two segments and five records under the old key; the last is not synced, or all are.
fn begun(durability: Durability, closed: bool) -> Memory {
    let disk = Memory::default();
    let writer = open(&disk, durability, Some(&old())).unwrap();
    for sequence in 1..=5 {
        writer.append_bytes(&payload(sequence)).unwrap();
        if sequence == 2 {
            writer.rotate().unwrap();
        }
    }
    if closed {
        writer.close().unwrap();
    }
    disk
}

/// Goes on under the new key, until something fails, and says how many records were acknowledged as on disk.
fn change(disk: &Memory, durability: Durability, acknowledged: &mut u64) -> Result<(), WalError> {
    let writer = open(disk, durability, Some(&new()))?;
    *acknowledged = writer.open_report().sequence;
    for _ in 0..2 {
        let next = writer.head().sequence + 1;
        let receipt = writer.append_bytes(&payload(next))?;
        if durability == Durability::Synced {
            *acknowledged = receipt.sequence;
        }
    }
    *acknowledged = writer.close()?.sequence;
    Ok(())
}

fn files(disk: &Memory) -> BTreeMap<String, Vec<u8>> {
    disk.files().into_iter().map(|name| (name.clone(), disk.read(&name))).collect()
}

/// Opens a copy with this key and appends. `false` if that was refused; then nothing was changed.
fn goes_on(disk: &Memory, key: Option<&Key>, acknowledged: u64, context: &str) -> bool {
    let disk = disk.copy();
    let before = files(&disk);
    let writer = match open(&disk, Durability::Os, key) {
        Ok(writer) => writer,
        Err(error) => {
            assert!(
                matches!(
                    error,
                    WalError::KeyReplaced { .. }
                        | WalError::WrongKey { .. }
                        | WalError::KeyRequired { .. }
                ),
                "{context}: {error}"
            );
            assert_eq!(files(&disk), before, "{context}: refused, and written all the same");
            return false;
        }
    };
    let next = writer.open_report().sequence + 1;
    assert!(next > acknowledged, "{context}: {next} after {acknowledged}");
    writer.append_bytes(&payload(next)).unwrap();
    writer.close().unwrap();
    assert_eq!(read(&disk, key), Ok((1, next)), "{context}");
    // And once more, and it is read by nobody else.
    assert_eq!(open(&disk, Durability::Os, key).unwrap().open_report().sequence, next, "{context}");
    true
}

/// Expects that what was acknowledged is read with the keys there are, and that there is one answer about who goes on.
fn check(disk: &Memory, acknowledged: u64, context: &str) {
    let found = read(disk, Some(&new())).unwrap_or_else(|error| panic!("{context}: {error}"));
    assert!(found.1 >= acknowledged, "{context}: {found:?} of {acknowledged}");
    let rings = [Some(old()), Some(new()), Some(other()), Some(secret(3)), None];
    let on = rings.map(|key| goes_on(disk, key.as_ref(), acknowledged, context));
    let (not_changed, changed) =
        ([true, true, true, false, false], [false, true, false, false, false]);
    assert!(on == not_changed || on == changed, "{context}: {on:?}");

    // A repair finds nothing to do.
    let options = RepairOptions::default().with_key(new());
    let copy: Arc<dyn Storage> = Arc::new(disk.copy());
    let repaired = crate::repair::repair_in(&copy, &options);
    assert!(repaired.is_ok_and(|done| done.is_none()), "{context}");
}

/// How many more bytes come through the next time: one by one while the old segment is finished, which is the
/// change; less often where the new one is written.
fn next_step(disk: &Memory) -> usize {
    if disk.segments().len() == 2 { 1 } else { 13 }
}

#[test]
fn a_key_change_whose_bytes_reach_the_disk_in_part_is_made_or_not() {
    for (durability, closed) in
        [(Durability::Os, true), (Durability::Os, false), (Durability::Synced, true)]
    {
        let whole = begun(durability, closed);
        let before = whole.calls();
        change(&whole, durability, &mut 0).unwrap();
        for at in 0..=whole.calls() - before {
            let mut count = 0;
            loop {
                let disk = begun(durability, closed);
                disk.fail(at, Fault::Tear(count));
                let mut acknowledged = if closed { 5 } else { 2 };
                drop(change(&disk, durability, &mut acknowledged));
                disk.heal();
                let context = format!("{durability:?}, {closed}, call {at}, {count} bytes");
                check(&disk, acknowledged, &context);
                // The whole write has come through, or the call is none.
                if !disk.has_torn() {
                    break;
                }
                count += next_step(&disk);
            }
        }
    }
}

#[test]
fn a_key_change_on_a_full_disk_is_made_or_not() {
    let mut space = 0;
    loop {
        let disk = begun(Durability::Os, true);
        disk.set_space(Some(space));
        let mut acknowledged = 5;
        let outcome = change(&disk, Durability::Os, &mut acknowledged);
        disk.set_space(None);
        check(&disk, acknowledged, &format!("{space} bytes of space"));
        if outcome.is_ok() {
            break;
        }
        space += next_step(&disk);
    }
    assert!(space > 300);
}

#[test]
fn a_key_change_in_a_power_cut_at_any_call_is_made_or_not() {
    for durability in [Durability::Os, Durability::Synced] {
        let whole = begun(durability, true);
        let before = whole.calls();
        change(&whole, durability, &mut 0).unwrap();
        for at in 0..=whole.calls() - before {
            for seed in 0..8 {
                let disk = begun(durability, true);
                disk.fail(at, Fault::Freeze);
                let mut acknowledged = 5;
                drop(change(&disk, durability, &mut acknowledged));
                disk.crash(&mut Dice(at * 100 + seed));
                let context = format!("{durability:?}, call {at}, seed {seed}");
                check(&disk, acknowledged, &context);
            }
        }
    }
}

#[test]
fn two_key_changes_with_an_error_at_any_call_leave_one_key() {
    let newest = || secret(4).replacing(&new());
    let whole = begun(Durability::Os, true);
    let before = whole.calls();
    change(&whole, Durability::Os, &mut 0).unwrap();
    for at in 0..whole.calls() - before {
        let disk = begun(Durability::Os, true);
        disk.fail(at, Fault::Error(std::io::ErrorKind::StorageFull));
        let mut acknowledged = 5;
        drop(change(&disk, Durability::Os, &mut acknowledged));
        disk.heal();
        assert!(goes_on(&disk, Some(&newest()), acknowledged, &format!("call {at}")));
    }
}
