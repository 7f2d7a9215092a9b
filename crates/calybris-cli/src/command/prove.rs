//! `calybris prove`: a proof of one decision that can be checked without the log.

use std::path::PathBuf;

use calybris_core::engine::{DecisionProof, EngineError};
use calybris_core::wal::{Key, TreeHead, WalError};
use serde_json::json;

use crate::amount::counted;
use crate::failure::Failure;
use crate::input::pin::read_tree_head;
use crate::input::whole::whole;
use crate::log::arguments::LogArguments;
use crate::log::find::{checkpoint_under, not_found};
use crate::new_file::new_file;
use crate::output::Page;
use crate::terminal::{program_name, shell_word};

/// Prove one decision: its record, its policy and catalog, and their paths to the log's tree head.
///
/// The proof contains this call and the whole policy and catalog that it was decided under, and nothing else of the log: no
/// calls of other tenants, no balances. It convinces anybody who has the log's tree head from elsewhere: publish the tree
/// head, or send it every day (`calybris anchor --tree`).
#[derive(clap::Args)]
#[command(mut_arg("json", |json| json.help("With --output, print one JSON object about it")), after_help = "\
Examples:
  calybris prove ./log 12 --output proof.json
  calybris prove ./log 12 --tree-head tree-head.txt --output proof.json
  calybris anchor ./log --tree        # publish this line beforehand
  calybris check proof.json --tree-head tree-head.txt

Without --tree-head the proof is for the tree over all records that the log has
now. The whole log is read and verified, and must be complete from record 1 on.

After a crash while the engine wrote a checkpoint, the policy and catalog of
some decisions may exist only in the checkpoint, together with every tenant's
balance and open tickets. A proof of such a decision needs --with-balances.

Exit codes:
  0  proven
  1  the log is not intact, or the tree head is of another or a longer log
  2  nothing was done: usage, a missing key, no decision at this sequence
  3  done, but the output could not be written to its end; no file is left")]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) log: LogArguments,
    /// The sequence of the decision
    #[arg(value_parser = whole::<u64>)]
    sequence: u64,
    /// Make the proof for this tree head (the line, or a file with it), which was published before
    #[arg(long, value_name = "HEAD")]
    tree_head: Option<PathBuf>,
    /// Make the proof even if it contains every tenant's balance, as may be necessary after a crash
    #[arg(long)]
    with_balances: bool,
    /// The file to make; the default, and `-`, is standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Page, Failure> {
    let key = arguments.log.key()?;
    let head = arguments.tree_head.as_deref().map(read_tree_head).transpose()?;
    let file = new_file(arguments.output.as_deref())?;
    let proof = prove(arguments, key.as_ref(), head)?;
    let text = serde_json::to_string_pretty(&proof).map_err(Failure::refused)?;
    let mut page = Page::default();
    let Some(file) = file else {
        page.line(text);
        return Ok(page);
    };
    file.write(&format!("{text}\n"))?;
    let file = file.path();
    let (head, sequence) = (proof.head(), arguments.sequence);
    if arguments.log.json {
        let object = json!({
            "file": file.display().to_string(),
            "sequence": sequence,
            "tree_head": head.to_string(),
        });
        page.line(format_args!("{object:#}"));
    } else {
        page.line(format_args!("{}: proof of decision {sequence}", file.display()));
        page.line(format_args!("  for the tree head over {} records", head.size));
        page.line(format_args!("  {head}"));
        page.line("Anybody who has this tree head from elsewhere can check it without the log:");
        let (proof, key) = (shell_word(file), arguments.log.key.typed_again());
        page.line(format_args!("  {} check {proof} --tree-head HEAD{key}", program_name()));
        if !key.is_empty() {
            page.line(
                "The log has a key, and nothing can be checked without it: to check the proof, one",
            );
            page.line("needs the key, and a key that was shown to somebody is no longer secret.");
        }
    }
    Ok(page)
}

/// The proof for the given tree head, or for the log as it is.
fn prove(
    arguments: &Arguments,
    key: Option<&Key>,
    head: Option<TreeHead>,
) -> Result<DecisionProof, Failure> {
    let (dir, sequence) = (arguments.log.dir(), arguments.sequence);
    if let Some(head) = head.filter(|head| head.size < sequence) {
        let size = counted(head.size, "record");
        let what = format!(
            "the tree head is over {size}, and decision {sequence} came later: take a newer one, which \
             `{} anchor {} --tree` prints",
            program_name(),
            shell_word(dir)
        );
        return Err(Failure::at(dir, what));
    }
    let proof = match head {
        Some(head) => DecisionProof::in_tree(dir, key, sequence, head.size),
        None => DecisionProof::of(dir, key, sequence),
    };
    let proof = proof.map_err(|error| match head.zip(too_short(&error)) {
        Some((head, found)) => {
            let size = counted(head.size, "record");
            let what = format!("the tree head is over {size}, and {found}");
            Failure::of_proof(dir, &EngineError::ProofRefused { what })
        }
        None => not_found(dir, key, sequence, &error),
    })?;
    if let Some(head) = head.filter(|head| *head != proof.head()) {
        return Err(Failure::of_proof(dir, &not_of_this_log(&head, &proof.head())));
    }
    if !arguments.with_balances
        && let Some(checkpoint) = checkpoint_under(dir, key, sequence)?
    {
        let what = format!(
            "the policy and the catalog of decision {sequence} stand only in the checkpoint at record {checkpoint}, \
             so its proof shows every tenant's balance: --with-balances makes it all the same"
        );
        return Err(Failure::at(dir, what));
    }
    Ok(proof)
}

/// The message about a log with fewer records than the sequence asked for.
fn too_short(error: &EngineError) -> Option<String> {
    match error {
        EngineError::Log(WalError::NoSuchRecord { head, .. }) => {
            Some(format!("the log has {head}"))
        }
        EngineError::Log(WalError::Empty { .. }) => Some("the log has none".to_owned()),
        EngineError::Log(WalError::Missing { .. }) => {
            Some("there is no log: if the path is right, it was removed".to_owned())
        }
        _ => None,
    }
}

fn not_of_this_log(wanted: &TreeHead, found: &TreeHead) -> EngineError {
    let what = format!("the log has the tree head {found}, not {wanted}");
    EngineError::ProofRefused { what }
}
