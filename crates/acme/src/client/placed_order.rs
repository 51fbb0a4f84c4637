//! An order at the CA, over RFC 8555.

use std::collections::BTreeSet;
use std::fmt;

use async_trait::async_trait;
use fleetcert_names::HostName;
use instant_acme::{ChallengeType, Identifier, Order};
use serde::Deserialize;

use super::signer::NonceRetries;
use super::tap::LastReply;
use crate::{
    AcmeError, AcmeErrorKind, AuthorizationStatus, Dns01, Operation, OrderHandle, OrderStatus, Problem,
    Reading,
};

/// An order, and what was last read of it.
pub(super) struct PlacedOrder {
    order: Order,
    last: LastReply,
    names: BTreeSet<HostName>,
    reading: Reading,
}

impl PlacedOrder {
    /// The order whose reply was the last through the tap. It must be for the names that were asked for.
    pub(super) fn new(order: Order, last: LastReply, asked: Option<&[HostName]>) -> Result<Self, AcmeError> {
        let reply = last.take().ok_or_else(|| AcmeError::protocol("there is no order"))?;
        let names = names_of(&reply.body)?;
        if asked.is_some_and(|asked| asked.iter().collect::<BTreeSet<_>>() != names.iter().collect()) {
            return Err(AcmeError::protocol("the order is for other names"));
        }
        let reading = Reading { status: OrderStatus::Pending, retry_after: reply.retry_after, problem: None };
        let mut placed = Self { order, last, names, reading };
        placed.read(reply.retry_after);
        Ok(placed)
    }

    /// Takes over what the library has just read.
    fn read_last(&mut self) {
        let retry_after = self.last.take().and_then(|reply| reply.retry_after);
        self.read(retry_after);
    }

    fn read(&mut self, retry_after: Option<std::time::Duration>) {
        let state = self.order.state();
        self.reading = Reading {
            status: match state.status {
                instant_acme::OrderStatus::Pending => OrderStatus::Pending,
                instant_acme::OrderStatus::Ready => OrderStatus::Ready,
                instant_acme::OrderStatus::Processing => OrderStatus::Processing,
                instant_acme::OrderStatus::Valid => OrderStatus::Valid,
                instant_acme::OrderStatus::Invalid => OrderStatus::Invalid,
            },
            retry_after,
            problem: state.error.as_ref().map(Problem::from),
        };
    }

    /// Every authorization once; those that the library has already cost no request.
    async fn read_challenges(&mut self) -> Result<Vec<Dns01>, AcmeError> {
        let mut nonces = NonceRetries::default();
        let mut read_before = 0;
        'again: loop {
            let mut found = Vec::new();
            let mut authorizations = self.order.authorizations();
            while let Some(authorization) = authorizations.next().await {
                match authorization {
                    Ok(authorization) => found.push(dns01(authorization)?),
                    Err(error) => {
                        // Each authorization is a call of its own.
                        if found.len() > read_before {
                            (nonces, read_before) = (NonceRetries::default(), found.len());
                        }
                        nonces.again(error)?;
                        continue 'again;
                    }
                }
            }
            let named: BTreeSet<_> = found.iter().map(|challenge| challenge.name.clone()).collect();
            if named != self.names || named.len() != found.len() {
                return Err(AcmeError::protocol("the authorizations are for other names than the order"));
            }
            return Ok(found);
        }
    }

    /// Answers the challenge of `name`; `false` when the order has none for it.
    async fn set_ready(&mut self, name: &HostName) -> Result<bool, AcmeError> {
        let mut nonces = NonceRetries::default();
        'again: loop {
            let mut authorizations = self.order.authorizations();
            while let Some(authorization) = authorizations.next().await {
                let answered = match authorization {
                    Ok(mut authorization) => {
                        let for_name = matches!(
                            authorization.identifier().identifier,
                            Identifier::Dns(text) if text.eq_ignore_ascii_case(name.as_str())
                        );
                        match authorization.challenge(ChallengeType::Dns01) {
                            Some(mut challenge) if for_name => challenge.set_ready().await,
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
}

/// The names of an order object, which the library drops.
fn names_of(body: &[u8]) -> Result<BTreeSet<HostName>, AcmeError> {
    #[derive(Deserialize)]
    struct OrderObject {
        identifiers: Vec<IdentifierObject>,
    }
    #[derive(Deserialize)]
    struct IdentifierObject {
        r#type: String,
        value: String,
    }
    let order: OrderObject = serde_json::from_slice(body)
        .map_err(|error| AcmeError::protocol("the answer is no order").because(error))?;
    let name = |identifier: &IdentifierObject| match identifier.r#type.as_str() {
        "dns" => identifier.value.parse().ok(),
        _ => None,
    };
    order
        .identifiers
        .iter()
        .map(|identifier| {
            name(identifier).ok_or_else(|| AcmeError::protocol("the order is for what is no name"))
        })
        .collect()
}

fn dns01(authorization: instant_acme::AuthorizationHandle<'_>) -> Result<Dns01, AcmeError> {
    // Bound anew, so that its lifetime can be as short as the borrow that `challenge` takes.
    let mut authorization = authorization;
    use instant_acme::AuthorizationStatus as Theirs;
    let status = match authorization.status {
        Theirs::Pending => AuthorizationStatus::Pending,
        Theirs::Valid => AuthorizationStatus::Valid,
        Theirs::Invalid | Theirs::Revoked | Theirs::Expired | Theirs::Deactivated => {
            AuthorizationStatus::Dead
        }
    };
    let name = match authorization.identifier() {
        identifier if identifier.wildcard => None,
        identifier => match identifier.identifier {
            Identifier::Dns(text) => text.parse::<HostName>().ok(),
            _ => None,
        },
    };
    let name = name.ok_or_else(|| AcmeError::protocol("an authorization is for what is no name"))?;
    let problem =
        authorization.challenges.iter().find_map(|challenge| challenge.error.as_ref()).map(Problem::from);
    if status != AuthorizationStatus::Pending {
        return Ok(Dns01 { name, value: None, status, problem });
    }
    let challenge = authorization
        .challenge(ChallengeType::Dns01)
        .ok_or_else(|| AcmeError::protocol(format!("the CA offers no dns-01 for {name}")))?;
    if challenge.token.is_empty() {
        return Err(AcmeError::protocol("a challenge has no token"));
    }
    let value = challenge.key_authorization().dns_value();
    let value =
        value.parse().map_err(|error| AcmeError::protocol("the digest is no TXT value").because(error))?;
    Ok(Dns01 { name, value: Some(value), status, problem })
}

#[async_trait]
impl OrderHandle for PlacedOrder {
    fn url(&self) -> &str {
        self.order.url()
    }

    fn reading(&self) -> &Reading {
        &self.reading
    }

    async fn challenges(&mut self) -> Result<Vec<Dns01>, AcmeError> {
        self.read_challenges().await.map_err(|error| error.during(Operation::ReadChallenges))
    }

    async fn answer(&mut self, name: &HostName) -> Result<(), AcmeError> {
        match self.set_ready(name).await {
            Ok(true) => Ok(()),
            Ok(false) => {
                let detail = format!("the order has no dns-01 challenge for {name}");
                Err(AcmeError::new(AcmeErrorKind::InvalidInput, Operation::Answer, detail))
            }
            Err(error) => Err(error.during(Operation::Answer)),
        }
    }

    async fn refresh(&mut self) -> Result<(), AcmeError> {
        let mut nonces = NonceRetries::default();
        while let Err(error) = self.order.refresh().await {
            nonces.again(error).map_err(|error| error.during(Operation::ReadOrder))?;
        }
        self.read_last();
        Ok(())
    }

    async fn finalize(&mut self, csr_der: &[u8]) -> Result<(), AcmeError> {
        let mut nonces = NonceRetries::default();
        while let Err(error) = self.order.finalize_csr(csr_der).await {
            nonces.again(error).map_err(|error| error.during(Operation::Finalize))?;
        }
        self.read_last();
        Ok(())
    }

    async fn certificate(&mut self) -> Result<Vec<u8>, AcmeError> {
        let mut nonces = NonceRetries::default();
        let failed = |error: AcmeError| error.during(Operation::Download);
        loop {
            match self.order.certificate().await {
                Ok(Some(chain)) => return Ok(chain.into_bytes()),
                Ok(None) => return Err(failed(AcmeError::protocol("the order is not valid"))),
                Err(error) => nonces.again(error).map_err(failed)?,
            }
        }
    }
}

impl fmt::Debug for PlacedOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlacedOrder")
            .field("url", &self.order.url())
            .field("names", &self.names)
            .field("reading", &self.reading)
            .finish_non_exhaustive()
    }
}
