//! An account for one name.

use async_trait::async_trait;
use fleetcert_dns::{BackendError, BackendErrorKind, Operation};
use fleetcert_names::DomainName;
use http::Method;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;

use crate::client::authorize::{concealed, secret_header};
use crate::client::{Api, Authorizer, Call, Outgoing, Repeat, Request};
use crate::{Endpoint, HttpClient};

/// An account that may change the values of one name. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct AcmeDnsAccount {
    /// Name at acme-dns, to which the CNAME of `_acme-challenge` points.
    pub full_domain: DomainName,
    /// First label of that name, which identifies it in the API.
    pub subdomain: String,
    /// User of the account.
    pub username: String,
    /// Key of the account.
    pub password: SecretString,
}

/// Registers an account for the name `for_name`. acme-dns accepts its changes only from these networks, in CIDR notation,
/// or from anywhere if there are none. Add the CNAME from `for_name` to
/// [`full_domain`](AcmeDnsAccount::full_domain) by hand.
///
/// **Idempotence.** None: each call makes an account. If the answer is lost, so is the account, without harm.
///
/// # Errors
/// As those of a backend. A server that is closed to registrations answers with a 404 or 403.
pub async fn register(
    endpoint: Endpoint,
    http: &HttpClient,
    for_name: &DomainName,
    allow_from: &[String],
) -> Result<AcmeDnsAccount, BackendError> {
    let api = Api::new(http, endpoint, Anonymous);
    let call = api.call(Operation::Apply, for_name);
    let request = Request::new(Method::POST, ["register"], Repeat::Harmful).with_secret_reply();
    let request =
        if allow_from.is_empty() { request } else { request.json(&json!({"allowfrom": allow_from})) };
    let reply = call.send(&request).await?;
    let registered: Registered = reply.json()?;
    let full_domain = registered
        .fulldomain
        .parse()
        .map_err(|error: fleetcert_names::NameError| call.error(BackendErrorKind::Unavailable, error))?;
    Ok(AcmeDnsAccount {
        full_domain,
        subdomain: registered.subdomain,
        username: registered.username,
        password: registered.password.into(),
    })
}

#[derive(Deserialize)]
struct Registered {
    fulldomain: String,
    subdomain: String,
    username: String,
    password: String,
}

/// Registration needs no credentials.
#[derive(Debug)]
struct Anonymous;

#[async_trait]
impl Authorizer for Anonymous {
    async fn authorize(&self, _: &mut Outgoing, _: &Call<'_>) -> Result<(), BackendError> {
        Ok(())
    }

    fn conceal(&self, text: &str) -> String {
        text.to_owned()
    }
}

#[async_trait]
impl Authorizer for AcmeDnsAccount {
    async fn authorize(&self, outgoing: &mut Outgoing, call: &Call<'_>) -> Result<(), BackendError> {
        let user = self.username.parse().ok();
        let (Some(user), Some(key)) = (user, secret_header("", &self.password)) else {
            let why = "the user or the key has characters that a header cannot have";
            return Err(call.error(BackendErrorKind::Unauthenticated, why));
        };
        outgoing.headers.insert("x-api-user", user);
        outgoing.headers.insert("x-api-key", key);
        Ok(())
    }

    fn conceal(&self, text: &str) -> String {
        concealed(text, &self.password)
    }
}
