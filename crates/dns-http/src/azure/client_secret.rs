//! Tokens for an app that has a client secret (RFC 6749 section 4.4).

use async_trait::async_trait;
use fleetcert_dns::BackendError;
use secrecy::{ExposeSecret, SecretString};

use crate::client::{Api, Call};
use crate::tokens::{self, AccessToken, Fetch, SecretInBody};
use crate::{Endpoint, HttpClient};

/// Fetches tokens for the app.
#[derive(Debug)]
pub(super) struct ClientSecret {
    tenant_id: String,
    client_id: String,
    client_secret: SecretString,
    scope: String,
    tokens: Api,
}

impl ClientSecret {
    /// `authority` gives out the tokens, and they are for the API at `api`.
    pub(super) fn new(
        [tenant_id, client_id]: [String; 2],
        client_secret: SecretString,
        authority: Endpoint,
        api: &Endpoint,
        http: &HttpClient,
    ) -> Self {
        let proof = SecretInBody(Some(client_secret.clone()));
        let tokens = Api::new(http, authority, proof).reading_kinds(tokens::kind_of);
        Self { tenant_id, client_id, client_secret, scope: format!("{api}.default"), tokens }
    }
}

#[async_trait]
impl Fetch for ClientSecret {
    async fn fetch(&self, call: &Call<'_>) -> Result<AccessToken, BackendError> {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &self.client_id),
            ("client_secret", self.client_secret.expose_secret()),
            ("scope", &self.scope),
        ];
        tokens::request(&self.tokens, call, &[&self.tenant_id, "oauth2", "v2.0", "token"], &form).await
    }
}
