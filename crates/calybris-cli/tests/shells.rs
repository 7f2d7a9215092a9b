//! What is generated from the commands themselves: completions and the manual.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

mod program;

use program::*;

/// Every command, read from the program's own help.
fn commands() -> Vec<String> {
    let help = run(program().arg("-h")).out;
    let (_, list) = help.split_once("Commands:\n").unwrap();
    let (list, _) = list.split_once("\nOptions:").unwrap();
    let named = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = named.map(|line| line.split_whitespace().next().unwrap().to_owned());
    names.filter(|name| name != "help").collect()
}

#[test]
fn completions_know_every_command() {
    assert!(commands().len() >= 16, "{:?}", commands());
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = run(program().arg("completions").arg(shell));
        assert_eq!(ran.code, 0, "{}", ran.err);
        for command in commands() {
            assert!(ran.out.contains(&command), "{shell} does not know {command}");
        }
    }
    assert_eq!(run(program().args(["completions", "tcsh"])).code, 2);
}

#[test]
fn the_manual_has_a_page_for_every_command() {
    let dir = tempfile::tempdir().unwrap();
    let pages = dir.path().join("man1");
    for _ in 0..2 {
        let ran = run(program().arg("man").arg("--output").arg(&pages));
        assert_eq!(ran.code, 0, "{}", ran.err);
    }
    for command in commands() {
        let page = std::fs::read_to_string(pages.join(format!("calybris-{command}.1"))).unwrap();
        assert!(page.contains(".SH SYNOPSIS"), "{command}");
    }
    assert!(pages.join("calybris-catalog-diff.1").is_file());
    assert!(pages.join("calybris-tenant-top-up.1").is_file());
    assert!(run(program().arg("man")).out.contains(".TH calybris 1"));
}

#[test]
fn every_command_has_help_with_its_exit_codes_or_examples() {
    for command in commands() {
        let ran = run(program().arg(&command).arg("--help"));
        assert_eq!(ran.code, 0, "{command}");
        let group = ["catalog", "tenant", "ticket"].contains(&command.as_str());
        let helps = ran.out.contains("Example") || ran.out.contains("Exit codes") || group;
        assert!(helps, "{command}: {}", ran.out);
        assert!(ran.out.contains("--version"), "{command}");
    }
}
