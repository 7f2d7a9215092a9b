//! Changes of a log by hand: tenants, checkpoints and retention, as an operator types them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

mod program;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use calybris_core::budget::MAX_AMOUNT;
use calybris_core::engine::{Call, Engine, EngineOptions, Ledger, Microunits, UnixMillis};
use calybris_core::kernel::{BasisPoints, Request};
use calybris_core::wal::Reader;
use program::log::{OPEN, write_log};
use program::*;
use serde_json::Value;

/// A directory with the log of all kinds of records: `acme`, `search` below it, and `lab`, which is frozen.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        write_log(&place.log());
        place
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn log(&self) -> PathBuf {
        self.path().join("log")
    }

    /// What comes of a line; words of a reason are joined by `-`.
    fn typed(&self, line: &str) -> Ran {
        run(program().current_dir(self.path()).args(line.split_whitespace()))
    }

    fn object(&self, line: &str) -> Value {
        let ran = self.typed(&format!("{line} --json"));
        assert_eq!(ran.code, 0, "{line}: {}", ran.err);
        serde_json::from_str(&ran.out).unwrap()
    }

    fn account(&self, tenant: &str) -> Value {
        let listed = self.object("tenant list log");
        let tenants = listed["tenants"].as_array().unwrap();
        tenants.iter().find(|found| found["tenant"] == tenant).cloned().unwrap()
    }

    /// Every file below the directory with its bytes.
    fn bytes(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        fn add(dir: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
            for entry in dir.read_dir().unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    add(&path, files);
                } else {
                    let bytes = std::fs::read(&path).unwrap();
                    files.insert(path, bytes);
                }
            }
        }
        let mut files = BTreeMap::new();
        add(self.path(), &mut files);
        files
    }

    /// The log is intact, its money adds up, and every decision comes out as recorded.
    fn check(&self) {
        for line in ["verify log", "budget log", "replay log", "spend log", "show log --kind all"] {
            let ran = self.typed(line);
            assert_eq!(ran.code, 0, "{line}: {}", ran.err);
        }
    }
}

/// One line for each change, in an order in which each has something to do.
const CHANGES: [&str; 8] = [
    "tenant open log web 12.5 --parent acme --reason own-key",
    "tenant top-up log acme 1,500.25 --reason more-seats",
    "tenant reduce log acme 0.000001 --reason fewer-seats",
    "tenant refund log search 0.0001 --reason credit-note",
    "tenant unfreeze log lab --reason new-key",
    "tenant freeze log search --reason leaked",
    "tenant rules log lab --exposure-cap 0.5 --soft-limit 0.25 --overrun draw-then-debt --reason trusted",
    "checkpoint log",
];

#[test]
fn every_change_is_a_record_with_its_reason_and_its_time() {
    let place = Place::new();
    let at = UnixMillis::new(1_793_613_600_000);
    for line in CHANGES {
        let made = place.object(&format!("{line} --at 2026-11-02T10:00:00Z"));
        assert_eq!(made["dry_run"], false, "{line}");
        let sequence = made["sequence"].as_u64().unwrap();
        let shown = place.typed(&format!(
            "show log --kind all --json --from-sequence {sequence} --to-sequence {sequence}"
        ));
        let record: Value = serde_json::from_str(&shown.out).unwrap();
        assert_eq!(record["time_unix_ms"], at.get(), "{line}");
        if let Some((_, reason)) = line.split_once("--reason ") {
            assert_eq!((&record["reason"], &record["kind"]), (&reason.into(), &"budget".into()));
            // What was said is what a reader of the log finds.
            let said = made["accounts"].as_array().unwrap();
            for account in said {
                let tenant = account["tenant"].as_str().unwrap();
                assert_eq!(account["after"], place.account(tenant), "{line}");
            }
            assert_eq!(said[0]["tenant"], made["tenant"], "{line}");
        }
        place.check();
    }
    let acme = place.account("acme");
    assert_eq!(acme["granted_microunits"], 2_000_000 + 1_500_250_000 - 1);
    let lab = place.account("lab");
    assert_eq!(
        (&lab["frozen"], &lab["rules"]["soft_limit_microunits"]),
        (&false.into(), &250_000.into())
    );
    assert_eq!(place.account("web")["parent"], "acme");
}

/// A refund reaches the tenants above, and is told of each.
#[test]
fn a_change_is_told_of_every_account_that_it_reaches() {
    let place = Place::new();
    let spent = |tenant: &str| place.account(tenant)["committed_microunits"].as_u64().unwrap();
    let before = [spent("search"), spent("acme")];
    let made = place.object("tenant refund log search 0.0001 --reason credit-note");
    let names: Vec<_> =
        made["accounts"].as_array().unwrap().iter().map(|each| &each["tenant"]).collect();
    assert_eq!(names, ["search", "acme"]);
    assert_eq!([spent("search"), spent("acme")], before.map(|before| before - 100));
}

#[test]
fn a_dry_run_says_what_would_be_done_and_changes_no_byte() {
    let place = Place::new();
    for line in CHANGES {
        // Not even a lock file comes of it.
        let _ = std::fs::remove_file(place.log().join("LOCK"));
        let before = place.bytes();
        let words = place.typed(&format!("{line} --dry-run"));
        assert_eq!(words.code, 0, "{line}: {}", words.err);
        assert!(
            words.out.contains("would be") && words.out.contains("nothing was changed"),
            "{}",
            words.out
        );
        let would = place.object(&format!("{line} --dry-run"));
        assert_eq!((&would["dry_run"], &would["sequence"]), (&true.into(), &Value::Null));
        assert_eq!(place.bytes(), before, "{line}");
        let made = place.object(line);
        assert_eq!(made["accounts"], would["accounts"], "{line}");
        assert_ne!(place.bytes(), before, "{line}");
    }
    for line in ["retain log --before 2100-01-01", "retain log --before 2100-01-01 --archive old"] {
        let before = place.bytes();
        let ran = place.typed(&format!("{line} --dry-run"));
        assert!(ran.code == 0 && ran.out.contains("1 segment would be"), "{} {}", ran.out, ran.err);
        assert_eq!(place.bytes(), before);
    }
    // The same beside a writer, which keeps the lock.
    let engine = Engine::open(place.log(), &EngineOptions::default()).unwrap();
    assert_eq!(place.typed("tenant freeze log acme --reason x --dry-run").code, 0);
    drop(engine);
}

#[test]
fn a_refused_change_leaves_every_byte_as_it_was() {
    let place = Place::new();
    let long = "r".repeat(257);
    let before = place.bytes();
    for (line, words) in [
        (
            "tenant top-up log acme 9,223,372,036,854.775807 --reason x".to_owned(),
            "may be 9,223,372,036,854.775807 at most",
        ),
        (
            "tenant top-up log acme 9,223,372,036,854.775808 --reason x".to_owned(),
            "allowed is an amount",
        ),
        (
            "tenant reduce log lab 0.006001 --reason x".to_owned(),
            "0.006000 is available and not owed",
        ),
        ("tenant refund log lab 0.000001 --reason x".to_owned(), "`lab` has spent 0.000000"),
        ("tenant open log lab 1 --reason x".to_owned(), "it is open already, opened with 0.005000"),
        (
            "tenant open log lab 0.005 --parent acme --reason x".to_owned(),
            "it is open already, at another place",
        ),
        (
            "tenant open log web 1 --parent nobody --reason x".to_owned(),
            "no tenant `nobody` in this log",
        ),
        (
            format!("tenant open log {} 1 --reason x", "t".repeat(129)),
            "a name has 1 to 128 bytes, and this one 129",
        ),
        ("tenant freeze log seerch --reason x".to_owned(), "is `search` meant?"),
        ("tenant freeze log Lab --reason x".to_owned(), "is `lab` meant?"),
        (
            "tenant rules log nobody --soft-limit none --reason x".to_owned(),
            "tenant list log` lists the tenants",
        ),
        ("tenant freeze log acme --reason".to_owned(), "a value is required"),
        ("tenant freeze log acme".to_owned(), "--reason <TEXT>"),
        (
            format!("tenant freeze log acme --reason {long}"),
            "it has 257 bytes and may have at most 256",
        ),
        ("tenant freeze log acme --reason x --at yesterday".to_owned(), "--at: found `yesterday`"),
        ("tenant rules log acme --reason x".to_owned(), "required"),
        ("tenant rules log acme --overrun maybe --reason x".to_owned(), "draw-then-debt"),
        ("retain log --before 2100-01-01".to_owned(), "has no checkpoint to be kept from"),
    ] {
        for more in ["", " --json", " --dry-run"] {
            let ran = place.typed(&format!("{line}{more}"));
            assert_eq!(ran.code, 2, "{line}{more}: {}", ran.out);
            assert!(ran.err.contains(words), "{line}{more}: {}", ran.err);
            assert_eq!(place.bytes(), before, "{line}");
        }
    }
    let empty = run(program()
        .current_dir(place.path())
        .args(["tenant", "freeze", "log", "acme", "--reason", ""]));
    assert!(empty.code == 2 && empty.err.contains("--reason: it is empty"), "{}", empty.err);
    let lines = run(program()
        .current_dir(place.path())
        .args(["tenant", "freeze", "log", "acme", "--reason", "a\nb"]));
    assert!(lines.code == 2 && lines.err.contains("control character U+000A"), "{}", lines.err);
    assert_eq!(place.bytes(), before);
}

/// A tenant that pays for tickets of its own gets no tenant below it before they are settled.
#[test]
fn a_parent_with_open_tickets_is_told_to_be_so() {
    let place = Place::new();
    let engine = Engine::open(place.log(), &EngineOptions::default()).unwrap();
    engine.unfreeze("lab", UnixMillis::new(1)).unwrap();
    let request = Request::new(1, 4, 1_000, 200)
        .with_business_value_microunits(60_000)
        .with_budget_limit(Microunits::new(5_000))
        .with_confidence(BasisPoints::percent(90));
    let call = Call::new("lab", UnixMillis::new(1), request);
    let ticket = engine.decide(&call).unwrap().ticket.unwrap();
    let reserved = Microunits::new(ticket.reserved().get());
    engine.close().unwrap();
    let before = place.bytes();
    let line = "tenant open log lab/web 0 --parent lab --reason own-key";
    let refused = place.typed(line);
    assert_eq!(refused.code, 2, "{}", refused.out);
    let told = format!("`lab` has {reserved}");
    let ends = "reserved by tickets of its own, and can have its first tenant below it once they are settled";
    assert!(refused.err.contains(&told) && refused.err.contains(ends), "{}", refused.err);
    assert_eq!(place.bytes(), before);
    let engine = Engine::open(place.log(), &EngineOptions::default()).unwrap();
    engine.abandon(ticket, UnixMillis::new(2)).unwrap();
    engine.close().unwrap();
    assert_eq!(place.typed(line).code, 0);
    place.check();
}

#[test]
fn a_change_that_is_made_already_has_nothing_to_do() {
    let place = Place::new();
    for line in [
        "tenant open log lab 0.005 --reason again",
        "tenant open log search 0.2 --parent acme --reason again",
        "tenant freeze log lab --reason again",
        "tenant unfreeze log acme --reason again",
        "tenant rules log acme --exposure-cap none --overrun reject --reason again",
    ] {
        let before = place.bytes();
        let ran = place.typed(line);
        assert!(
            ran.code == 0 && ran.out.contains("nothing to do") && ran.out.contains("already"),
            "{line}: {} {}",
            ran.out,
            ran.err
        );
        assert_eq!(place.object(line)["sequence"], Value::Null);
        assert_eq!(place.bytes(), before, "{line}");
    }
}

#[test]
fn amounts_reach_to_the_limit_and_not_beyond() {
    let place = Place::new();
    let granted = || place.account("acme")["granted_microunits"].as_u64().unwrap();
    // 2 of at most 9,223,372,036,854.775807 are granted.
    for (amount, code) in
        [("9223372036852.775808", 2), ("9,223,372,036,852.775807", 0), ("0.000001", 2)]
    {
        assert_eq!(
            place.typed(&format!("tenant top-up log acme {amount} --reason x")).code,
            code,
            "{amount}"
        );
    }
    assert_eq!(granted(), MAX_AMOUNT.get());
    place.check();
    let all = place.account("acme")["available_microunits"].as_u64().unwrap();
    let all = Microunits::new(all).to_string();
    assert_eq!(place.typed(&format!("tenant reduce log acme {all} --reason x")).code, 0);
    assert_eq!(place.typed("tenant reduce log acme 0.000001 --reason x").code, 2);
    assert_eq!(place.account("acme")["available_microunits"], 0);
    assert_eq!(place.typed(&format!("tenant open log big {MAX_AMOUNT} --reason x")).code, 0);
    assert_eq!(place.typed("tenant open log none 0 --reason x").code, 0);
    place.check();
}

#[test]
fn a_log_that_an_engine_has_open_is_not_changed() {
    let place = Place::new();
    assert_eq!(place.typed("checkpoint log").code, 0);
    assert_eq!(place.typed("tenant freeze log acme --reason x").code, 0);
    let engine = Engine::open(place.log(), &EngineOptions::default()).unwrap();
    let before = place.bytes();
    for line in [
        "tenant top-up log acme 1 --reason x",
        "tenant unfreeze log acme --reason x",
        "checkpoint log",
        "retain log --before 2100-01-01",
    ] {
        let ran = place.typed(line);
        assert_eq!(ran.code, 2, "{line}: {}", ran.out);
        assert!(ran.err.contains("wait until the other process"), "{line}: {}", ran.err);
        assert_eq!(place.bytes(), before, "{line}");
    }
    // What only reads goes on.
    for line in ["tenant list log", "ticket list log"] {
        assert_eq!(place.typed(line).code, 0, "{line}");
    }
    drop(engine);
    assert_eq!(place.typed("tenant top-up log acme 1 --reason x").code, 0);
}

#[test]
fn of_operators_at_the_same_time_each_is_done_once_or_refused() {
    let place = Place::new();
    let before = place.account("acme")["granted_microunits"].as_u64().unwrap();
    let running: Vec<_> = (0..8)
        .map(|number| {
            let mut command = program();
            let line = format!("tenant top-up log acme 1 --reason operator-{number}");
            command.current_dir(place.path()).args(line.split_whitespace());
            command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
            command.spawn().unwrap()
        })
        .collect();
    let codes: Vec<_> =
        running.into_iter().map(|mut each| each.wait().unwrap().code().unwrap()).collect();
    assert!(codes.iter().all(|code| [0, 2].contains(code)), "{codes:?}");
    let done = codes.iter().filter(|code| **code == 0).count();
    assert!(done > 0);
    let shown = place.typed("show log --kind budget --json --tail 0").out;
    assert_eq!(shown.matches("\"reason\":\"operator-").count(), done);
    let after = place.account("acme")["granted_microunits"].as_u64().unwrap();
    assert_eq!(after, before + 1_000_000 * u64::try_from(done).unwrap());
    place.check();
}

/// A crash at any byte of the record: the change is there or it is not, and the same command makes it or has nothing to do.
#[test]
fn a_change_cut_at_any_byte_is_made_again_once() {
    let place = Place::new();
    let file = segment(&place.log());
    let before = std::fs::read(&file).unwrap();
    assert_eq!(place.typed("tenant freeze log search --reason leaked").code, 0);
    let after = std::fs::read(&file).unwrap();
    assert_eq!(after[..before.len()], before);
    let (mut redone, mut kept) = (0, 0);
    for length in before.len()..=after.len() {
        let cut = Place(tempfile::tempdir().unwrap());
        std::fs::create_dir(cut.log()).unwrap();
        std::fs::write(segment(&cut.log()), &after[..length]).unwrap();
        let ran = cut.typed("tenant freeze log search --reason leaked");
        assert_eq!(ran.code, 0, "{length}: {}", ran.err);
        assert_eq!(cut.account("search")["frozen"], true);
        if ran.out.contains("nothing to do") {
            kept += 1;
        } else {
            redone += 1;
            assert_eq!(ran.out.contains("  aside "), length > before.len(), "{}", ran.out);
        }
        let shown = cut.typed("show log --kind budget --tail 0").out;
        assert_eq!(shown.matches("frozen: leaked").count(), 1, "{shown}");
        cut.check();
    }
    assert!(redone > 20 && kept > 1, "{redone} {kept}");
}

/// On a disk that is full, a change is made, or begun and told so, or nothing was done; it is never half done.
#[cfg(unix)]
#[test]
fn on_a_full_disk_a_change_is_done_or_not_and_the_exit_code_says_which() {
    let mut codes = BTreeSet::new();
    let change = format!("tenant top-up log acme 1 --reason {}", "r".repeat(250));
    for letters in (1..256).step_by(32) {
        let place = Place::new();
        // So the end of the log is at another byte of a block each time.
        let moving = format!("tenant top-up log lab 1 --reason {}", "m".repeat(letters));
        for _ in 0..2 {
            assert_eq!(place.typed(&moving).code, 0);
        }
        let accounts = || place.account("acme");
        let before = accounts();
        let length = std::fs::metadata(segment(&place.log())).unwrap().len();
        for blocks in length / 512..length / 512 + 3 {
            let mut shell = std::process::Command::new("sh");
            shell.arg("-c").arg(format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"")).arg("sh");
            shell.arg(program().get_program()).args(change.split_whitespace());
            let ran = run(shell.current_dir(place.path()));
            codes.insert(ran.code);
            match ran.code {
                0 => break,
                2 => assert_eq!(accounts(), before, "{}", ran.err),
                // Closing failed, or the record was cut: the last record says which.
                3 => {
                    assert!(ran.err.contains("show log --kind all --tail 1"), "{}", ran.err);
                    let last = place.typed("show log --kind all --tail 1").out;
                    assert_eq!(last.contains("acme"), accounts() != before, "{last}");
                    break;
                }
                code => panic!("{code}: {}", ran.err),
            }
        }
        place.check();
        assert_eq!(place.typed(&change).code, 0);
        place.check();
    }
    assert!(codes.contains(&3), "{codes:?}");
}

#[test]
fn tickets_are_listed_by_age() {
    let place = Place::new();
    let listed = place.object("ticket list log --at 2026-11-02T10:00:00Z");
    let [ticket] = listed["tickets"].as_array().unwrap().as_slice() else { panic!("{listed}") };
    assert_eq!(ticket["decision_sequence"], OPEN);
    let age = 3_600_000 - 1_250 * (OPEN - 1);
    assert_eq!(ticket["age_ms"], age);
    assert_eq!(listed["reserved_microunits"], ticket["reserved_microunits"]);
    // Younger than the time that was asked for.
    let early = place.object("ticket list log --at 2026-11-01");
    assert_eq!(early["tickets"][0]["age_ms"], 0);
    assert_eq!(place.typed("ticket list log --at never").code, 2);
    // Its decision was dropped: it is listed all the same.
    assert_eq!(place.typed("checkpoint log").code, 0);
    assert_eq!(place.typed("retain log --before 2100-01-01").code, 0);
    let dropped = place.object("ticket list log");
    assert_eq!(dropped["tickets"][0]["decision_sequence"], OPEN);
    assert_eq!(dropped["tickets"][0]["age_ms"], Value::Null);
    assert_eq!(place.typed("ticket list log").code, 0);
}

#[test]
fn a_log_is_kept_from_the_newest_checkpoint_that_is_not_later() {
    let place = Place::new();
    let mut sequences = vec![];
    for day in ["03", "04", "05"] {
        let at = format!("--at 2026-11-{day}T00:00:00Z");
        assert_eq!(
            place.typed(&format!("tenant top-up log acme 1 --reason day-{day} {at}")).code,
            0
        );
        sequences.push(place.object(&format!("checkpoint log {at}"))["sequence"].as_u64().unwrap());
    }
    let whole = place.object("tenant list log")["tenants"].clone();
    for (before, kept) in [
        ("2026-11-03", Some(0)),
        ("2026-11-02T23:59:59.999Z", None),
        ("2026-11-04T23:59:59.999Z", Some(1)),
        ("2026-11-04T00:00:00Z", Some(1)),
    ] {
        let copy = Place(tempfile::tempdir().unwrap());
        let copied = copy.log();
        std::fs::create_dir(&copied).unwrap();
        for entry in place.log().read_dir().unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, copied.join(path.file_name().unwrap())).unwrap();
        }
        let ran = copy.typed(&format!("retain log --before {before} --archive old --json"));
        let Some(kept) = kept else {
            assert!(
                ran.code == 2 && ran.err.contains("the first is from 2026-11-03"),
                "{}",
                ran.err
            );
            continue;
        };
        assert_eq!(ran.code, 0, "{}", ran.err);
        let said: Value = serde_json::from_str(&ran.out).unwrap();
        let first = sequences[kept];
        assert_eq!(said["checkpoint"]["sequence"], first);
        assert_eq!(
            (&said["first_dropped_sequence"], &said["last_dropped_sequence"]),
            (&1.into(), &(first - 1).into())
        );
        assert_eq!(said["segments"], kept + 1);
        assert_eq!(Reader::segments(&copied).unwrap()[0], first);
        assert_eq!(copy.object("tenant list log")["tenants"], whole);
        copy.check();
        // The archive is a log of its own, up to there.
        let archived = copy.object("verify old");
        assert_eq!(archived["records"], first - 1);
        let again = copy.typed(&format!("retain log --before {before}"));
        assert!(
            again.code == 0 && again.out.contains("nothing to do"),
            "{} {}",
            again.out,
            again.err
        );
    }
    // An archive that holds another log is refused, and nothing is dropped.
    let other = Place::new();
    assert_eq!(other.typed("checkpoint log").code, 0);
    let before = place.bytes();
    let archive = other.log();
    let mut command = program();
    command.current_dir(place.path()).args([
        "retain",
        "log",
        "--before",
        "2100-01-01",
        "--archive",
    ]);
    let refused = run(command.arg(&archive));
    assert_eq!(refused.code, 2, "{}", refused.err);
    let segments = |bytes: BTreeMap<PathBuf, Vec<u8>>| -> Vec<_> {
        bytes
            .into_iter()
            .filter(|(path, _)| path.extension().is_some_and(|kind| kind == "cwal"))
            .collect()
    };
    assert_eq!(segments(place.bytes()), segments(before));
}

/// The program remembers as many request keys as any engine may, so its checkpoint forgets none of an engine's.
#[test]
fn a_checkpoint_by_hand_forgets_no_request_key() {
    let place = Place::new();
    assert_eq!(place.typed("tenant unfreeze log lab --reason x").code, 0);
    let options = EngineOptions::default().request_keys(6_000).checkpoint_every_records(0);
    let request = Request::new(1, 3, 1, 1);
    let decide = |engine: &Engine, number: u32| {
        let key = format!("key-{number}");
        let call =
            Call::new("lab", UnixMillis::new(1_793_610_100_000), request).with_request_key(&key);
        engine.decide(&call).unwrap()
    };
    let engine = Engine::open(place.log(), &options).unwrap();
    for number in 0..5_000 {
        assert!(!decide(&engine, number).repeated);
    }
    engine.close().unwrap();
    for line in [
        "checkpoint log",
        "retain log --before 2100-01-01",
        "tenant top-up log lab 1 --reason x",
        "checkpoint log",
    ] {
        assert_eq!(place.typed(line).code, 0, "{line}");
    }
    let engine = Engine::open(place.log(), &options).unwrap();
    assert!(decide(&engine, 0).repeated && decide(&engine, 4_999).repeated);
}

#[test]
fn a_change_writes_nothing_but_its_record() {
    let place = Place::new();
    let records = || Ledger::read(place.log(), None).unwrap().records;
    for line in &CHANGES[..7] {
        let before = records();
        assert_eq!(place.typed(line).code, 0, "{line}");
        assert_eq!(records(), before + 1, "{line}");
    }
    // A checkpoint, and the snapshot behind it.
    let before = records();
    assert_eq!(place.typed(CHANGES[7]).code, 0);
    assert_eq!(records(), before + 2);
}
