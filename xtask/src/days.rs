//! `cargo xtask days`: the tests of `cargo xtask test` again, under other dates, time zones and locales.
//!
//! libfaketime is preloaded into the tests and into the programs that they start. It moves the date and leaves the
//! monotonic clock alone, so that waiting takes as long as ever. Cargo itself runs under the true date: only its runner,
//! the command that starts each test, sets the date.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use crate::shell::{Outcome, cargo_program, left_out_unless_linux, root, run_in, start};

/// When and where the tests run.
struct Day {
    name: &'static str,
    /// Seconds since 1970 at which it begins, UTC.
    begins_unix_s: u64,
    /// As POSIX writes a zone, which needs no database of zones; a zone east of UTC has a minus there.
    zone: &'static str,
    /// What `date +%z` says in that zone.
    offset: &'static str,
    /// Programs that read the variable see it. The C library takes `C` for it where it is not installed.
    locale: &'static str,
    /// Packages whose tests are left out.
    except: &'static [&'static str],
}

/// These three take most of the time of all tests. They read no clock: `clippy.toml` allows nobody to. So one other day is
/// enough for them.
const WITHOUT_CLOCK: &[&str] = &["calybris-kernel", "calybris-wal", "calybris-budget"];

const DAYS: [Day; 3] = [
    Day {
        name: "a year's end, 2027-12-31 23:59:50 UTC, as seen from Kiritimati",
        begins_unix_s: 1_830_297_590,
        zone: "<+14>-14",
        offset: "+1400",
        locale: "de_DE.UTF-8",
        except: WITHOUT_CLOCK,
    },
    Day {
        name: "a leap day, 2028-02-29 12:00:00 UTC, as seen from Newfoundland",
        begins_unix_s: 1_835_438_400,
        zone: "NST3:30NDT,M3.2.0,M11.1.0",
        offset: "-0330",
        locale: "C",
        except: WITHOUT_CLOCK,
    },
    Day {
        name: "when seconds no longer fit 31 bits, 2039-01-01 00:00:00 UTC, as seen from Pago Pago",
        begins_unix_s: 2_177_452_800,
        zone: "<-11>11",
        offset: "-1100",
        locale: "tr_TR.UTF-8",
        except: &[],
    },
];

/// The tests that `cargo xtask test` has built a moment ago. Another choice of packages would build them anew, because it
/// is another choice of features; so it is the runner that leaves packages out.
const TESTS: &str = "test --quiet --workspace --all-features --tests";

/// What cargo starts each test with: `sh -c` with this, then the test and its arguments.
const RUNNER: &str = r#"
    for package in $LEFT_OUT; do [ "$package" = "$CARGO_PKG_NAME" ] && exit; done
    LD_PRELOAD=$LIBFAKETIME exec "$@""#;

pub(crate) fn run() -> Outcome {
    if left_out_unless_linux("days", "libfaketime, preloaded") {
        return Ok(());
    }
    let Some(library) = library()? else { return Ok(()) };
    let runner = toml::Value::from(vec!["sh", "-c", RUNNER, "sh"]);
    let runner = format!("target.'cfg(unix)'.runner = {runner}");
    for day in DAYS {
        println!("-- {}, {}", day.name, day.locale);
        day.check(&library)?;
        let mut command = Command::new(cargo_program());
        command.args(TESTS.split(' ')).args(["--config", &runner]).current_dir(root());
        command.envs(day.environment()?).env("LIBFAKETIME", &library);
        command.env("LEFT_OUT", day.except.join(" "));
        let on_that_day = |error| format!("{}: {error}", day.name);
        start(&mut command, &format!("cargo {TESTS}")).map_err(on_that_day)?;
    }
    Ok(())
}

impl Day {
    /// What a process with libfaketime needs to live on this day; without it only zone and locale are others. The date is
    /// moved by a number of seconds, the same for every process, so a test and the programs that it starts agree on it.
    fn environment(&self) -> Result<[(&'static str, String); 4], String> {
        let ahead_s = self.begins_unix_s.checked_sub(unix_s()?);
        let ahead_s = ahead_s.ok_or_else(|| format!("{}: is over, choose another", self.name))?;
        Ok([
            ("FAKETIME", format!("+{ahead_s}")),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("TZ", self.zone.to_owned()),
            ("LC_ALL", self.locale.to_owned()),
        ])
    }

    /// Fails unless a program with the library believes that it is this day: were the library not loaded, every test would
    /// pass for nothing.
    fn check(&self, library: &Path) -> Outcome {
        let mut date = Command::new("date");
        date.arg("+%s %z").envs(self.environment()?).env("LD_PRELOAD", library);
        let output = date.output().map_err(|error| format!("cannot start `date`: {error}"))?;
        let said = String::from_utf8_lossy(&output.stdout);
        let (unix_s, offset) = said.trim().split_once(' ').unwrap_or_default();
        let past_s =
            unix_s.parse().ok().and_then(|unix_s: u64| unix_s.checked_sub(self.begins_unix_s));
        if past_s.is_some_and(|past_s| past_s < 60) && offset == self.offset {
            return Ok(());
        }
        Err(format!("{}: `date +'%s %z'` says `{}` under libfaketime", self.name, said.trim()))
    }
}

#[expect(clippy::disallowed_methods, reason = "how far away a day is depends on today")]
fn unix_s() -> Result<u64, String> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map(|since| since.as_secs()).map_err(|error| format!("the system's clock: {error}"))
}

/// libfaketime, brought here if it is not installed; `None` where it cannot be had, which is said, and which is a failure
/// only in continuous integration (`CI` is set).
fn library() -> Result<Option<PathBuf>, String> {
    let brought = root().join("target/tools/libfaketime");
    if let Some(library) = find(&brought).or_else(|| find(Path::new("/"))) {
        return Ok(Some(library));
    }
    match bring(&brought).map(|()| find(&brought)) {
        Ok(Some(library)) => Ok(Some(library)),
        failed => {
            let why = failed.err().unwrap_or_else(|| "the package has no library".to_owned());
            let line = format!(
                "no libfaketime ({why}): `apt-get update && apt-get install libfaketime` brings it"
            );
            if std::env::var_os("CI").is_some() {
                return Err(line);
            }
            println!("left out: {line}");
            Ok(None)
        }
    }
}

/// Unpacks the distribution's package into a directory. Nothing is installed.
fn bring(directory: &Path) -> Outcome {
    std::fs::create_dir_all(directory)
        .map_err(|error| format!("{}: {error}", directory.display()))?;
    let download = || run_in(directory, "apt-get", &["--quiet", "download", "libfaketime"]);
    // A new system has no lists of packages yet.
    download().or_else(|_| {
        run_in(directory, "apt-get", &["--quiet", "update"])?;
        download()
    })?;
    run_in(directory, "sh", &["-c", "dpkg -x libfaketime_*.deb ."])
}

/// The library below a root of a Debian system, whatever the machine is called there.
fn find(system: &Path) -> Option<PathBuf> {
    let machines = std::fs::read_dir(system.join("usr/lib")).ok()?;
    let library = |machine: std::fs::DirEntry| machine.path().join("faketime/libfaketime.so.1");
    machines.flatten().map(library).find(|library| library.is_file())
}
