//! What is answered when a state that the code rules out is found all the same.

use core::error::Error;
use core::fmt;

/// An invariant of this program does not hold: a defect of the program, or of the memory it runs in.
///
/// Only [`invariant!`](crate::invariant) makes one. The value that the broken state belongs to must not be used any more;
/// each crate says what it stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokenInvariant {
    invariant: &'static str,
    file: &'static str,
    line: u32,
}

impl BrokenInvariant {
    /// For [`invariant!`](crate::invariant), which knows where it stands.
    #[doc(hidden)]
    #[must_use]
    #[cold]
    pub const fn found(invariant: &'static str, file: &'static str, line: u32) -> Self {
        Self { invariant, file, line }
    }

    /// The invariant that does not hold, as a sentence without its full stop.
    #[must_use]
    pub const fn invariant(&self) -> &'static str {
        self.invariant
    }
}

impl fmt::Display for BrokenInvariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { invariant, file, line } = self;
        write!(
            f,
            "broken invariant at {file}:{line}: {invariant}; this is a defect, please report it"
        )
    }
}

impl Error for BrokenInvariant {}

/// The value of an `Option` that cannot be `None`, as a `Result`: `Err` of [`BrokenInvariant`] if it is `None` all the
/// same. A condition is asked by `condition.then_some(())`.
///
/// It stands where a default would hide a defect. The text says what holds, not what went wrong.
///
/// ```
/// use calybris_units::{BrokenInvariant, invariant};
///
/// fn last(levels: &[u64]) -> Result<u64, BrokenInvariant> {
///     Ok(*invariant!(levels.last(), "a tenant has at least one level")?)
/// }
///
/// assert_eq!(last(&[1, 2]), Ok(2));
/// assert_eq!(last(&[]).unwrap_err().invariant(), "a tenant has at least one level");
/// ```
#[macro_export]
macro_rules! invariant {
    ($option:expr, $invariant:literal) => {
        match $option {
            Some(value) => Ok(value),
            None => Err($crate::BrokenInvariant::found($invariant, file!(), line!())),
        }
    };
}
