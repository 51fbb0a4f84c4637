//! The secret of a webhook.

use async_trait::async_trait;
use fleetcert_dns::BackendError;
use http::HeaderValue;
use http::header::AUTHORIZATION;
use secrecy::SecretString;
use url::Position;

use super::signature::{SIGNATURE_HEADER, sign};
use crate::client::authorize::concealed;
use crate::client::{Authorizer, Call, Outgoing, Token};

/// The secret that both sides share. `Debug` does not show it.
#[derive(Clone, Debug)]
pub enum WebhookSecret {
    /// A token in each request: `Authorization: Bearer …`. Anyone who reads a request can send others.
    Bearer(SecretString),
    /// A key that signs each request and is never sent. Anyone who reads a request can only repeat it, for some minutes.
    Hmac(SecretString),
}

#[async_trait]
impl Authorizer for WebhookSecret {
    async fn authorize(&self, outgoing: &mut Outgoing, call: &Call<'_>) -> Result<(), BackendError> {
        let key = match self {
            Self::Bearer(token) => {
                return Token::new(AUTHORIZATION, "Bearer ", token.clone()).authorize(outgoing, call).await;
            }
            Self::Hmac(key) => key,
        };
        let target = &outgoing.url[Position::BeforePath..Position::AfterQuery];
        let value = sign(key, outgoing.method.as_str(), target, call.now(), &outgoing.body);
        let value = HeaderValue::try_from(value).expect("digits and letters are a header value");
        outgoing.headers.insert(SIGNATURE_HEADER, value);
        Ok(())
    }

    fn conceal(&self, text: &str) -> String {
        match self {
            Self::Bearer(secret) | Self::Hmac(secret) => concealed(text, secret),
        }
    }
}
