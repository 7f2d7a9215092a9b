//! How structs of records and types of the kernel are converted into each other.

use super::invalid::InvalidField;

/// A struct of a record that holds a `T`.
pub(super) trait Says<T>: Sized {
    /// The struct for this value. A struct of a first version drops what it has no field for, so the caller checks
    /// [`FitsV1`] first.
    fn of(value: &T) -> Self;

    /// The value of the struct.
    fn read(&self) -> Result<T, InvalidField>;
}

/// A value that may or may not fit into the first version of its struct.
///
/// INVARIANT (one version): a record is of its first version if all of it fits there, and otherwise of the second. So
/// equal records have equal bytes, and a log in which nothing new is used is the log that it was.
pub(super) trait FitsV1 {
    fn fits_v1(&self) -> bool;
}

/// Refuses a record of a second version that fits into the first.
pub(super) fn needs_v2(value: &impl FitsV1) -> Result<(), InvalidField> {
    if value.fits_v1() {
        let why = "the record is of the second version and says nothing that the first cannot say";
        return Err(InvalidField::new("flags", why));
    }
    Ok(())
}
