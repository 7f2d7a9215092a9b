//! The secret that a keyed log is chained with.

use std::fmt;
use std::sync::Arc;

use calybris_units::invariant;
use hmac::KeyInit;
use hmac::block_api::HmacCore;
use sha2::Sha256;
use sha2::digest::block_api::EagerHash;
use sha2::digest::zeroize::ZeroizeOnDrop;

use crate::digest::finish;
use crate::error::WalError;

/// The least length of a key, in bytes.
const KEY_BYTES_MIN: usize = 16;

/// INVARIANT (wiped): the state of a hash overwrites itself when it is dropped. It does so by a feature
/// of its crate, without which this does not compile.
const _: () = {
    const fn overwrites_itself<T: ZeroizeOnDrop>() {}
    overwrites_itself::<<Sha256 as EagerHash>::Core>();
};

/// A key's id is the HMAC of this label.
const KEY_ID_LABEL: &[u8] = b"calybris-wal 1 key id";

/// A secret of at least 16 bytes, without which a keyed log can neither be written nor verified.
///
/// A key has an id that is derived from it (see `FORMAT.md`), and a log names the id of its key,
/// so that a wrong key is told apart from a changed log. Take the bytes from a random source: the
/// id lets anyone test a guess.
///
/// Memory holds the state of the HMAC behind the key, not the secret; a program that reads this state
/// can write the log all the same. The key, and every copy of it in a reader or a writer, is
/// overwritten when it is dropped. The secret that the caller holds is not overwritten, nor are copies
/// that are left on the stack when a key is made or moved. While the process runs, its memory (and so core
/// dumps and swap) must be as safe as the secret.
///
/// ```
/// use calybris_wal::{Key, WalError};
///
/// let key = Key::new(b"0123456789abcdef0123456789abcdef")?;
/// assert_eq!(format!("{key:?}"), "Key(..)");
/// assert!(matches!(Key::new(b""), Err(WalError::KeyTooShort { .. })));
/// # Ok::<(), WalError>(())
/// ```
#[derive(Clone)]
pub struct Key {
    /// The state of an HMAC-SHA-256 behind the key. It overwrites itself when it is dropped.
    mac: HmacCore<Sha256>,
    id: u64,
    /// The keys that this one replaces, the latest first.
    former: Option<Arc<Key>>,
}

impl Key {
    /// Takes a secret of 16 bytes or more.
    ///
    /// # Errors
    /// [`WalError::KeyTooShort`] for anything shorter.
    pub fn new(secret: &[u8]) -> Result<Self, WalError> {
        if secret.len() < KEY_BYTES_MIN {
            return Err(WalError::KeyTooShort { minimum: KEY_BYTES_MIN, found: secret.len() });
        }
        let mac = HmacCore::new_from_slice(secret).ok();
        let mac = invariant!(mac, "an HMAC takes a key of any length")?;
        let [a, b, c, d, e, f, g, h, ..] = *finish(mac.clone(), KEY_ID_LABEL).as_bytes();
        let id = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        Ok(Self { mac, id, former: None })
    }

    /// The same key, with one that it replaces and those that that one replaces.
    ///
    /// A log is read with a key that leads, through the former ones, to every key that its
    /// segments were written with. Opened for writing with a new key, a log goes on under it: the
    /// segment so far is finished under the former key, which vouches for the new one.
    ///
    /// ```
    /// use calybris_wal::{Key, Reader, WalOptions, WalWriter};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("log");
    /// let old = Key::new(&[1; 32])?;
    /// WalWriter::open_keyed(&path, &WalOptions::new(1), &old)?.append("under the old key")?;
    ///
    /// let new = Key::new(&[2; 32])?.replacing(&old);
    /// WalWriter::open_keyed(&path, &WalOptions::new(1), &new)?.append("under the new key")?;
    /// assert_eq!(Reader::open(&path, Some(&new))?.count(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn replacing(mut self, former: &Self) -> Self {
        self.former = Some(Arc::new(former.clone()));
        self
    }

    /// This key or a former one, whichever has this id.
    pub(crate) fn with_id(&self, id: u64) -> Option<&Self> {
        let mut key = self;
        loop {
            if key.id == id {
                return Some(key);
            }
            key = key.former.as_deref()?;
        }
    }

    /// The key's id, which is no secret.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The state of an HMAC-SHA-256 behind the key.
    pub(crate) fn mac(&self) -> &HmacCore<Sha256> {
        &self.mac
    }
}

impl fmt::Debug for Key {
    /// Prints nothing of the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_fewer_than_sixteen_bytes_is_refused() {
        for length in 0..16 {
            let refused = Key::new(&vec![1; length]).unwrap_err();
            assert!(
                matches!(refused, WalError::KeyTooShort { minimum: 16, found } if found == length)
            );
        }
        assert!(Key::new(&[1; 16]).is_ok());
    }

    #[test]
    fn an_id_is_an_hmac_of_its_label_for_keys_of_any_length() {
        use hmac::{Hmac, Mac};
        for length in [16, 32, 63, 64, 65, 200] {
            let secret = vec![3; length];
            let mac = Hmac::<Sha256>::new_from_slice(&secret).unwrap();
            let tag = mac.chain_update(KEY_ID_LABEL).finalize().into_bytes();
            let id = u64::from_le_bytes(tag[..8].try_into().unwrap());
            assert_eq!(Key::new(&secret).unwrap().id(), id);
        }
    }

    #[test]
    fn different_keys_have_different_ids() {
        assert_ne!(Key::new(&[1; 32]).unwrap().id(), Key::new(&[2; 32]).unwrap().id());
        assert_eq!(Key::new(&[1; 32]).unwrap().id(), Key::new(&[1; 32]).unwrap().id());
    }
}
