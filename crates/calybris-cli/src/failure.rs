//! How a command fails, and what the program exits with: 1 if the log is not intact, 2 if that could not be found out.

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use calybris_core::engine::{EngineError, SettleRefused};
use calybris_core::wal::WalError;

use crate::input::error::InputError;

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A log is damaged, was tampered with, or contradicts its anchor. Exit code 1.
    NotIntact(String),
    /// Anything else: bad usage, bad files, a missing key. Exit code 2.
    Refused(String),
}

impl Failure {
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::NotIntact(_) => ExitCode::from(1),
            Self::Refused(_) => ExitCode::from(2),
        }
    }

    /// A failure of the log in `dir`.
    pub(crate) fn of_log(dir: &Path, error: &WalError) -> Self {
        let text = format!("{}: {error}", dir.display());
        if error.is_tampering() { Self::NotIntact(text) } else { Self::Refused(text) }
    }

    /// A failure of the engine whose log is in `dir`.
    pub(crate) fn of_engine(dir: &Path, error: &EngineError) -> Self {
        match error {
            EngineError::Log(error) => Self::of_log(dir, error),
            EngineError::Contradiction { .. } | EngineError::InvalidSnapshot { .. } => {
                Self::NotIntact(format!("{}: {error}", dir.display()))
            }
            _ => Self::Refused(format!("{}: {error}", dir.display())),
        }
    }

    /// A settlement that the engine refused.
    pub(crate) fn of_settlement(dir: &Path, refused: &SettleRefused) -> Self {
        Self::of_engine(dir, &refused.error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotIntact(text) | Self::Refused(text) => f.write_str(text),
        }
    }
}

impl From<InputError> for Failure {
    fn from(error: InputError) -> Self {
        Self::Refused(error.to_string())
    }
}
