//! Where the page of a report goes, and what is printed beside it.

use std::path::Path;

use serde_json::Value;

use crate::failure::{Failure, noting_failure};
use crate::new_file::{NewFile, Readers, Replaces};
use crate::output::Page;

/// Where a page goes.
pub(crate) enum Html {
    /// To standard output, in place of the report for a terminal.
    Stdout,
    File(NewFile),
}

impl Html {
    /// The place that `--html` names, where the page can be written; `None` if no page was asked for.
    pub(crate) fn asked(path: Option<&Path>, json: bool) -> Result<Option<Self>, Failure> {
        match path {
            None => Ok(None),
            Some(path) if path == Path::new("-") && json => {
                let what =
                    "--html - and --json both ask for standard output: name a file for the page";
                Err(Failure::refused(what))
            }
            Some(path) if path == Path::new("-") => Ok(Some(Self::Stdout)),
            // A page may be written again, but nothing else is overwritten.
            Some(path) => {
                let file = NewFile::at(path, Replaces::Page, Readers::Usual)?;
                Ok(Some(Self::File(file)))
            }
        }
    }
}

/// How each form of a report is made, if it is asked for.
pub(crate) struct Forms<MakeHtml, MakeObject, MakeTables> {
    pub(crate) html: MakeHtml,
    pub(crate) object: MakeObject,
    pub(crate) tables: MakeTables,
}

impl<MakeHtml, MakeObject, MakeTables> Forms<MakeHtml, MakeObject, MakeTables>
where
    MakeHtml: FnOnce() -> String,
    MakeObject: FnOnce() -> Value,
    MakeTables: FnOnce() -> Page,
{
    /// Writes the page where it was asked for, and answers what is to be printed: the report, also if the page cannot be
    /// written.
    pub(crate) fn show(self, html: Option<&Html>, json: bool) -> Result<Page, Failure> {
        let mut shown = Page::default();
        let written = match html {
            None => Ok(()),
            Some(Html::Stdout) => {
                shown.text(&(self.html)());
                return Ok(shown);
            }
            Some(Html::File(file)) => file.write(&(self.html)()),
        };
        if json {
            let object = noting_failure((self.object)(), written.as_ref().err());
            shown.line(format_args!("{object:#}"));
        } else {
            shown.append(&(self.tables)());
            if let (Ok(()), Some(Html::File(file))) = (&written, html) {
                shown.line(format_args!("page     {}", file.path().display()));
            }
        }
        Failure::page_despite(shown, written)
    }
}
