//! Keys that are known to others: asked through a trait, or read from a list.

mod blocked_keys;

use std::error::Error;
use std::fmt::Debug;

pub use blocked_keys::BlockedKeys;

/// A list of keys that must not be certified, as the secret is known to others: Debian's weak keys of 2008, keys
/// that were revoked as compromised, keys that came with firmware.
///
/// A [`CsrPolicy`](crate::CsrPolicy) holds such lists and the gate asks each of them. A list that cannot answer
/// lets no key through. The gate waits for the answer, so a list that is elsewhere belongs behind a copy here.
///
/// ```
/// use fleetcert_x509::{
///     BlocklistUnavailable, CsrPolicy, CsrRefusalCode, KeyBlocklist, KeyKind, KeyPair, VerifiedCsr, csr_for,
/// };
/// use std::sync::Arc;
///
/// #[derive(Debug)]
/// struct Remote;
///
/// impl KeyBlocklist for Remote {
///     fn contains(&self, _spki_sha256: &[u8; 32]) -> Result<bool, BlocklistUnavailable> {
///         Err(BlocklistUnavailable::because("the copy is older than a week"))
///     }
/// }
///
/// let key = KeyPair::generate(KeyKind::P256)?;
/// let csr = csr_for(&"xi8qz.fleet.test".parse()?, &key)?;
/// let refusal = VerifiedCsr::parse(&csr, &CsrPolicy::device().with_blocklist(Arc::new(Remote))).unwrap_err();
/// assert_eq!(refusal.code(), CsrRefusalCode::KeyCheckUnavailable);
/// assert!(refusal.is_temporary());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait KeyBlocklist: Debug + Send + Sync {
    /// Whether the key is on the list, by the SHA-256 of its DER SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// [`BlocklistUnavailable`] when it cannot be said.
    fn contains(&self, spki_sha256: &[u8; 32]) -> Result<bool, BlocklistUnavailable>;
}

/// The proof that the trait can be a trait object.
const _: Option<&dyn KeyBlocklist> = None;

/// A list of blocked keys could not be asked. What is wrong is for the operator's log, not for the device.
#[derive(Debug, thiserror::Error)]
#[error("the list of blocked keys cannot be asked")]
pub struct BlocklistUnavailable {
    source: Box<dyn Error + Send + Sync>,
}

impl BlocklistUnavailable {
    /// For this reason.
    pub fn because(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: source.into() }
    }
}
