//! An order at the CA, over RFC 8555.

use std::fmt;

use async_trait::async_trait;
use fleetcert_names::{HostName, Identifier, IdentifierSet};
use instant_acme::{AuthorizedIdentifier, ChallengeType, Order};
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
    identifiers: IdentifierSet,
    reading: Reading,
}

impl PlacedOrder {
    /// Returns the order whose reply was the last through the tap. It must be for the identifiers that were asked for.
    pub(super) fn new(
        order: Order,
        last: LastReply,
        asked: Option<&IdentifierSet>,
    ) -> Result<Self, AcmeError> {
        let reply = last.take().ok_or_else(|| AcmeError::protocol("there is no order"))?;
        let identifiers = identifiers_of(&reply.body)?;
        if asked.is_some_and(|asked| *asked != identifiers) {
            return Err(AcmeError::protocol("the order is for other identifiers than were asked for"));
        }
        let reading = Reading { status: OrderStatus::Pending, retry_after: reply.retry_after, problem: None };
        let mut placed = Self { order, last, identifiers, reading };
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
            let named = found.iter().map(|challenge| challenge.identifier.clone());
            if found.len() != self.identifiers.len()
                || IdentifierSet::new(named).ok().as_ref() != Some(&self.identifiers)
            {
                let detail = "the authorizations are for other identifiers than the order";
                return Err(AcmeError::protocol(detail));
            }
            return Ok(found);
        }
    }

    /// Answers the challenge of `wanted`; returns `false` when the order has none for it.
    async fn set_ready(&mut self, wanted: &Identifier) -> Result<bool, AcmeError> {
        let mut nonces = NonceRetries::default();
        'again: loop {
            let mut authorizations = self.order.authorizations();
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
}

/// Reads the identifiers of an order object, which the library drops.
fn identifiers_of(body: &[u8]) -> Result<IdentifierSet, AcmeError> {
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
    let identifier = |object: &IdentifierObject| match object.r#type.as_str() {
        "dns" => object.value.parse::<Identifier>().ok(),
        _ => None,
    };
    let identifiers: Option<Vec<_>> = order.identifiers.iter().map(identifier).collect();
    identifiers
        .and_then(|identifiers| IdentifierSet::new(identifiers).ok())
        .ok_or_else(|| AcmeError::protocol("the order has an identifier that is not a host name or wildcard"))
}

/// Returns the identifier of an authorization: for a wildcard, the CA names its base (RFC 8555 section 7.1.4).
fn identifier(authorized: &AuthorizedIdentifier<'_>) -> Option<Identifier> {
    let instant_acme::Identifier::Dns(text) = authorized.identifier else { return None };
    let base: HostName = text.parse().ok()?;
    Some(if authorized.wildcard { Identifier::wildcard(base) } else { base.into() })
}

fn dns01(authorization: instant_acme::AuthorizationHandle<'_>) -> Result<Dns01, AcmeError> {
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
    let problem =
        authorization.challenges.iter().find_map(|challenge| challenge.error.as_ref()).map(Problem::from);
    if status != AuthorizationStatus::Pending {
        return Ok(Dns01 { identifier, value: None, status, problem });
    }
    let challenge = authorization
        .challenge(ChallengeType::Dns01)
        .ok_or_else(|| AcmeError::protocol(format!("the CA offers no dns-01 challenge for {identifier}")))?;
    if challenge.token.is_empty() {
        return Err(AcmeError::protocol("a challenge has no token"));
    }
    let value = challenge.key_authorization().dns_value();
    let value =
        value.parse().map_err(|error| AcmeError::protocol("the digest is no TXT value").because(error))?;
    Ok(Dns01 { identifier, value: Some(value), status, problem })
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

    async fn answer(&mut self, identifier: &Identifier) -> Result<(), AcmeError> {
        match self.set_ready(identifier).await {
            Ok(true) => Ok(()),
            Ok(false) => {
                let detail = format!("the order has no dns-01 challenge for {identifier}");
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
            .field("identifiers", &self.identifiers)
            .field("reading", &self.reading)
            .finish_non_exhaustive()
    }
}
