//! How a command fails, and what the program exits with: 1 if the log is not intact, 2 if that could not be found out.

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use calybris_core::engine::{EngineError, SettleRefused};
use calybris_core::wal::WalError;

use crate::input::error::InputError;
use crate::page::Page;

/// Why a command failed.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: Kind,
    message: String,
    /// What goes to standard output all the same.
    page: Page,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// A log is damaged, was tampered with, or contradicts its anchor.
    NotIntact,
    /// Anything else: bad usage, bad files, a missing key.
    Refused,
}

impl Failure {
    /// A refusal: nothing was done.
    pub(crate) fn refused(what: impl fmt::Display) -> Self {
        Self { kind: Kind::Refused, message: what.to_string(), page: Page::default() }
    }

    /// A refusal that concerns a path.
    pub(crate) fn at(path: &Path, what: impl fmt::Display) -> Self {
        Self::refused(format_args!("{}: {what}", path.display()))
    }

    /// A failure of the log in `dir`.
    pub(crate) fn of_log(dir: &Path, error: &WalError) -> Self {
        let kind = if error.is_tampering() { Kind::NotIntact } else { Kind::Refused };
        Self { kind, ..Self::at(dir, error) }
    }

    /// A failure of the engine whose log is in `dir`.
    pub(crate) fn of_engine(dir: &Path, error: &EngineError) -> Self {
        match error {
            EngineError::Log(error) => Self::of_log(dir, error),
            EngineError::Contradiction { .. } | EngineError::InvalidSnapshot { .. } => {
                Self { kind: Kind::NotIntact, ..Self::at(dir, error) }
            }
            _ => Self::at(dir, error),
        }
    }

    /// A settlement that the engine refused.
    pub(crate) fn of_settlement(dir: &Path, refused: &SettleRefused) -> Self {
        Self::of_engine(dir, &refused.error)
    }

    /// The same failure with something for standard output.
    pub(crate) fn with_page(self, page: Page) -> Self {
        Self { page, ..self }
    }

    pub(crate) fn page(&self) -> &Page {
        &self.page
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        match self.kind {
            Kind::NotIntact => ExitCode::from(1),
            Kind::Refused => ExitCode::from(2),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<InputError> for Failure {
    fn from(error: InputError) -> Self {
        Self::refused(error)
    }
}
