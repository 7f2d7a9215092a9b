//! Why a value does not encode, or bytes are not a value.

use std::fmt;

/// What is wrong. Two words long, as a result with an integer then is: both fit in registers.
#[derive(Debug)]
pub(super) struct Fault(Box<str>);

impl Fault {
    #[cold]
    pub(super) fn new(what: &str) -> Self {
        Self(what.into())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Fault {}

impl serde::de::Error for Fault {
    #[cold]
    fn custom<T: fmt::Display>(what: T) -> Self {
        Self::new(&what.to_string())
    }
}

impl serde::ser::Error for Fault {
    #[cold]
    fn custom<T: fmt::Display>(what: T) -> Self {
        Self::new(&what.to_string())
    }
}

pub(super) type Outcome<T> = Result<T, Fault>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_integer_and_its_failure_are_two_words() {
        assert_eq!(size_of::<Outcome<u64>>(), 2 * size_of::<u64>());
        assert_eq!(size_of::<Outcome<()>>(), size_of::<Fault>());
    }
}
