//! How files are read: every row is decided, or the file is refused with its place before the first is.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

mod program;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use program::*;
use serde_json::Value;

/// A directory for the files of a test and the log that is made from them.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn log(&self) -> PathBuf {
        self.0.path().join("log")
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let file = self.0.path().join(name);
        std::fs::write(&file, content).unwrap();
        file
    }

    /// Routes a requests file with this content.
    fn route(&self, content: impl AsRef<[u8]>, more: &[&str]) -> Ran {
        let file = self.write("requests", content);
        let _ = std::fs::remove_dir_all(self.log());
        run(route(&input("catalog.toml"), &file, &self.log()).arg("--json").args(more))
    }

    /// What `route` says of an accepted file.
    fn accepted(&self, content: impl AsRef<[u8]>, more: &[&str]) -> Value {
        let ran = self.route(content, more);
        assert_eq!(ran.code, 0, "{}", ran.err);
        serde_json::from_str(&ran.out).unwrap()
    }

    /// The message about a refused file, after which there is no log.
    fn refused(&self, content: impl AsRef<[u8]>, more: &[&str]) -> String {
        let ran = self.route(content, more);
        assert_eq!(ran.code, 2, "{}", ran.out);
        assert!(!self.log().exists(), "something was decided");
        let name = format!("calybris: {}", self.0.path().join("requests").display());
        ran.err.strip_prefix(&name).unwrap_or(&ran.err).to_owned()
    }

    /// The times of the decisions.
    fn times(&self) -> Vec<String> {
        let ran = run(program().arg("show").arg(self.log()).args(["--json", "--tail", "0"]));
        let lines = ran.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter_map(|line| Some(line["time"].as_str()?.to_owned())).collect()
    }
}

#[test]
fn a_fault_in_the_last_row_is_found_before_the_first_is_decided() {
    let place = Place::new();
    let header = "tenant,input_tokens,output_tokens,correlation_id\n";
    let good = "chat,10,10,a\n".repeat(500);
    for (last, at) in [
        ("chat,10,10, \"a\"\n", ":502:13: "),
        ("chat,10,10,\"a\"b\n", ":502:15: "),
        ("chat,10,10,\"a\n", ":502:12: "),
        ("chat,10,10,a\"b\n", ":502:13: "),
        ("chat,10,10,a \n", ":502:12: "),
        ("chat,10,10\n", ":502: "),
        ("chat,10,10,a,b\n", ":502:14: "),
        ("chat,1\r0,10,a\n", ":502:7: "),
        ("chat,10,10,a\0\n", ":502:13: "),
        ("chat,10,+10,a\n", ":502:9: "),
        ("chat,010,10,a\n", ":502:6: "),
        ("chat ,10,10,a\n", ":502:1: "),
        ("Chat,10,10,a\n", ":502:1: "),
    ] {
        let text = place.refused(format!("{header}{good}{last}"), &[]);
        assert!(text.starts_with(at), "{last:?}: {text}");
    }
    let rows = place.accepted(format!("{header}{good}chat,10,10,\"a, \"\"b\"\"\""), &[]);
    assert_eq!(rows["routed"]["decisions"], 501);
}

#[test]
fn names_match_in_any_case_and_by_the_users_words() {
    let place = Place::new();
    let ours = "Tenant,INPUT_TOKENS,Output_Tokens,Requested_Model\nchat,10,20,small\n";
    assert_eq!(place.accepted(ours, &[])["ignored_columns"], serde_json::json!([]));
    let theirs = "who,prompt,completion,model,note\nchat,10,20,small,\"x\ny\"\n";
    let text = place.refused(theirs, &[]);
    assert!(
        text.starts_with(":1:1: unknown columns `who`, `prompt`, `completion`, `model`, `note`;"),
        "{text}"
    );
    let typed = "prompt=input_tokens,completion=output_tokens,model=requested_model";
    assert!(text.contains(&format!("type `--columns {typed}`")), "{text}");
    let columns = "who=tenant,prompt=input_tokens,Completion=output_tokens,model=requested_model";
    let text = place.refused(theirs, &["--columns", columns]);
    assert!(text.starts_with(":1:29: unknown column `note`;"), "{text}");
    let routed = place.accepted(theirs, &["--columns", columns, "--ignore-unknown"]);
    assert_eq!(routed["ignored_columns"], serde_json::json!(["note"]));
    let lines = "{\"who\": \"chat\", \"prompt\": 10, \"completion\": 20, \"model\": \"small\", \"note\": {}}\n";
    let routed = place.accepted(lines, &["--columns", columns, "--ignore-unknown"]);
    assert_eq!(routed["ignored_columns"], serde_json::json!(["note"]));
    for content in [theirs, lines] {
        let more = ["--columns", columns, "--columns", "gone=time", "--ignore-unknown"];
        let text = place.refused(content, &more);
        assert!(text.contains("--columns names `gone`"), "{text}");
    }
    let ran = place.route(theirs, &["--columns", "model=modell"]);
    assert!(ran.code == 2 && ran.err.contains("`modell` is no field"), "{}", ran.err);
    let text = place.refused(
        "tenant,who,input_tokens,output_tokens\nchat,chat,1,1\n",
        &["--columns", "who=tenant"],
    );
    assert!(text.starts_with(":1:8: column `tenant` (here `who`) appears twice"), "{text}");
}

#[test]
fn public_traces_are_read_or_asked_when_they_began() {
    let place = Place::new();
    let images =
        "TIMESTAMP,NumImages,ContextTokens,GeneratedTokens\n2026-11-02 09:00:00.25,3,20,5\n";
    assert_eq!(place.accepted(images, &[])["ignored_columns"], serde_json::json!(["NumImages"]));
    assert_eq!(place.times(), ["2026-11-02T09:00:00.250Z"]);

    let burst = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n\
        7,GPT-4,30,4,34,API log\n61.5,ChatGPT,5,6,11,Conversation log\n";
    let text = place.refused(burst, &[]);
    assert!(
        text.starts_with(":2:1: `time`: in a BurstGPT trace it is seconds")
            && text.contains("--start"),
        "{text}"
    );
    let routed = place.accepted(burst, &["--start", "2026-11-02T10:00[Europe/Berlin]"]);
    assert_eq!(routed["routed"]["decisions"], 2);
    assert_eq!(routed["routed"]["requested_unlisted_model"], 2);
    assert_eq!(place.times(), ["2026-11-02T09:00:07.000Z", "2026-11-02T09:01:01.500Z"]);

    let mooncake = "{\"timestamp\": 0, \"input_length\": 30, \"output_length\": 4, \"hash_ids\": [1, 2]}\n\
        {\"timestamp\": 2500, \"input_length\": 30, \"output_length\": 4, \"hash_ids\": [1]}\n";
    let text = place.refused(mooncake, &[]);
    assert!(text.starts_with(":1:15: `time`: in a Mooncake trace it is milliseconds"), "{text}");
    place.accepted(mooncake, &["--start", "1793610000"]);
    assert_eq!(place.times(), ["2026-11-02T09:00:00.000Z", "2026-11-02T09:00:02.500Z"]);

    // Who says what the name of a trace means has a file of their own.
    let own = "{\"input_length\": 30, \"output_tokens\": 4, \"time\": \"2026-11-02 09:00:03\"}\n";
    place.accepted(own, &["--columns", "input_length=input_tokens"]);
    assert_eq!(place.times(), ["2026-11-02T09:00:03.000Z"]);

    let text = place.refused(images, &["--start", "2026-11-02"]);
    assert!(text.contains("allowed is a number of seconds since --start"), "{text}");
    let text = place.refused("input_tokens,output_tokens\n1,1\n", &["--start", "2026-11-02"]);
    assert!(text.contains("`time`: missing"), "{text}");
}

#[test]
fn unix_times_and_zones_are_read_and_a_time_without_one_is_utc() {
    let place = Place::new();
    let times = [
        "1793610000",
        "1793610000500",
        "1793610000.75",
        "2026-11-02 09:00:01",
        "2026-11-02T10:00:02[Europe/Berlin]",
    ];
    let rows: String = times.iter().map(|time| format!("{time},1,1\n")).collect();
    place.accepted(format!("time,input_tokens,output_tokens\n{rows}"), &[]);
    let read = ["00.000", "00.500", "00.750", "01.000", "02.000"];
    assert_eq!(place.times(), read.map(|second| format!("2026-11-02T09:00:{second}Z")));
    let shown = |since: &str| {
        run(program().arg("show").arg(place.log()).args(["--json", "--since", since]))
            .out
            .lines()
            .count()
    };
    assert_eq!(shown("2026-11-02T10:00:01[Europe/Berlin]"), 2);
    assert_eq!(shown("1793610001"), 2);
    for bad in [
        "2026-10-25T02:30[Europe/Berlin]",
        "2026-11-02T09:00[Not/AZone]",
        "2026-11-02T09:00+02:00:00.5",
        "5",
    ] {
        let text = place.refused(format!("time,input_tokens,output_tokens\n{bad},1,1\n"), &[]);
        assert!(text.starts_with(&format!(":2:1: `time`: found `{bad}`, allowed is ")), "{text}");
        let ran = run(program().arg("show").arg(place.log()).args(["--until", bad]));
        assert!(
            ran.code == 2 && ran.err.contains(&format!("--until: found `{bad}`")),
            "{}",
            ran.err
        );
    }
}

#[test]
fn what_is_no_text_or_another_kind_of_file_is_named() {
    let place = Place::new();
    let csv = "input_tokens,output_tokens\n1,1\n";
    let wide: Vec<u8> =
        std::iter::once(0xfeff).chain(csv.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    for (content, part) in [
        (wide, "is text in UTF-16: save it as UTF-8"),
        (b"\x1f\x8b\x08\x00".to_vec(), "is compressed with gzip: unpack it first (`gunzip`)"),
        (b"PK\x03\x04".to_vec(), "is a ZIP archive"),
        (std::fs::read(input("policy.toml")).unwrap(), "looks like a policy file (TOML)"),
        (std::fs::read(input("catalog.toml")).unwrap(), "looks like a catalog (TOML)"),
        (b"[{\"input_tokens\": 1}]".to_vec(), "a JSON array; JSON lines"),
        (b"<html>\n".to_vec(), "looks like a web page"),
        (b"input_tokens,output_tokens\n1,\xff\n".to_vec(), ":2:3: the byte 0xff"),
    ] {
        let text = place.refused(content, &[]);
        assert!(text.contains(part), "{text}");
    }
    let checked = |file: &Path, policy: &Path| {
        run(program().args(["catalog", "check"]).arg(file).arg("--policy").arg(policy)).err
    };
    let requests = place.write("r.csv", csv);
    let (policy, catalog) = (input("policy.toml"), input("catalog.toml"));
    assert!(checked(&requests, &policy).contains("r.csv:1:1: looks like CSV; a catalog is"));
    assert!(checked(&policy, &policy).contains("looks like a policy file (TOML); a catalog is"));
    assert!(checked(&catalog, &catalog).contains("looks like a catalog (TOML); a policy file is"));
    assert!(checked(&catalog, &input("prices.json")).contains("looks like JSON; a policy file is"));
}

/// Runs a command with a file on its standard input.
fn fed(command: &mut std::process::Command, file: &Path) -> Ran {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that refuses before it reads does not take all of it.
    let _ = child.stdin.take().unwrap().write_all(&std::fs::read(file).unwrap());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

#[test]
fn a_dash_is_standard_input_for_one_file_of_a_command() {
    let place = Place::new();
    let dir = place.0.path();
    let key = dir.join("key");
    assert_eq!(run(program().arg("keygen").arg(&key)).code, 0);
    let files = ["--policy", "--catalog", "--requests", "--key-file"];
    let paths = [input("policy.toml"), input("catalog.toml"), input("trace.csv"), key.clone()];
    for (fed_option, fed_file) in files.iter().zip(&paths) {
        let log = dir.join(format!("log{fed_option}"));
        let mut command = program();
        command.arg("route").arg("--log").arg(&log);
        for (option, file) in files.iter().zip(&paths) {
            let dash = Path::new("-");
            command.arg(option).arg(if option == fed_option { dash } else { file });
        }
        let ran = fed(&mut command, fed_file);
        assert_eq!(ran.code, 0, "{fed_option}: {}", ran.err);
    }
    let log = dir.join("log--policy");
    assert_eq!(fed(program().arg("verify").arg(&log).args(["--key-file", "-"]), &key).code, 0);
    let head = run(program().arg("anchor").arg(&log).arg("--tree").arg("--key-file").arg(&key)).out;
    let head = place.write("head", head);
    let shown = run(program()
        .arg("show")
        .arg(&log)
        .args(["--json", "--tail", "1", "--key-file"])
        .arg(&key))
    .out;
    let shown: Value = serde_json::from_str(shown.trim()).unwrap();
    let sequence = shown["sequence"].to_string();
    let proof =
        run(program().arg("prove").arg(&log).arg(&sequence).arg("--key-file").arg(&key)).out;
    let proof = place.write("proof.json", proof);
    let check = |proof: &Path, head: &Path| {
        let mut command = program();
        command.arg("check").arg(proof).arg("--tree-head").arg(head).arg("--key-file").arg(&key);
        command
    };
    assert_eq!(fed(&mut check(Path::new("-"), &head), &proof).code, 0);
    assert_eq!(fed(&mut check(&proof, Path::new("-")), &head).code, 0);
    let twice = fed(&mut check(Path::new("-"), Path::new("-")), &head);
    assert_eq!(twice.code, 2);
    assert!(twice.err.contains("only one may be `-`"), "{}", twice.err);
}

#[test]
fn a_default_for_a_model_that_is_not_in_the_catalog_is_refused_before_anything() {
    let place = Place::new();
    let policy = std::fs::read_to_string(input("policy.toml")).unwrap();
    let policy = policy.replace("requested_model = \"large\"", "requested_model = \"lagre\"");
    let policy = place.write("policy.toml", policy);
    let mut command = program();
    command.arg("route").arg("--policy").arg(&policy).arg("--catalog").arg(input("catalog.toml"));
    let ran = run(command.arg("--requests").arg(input("trace.csv")).arg("--log").arg(place.log()));
    assert_eq!(ran.code, 2);
    let said = "policy.toml:14:1: `[request]`: `requested_model`: found `lagre`, the catalog has large, small\n";
    assert!(ran.err.ends_with(said), "{}", ran.err);
    assert!(!place.log().exists());
}

#[test]
fn a_price_that_is_most_likely_none_is_asked_about() {
    let place = Place::new();
    let prices = std::fs::read_to_string(input("prices.json")).unwrap();
    let prices = prices.replace("2.5e-06", "2.5").replace("6e-07", "6e-13");
    let prices = place.write("prices.json", prices);
    let checked = run(program().args(["catalog", "check", "--json"]).arg(&prices));
    let checked: Value = serde_json::from_str(&checked.out).unwrap();
    assert_eq!(checked["oddly_priced_models"], serde_json::json!(["large", "small"]));
    let checked = run(program().args(["catalog", "check"]).arg(&prices)).out;
    assert!(
        checked.contains("odd prices    2: large, small: a price is not 0.001 to 20,000"),
        "{checked}"
    );
    let ran = run(&mut route(&prices, &input("trace.csv"), &place.log()));
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(
        ran.out.contains(
            "2 enabled models have a price that is not 0.001 to 20,000 per million tokens"
        ),
        "{}",
        ran.out
    );
}

#[test]
fn what_stands_twice_is_refused_in_every_file() {
    let place = Place::new();
    let text =
        place.refused("{\"input_tokens\": 1, \"output_tokens\": 1, \"input_tokens\": 1}\n", &[]);
    assert!(text.starts_with(":1:41: `input_tokens` appears twice"), "{text}");
    let twice = |name: &str, from: &str, to: &str| {
        let file = std::fs::read_to_string(input(name)).unwrap().replacen(from, to, 1);
        let file = place.write(name, file);
        let pick = |wanted: &str| if wanted == name { file.clone() } else { input(wanted) };
        let catalog = pick(if name == "prices.json" { name } else { "catalog.toml" });
        let ran = run(program()
            .args(["catalog", "check"])
            .arg(catalog)
            .arg("--policy")
            .arg(pick("policy.toml")));
        assert!(ran.code == 2 && ran.err.contains("twice"), "{name}: {}", ran.err);
        ran.err.rsplit_once(name).unwrap().1.to_owned()
    };
    assert!(twice("policy.toml", "chat = 1_000_000", "chat = 1\nchat = 2").starts_with(":11:1: "));
    assert!(
        twice("catalog.toml", "provider = \"p\"", "provider = \"p\"\nprovider = \"q\"")
            .starts_with(":4:1: ")
    );
    assert!(
        twice("catalog.toml", "\"small\"", "\"large\"")
            .starts_with(":8:8: model `large` is listed twice, first at 2:8")
    );
    let skipped = "\"embed\": {\"mode\": \"embedding\", \"x\": [{\"y\": 1, \"y\": 2}]}, \"e\"";
    assert!(twice("prices.json", "\"embed\"", skipped).starts_with(":5:49: `y` appears twice"));
}
