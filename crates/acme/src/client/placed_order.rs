//! An order at the CA, over RFC 8555.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use fleetcert_names::{HostName, Identifier, IdentifierSet};
use instant_acme::{AuthorizationHandle, AuthorizedIdentifier, ChallengeStatus, ChallengeType, Order};
use reqwest::Url;
use serde_json::Value;

use super::Account;
use super::lenient::absolute;
use super::reply::Reply;
use super::signer::NonceRetries;
use super::tap::LastReply;
use crate::{
    AcmeError, AcmeErrorKind, AuthorizationStatus, Dns01, Operation, OrderHandle, OrderStatus, Problem,
    Reading,
};

/// An order, as it was last read.
pub(super) struct PlacedOrder {
    account: Account,
    url: String,
    /// The library's order, and the last reply about it; `None` until the order could be read.
    read: Option<(Order, LastReply)>,
    reading: Reading,
    /// Challenges, in the order of the authorizations, as far as they were read.
    known: Vec<Dns01>,
    /// URLs of the other chains, as the download of the certificate named them.
    alternates: Vec<String>,
}

/// Maximum number of other chains that are downloaded.
const MAX_ALTERNATES: usize = 8;

impl PlacedOrder {
    /// Returns the order whose reply was the last through the tap. It must be for the identifiers that were ordered, as
    /// far as it names them.
    pub(super) fn new(
        account: Account,
        order: Order,
        last: LastReply,
        ordered: Option<&IdentifierSet>,
    ) -> Result<Self, AcmeError> {
        let reply = last.take().ok_or_else(|| AcmeError::protocol("there is no order"))?;
        let object = serde_json::from_slice(&reply.body).unwrap_or_default();
        let named = identifiers(&object);
        if named.zip(ordered).is_some_and(|(named, ordered)| named != *ordered) {
            return Err(AcmeError::protocol("the CA returned an order for other identifiers"));
        }
        let mut placed = Self::unread(account, order.url().to_owned());
        placed.read = Some((order, last));
        placed.take_over(&object, reply.retry_after);
        Ok(placed)
    }

    /// Returns an order that the CA accepted, and whose description could not be read.
    pub(super) fn unread(account: Account, url: String) -> Self {
        let reading = Reading { status: OrderStatus::Pending, retry_after: None, problem: None };
        Self { account, url, read: None, reading, known: Vec::new(), alternates: Vec::new() }
    }

    /// Takes over what the library has just read.
    fn take_over_last(&mut self) {
        let reply = self.read.as_ref().and_then(|(_, last)| last.take());
        let retry_after = reply.as_ref().and_then(|reply| reply.retry_after);
        let object = reply.and_then(|reply| serde_json::from_slice(&reply.body).ok());
        self.take_over(&object.unwrap_or_default(), retry_after);
    }

    fn take_over(&mut self, object: &Value, retry_after: Option<Duration>) {
        let Some((order, _)) = &mut self.read else { return };
        let status = match order.state().status {
            instant_acme::OrderStatus::Pending => OrderStatus::Pending,
            instant_acme::OrderStatus::Ready => OrderStatus::Ready,
            instant_acme::OrderStatus::Processing => OrderStatus::Processing,
            instant_acme::OrderStatus::Valid => OrderStatus::Valid,
            instant_acme::OrderStatus::Invalid => OrderStatus::Invalid,
        };
        self.reading = Reading { status, retry_after, problem: object.get("error").and_then(Problem::read) };
        self.known.clear();
    }

    /// Returns the library's order; it is read first if it never was.
    async fn order(&mut self) -> Result<&mut Order, AcmeError> {
        if self.read.is_none() {
            *self = self.account.read(&self.url).await?;
        }
        self.read.as_mut().map(|(order, _)| order).ok_or_else(|| AcmeError::protocol("there is no order"))
    }

    async fn read_again(&mut self) -> Result<(), AcmeError> {
        if self.read.is_none() {
            return self.order().await.map(|_| ());
        }
        let order = self.order().await?;
        let mut nonces = NonceRetries::default();
        while let Err(error) = order.refresh().await {
            nonces.again(error)?;
        }
        self.take_over_last();
        Ok(())
    }

    /// Reads every authorization once; those that were read before cost no request.
    async fn read_challenges(&mut self) -> Result<(), AcmeError> {
        self.order().await?;
        let Some((order, _)) = &mut self.read else { return Ok(()) };
        let mut nonces = NonceRetries::default();
        'again: loop {
            let mut position = 0;
            let mut authorizations = order.authorizations();
            while let Some(authorization) = authorizations.next().await {
                match authorization {
                    Ok(authorization) if position == self.known.len() => {
                        self.known.push(dns01(authorization)?);
                        // Each authorization is a call of its own.
                        nonces = NonceRetries::default();
                    }
                    Ok(_) => {}
                    Err(error) => {
                        nonces.again(error)?;
                        continue 'again;
                    }
                }
                position += 1;
            }
            return Ok(());
        }
    }

    /// Answers the challenge of `wanted`; returns `false` when the order has none for it.
    async fn set_ready(&mut self, wanted: &Identifier) -> Result<bool, AcmeError> {
        let order = self.order().await?;
        let mut nonces = NonceRetries::default();
        'again: loop {
            let mut authorizations = order.authorizations();
            while let Some(authorization) = authorizations.next().await {
                let answered = match authorization {
                    Ok(mut authorization) => {
                        let is_wanted = identifier(&authorization.identifier()).as_ref() == Some(wanted);
                        match authorization.challenge(ChallengeType::Dns01) {
                            Some(mut challenge) if is_wanted => challenge.set_ready().await,
                            _ => continue,
                        }
                    }
                    Err(error) => Err(error),
                };
                match answered {
                    Ok(()) => return Ok(true),
                    Err(error) => {
                        nonces.again(error)?;
                        continue 'again;
                    }
                }
            }
            return Ok(false);
        }
    }

    /// Takes over what the reply to an answer says about the challenge.
    fn take_over_answer(&mut self, identifier: &Identifier) {
        let Some(reply) = self.read.as_ref().and_then(|(_, last)| last.take()) else { return };
        let challenge: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        let Some(known) = self.known.iter_mut().find(|known| known.identifier == *identifier) else { return };
        known.status = match challenge.get("status").and_then(Value::as_str) {
            Some("valid") => AuthorizationStatus::Valid,
            Some("invalid") => AuthorizationStatus::Dead,
            _ => return,
        };
        known.value = None;
        known.problem = challenge.get("error").and_then(Problem::read);
    }

    async fn send_csr(&mut self, csr_der: &[u8]) -> Result<(), AcmeError> {
        let order = self.order().await?;
        let mut nonces = NonceRetries::default();
        while let Err(error) = order.finalize_csr(csr_der).await {
            nonces.again(error)?;
        }
        self.take_over_last();
        Ok(())
    }

    async fn download(&mut self) -> Result<Vec<u8>, AcmeError> {
        let order = self.order().await?;
        let mut nonces = NonceRetries::default();
        loop {
            match order.certificate().await {
                Ok(Some(chain)) => {
                    let base = order.state().certificate.as_deref().and_then(|url| Url::parse(url).ok());
                    let reply = self.read.as_ref().and_then(|(_, last)| last.take());
                    self.alternates = base.zip(reply).map(alternates).unwrap_or_default();
                    return Ok(chain.into_bytes());
                }
                Ok(None) => return Err(AcmeError::protocol("the order is not valid")),
                Err(error) => nonces.again(error)?,
            }
        }
    }

    async fn download_alternates(&self) -> Result<Vec<Vec<u8>>, AcmeError> {
        let mut chains = Vec::new();
        for url in &self.alternates {
            chains.push(self.account.post_as_get(url).await?.body.to_vec());
        }
        Ok(chains)
    }

    async fn done<T>(&self, result: Result<T, AcmeError>, operation: Operation) -> Result<T, AcmeError> {
        match result {
            Ok(value) => Ok(value),
            Err(error) => Err(self.account.attribute(error).await.during(operation)),
        }
    }
}

/// Returns the URLs of the other chains that the reply to the certificate's URL names.
fn alternates((url, reply): (Url, Reply)) -> Vec<String> {
    let links = reply.links("alternate");
    links.iter().take(MAX_ALTERNATES).map(|link| absolute(&url, link)).collect()
}

/// Reads the identifiers of an order object, which the library drops. `None` if it does not have them, or has others
/// than host names and wildcards.
fn identifiers(order: &Value) -> Option<IdentifierSet> {
    let identifier = |object: &Value| match object.get("type")?.as_str()? {
        "dns" => object.get("value")?.as_str()?.parse::<Identifier>().ok(),
        _ => None,
    };
    let identifiers: Option<Vec<_>> = order.get("identifiers")?.as_array()?.iter().map(identifier).collect();
    IdentifierSet::new(identifiers?).ok()
}

/// Returns the identifier of an authorization: for a wildcard, the CA names its base (RFC 8555 section 7.1.4).
fn identifier(authorized: &AuthorizedIdentifier<'_>) -> Option<Identifier> {
    let instant_acme::Identifier::Dns(text) = authorized.identifier else { return None };
    let base: HostName = text.parse().ok()?;
    Some(if authorized.wildcard { Identifier::wildcard(base) } else { base.into() })
}

fn dns01(authorization: AuthorizationHandle<'_>) -> Result<Dns01, AcmeError> {
    // Bound again, so that its lifetime can be as short as the borrow that `challenge` takes.
    let mut authorization = authorization;
    use instant_acme::AuthorizationStatus as Theirs;
    let status = match authorization.status {
        Theirs::Pending => AuthorizationStatus::Pending,
        Theirs::Valid => AuthorizationStatus::Valid,
        Theirs::Invalid | Theirs::Revoked | Theirs::Expired | Theirs::Deactivated => {
            AuthorizationStatus::Dead
        }
    };
    let identifier = identifier(&authorization.identifier())
        .ok_or_else(|| AcmeError::protocol("an authorization is not for a host name"))?;
    let problem = authorization.challenges.iter().find_map(|challenge| challenge.error.as_ref()).map(problem);
    if status != AuthorizationStatus::Pending {
        return Ok(Dns01 { identifier, value: None, status, problem });
    }
    let challenge = authorization
        .challenge(ChallengeType::Dns01)
        .ok_or_else(|| AcmeError::protocol(format!("the CA offers no dns-01 challenge for {identifier}")))?;
    // Some CAs leave the authorization of a failed challenge pending.
    if challenge.status == ChallengeStatus::Invalid {
        let problem = challenge.error.as_ref().map(self::problem);
        return Ok(Dns01 { identifier, value: None, status: AuthorizationStatus::Dead, problem });
    }
    if challenge.token.is_empty() {
        return Err(AcmeError::protocol("a challenge has no token"));
    }
    let value = challenge.key_authorization().dns_value();
    let value =
        value.parse().map_err(|error| AcmeError::protocol("the digest is no TXT value").because(error))?;
    Ok(Dns01 { identifier, value: Some(value), status, problem })
}

/// Returns a problem that [`lenient`](super::lenient) has read before.
fn problem(problem: &instant_acme::Problem) -> Problem {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    Problem {
        kind: text(&problem.r#type).into(),
        detail: text(&problem.detail),
        identifier: None,
        subproblems: Vec::new(),
    }
}

#[async_trait]
impl OrderHandle for PlacedOrder {
    fn url(&self) -> &str {
        &self.url
    }

    fn reading(&self) -> &Reading {
        &self.reading
    }

    async fn challenges(&mut self) -> Result<Vec<Dns01>, AcmeError> {
        let read = self.read_challenges().await;
        self.done(read, Operation::ReadChallenges).await?;
        Ok(self.known.clone())
    }

    fn known_challenges(&self) -> Vec<Dns01> {
        self.known.clone()
    }

    async fn answer(&mut self, identifier: &Identifier) -> Result<(), AcmeError> {
        let answered = self.set_ready(identifier).await;
        if !self.done(answered, Operation::Answer).await? {
            let detail = format!("the order has no dns-01 challenge for {identifier}");
            return Err(AcmeError::new(AcmeErrorKind::InvalidInput, Operation::Answer, detail));
        }
        self.take_over_answer(identifier);
        Ok(())
    }

    async fn refresh(&mut self) -> Result<(), AcmeError> {
        let read = self.read_again().await;
        self.done(read, Operation::ReadOrder).await
    }

    async fn finalize(&mut self, csr_der: &[u8]) -> Result<(), AcmeError> {
        let sent = self.send_csr(csr_der).await;
        self.done(sent, Operation::Finalize).await
    }

    async fn certificate(&mut self) -> Result<Vec<u8>, AcmeError> {
        let downloaded = self.download().await;
        self.done(downloaded, Operation::Download).await
    }

    async fn alternate_chains(&mut self) -> Result<Vec<Vec<u8>>, AcmeError> {
        let downloaded = self.download_alternates().await;
        self.done(downloaded, Operation::Download).await
    }
}

impl fmt::Debug for PlacedOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlacedOrder")
            .field("url", &self.url)
            .field("reading", &self.reading)
            .field("known", &self.known)
            .finish_non_exhaustive()
    }
}
