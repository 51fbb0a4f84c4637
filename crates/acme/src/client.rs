//! A CA, reached by HTTPS.

mod account;
mod account_file;
mod directory;
mod key;
mod lenient;
mod nonce_pool;
mod own_key;
mod placed_order;
mod registration;
mod renewal_info;
mod reply;
mod signer;
mod tap;
mod traffic;
mod wire;

pub use account::Account;
pub use account_file::AccountFile;
pub use key::{AccountKey, Credentials};
pub use registration::{ExternalAccount, Registration, TermsOfService};
pub use traffic::Traffic;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fleetcert_ambient::Ambient;
use fleetcert_https::ClientBuilder;
use fleetcert_jose::Signer;
use http::Method;
use reqwest::Url;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::{AcmeError, AcmeErrorKind, Operation, RevocationReason};
use directory::Directory;
use signer::is_valid_account;
use traffic::Purpose;
use wire::Wire;

/// A CA, known by the URL of its directory. Clones share their connections and nonces.
///
/// The constructor sends nothing: the directory is read when it is first needed, and again after a day.
///
/// ```
/// use fleetcert_acme::{Client, ClientOptions};
/// use fleetcert_ambient::Ambient;
///
/// let url = "https://acme-staging-v02.api.letsencrypt.org/directory";
/// let options = ClientOptions::default();
/// let client = Client::new(url, &options, Ambient::system())?;
/// assert_eq!(client.traffic().directory, 0);
/// # Ok::<(), fleetcert_acme::AcmeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    wire: Arc<Wire>,
    directory: Arc<Mutex<Option<Arc<Directory>>>>,
}

/// Settings of a [`Client`].
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Root certificates of the CA's web server, in PEM, **in place of** those of the platform.
    pub roots_pem: Option<Vec<u8>>,
    /// User-Agent: the program with its version (RFC 8555 section 6.1).
    pub user_agent: String,
    /// Time limit for one request with its answer. Default: 30 seconds.
    pub request_timeout: Duration,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            roots_pem: None,
            user_agent: concat!("fleetcert/", env!("CARGO_PKG_VERSION")).to_owned(),
            request_timeout: Duration::from_secs(30),
        }
    }
}

/// Age at which the directory is read again.
const DIRECTORY_LIFE: Duration = Duration::from_secs(86_400);

impl Client {
    /// Returns the CA whose directory is at `directory_url`. No URL outside that URL's origin is ever requested.
    ///
    /// # Errors
    /// [`InvalidInput`](AcmeErrorKind::InvalidInput): the URL is not one of HTTPS, a root is not a certificate, or
    /// the User-Agent is no header value.
    pub fn new(directory_url: &str, options: &ClientOptions, ambient: Ambient) -> Result<Self, AcmeError> {
        let invalid = |detail: &str| AcmeError::new(AcmeErrorKind::InvalidInput, Operation::Setup, detail);
        let url = Url::parse(directory_url)
            .map_err(|error| invalid("the directory URL is not a URL").because(error))?;
        if url.scheme() != "https" {
            return Err(invalid("the directory URL must begin with https://"));
        }
        let mut builder = ClientBuilder::new(&options.user_agent).timeout(options.request_timeout);
        if let Some(roots) = &options.roots_pem {
            builder =
                builder.only_roots_pem(roots).map_err(|error| invalid(&error.to_string()).because(error))?;
        }
        let http = builder.build().map_err(|error| invalid(&error.to_string()).because(error))?;
        Ok(Self {
            wire: Arc::new(Wire::new(http, options.request_timeout, url, ambient)),
            directory: Arc::default(),
        })
    }

    /// Returns the URL of the CA's terms of service, if the directory names one.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub async fn terms_of_service(&self) -> Result<Option<String>, AcmeError> {
        Ok(self.directory().await?.terms_of_service.clone())
    }

    /// Returns the names of the profiles that an order may ask for.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub async fn profiles(&self) -> Result<Vec<String>, AcmeError> {
        Ok(self.directory().await?.profiles.clone())
    }

    /// Creates the account of `key`, or finds it where it exists.
    ///
    /// Store the key **before** this call: if its answer is lost, [`recover`](Self::recover) finds the account by the
    /// key. Store the account's [`credentials`](Account::credentials) after it. No other call creates an account.
    ///
    /// # Errors
    /// When the CA refuses, or cannot be reached.
    pub async fn register(
        &self,
        key: AccountKey,
        registration: impl Into<Registration>,
    ) -> Result<Account, AcmeError> {
        let failed = |error: AcmeError| error.during(Operation::Account);
        let directory = self.directory().await?;
        let signer = key.signer().map_err(failed)?;
        let payload = registration.into().payload(signer.jwk(), &directory.new_account).map_err(failed)?;
        self.new_account(key, &payload).await.map_err(failed)
    }

    /// Finds the account of `key` (`onlyReturnExisting`, RFC 8555 section 7.3.1); none is created.
    ///
    /// # Errors
    /// [`Account`](AcmeErrorKind::Account) when the key has none.
    pub async fn recover(&self, key: AccountKey) -> Result<Account, AcmeError> {
        let payload = json!({ "onlyReturnExisting": true });
        self.new_account(key, &payload).await.map_err(|error| error.during(Operation::Account))
    }

    /// Revokes a certificate, given in DER, with the certificate's own key (RFC 8555 section 7.6). Use it when the account
    /// that ordered the certificate is lost, or to prove that the key is compromised.
    ///
    /// # Errors
    /// As [`Authority::revoke`](crate::Authority::revoke); [`InvalidInput`](AcmeErrorKind::InvalidInput) when the key does
    /// not sign, or the CA revokes nothing.
    pub async fn revoke_by_certificate_key(
        &self,
        certificate_der: &[u8],
        reason: RevocationReason,
        key: &dyn fleetcert_jose::Signer,
    ) -> Result<(), AcmeError> {
        let failed = |error: AcmeError| error.during(Operation::Revoke);
        let directory = self.directory().await?;
        let Some(url) = &directory.revoke_cert else {
            let detail = "the CA has no URL for revocations";
            return Err(AcmeError::new(AcmeErrorKind::InvalidInput, Operation::Revoke, detail));
        };
        let certificate = URL_SAFE_NO_PAD.encode(certificate_der);
        let payload = json!({ "certificate": certificate, "reason": reason.code() });
        own_key::post(self, Purpose::Revocation, url, &payload, key).await.map_err(failed)?;
        Ok(())
    }

    /// Returns the account of stored credentials. Sends nothing.
    ///
    /// # Errors
    /// [`Protocol`](AcmeErrorKind::Protocol) when the account belongs to another CA than this.
    pub fn account(&self, credentials: Credentials) -> Result<Account, AcmeError> {
        self.wire.own_url(credentials.account_url()).map_err(|error| error.during(Operation::Account))?;
        Ok(Account::new(self.clone(), credentials))
    }

    /// Returns the number of requests sent so far, by all accounts together.
    pub fn traffic(&self) -> Traffic {
        self.wire.traffic()
    }

    async fn new_account(&self, key: AccountKey, payload: &Value) -> Result<Account, AcmeError> {
        let url = &self.directory().await?.new_account;
        let signer = key.signer()?;
        let (location, body) = own_key::post(self, Purpose::Account, url, payload, &signer).await?;
        match is_valid_account(&body) {
            Some(true) => {}
            Some(false) => {
                let detail = "the account is no longer valid";
                return Err(AcmeError::new(AcmeErrorKind::Account, Operation::Account, detail));
            }
            None => return Err(AcmeError::protocol("the answer is no account")),
        }
        let location = location.ok_or_else(|| AcmeError::protocol("the answer does not name the account"))?;
        self.account(Credentials::new(key, location))
    }

    /// Returns the directory, read at most once a day. If it cannot be read again, the old one stays in use.
    async fn directory(&self) -> Result<Arc<Directory>, AcmeError> {
        // Held while it is read, so that concurrent orders read it once.
        let mut known = self.directory.lock().await;
        let now = self.wire.now();
        match &*known {
            Some(directory) if now.duration_since(directory.read_at).unwrap_or_default() < DIRECTORY_LIFE => {
                return Ok(directory.clone());
            }
            _ => {}
        }
        match (self.read_directory().await, &*known) {
            (Ok(directory), _) => Ok(known.insert(Arc::new(directory)).clone()),
            (Err(error), Some(old)) => {
                tracing::warn!(%error, "the CA's directory cannot be read again; the old one is used");
                Ok(old.clone())
            }
            (Err(error), None) => Err(error.during(Operation::Directory)),
        }
    }

    async fn read_directory(&self) -> Result<Directory, AcmeError> {
        let url = self.wire.directory_url().as_str();
        let reply = self.wire.exchange(Purpose::Directory, Method::GET, url, None).await?;
        Directory::parse(&reply.body, &self.wire)
    }

    /// Makes the next call read the directory again: a CA that does not know one of its URLs has changed them.
    async fn forget_directory(&self) {
        *self.directory.lock().await = None;
    }
}
