//! The key of a service account, and the tokens that it gets (RFC 7523).

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fleetcert_dns::{BackendError, BackendErrorKind};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::client::{Api, Call};
use crate::tokens::{self, AccessToken, Fetch, SecretInBody};
use crate::{Endpoint, HttpClient};

/// The key file of a service account, as Google gives it out. `Debug` shows whose it is and no key.
///
/// ```
/// use fleetcert_dns_http::google::{ServiceAccountKey, ServiceAccountKeyError};
///
/// let other = r#"{"type": "authorized_user"}"#;
/// let error = ServiceAccountKey::parse(other).unwrap_err();
/// assert_eq!(error, ServiceAccountKeyError::NotAKeyFile);
/// ```
#[derive(Clone)]
pub struct ServiceAccountKey {
    client_email: String,
    key_id: String,
    token_endpoint: Endpoint,
    key: Arc<RsaKeyPair>,
}

/// A text that is no key file. The text is not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceAccountKeyError {
    /// It is not the JSON of a service account's key.
    #[error(
        "this is not the JSON of a service account's key, with client_email, private_key_id and private_key"
    )]
    NotAKeyFile,
    /// The private key is not RSA in PKCS #8.
    #[error("the private key is not an RSA key in PKCS #8 and PEM")]
    BadKey,
    /// The token endpoint is no https URL.
    #[error("the token_uri is not an https URL")]
    BadTokenUri,
}

/// What the file has besides is not needed.
#[derive(Deserialize)]
struct KeyFile {
    client_email: String,
    private_key_id: String,
    private_key: String,
    #[serde(default = "default_token_uri")]
    token_uri: String,
}

fn default_token_uri() -> String {
    "https://oauth2.googleapis.com/token".to_owned()
}

const SCOPE: &str = "https://www.googleapis.com/auth/ndev.clouddns.readwrite";
/// The longest that Google takes.
const LIFE: Duration = Duration::from_secs(3600);

impl ServiceAccountKey {
    /// The key in this JSON.
    ///
    /// # Errors
    /// [`ServiceAccountKeyError`].
    pub fn parse(json: &str) -> Result<Self, ServiceAccountKeyError> {
        let file: KeyFile = serde_json::from_str(json).map_err(|_| ServiceAccountKeyError::NotAKeyFile)?;
        let private_key = Zeroizing::new(file.private_key);
        let token_endpoint = file.token_uri.parse().map_err(|_| ServiceAccountKeyError::BadTokenUri)?;
        let document = pem::parse(private_key.as_bytes()).map_err(|_| ServiceAccountKeyError::BadKey)?;
        let der = Zeroizing::new(document.into_contents());
        let key = RsaKeyPair::from_pkcs8(&der).map_err(|_| ServiceAccountKeyError::BadKey)?;
        Ok(Self {
            client_email: file.client_email,
            key_id: file.private_key_id,
            token_endpoint,
            key: Arc::new(key),
        })
    }

    /// The statement that gets a token; `None` when the provider fails.
    fn assertion(&self, now: SystemTime) -> Option<String> {
        let issued = now.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
        let header = serde_json::json!({"alg": "RS256", "kid": self.key_id, "typ": "JWT"});
        let claims = serde_json::json!({
            "iss": self.client_email,
            "scope": SCOPE,
            "aud": self.token_endpoint.to_string(),
            "iat": issued,
            "exp": issued + LIFE.as_secs(),
        });
        let encoded = |text: String| URL_SAFE_NO_PAD.encode(text);
        let to_sign = format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()));
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), to_sign.as_bytes(), &mut signature).ok()?;
        Some(format!("{to_sign}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

impl fmt::Debug for ServiceAccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServiceAccountKey({}, {})", self.client_email, self.key_id)
    }
}

/// Fetches tokens for the account.
#[derive(Debug)]
pub(super) struct ServiceAccount {
    key: ServiceAccountKey,
    tokens: Api,
}

impl ServiceAccount {
    pub(super) fn new(key: ServiceAccountKey, http: &HttpClient) -> Self {
        let tokens =
            Api::new(http, key.token_endpoint.clone(), SecretInBody(None)).reading_kinds(tokens::kind_of);
        Self { key, tokens }
    }
}

#[async_trait]
impl Fetch for ServiceAccount {
    async fn fetch(&self, call: &Call<'_>) -> Result<AccessToken, BackendError> {
        let assertion = self.key.assertion(call.now()).ok_or_else(|| {
            call.error(BackendErrorKind::Unauthenticated, "the service account's key does not sign")
        })?;
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("assertion", assertion.as_str()),
        ];
        tokens::request(&self.tokens, call, &[], &form).await
    }
}

#[cfg(test)]
#[path = "../../tests/providers/google/key_file.rs"]
mod key_file;

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

    use super::key_file::key_file;
    use super::*;

    #[test]
    fn an_assertion_is_signed_and_says_who_what_and_when() {
        let key = ServiceAccountKey::parse(&key_file("https://oauth2.googleapis.com/token")).unwrap();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let assertion = key.assertion(now).unwrap();
        let (to_sign, signature) = assertion.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.key.public_key().as_ref())
            .verify(to_sign.as_bytes(), &signature)
            .unwrap();
        let json = |part: &str| -> serde_json::Value {
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
        };
        let (header, claims) = to_sign.split_once('.').unwrap();
        assert_eq!(json(header), serde_json::json!({"alg": "RS256", "typ": "JWT", "kid": "key-1"}));
        assert_eq!(
            json(claims),
            serde_json::json!({
                "iss": "fleetcert@p.iam.gserviceaccount.com",
                "scope": "https://www.googleapis.com/auth/ndev.clouddns.readwrite",
                "aud": "https://oauth2.googleapis.com/token",
                "iat": 1_700_000_000,
                "exp": 1_700_003_600,
            })
        );
    }

    #[test]
    fn what_is_no_key_file() {
        let good = key_file("https://oauth2.googleapis.com/token");
        for (text, error) in [
            ("", ServiceAccountKeyError::NotAKeyFile),
            ("{}", ServiceAccountKeyError::NotAKeyFile),
            (&good.replace("client_email", "mail"), ServiceAccountKeyError::NotAKeyFile),
            (&good.replace("BEGIN PRIVATE KEY", "BEGIN"), ServiceAccountKeyError::BadKey),
            (&good.replace("MII", "MMI"), ServiceAccountKeyError::BadKey),
            (&good.replace("https://", "http://"), ServiceAccountKeyError::BadTokenUri),
        ] {
            assert_eq!(ServiceAccountKey::parse(text).unwrap_err(), error);
        }
        let key = ServiceAccountKey::parse(&good).unwrap();
        assert_eq!(format!("{key:?}"), "ServiceAccountKey(fleetcert@p.iam.gserviceaccount.com, key-1)");
    }
}
