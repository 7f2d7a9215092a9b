//! `calybris check`: does a proof of one decision hold, without the log?

use std::path::{Path, PathBuf};

use calybris_catalog::text::Looks;
use calybris_catalog::{InputError, json as strict};
use calybris_core::engine::{DecisionProof, RecordedDecision};
use calybris_core::wal::TreeHead;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::input::key::{KeyArgument, KeyFile};
use crate::input::pin::read_tree_head;
use crate::input::source::read;
use crate::log::outcome::Followed;
use crate::log::{header, json};
use crate::output::Page;
use crate::terminal::Paint;
use crate::terminal::program_name;

/// Check a proof of one decision against a tree head, offline.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  calybris check proof.json --tree-head tree-head.txt
  calybris check proof.json --tree-head cwal1-tree:0707...:540:9f2c...

The tree head must not come with the proof: it was published by the log's
keeper, or sent before the decision was in doubt. Without one there is nothing
to check against, so --tree-head is required.

Exit codes:
  0  proven
  1  not proven, and the message says why
  2  could not be checked: usage, no tree head, one of another size, a missing
     key, no proof, a proof of another version
  3  done, but the output could not be written to its end")]
pub(crate) struct Arguments {
    /// The proof, as `calybris prove` makes it
    proof: PathBuf,
    /// The tree head: the line that `calybris anchor --tree` prints, or a file with it
    #[arg(long, value_name = "HEAD")]
    tree_head: Option<PathBuf>,
    #[command(flatten)]
    key: KeyArgument,
    /// Print one JSON object
    #[arg(long, display_order = 903)]
    pub(crate) json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Page, Failure> {
    let file = arguments.proof.as_path();
    let keys = arguments.key.read_file()?;
    let head = arguments.tree_head.as_deref().map(read_tree_head).transpose()?;
    let text = read(file)?;
    let others = [
        Looks::Policy,
        Looks::Catalog,
        Looks::Toml,
        Looks::Csv,
        Looks::WebPage,
        Looks::Key,
        Looks::Anchor,
        Looks::TreeHead,
    ];
    Looks::refuse(
        file,
        &text,
        &others,
        &format!("a proof is the JSON that `{} prove` makes", program_name()),
    )?;
    let refuse = |fault: strict::Fault| {
        InputError::at(file, fault.place, fault.explained("not a proof of a decision"))
    };
    strict::parse(&text).map_err(refuse)?;
    // A proof of another version may have another form, so the version is read first.
    let form: Value =
        serde_json::from_str(&text).map_err(|error| refuse(strict::fault_of(&text, &error)))?;
    check_version(file, &form)?;
    let proof: DecisionProof =
        serde_json::from_str(&text).map_err(|error| refuse(strict::fault_of(&text, &error)))?;
    let Some(head) = head else {
        let what = format!(
            "a proof is checked against a tree head that does not come with it: name one with --tree-head\n  \
             the proof itself says that it is for {}",
            proof.head()
        );
        return Err(Failure::at(file, what));
    };
    check_keys(file, &form, keys.as_ref())?;
    let proven = proof.head();
    if proven.log_id == head.log_id && proven.size != head.size {
        let what = format!(
            "cannot be checked with this tree head: it is for a log of {} records, and the proof is for one of {}\n  \
             ask for `calybris prove DIR {} --tree-head {head}`",
            head.size,
            proven.size,
            proof.sequence()
        );
        return Err(Failure::at(file, what));
    }
    let checked = proof.check(&head, keys.as_ref().map(|keys| &keys.key));
    let recorded = checked.map_err(|error| Failure::of_proof(file, &error))?;
    let mut page = Page::default();
    if arguments.json {
        let RecordedDecision { sequence, hash, decided, snapshot, .. } = recorded;
        let followed = Followed::new(sequence, hash, decided, snapshot.names());
        let mut record = json::followed(&followed, snapshot.names())?;
        // A proof contains no later records.
        for later in ["outcome", "fallbacks", "extended_microunits"] {
            record.remove(later);
        }
        let object = json!({
            "proven": true,
            "tree_head": head.to_string(),
            "snapshot_digest": snapshot.digest().to_string(),
            "record": record,
        });
        page.line(format_args!("{object:#}"));
    } else {
        words(arguments, &recorded, &head, &mut page);
    }
    Ok(page)
}

/// Refuses a proof that cannot be checked with the given keys; that is not a verdict. The decision and its snapshot may be
/// on different sides of a key change.
fn check_keys(file: &Path, proof: &Value, keys: Option<&KeyFile>) -> Result<(), Failure> {
    let places = ["/decision/key_id", "/snapshot/key_id"];
    let mut needed = places.iter().filter_map(|place| proof.pointer(place)?.as_u64());
    let what = match (needed.next(), keys) {
        (None, None) => return Ok(()),
        (None, Some(_)) => "the log has no key, and one was given: leave out --key-file".to_owned(),
        (Some(id), None) => {
            format!(
                "the log has the key {id:016x}, without which nothing can be checked: name its file with --key-file FILE"
            )
        }
        (Some(first), Some(given)) => {
            let mut needed = std::iter::once(first).chain(needed);
            let Some(id) = needed.find(|id| !given.ids.contains(id)) else { return Ok(()) };
            let given: Vec<String> = given.ids.iter().map(|id| format!("{id:016x}")).collect();
            format!("the log has the key {id:016x}, the key file holds {}", given.join(", "))
        }
    };
    Err(Failure::at(file, what))
}

/// The version of a proof's form that this program can check.
const PROOF_VERSION: u64 = 1;

/// Refuses a proof of another version.
fn check_version(file: &Path, proof: &Value) -> Result<(), Failure> {
    match proof.get("version").and_then(Value::as_u64) {
        Some(version) if version != PROOF_VERSION => {
            let what = format!(
                "its version is {version}, this program knows {PROOF_VERSION}: check it with the calybris that made it"
            );
            Err(Failure::at(file, what))
        }
        _ => Ok(()),
    }
}

fn words(arguments: &Arguments, recorded: &RecordedDecision, head: &TreeHead, page: &mut Page) {
    let paint = Paint::of_stdout();
    let (file, sequence) = (arguments.proof.display(), recorded.sequence);
    page.line(format_args!("{file}: {}, decision {sequence}", paint.good("proven")));
    header::decision(&recorded.decided, &recorded.snapshot, paint, page);
    page.line("\nThis establishes that");
    page.line("  - this decision is, bit for bit, that record of the log with the tree head");
    page.line(format_args!("    {head}"));
    page.line("  - its policy and its catalog are earlier records of the same log");
    page.line("  - the kernel makes the same decision: it was run again now");
    page.line("It does not establish that");
    page.line("  - the tree head is the one that the log's keeper published: compare it");
    page.line("  - the request was true, or how the decision ended");
}
