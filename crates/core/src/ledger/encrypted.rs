//! Entries that only holders of a key can read: XChaCha20-Poly1305 (RustCrypto's `chacha20poly1305`) around what another
//! store keeps.
//!
//! # Guarantees
//! - An entry is bound to its stack and its number: put back anywhere else it does not open. That it is not an older copy
//!   of itself follows from the chain of hashes, as without a key.
//! - Each entry has a nonce of 24 random bytes of the operating system.
//! - Once there was an encrypted entry, none that is not encrypted follows it.
//!
//! # Caveats
//! Keys of entries stay plain: they tell the stack and how many entries there are, and when. A ledger that was begun
//! without a key keeps its first entries as they are; nothing is rewritten. Whoever can replace all of a store can put an
//! older copy of all of it back: that what it lacks exists is found out by a census.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use chacha20poly1305::aead::{Aead, Generate, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretBox};
use sha2::Sha256;

use super::codec::{SEALED, damaged};
use super::{Put, Store, is_entry_key, key};
use crate::graph::hex;
use crate::{Code, Error, Result};

/// Bytes of a nonce.
const NONCE: usize = 24;

/// The key that a ledger's entries are encrypted with: 32 random bytes that only the caller has. It cannot be printed, and
/// is overwritten in memory when the last copy is dropped.
///
/// ```
/// use landfall_core::ledger::{EncryptionKey, Ledger};
///
/// # fn from_the_secret_store() -> [u8; 32] { [7; 32] }
/// let key = EncryptionKey::new(from_the_secret_store());
/// let ledger = Ledger::memory().encrypted(&key);
/// assert_eq!(format!("{key:?}"), "EncryptionKey");
/// ```
#[derive(Clone)]
pub struct EncryptionKey(Arc<SecretBox<[u8; 32]>>);

impl EncryptionKey {
    /// A key of these bytes. Take them from a random number generator, not from words.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Arc::new(SecretBox::new(Box::new(bytes))))
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&Key::from(*self.0.expose_secret()))
    }

    /// Tells keys apart without telling anything of them: 16 hexadecimal digits.
    fn name(&self) -> String {
        // HMAC takes keys of any length, so this cannot fail.
        let Ok(mut mac) = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(self.0.expose_secret()) else {
            return String::new();
        };
        mac.update(b"landfall: the name of a ledger's key");
        hex(&mac.finalize().into_bytes()[..8])
    }
}

impl fmt::Debug for EncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EncryptionKey")
    }
}

/// A store whose entries are encrypted.
#[derive(Debug)]
pub(super) struct Encrypted {
    store: Arc<dyn Store>,
    key: EncryptionKey,
    name: String,
    /// The number of the first encrypted entry, plus one; 0 while it is not known.
    since: AtomicU64,
}

impl Encrypted {
    pub(super) fn new(store: Arc<dyn Store>, key: &EncryptionKey) -> Self {
        Self { store, key: key.clone(), name: key.name(), since: AtomicU64::new(0) }
    }

    fn seal(&self, key: &str, plain: &[u8]) -> Result<Bytes> {
        let nonce = XNonce::try_generate().map_err(|error| {
            Error::new(Code::LedgerUnavailable, "the operating system gives no random bytes").because(error)
        })?;
        let sealed = self
            .key
            .cipher()
            .encrypt(&nonce, Payload { msg: plain, aad: key.as_bytes() })
            .map_err(|_| Error::internal(format!("an entry cannot be encrypted: {key}")))?;
        let mut bytes = format!("{SEALED} 1 {}\n", self.name).into_bytes();
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(&sealed);
        Ok(bytes.into())
    }

    /// What these bytes hold; `None` when they are not encrypted.
    fn open(&self, key: &str, bytes: &[u8]) -> Result<Option<Bytes>> {
        let Some(rest) = bytes.strip_prefix(SEALED.as_bytes()) else { return Ok(None) };
        let number = key::number(key).unwrap_or_default();
        let end =
            rest.iter().position(|byte| *byte == b'\n').ok_or_else(|| damaged(number, "it has no header line"))?;
        let words: Vec<_> = std::str::from_utf8(&rest[..end]).unwrap_or_default().split(' ').collect();
        let ["", "1", name] = words[..] else {
            return Err(damaged(number, "its header is not a ledger's"));
        };
        if name != self.name {
            return Err(Error::new(
                Code::LedgerSealed,
                format!("entry {number} is encrypted with another key: {name}"),
            )
            .hint("nothing was changed; give the key that the ledger was written with"));
        }
        let (nonce, sealed) =
            rest[end + 1..].split_at_checked(NONCE).ok_or_else(|| damaged(number, "it ends too early"))?;
        let nonce = XNonce::try_from(nonce).map_err(|_| damaged(number, "it ends too early"))?;
        let plain = self
            .key
            .cipher()
            .decrypt(&nonce, Payload { msg: sealed, aad: key.as_bytes() })
            .map_err(|_| damaged(number, "it was changed, or was written as another entry"))?;
        Ok(Some(plain.into()))
    }

    /// Refuses an entry that is not encrypted although an earlier one is.
    async fn check_plain(&self, key: &str) -> Result<()> {
        let number = key::number(key).unwrap_or_default();
        let since = self.since(key).await?;
        let before = match (since, key::previous(key)) {
            (None, Some(before)) => self.store.get(&before).await?,
            _ => None,
        };
        let follows_sealed = before.is_some_and(|bytes| bytes.starts_with(SEALED.as_bytes()));
        if since.is_some_and(|since| number >= since) || follows_sealed {
            return Err(damaged(number, "it is not encrypted, and an entry before it is"));
        }
        Ok(())
    }

    /// The number of the first encrypted entry; `None` while there is none.
    async fn since(&self, key: &str) -> Result<Option<u64>> {
        if let Some(known) = self.since.load(Ordering::Relaxed).checked_sub(1) {
            return Ok(Some(known));
        }
        let marker = key::encrypted(key);
        let Some(bytes) = self.store.get(&marker).await? else { return Ok(None) };
        let plain = self.open(&marker, &bytes)?;
        let since = plain.and_then(|plain| std::str::from_utf8(&plain).ok()?.parse().ok());
        let since: u64 = since.ok_or_else(|| {
            Error::new(
                Code::LedgerDamaged,
                format!("what says since when the ledger is encrypted is damaged: {marker}"),
            )
            .hint("nothing was changed; restore the ledger's store to an earlier version")
        })?;
        self.since.store(since.saturating_add(1), Ordering::Relaxed);
        Ok(Some(since))
    }
}

#[async_trait]
impl Store for Encrypted {
    async fn put_if_absent(&self, key: &str, bytes: Bytes) -> Result<Put> {
        if !is_entry_key(key) {
            return self.store.put_if_absent(key, bytes).await;
        }
        let put = self.store.put_if_absent(key, self.seal(key, &bytes)?).await?;
        if put == Put::Created && self.since(key).await?.is_none() {
            // Only once it is true: a replica without the key may have been faster. A later writer says it when this one dies.
            let number = key::number(key).unwrap_or_default().to_string();
            let marker = key::encrypted(key);
            let sealed = self.seal(&marker, number.as_bytes())?;
            self.store.put_if_absent(&marker, sealed).await?;
        }
        Ok(put)
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        let Some(bytes) = self.store.get(key).await? else { return Ok(None) };
        if !is_entry_key(key) {
            return Ok(Some(bytes));
        }
        match self.open(key, &bytes)? {
            Some(plain) => Ok(Some(plain)),
            None => self.check_plain(key).await.map(|()| Some(bytes)),
        }
    }

    async fn newest(&self, prefix: &str) -> Result<Option<String>> {
        self.store.newest(prefix).await
    }

    fn is_real(&self) -> bool {
        self.store.is_real()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::testing::{TestClock, TestStore, converged, done, intent, session, stack};
    use super::super::{Ledger, key};
    use super::*;

    fn one() -> EncryptionKey {
        EncryptionKey::new([1; 32])
    }

    /// A ledger with these many entries after the lease, each with a canary.
    fn filled(clock: &TestClock, store: &TestStore, key: Option<&EncryptionKey>) {
        let ledger = store.ledger();
        let ledger = key.map_or_else(|| ledger.clone(), |key| ledger.encrypted(key));
        clock.run(async {
            let mut session = session(&ledger, "a").await;
            session.commit(vec![intent(1, 0)]).await.unwrap();
            session.commit(vec![done(1)]).await.unwrap();
            session.release(vec![converged("g")]).await.unwrap();
        });
    }

    fn code(clock: &TestClock, ledger: &Ledger) -> Code {
        let loaded = clock.run(ledger.load(&stack())).unwrap_err().code();
        assert_eq!(clock.run(ledger.peek(&stack())).map_or_else(|error| error.code(), |_| loaded), loaded);
        loaded
    }

    #[test]
    fn nothing_of_an_entry_can_be_read_in_the_store_and_all_of_it_with_the_key() {
        let clock = TestClock::default();
        let (store, plain) = (TestStore::new(&clock, Duration::ZERO), TestStore::new(&clock, Duration::ZERO));
        filled(&clock, &store, Some(&one()));
        filled(&clock, &plain, None);
        let read = |ledger: Ledger| clock.run(ledger.load(&stack())).unwrap();
        let loaded = read(store.ledger().encrypted(&one()));
        assert_eq!(loaded.state, read(plain.ledger()).state);
        assert!(clock.run(store.ledger().encrypted(&one()).peek(&stack())).unwrap().unwrap().converged().is_some());
        for (key, bytes) in store.objects().iter().filter(|(key, _)| is_entry_key(key)) {
            let text = String::from_utf8_lossy(bytes);
            assert!(
                !text.contains("subnet") && !text.contains("records") && !text.contains("inferloop"),
                "{key}: {text}"
            );
        }
    }

    #[test]
    fn without_the_key_or_with_another_one_nothing_is_read_or_written() {
        let clock = TestClock::default();
        let store = TestStore::new(&clock, Duration::ZERO);
        filled(&clock, &store, Some(&one()));
        let count = store.objects().len();
        let other = store.ledger().encrypted(&EncryptionKey::new([2; 32]));
        for ledger in [store.ledger(), other] {
            assert_eq!(code(&clock, &ledger), Code::LedgerSealed);
            let error = clock.run(ledger.acquire(&stack(), &super::super::testing::options("b"))).unwrap_err();
            assert_eq!(error.code(), Code::LedgerSealed, "{error}");
            assert!(error.to_string().contains("; next: "), "{error}");
        }
        assert_eq!(store.objects().len(), count);
    }

    #[test]
    fn an_entry_put_back_under_another_number_or_stack_does_not_open() {
        let clock = TestClock::default();
        let store = TestStore::new(&clock, Duration::ZERO);
        filled(&clock, &store, Some(&one()));
        let ledger = store.ledger().encrypted(&one());
        let newest = key::entry(&stack(), 4);
        for number in 1..4 {
            let old = store.objects()[&key::entry(&stack(), number)].clone();
            let good = store.objects().insert(newest.clone(), old).unwrap();
            assert_eq!(code(&clock, &ledger), Code::LedgerDamaged, "{number}");
            store.objects().insert(newest.clone(), good);
        }
        let other = crate::resource::StackId::new("inferloop", "prod");
        let moved = store.objects()[&key::entry(&stack(), 1)].clone();
        store.objects().insert(key::entry(&other, 1), moved);
        assert_eq!(clock.run(ledger.load(&other)).unwrap_err().code(), Code::LedgerDamaged);
        clock.run(ledger.load(&stack())).unwrap();
    }

    #[test]
    fn a_changed_bit_and_a_missing_tail_are_damage_or_another_key() {
        let clock = TestClock::default();
        let store = TestStore::new(&clock, Duration::ZERO);
        filled(&clock, &store, Some(&one()));
        let ledger = store.ledger().encrypted(&one());
        let newest = key::entry(&stack(), 4);
        let good = store.objects()[&newest].clone();
        let seen = |bytes: Vec<u8>| {
            store.objects().insert(newest.clone(), bytes.into());
            code(&clock, &ledger)
        };
        for length in 0..good.len() {
            assert_eq!(seen(good[..length].to_vec()), Code::LedgerDamaged, "{length}");
        }
        for bit in (0..good.len() * 8).step_by(3) {
            let mut bytes = good.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(seen(bytes), Code::LedgerDamaged | Code::LedgerSealed), "{bit}");
        }
    }

    #[test]
    fn a_ledger_can_be_encrypted_from_now_on_and_not_from_now_on_again() {
        let clock = TestClock::default();
        let store = TestStore::new(&clock, Duration::ZERO);
        filled(&clock, &store, None);
        let ledger = store.ledger().encrypted(&one());
        assert_eq!(clock.run(ledger.load(&stack())).unwrap().head.number, 4, "what is plain can be read");
        filled(&clock, &store, Some(&one()));
        assert_eq!(clock.run(ledger.load(&stack())).unwrap().head.number, 8);
        assert!(store.objects()[&key::entry(&stack(), 5)].starts_with(SEALED.as_bytes()));
        assert_eq!(code(&clock, &store.ledger()), Code::LedgerSealed);

        // Somebody without the key puts plain entries behind them.
        let plain = TestStore::new(&clock, Duration::ZERO);
        filled(&clock, &plain, None);
        filled(&clock, &plain, None);
        let forged = plain.objects()[&key::entry(&stack(), 8)].clone();
        store.objects().insert(key::entry(&stack(), 8), forged.clone());
        assert_eq!(code(&clock, &ledger), Code::LedgerDamaged);
        // Also when nothing says any more since when it is encrypted, and by a process that never knew.
        store.objects().remove(&key::encrypted(&key::entry(&stack(), 8)));
        assert_eq!(code(&clock, &store.ledger().encrypted(&one())), Code::LedgerDamaged);
    }

    #[test]
    fn the_same_entry_never_looks_the_same() {
        let store = Encrypted::new(Arc::new(TestStore::new(&TestClock::default(), Duration::ZERO)), &one());
        assert_ne!(store.seal("k", b"entry").unwrap(), store.seal("k", b"entry").unwrap());
    }
}
