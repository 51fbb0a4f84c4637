//! How a request proves who sends it.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use fleetcert_dns::BackendError;
use http::{HeaderMap, HeaderValue, Method};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::Call;

/// A request as it goes out, before it is proved.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Proves who sends a request: a token in a header, a signature over the request, a token that is fetched first.
#[async_trait]
pub(crate) trait Authorizer: Send + Sync + fmt::Debug {
    /// Adds the proof. It is called for each attempt, so that a signature has the time of the attempt. Whoever
    /// sends requests of his own to get a token makes them under [`Call::through`], within the same deadline.
    async fn authorize(&self, outgoing: &mut Outgoing, call: &Call<'_>) -> Result<(), BackendError>;

    /// The text without the secrets of this authorizer, for errors and logs: an answer may repeat what was sent.
    fn conceal(&self, text: &str) -> String;

    /// Told when the server answers 401. `true` when the next proof is another one, because a token was thrown away:
    /// then the request is sent once more.
    fn refused(&self) -> bool {
        false
    }
}

/// A header value that is marked as secret, so that nobody prints it; `None` when the secret cannot be in a header.
pub(crate) fn secret_header(scheme: &str, secret: &SecretString) -> Option<HeaderValue> {
    let secret = secret.expose_secret();
    let mut value =
        HeaderValue::from_str(&format!("{scheme}{secret}")).ok().filter(|_| !secret.is_empty())?;
    value.set_sensitive(true);
    Some(value)
}

/// The text with the secret replaced.
pub(crate) fn concealed(text: &str, secret: &SecretString) -> String {
    match secret.expose_secret() {
        "" => text.to_owned(),
        secret => text.replace(secret, "[secret]"),
    }
}
