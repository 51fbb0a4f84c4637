//! The private key of an account.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fleetcert_x509::{KeyPair, SigningKey};
use instant_acme::Key;
use rustls_pki_types::PrivatePkcs8KeyDer;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::{AcmeError, AcmeErrorKind, Operation};

/// The private key of an ACME account: P-256, PKCS#8.
///
/// Anyone who has it can order certificates for every name of the fleet. `Debug` shows nothing of it; its serialised
/// form **is** the key, in base64url, for a store that keeps secrets.
#[derive(Clone)]
pub struct AccountKey {
    pkcs8: Zeroizing<Vec<u8>>,
    spki: Vec<u8>,
}

impl AccountKey {
    /// Returns a new key.
    ///
    /// # Errors
    /// When the crypto library fails.
    pub fn generate() -> Result<Self, AcmeError> {
        let (_, der) = Key::generate_pkcs8().map_err(failed)?;
        Self::from_pkcs8_der(der.secret_pkcs8_der())
    }

    /// Returns the key of a PKCS#8 DER document.
    ///
    /// # Errors
    /// [`InvalidInput`](crate::AcmeErrorKind::InvalidInput) when it is not a P-256 key.
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self, AcmeError> {
        Key::from_pkcs8_der(PrivatePkcs8KeyDer::from(der)).map_err(failed)?;
        let key = KeyPair::from_pkcs8_der(der).map_err(|error| {
            AcmeError::new(AcmeErrorKind::InvalidInput, Operation::Account, error.to_string())
        })?;
        Ok(Self { pkcs8: Zeroizing::new(der.to_vec()), spki: key.spki_der().to_vec() })
    }

    /// Returns the key as PKCS#8 DER.
    pub fn to_pkcs8_der(&self) -> Zeroizing<Vec<u8>> {
        self.pkcs8.clone()
    }

    /// Returns the public key, a DER SubjectPublicKeyInfo.
    pub fn spki_der(&self) -> &[u8] {
        &self.spki
    }

    /// Returns the key as one that signs.
    pub(super) fn signer(&self) -> Result<fleetcert_jose::KeyPair, AcmeError> {
        fleetcert_jose::KeyPair::from_pkcs8_der(&self.pkcs8).map_err(super::own_key::unusable)
    }

    pub(super) fn pkcs8(&self) -> PrivatePkcs8KeyDer<'_> {
        PrivatePkcs8KeyDer::from(self.pkcs8.as_slice())
    }
}

fn failed(error: instant_acme::Error) -> AcmeError {
    AcmeError::from(error).during(Operation::Account)
}

impl fmt::Debug for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccountKey(secret)")
    }
}

impl Serialize for AccountKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(URL_SAFE_NO_PAD.encode(&*self.pkcs8)))
    }
}

impl<'de> Deserialize<'de> for AccountKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        // The reason is left out: it would quote the secret.
        let der = URL_SAFE_NO_PAD.decode(text.as_bytes()).map(Zeroizing::new);
        der.ok()
            .and_then(|der| Self::from_pkcs8_der(&der).ok())
            .ok_or_else(|| serde::de::Error::custom("this is no account key"))
    }
}

/// A key and the URL of its account: what must be stored to use the account again.
///
/// The serialised form holds the key: it is a secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Credentials {
    key: AccountKey,
    account_url: String,
}

impl Credentials {
    /// Returns the credentials of the account at `account_url`.
    pub fn new(key: AccountKey, account_url: String) -> Self {
        Self { key, account_url }
    }

    /// Returns the key.
    pub fn key(&self) -> &AccountKey {
        &self.key
    }

    /// Returns the URL that names the account (RFC 8555 section 7.3), also in CAA records (RFC 8657).
    pub fn account_url(&self) -> &str {
        &self.account_url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_credentials_are_read_back() {
        let credentials =
            Credentials::new(AccountKey::generate().unwrap(), "https://ca.test/acct/1".to_owned());
        let json = serde_json::to_string(&credentials).unwrap();
        let back: Credentials = serde_json::from_str(&json).unwrap();
        assert_eq!(*back.key().to_pkcs8_der(), *credentials.key().to_pkcs8_der());
        assert_eq!(back.account_url(), credentials.account_url());
    }

    #[test]
    fn no_secret_is_printed_or_quoted() {
        let credentials =
            Credentials::new(AccountKey::generate().unwrap(), "https://ca.test/acct/1".to_owned());
        let secret = serde_json::to_string(credentials.key()).unwrap();
        assert!(!format!("{credentials:?}").contains(&secret[1..20]));
        let error = serde_json::from_str::<AccountKey>("\"planted-secret!\"").unwrap_err();
        assert!(!error.to_string().contains("planted"));
    }

    #[test]
    fn public_key_is_that_of_the_private_key() {
        let key = AccountKey::generate().unwrap();
        let again = KeyPair::from_pkcs8_der(&key.to_pkcs8_der()).unwrap();
        assert_eq!(key.spki_der(), again.spki_der());
    }

    #[test]
    fn other_bytes_are_no_key() {
        assert!(AccountKey::from_pkcs8_der(b"no").is_err());
        assert!(serde_json::from_str::<AccountKey>("\"AAAA\"").is_err());
    }
}
