//! When and why the administrator of a budget changes something.

use calybris_units::UnixMillis;

use crate::error::EngineError;

/// The time of an administrator's change and, if there is one, the reason. Both are in its record.
///
/// A [`UnixMillis`] becomes an act without a reason, so a caller in code passes the time alone.
///
/// ```
/// # use calybris_engine::{Engine, EngineOptions, Microunits, UnixMillis};
/// # let dir = tempfile::tempdir()?;
/// # let dir = dir.path().join("log");
/// use calybris_engine::{Act, History, Record};
///
/// let engine = Engine::open(&dir, &EngineOptions::default())?;
/// engine.ensure_tenant("acme", Microunits::new(1_000_000), UnixMillis::new(1))?;
/// let act = Act::new(UnixMillis::new(2)).with_reason("more seats from December on");
/// engine.top_up("acme", Microunits::new(500_000), act)?;
///
/// let last = History::open(&dir, None)?.last().ok_or("empty")??;
/// let Record::BudgetChanged { reason, .. } = last.record else { return Err("another record".into()) };
/// assert_eq!(reason, "more seats from December on");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Act<'a> {
    /// When, by the caller's clock.
    pub time: UnixMillis,
    /// Why: at most [`MAX_REASON_BYTES`] bytes without control characters; empty if no reason is given.
    pub reason: &'a str,
}

/// The most bytes of a reason.
pub const MAX_REASON_BYTES: usize = 256;

impl<'a> Act<'a> {
    /// An act at that time, without a reason.
    #[must_use]
    pub fn new(time: UnixMillis) -> Self {
        Self { time, reason: "" }
    }

    /// The same act for that reason: at most [`MAX_REASON_BYTES`] bytes without control characters, else the change is refused
    /// with [`EngineError::InvalidReason`]. An empty text is no reason.
    #[must_use]
    pub fn with_reason(self, reason: &'a str) -> Self {
        Self { reason, ..self }
    }

    /// Refuses the reason that every change would be refused for, before one is made.
    ///
    /// # Errors
    /// [`EngineError::InvalidReason`].
    ///
    /// ```
    /// # use calybris_engine::{Act, UnixMillis};
    /// assert!(Act::new(UnixMillis::new(1)).with_reason("contract of December").check().is_ok());
    /// assert!(Act::new(UnixMillis::new(1)).with_reason("two\nlines").check().is_err());
    /// ```
    pub fn check(self) -> Result<(), EngineError> {
        match wrong_with_reason(self.reason) {
            Some(why) => Err(EngineError::InvalidReason { why }),
            None => Ok(()),
        }
    }
}

impl From<UnixMillis> for Act<'_> {
    /// At that time, without a reason.
    fn from(time: UnixMillis) -> Self {
        Self::new(time)
    }
}

/// What is wrong with a reason; `None` if a record may have it.
pub(crate) fn wrong_with_reason(reason: &str) -> Option<String> {
    let found_bytes = reason.len();
    if found_bytes > MAX_REASON_BYTES {
        return Some(format!("it has {found_bytes} bytes and may have at most {MAX_REASON_BYTES}"));
    }
    let control = reason.chars().find(|letter| letter.is_control())?;
    Some(format!("it has the control character U+{:04X}", u32::from(control)))
}
