//! Authorization of requests.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use fleetcert_dns::BackendError;
use http::{HeaderMap, HeaderValue, Method};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::Call;

/// A request before it is authorized.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Authorizes requests: with a token in a header, a signature over the request, or a token that is fetched first.
#[async_trait]
pub(crate) trait Authorizer: Send + Sync + fmt::Debug {
    /// Adds the credentials. It is called for each attempt, so that a signature has the time of the attempt. An implementation
    /// that fetches a token does so through [`Call::through`], within the same deadline.
    async fn authorize(&self, outgoing: &mut Outgoing, call: &Call<'_>) -> Result<(), BackendError>;

    /// Returns the text without the secrets of this authorizer, for errors and logs: an answer may repeat a secret.
    fn conceal(&self, text: &str) -> String;

    /// Called when the server answers 401. Returns `true` if a cached token was dropped: then the request is sent once more.
    fn refused(&self) -> bool {
        false
    }
}

/// Returns a header value that is marked as secret; `None` if the secret cannot be in a header.
pub(crate) fn secret_header(scheme: &str, secret: &SecretString) -> Option<HeaderValue> {
    let secret = secret.expose_secret();
    let mut value =
        HeaderValue::from_str(&format!("{scheme}{secret}")).ok().filter(|_| !secret.is_empty())?;
    value.set_sensitive(true);
    Some(value)
}

/// Returns the text with the secret replaced.
pub(crate) fn concealed(text: &str, secret: &SecretString) -> String {
    match secret.expose_secret() {
        "" => text.to_owned(),
        secret => text.replace(secret, "[secret]"),
    }
}
