//! The name of a tenant, kept beside its account when it is short.

/// Up to [`SHORT`] bytes stand here; a longer name stands elsewhere. A look-up compares the name it
/// was given with this one, and the account that it wants is then in the same line of the cache.
#[derive(Debug)]
pub(crate) enum Name {
    Short { length: u8, bytes: [u8; SHORT] },
    Long(Box<str>),
}

/// A name then has 32 bytes, so that what follows it in a record keeps together.
const SHORT: usize = 30;

impl Name {
    pub(crate) fn new(name: &str) -> Self {
        let mut bytes = [0; SHORT];
        match (bytes.get_mut(..name.len()), u8::try_from(name.len())) {
            (Some(short), Ok(length)) => {
                short.copy_from_slice(name.as_bytes());
                Self::Short { length, bytes }
            }
            _ => Self::Long(name.into()),
        }
    }

    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            // Without its end a name is that of nobody.
            Self::Short { length, bytes } => bytes.get(..usize::from(*length)).unwrap_or(&[]),
            Self::Long(name) => name.as_bytes(),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        match self {
            // It was copied from a `str`, so it is one; no tenant has the name of a broken one.
            Self::Short { .. } => std::str::from_utf8(self.as_bytes()).unwrap_or("(broken name)"),
            Self::Long(name) => name,
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_any_length_is_kept() {
        for length in 0..=128 {
            let name: String = "aZ\u{e9}\u{1f980}-".chars().cycle().take(length).collect();
            assert_eq!(Name::new(&name).as_str(), name);
            assert_eq!(Name::new(&name).as_bytes(), name.as_bytes());
        }
    }
}
