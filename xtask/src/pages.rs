//! `cargo xtask pages`: the pages of `docs/` that are made rather than written.

use std::fs;

use crate::bless::Mode;
use crate::shell::{Outcome, read, root};
use crate::{benchmarks, errors};

pub(crate) fn run(mode: Mode) -> Outcome {
    let mut pages = benchmarks::pages()?;
    pages.push(("docs/errors.md", errors::page()?));
    for (name, text) in pages {
        if read(name).is_ok_and(|before| before == text) {
            continue;
        }
        match mode {
            Mode::Check => {
                return Err(format!("{name} is not what it is made from: `cargo xtask pages`"));
            }
            Mode::Rewrite => {
                fs::write(root().join(name), text).map_err(|error| format!("{name}: {error}"))?;
            }
        }
    }
    Ok(())
}
