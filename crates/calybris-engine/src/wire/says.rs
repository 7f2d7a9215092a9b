//! What a struct of a record and a type of the kernel have to do with each other.

use super::invalid::InvalidField;

/// A struct of a record that says a `T`.
pub(super) trait Says<T>: Sized {
    /// The struct that says this value. A struct of a first version leaves out what it has no field for: whether that loses
    /// anything is to be asked before ([`FitsV1`]).
    fn of(value: &T) -> Self;

    /// The value that the struct says.
    fn read(&self) -> Result<T, InvalidField>;
}

/// A value that the first version of its struct may or may not say whole.
///
/// INVARIANT (one version): a record is of its first version exactly if that says all of it, and otherwise of the second. So
/// equal records have equal bytes, and a log in which nothing new is used is the log that it was.
pub(super) trait FitsV1 {
    fn fits_v1(&self) -> bool;
}

/// Refuses a record of a second version that the first says whole.
pub(super) fn needs_v2(value: &impl FitsV1) -> Result<(), InvalidField> {
    if value.fits_v1() {
        let why = "the record is of the second version and says nothing that the first cannot say";
        return Err(InvalidField::new("flags", why));
    }
    Ok(())
}
