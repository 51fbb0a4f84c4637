//! What newAccount sends.

use std::fmt;

use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use fleetcert_jose::{Algorithm, FlattenedJws, Jwk, KeyReference, ProtectedHeader};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::{AcmeError, AcmeErrorKind, Operation};

/// Agreement to the CA's terms of service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TermsOfService {
    /// The operator of this program has read [them](super::Client::terms_of_service) and agrees.
    Agreed,
}

/// The registration of an account (RFC 8555 section 7.3). [`TermsOfService`] converts into one without contacts and
/// external account.
///
/// ```
/// use fleetcert_acme::{ExternalAccount, Registration, TermsOfService};
///
/// let key = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";
/// let registration = Registration {
///     contacts: vec!["mailto:ops@example.com".to_owned()],
///     external_account: Some(ExternalAccount::new("kid-1", key)?),
///     ..Registration::from(TermsOfService::Agreed)
/// };
/// assert!(!format!("{registration:?}").contains(key));
/// # Ok::<(), fleetcert_acme::AcmeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Registration {
    /// Agreement to the CA's terms of service.
    pub terms: TermsOfService,
    /// Contact URLs, for example `mailto:ops@example.com`. Some CAs require one. Default: none.
    pub contacts: Vec<String>,
    /// External account to which the account belongs, for CAs that require one. Default: none.
    pub external_account: Option<ExternalAccount>,
}

impl From<TermsOfService> for Registration {
    fn from(terms: TermsOfService) -> Self {
        Self { terms, contacts: Vec::new(), external_account: None }
    }
}

impl Registration {
    /// Returns the payload of newAccount for the account key.
    pub(super) fn payload(&self, key: &Jwk, new_account_url: &str) -> Result<Value, AcmeError> {
        let TermsOfService::Agreed = self.terms;
        let mut payload = json!({ "termsOfServiceAgreed": true });
        if !self.contacts.is_empty() {
            payload["contact"] = json!(self.contacts);
        }
        if let Some(external) = &self.external_account {
            let binding = external.bind(key, new_account_url)?;
            payload["externalAccountBinding"] =
                serde_json::to_value(binding).expect("three strings always serialise");
        }
        Ok(payload)
    }
}

/// An account outside ACME, for the external account binding (RFC 8555 section 7.3.4): the key identifier and the MAC
/// key that a CA's customer portal shows. `Debug` does not show the key.
#[derive(Clone)]
pub struct ExternalAccount {
    kid: String,
    algorithm: Algorithm,
    key: Zeroizing<Vec<u8>>,
}

/// CAs show the key in base64url or in base64, with padding and without.
const CONFIG: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

impl ExternalAccount {
    /// Returns the external account `kid` with its key in base64url or base64. The MAC is HS256.
    ///
    /// # Errors
    /// [`InvalidInput`](AcmeErrorKind::InvalidInput) when the key is not base64, or shorter than 32 octets.
    pub fn new(kid: impl Into<String>, key: &str) -> Result<Self, AcmeError> {
        let text = key.trim();
        let alphabet = if text.contains(['+', '/']) { &STANDARD } else { &URL_SAFE };
        // The reason is left out: it would quote the secret.
        let key = GeneralPurpose::new(alphabet, CONFIG)
            .decode(text)
            .map_err(|_| invalid("the key of the external account is not base64"))?;
        Self { kid: kid.into(), algorithm: Algorithm::Hs256, key: Zeroizing::new(key) }.checked()
    }

    /// Returns the account with the MAC HS384, for CAs that demand it.
    ///
    /// # Errors
    /// [`InvalidInput`](AcmeErrorKind::InvalidInput) when the key is shorter than 48 octets.
    pub fn with_hs384(self) -> Result<Self, AcmeError> {
        Self { algorithm: Algorithm::Hs384, ..self }.checked()
    }

    /// Returns the account with the MAC HS512, for CAs that demand it.
    ///
    /// # Errors
    /// [`InvalidInput`](AcmeErrorKind::InvalidInput) when the key is shorter than 64 octets.
    pub fn with_hs512(self) -> Result<Self, AcmeError> {
        Self { algorithm: Algorithm::Hs512, ..self }.checked()
    }

    fn checked(self) -> Result<Self, AcmeError> {
        self.sign(b"", "")?;
        Ok(self)
    }

    fn bind(&self, key: &Jwk, new_account_url: &str) -> Result<FlattenedJws, AcmeError> {
        let payload = serde_json::to_vec(key).expect("a public key always serialises");
        self.sign(&payload, new_account_url)
    }

    fn sign(&self, payload: &[u8], url: &str) -> Result<FlattenedJws, AcmeError> {
        let header = ProtectedHeader {
            alg: self.algorithm,
            key: KeyReference::Kid(self.kid.clone()),
            nonce: None,
            url: Some(url.to_owned()),
            typ: None,
        };
        FlattenedJws::sign_mac(&header, payload, &self.key)
            .map_err(|error| invalid(&format!("the external account cannot be used: {error}")).because(error))
    }
}

fn invalid(detail: &str) -> AcmeError {
    AcmeError::new(AcmeErrorKind::InvalidInput, Operation::Account, detail)
}

impl fmt::Debug for ExternalAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExternalAccount")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use fleetcert_jose::{KeyPair, Signer, UnverifiedJws};

    use super::*;

    #[test]
    fn key_is_read_in_every_form_of_base64() {
        let octets = [0xfb; 64];
        for alphabet in [&STANDARD, &URL_SAFE] {
            for padded in [true, false] {
                let config = GeneralPurposeConfig::new().with_encode_padding(padded);
                let text = GeneralPurpose::new(alphabet, config).encode(octets);
                let account = ExternalAccount::new("k", &format!(" {text}\n")).unwrap();
                assert_eq!(*account.key, octets);
                assert!(!format!("{account:?}").contains(&text[..8]));
            }
        }
    }

    #[test]
    fn short_or_damaged_key_is_refused_and_not_quoted() {
        let error = ExternalAccount::new("k", "planted secret!").unwrap_err();
        assert_eq!(error.kind(), AcmeErrorKind::InvalidInput);
        assert!(!error.to_string().contains("planted"), "{error}");
        let key = |octets: usize| "A".repeat(octets * 4 / 3);
        assert!(ExternalAccount::new("k", &key(30)).is_err());
        let account = ExternalAccount::new("k", &key(33)).unwrap();
        assert!(account.clone().with_hs384().is_err() && account.with_hs512().is_err());
    }

    #[test]
    fn binding_is_the_account_key_under_the_mac() {
        let key = KeyPair::generate(Algorithm::Es256).unwrap();
        let text = "A".repeat(86);
        let account = ExternalAccount::new("kid-7", &text).unwrap();
        for (account, algorithm) in [
            (account.clone(), Algorithm::Hs256),
            (account.clone().with_hs384().unwrap(), Algorithm::Hs384),
            (account.with_hs512().unwrap(), Algorithm::Hs512),
        ] {
            let registration =
                Registration { external_account: Some(account), ..TermsOfService::Agreed.into() };
            let payload = registration.payload(key.jwk(), "https://ca.test/new").unwrap();
            let binding = payload["externalAccountBinding"].to_string();
            let verified = UnverifiedJws::parse(binding.as_bytes()).unwrap().verify_mac(&[0; 64]).unwrap();
            let header = verified.header();
            assert_eq!((header.alg, header.url.as_deref()), (algorithm, Some("https://ca.test/new")));
            assert_eq!(header.key, KeyReference::Kid("kid-7".to_owned()));
            assert_eq!(serde_json::from_slice::<Jwk>(verified.payload()).unwrap(), *key.jwk());
        }
    }
}
