//! Tokens that are fetched, kept until shortly before they expire, and sent as `Authorization: Bearer`.

use parking_lot::Mutex;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use fleetcert_ambient::timeout;
use fleetcert_dns::{BackendError, BackendErrorKind};
use http::header::AUTHORIZATION;
use http::{Method, StatusCode};
use secrecy::SecretString;
use serde::Deserialize;

use crate::CredentialError;
use crate::client::authorize::{concealed, secret_header};
use crate::client::{Api, Authorizer, Call, Outgoing, Repeat, Request};
use crate::credentials::within;

/// A token, and for how long it is good.
#[derive(Clone, Debug)]
pub struct AccessToken {
    /// The token as it stands after `Bearer `.
    pub secret: SecretString,
    /// From now on. A token is used until a minute before the end.
    pub valid_for: Duration,
}

/// Where tokens come from that the backend cannot fetch itself: the metadata server of a virtual machine, workload
/// identity, a vault.
///
/// ```
/// use std::time::Duration;
/// use async_trait::async_trait;
/// use fleetcert_dns_http::{AccessToken, CredentialError, TokenSource};
///
/// #[derive(Debug)]
/// struct FromFile(std::path::PathBuf);
///
/// #[async_trait]
/// impl TokenSource for FromFile {
///     async fn token(&self) -> Result<AccessToken, CredentialError> {
///         let text = std::fs::read_to_string(&self.0)
///             .map_err(CredentialError::unavailable)?;
///         let valid_for = Duration::from_secs(300);
///         Ok(AccessToken { secret: text.trim().into(), valid_for })
///     }
/// }
/// ```
#[async_trait]
pub trait TokenSource: Send + Sync + fmt::Debug {
    /// A token that is good for longer than a minute. It is asked when the last one is about to expire or was
    /// refused, by one task at a time, and given the time that is left of the call.
    ///
    /// # Errors
    /// [`CredentialError`] when there is none.
    async fn token(&self) -> Result<AccessToken, CredentialError>;
}

/// A [`TokenSource`] that sends its own requests under the deadline of a call.
#[async_trait]
pub(crate) trait Fetch: Send + Sync + fmt::Debug {
    async fn fetch(&self, call: &Call<'_>) -> Result<AccessToken, BackendError>;
}

#[async_trait]
impl Fetch for Arc<dyn TokenSource> {
    async fn fetch(&self, call: &Call<'_>) -> Result<AccessToken, BackendError> {
        within(call, self.token()).await
    }
}

/// Proves requests by a token that is fetched when it is needed.
#[derive(Debug)]
pub(crate) struct Fetched {
    fetch: Box<dyn Fetch>,
    kept: Mutex<Option<Kept>>,
    /// Held while a token is fetched, so that many calls make one request.
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Clone, Debug)]
struct Kept {
    secret: SecretString,
    until: SystemTime,
}

/// What is left of a token's life when it is no longer used: the longest way of a request, and clocks that differ.
const MARGIN: Duration = Duration::from_secs(60);
/// No token lives longer.
const MAX_TOKEN_AGE: Duration = Duration::from_secs(24 * 3600);

impl Fetched {
    pub(crate) fn new(fetch: Box<dyn Fetch>) -> Self {
        Self { fetch, kept: Mutex::default(), fetching: tokio::sync::Mutex::default() }
    }

    async fn token(&self, call: &Call<'_>) -> Result<SecretString, BackendError> {
        if let Some(token) = self.kept(call.now()) {
            return Ok(token);
        }
        let turn = timeout(call.http().clock(), call.left(), self.fetching.lock()).await;
        let _fetching = turn.map_err(|elapsed| call.error(BackendErrorKind::Unavailable, elapsed))?;
        if let Some(token) = self.kept(call.now()) {
            return Ok(token);
        }
        let AccessToken { secret, valid_for } = self.fetch.fetch(call).await?;
        let until = call.now() + valid_for.min(MAX_TOKEN_AGE);
        *self.lock() = Some(Kept { secret: secret.clone(), until });
        Ok(secret)
    }

    fn kept(&self, now: SystemTime) -> Option<SecretString> {
        let kept = self.lock();
        kept.as_ref().filter(|kept| now + MARGIN < kept.until).map(|kept| kept.secret.clone())
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, Option<Kept>> {
        self.kept.lock()
    }
}

#[async_trait]
impl Authorizer for Fetched {
    async fn authorize(&self, outgoing: &mut Outgoing, call: &Call<'_>) -> Result<(), BackendError> {
        let token = self.token(call).await?;
        let header = secret_header("Bearer ", &token).ok_or_else(|| {
            call.error(
                BackendErrorKind::Unauthenticated,
                "the token has characters that a header cannot have",
            )
        })?;
        outgoing.headers.insert(AUTHORIZATION, header);
        Ok(())
    }

    fn conceal(&self, text: &str) -> String {
        self.lock().as_ref().map_or_else(|| text.to_owned(), |kept| concealed(text, &kept.secret))
    }

    fn refused(&self) -> bool {
        *self.lock() = None;
        true
    }
}

/// A request for a token has its secret in its body; nothing is added, and the secret is kept out of errors.
#[derive(Debug)]
pub(crate) struct SecretInBody(pub(crate) Option<SecretString>);

#[async_trait]
impl Authorizer for SecretInBody {
    async fn authorize(&self, _: &mut Outgoing, _: &Call<'_>) -> Result<(), BackendError> {
        Ok(())
    }

    fn conceal(&self, text: &str) -> String {
        self.0.as_ref().map_or_else(|| text.to_owned(), |secret| concealed(text, secret))
    }
}

/// The answer of a token endpoint (RFC 6749 section 5.1).
#[derive(Deserialize)]
struct TokenReply {
    access_token: String,
    expires_in: u64,
}

/// Asks a token endpoint for a token with this form (RFC 6749 section 4.4.2, RFC 7523 section 2.1).
pub(crate) async fn request(
    api: &Api,
    call: &Call<'_>,
    segments: &[&str],
    form: &[(&str, &str)],
) -> Result<AccessToken, BackendError> {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let request = Request::new(Method::POST, segments.iter().copied(), Repeat::Harmless)
        .body("application/x-www-form-urlencoded", Bytes::from(body))
        .with_secret_reply();
    let reply: TokenReply = call.through(api).send(&request).await?.json()?;
    if reply.access_token.is_empty() {
        return Err(call.error(BackendErrorKind::Unavailable, "the token endpoint gave an empty token"));
    }
    Ok(AccessToken { secret: reply.access_token.into(), valid_for: Duration::from_secs(reply.expires_in) })
}

/// What a refusal of a token endpoint means: it does not believe us, whatever the status (RFC 6749 section 5.2).
pub(crate) fn kind_of(status: StatusCode, body: &[u8]) -> Option<BackendErrorKind> {
    #[derive(Deserialize)]
    struct ErrorReply {
        error: String,
    }
    let ErrorReply { error } = serde_json::from_slice(body).ok().filter(|_| status.is_client_error())?;
    match error.as_str() {
        "invalid_client" | "invalid_grant" | "unauthorized_client" | "invalid_scope" | "access_denied" => {
            Some(BackendErrorKind::Unauthenticated)
        }
        "temporarily_unavailable" => Some(BackendErrorKind::Unavailable),
        _ => None,
    }
}
