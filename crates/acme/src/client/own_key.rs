//! Requests that are signed by a key itself, and not in the name of an account.
//!
//! instant-acme 0.8 sends neither contacts nor an external account binding for a key that the caller has stored
//! (`create_from_key`, djc/instant-acme#208), knows HS256 alone for the binding, and revokes in the name of an account
//! only. These requests are made here.

use bytes::Bytes;
use fleetcert_jose::{FlattenedJws, JoseError, KeyReference, ProtectedHeader, Signer};
use http::Method;
use reqwest::Url;
use serde_json::Value;

use super::Client;
use super::lenient::absolute;
use super::signer::NonceRetries;
use super::traffic::Purpose;
use crate::{AcmeError, AcmeErrorKind, Operation};

/// Sends `payload` to `url`, signed by `key`, and returns the `Location` and the body of the reply.
pub(super) async fn post(
    client: &Client,
    purpose: Purpose,
    url: &str,
    payload: &Value,
    key: &dyn Signer,
) -> Result<(Option<String>, Bytes), AcmeError> {
    let directory = client.directory().await?;
    let payload = payload.to_string();
    let target: Url = client.wire.own_url(url)?;
    let mut nonces = NonceRetries::default();
    loop {
        let nonce = client.wire.nonce(&directory.new_nonce).await?;
        let shown = KeyReference::Jwk(key.jwk().clone());
        let header = ProtectedHeader::new(key, shown).nonce(nonce).url(url);
        let jws = FlattenedJws::sign(&header, payload.as_bytes(), key).map_err(unusable)?.to_json();
        match client.wire.exchange(purpose, Method::POST, url, Some(jws.into())).await {
            Ok(reply) => {
                let location = reply.location().map(|location| absolute(&target, location));
                return Ok((location, reply.body));
            }
            Err(error) => nonces.again(error)?,
        }
    }
}

pub(super) fn unusable(error: JoseError) -> AcmeError {
    let detail = format!("the key cannot be used: {error}");
    AcmeError::new(AcmeErrorKind::InvalidInput, Operation::Setup, detail).because(error)
}
