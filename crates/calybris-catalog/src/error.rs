//! A refused input: which one, where in it, what was found and what is allowed.

use std::fmt;
use std::path::{Path, PathBuf};

use calybris_units::BrokenInvariant;

use crate::place::Place;

/// Why an input was refused.
///
/// ```
/// use calybris_catalog::{InputError, PolicyFile};
///
/// let refused = PolicyFile::parse("policy.toml", "[policy]\npolicy_epoch = 1.5\n").unwrap_err();
/// assert_eq!(
///     refused.to_string(),
///     "policy.toml:2:16: `policy_epoch = 1.5`: found `1.5`, \
///      allowed is a whole number from 0 to 18,446,744,073,709,551,615"
/// );
/// let InputError::Refused { problem, .. } = refused else { panic!("not a defect") };
/// assert_eq!(problem.place.map(|place| place.line), Some(2));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// The input is invalid.
    #[error("{}", refusal(file, problem, *more_problems))]
    #[non_exhaustive]
    Refused {
        /// The name that the caller gave the input.
        file: PathBuf,
        /// What is wrong, and where.
        problem: Problem,
        /// How many more problems it has; [`CatalogFile::problems`](crate::CatalogFile::problems) lists them.
        more_problems: usize,
    },
    /// A defect of this crate.
    #[error("internal error: {0}")]
    Internal(#[from] BrokenInvariant),
}

/// Something that is wrong with an input, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// Where it is; `None` if it concerns the input as a whole.
    pub place: Option<Place>,
    /// Which field or model, what was found, what is allowed, and what to do about it.
    pub what: String,
}

impl InputError {
    /// A problem of the input as a whole.
    #[must_use]
    pub fn in_file(file: impl AsRef<Path>, what: impl fmt::Display) -> Self {
        Problem::new(None, what).in_file(file)
    }

    /// A problem at a place of it.
    #[must_use]
    pub fn at(file: impl AsRef<Path>, place: Place, what: impl fmt::Display) -> Self {
        Problem::new(Some(place), what).in_file(file)
    }
}

impl Problem {
    pub(crate) fn new(place: Option<Place>, what: impl fmt::Display) -> Self {
        Self { place, what: what.to_string() }
    }

    /// The refusal of that file for this problem alone.
    #[must_use]
    pub fn in_file(self, file: impl AsRef<Path>) -> InputError {
        let file = file.as_ref().to_path_buf();
        InputError::Refused { file, problem: self, more_problems: 0 }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some(place) => write!(f, "{place}: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

fn refusal(file: &Path, problem: &Problem, more_problems: usize) -> String {
    let between = if problem.place.is_some() { ":" } else { ": " };
    let more = match more_problems {
        0 => String::new(),
        1 => "; and 1 more problem".to_owned(),
        more => format!("; and {more} more problems"),
    };
    format!("{}{between}{problem}{more}", file.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_its_file_and_its_place_and_counts_what_else_there_is() {
        assert_eq!(InputError::in_file("f", "empty").to_string(), "f: empty");
        assert_eq!(InputError::at("f", Place::new(2, 3), "odd").to_string(), "f:2:3: odd");
        assert_eq!(InputError::at("f", Place::line(2), "odd").to_string(), "f:2: odd");
        let many = |more_problems| {
            let problem = Problem::new(None, "empty");
            InputError::Refused { file: "f".into(), problem, more_problems }.to_string()
        };
        assert_eq!(many(1), "f: empty; and 1 more problem");
        assert_eq!(many(2), "f: empty; and 2 more problems");
    }
}
