//! Lists of keys whose secret is known to others.

mod blocked_keys;

use std::error::Error;
use std::fmt::Debug;

pub use blocked_keys::BlockedKeys;

/// A list of keys that must not be certified, because others know the secret: Debian's weak keys of 2008, keys
/// revoked as compromised, keys shipped with firmware.
///
/// A [`CsrPolicy`](crate::CsrPolicy) holds such lists, and the gate queries each of them. If a list is unavailable,
/// every key is refused. The gate waits for the answer, so use a local copy of a remote list.
///
/// ```
/// use fleetcert_x509::{
///     BlocklistUnavailable, CsrPolicy, CsrRefusalCode, KeyBlocklist, KeyKind,
///     KeyPair, VerifiedCsr, csr_for,
/// };
/// use std::sync::Arc;
///
/// #[derive(Debug)]
/// struct Remote;
///
/// impl KeyBlocklist for Remote {
///     fn contains(&self, _: &[u8; 32]) -> Result<bool, BlocklistUnavailable> {
///         Err(BlocklistUnavailable::because("the copy is older than a week"))
///     }
/// }
///
/// let key = KeyPair::generate(KeyKind::P256)?;
/// let csr = csr_for(&"xi8qz.fleet.test".parse()?, &key)?;
/// let policy = CsrPolicy::device().with_blocklist(Arc::new(Remote));
/// let refusal = VerifiedCsr::parse(&csr, &policy).unwrap_err();
/// assert_eq!(refusal.code(), CsrRefusalCode::KeyCheckUnavailable);
/// assert!(refusal.is_temporary());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait KeyBlocklist: Debug + Send + Sync {
    /// Returns whether the key is on the list, by the SHA-256 of its DER SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// [`BlocklistUnavailable`] if the list cannot be queried.
    fn contains(&self, spki_sha256: &[u8; 32]) -> Result<bool, BlocklistUnavailable>;
}

// The trait must stay usable as `dyn`.
const _: Option<&dyn KeyBlocklist> = None;

/// The error for a list of blocked keys that cannot be queried. The source is for the operator's log, not for the
/// device.
#[derive(Debug, thiserror::Error)]
#[error("the list of blocked keys is unavailable")]
pub struct BlocklistUnavailable {
    source: Box<dyn Error + Send + Sync>,
}

impl BlocklistUnavailable {
    /// Returns the error with this cause.
    pub fn because(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: source.into() }
    }
}
