//! An account at a CA, over RFC 8555.

use async_trait::async_trait;
use fleetcert_x509::CertificateId;
use instant_acme::{CertificateIdentifier, Identifier, RevocationRequest};
use rustls_pki_types::CertificateDer;

use super::placed_order::PlacedOrder;
use super::reply::Reply;
use super::signer::{NonceRetries, Signer, is_valid_account};
use super::{Client, Credentials, renewal_info};
use crate::{
    AcmeError, AcmeErrorKind, Authority, NewOrder, Operation, OrderHandle, ProblemKind, RenewalInfo,
    RevocationReason,
};

/// An account that can order. Clones share their client.
#[derive(Clone, Debug)]
pub struct Account {
    client: Client,
    credentials: Credentials,
}

impl Account {
    pub(super) fn new(client: Client, credentials: Credentials) -> Self {
        Self { client, credentials }
    }

    /// Returns the credentials to store, for [`Client::account`].
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Returns the CA.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Replaces the account's contact URLs at the CA (RFC 8555 section 7.3.2).
    ///
    /// # Errors
    /// When the CA refuses, or cannot be reached.
    pub async fn update_contacts(&self, contacts: &[&str]) -> Result<(), AcmeError> {
        let (account, _) = self.signer().account(self.account_url()).await?;
        let mut nonces = NonceRetries::default();
        while let Err(error) = account.update_contacts(contacts).await {
            nonces.again(error).map_err(|error| error.during(Operation::Account))?;
        }
        Ok(())
    }

    /// Deactivates the account (RFC 8555 section 7.3.6). The CA refuses every later request, and nothing reactivates the
    /// account.
    ///
    /// # Errors
    /// When the CA refuses, or cannot be reached.
    pub async fn deactivate(&self) -> Result<(), AcmeError> {
        let mut nonces = NonceRetries::default();
        loop {
            let (account, _) = self.signer().account(self.account_url()).await?;
            match account.deactivate().await {
                Ok(()) => return Ok(()),
                Err(error) => nonces.again(error).map_err(|error| error.during(Operation::Account))?,
            }
        }
    }

    fn signer(&self) -> Signer<'_> {
        Signer::new(&self.client, self.credentials.key().clone())
    }

    async fn place(&self, order: &NewOrder) -> Result<PlacedOrder, AcmeError> {
        let identifiers: Vec<_> =
            order.identifiers.iter().map(|it| Identifier::Dns(it.as_str().to_owned())).collect();
        // A hint that the CA does not support must not cost the order.
        let has_ari = self.client.directory().await?.renewal_info.is_some();
        let replaces = order.replaces.as_ref().filter(|_| has_ari).map(CertificateId::to_string);
        let replaces = replaces.as_deref().and_then(|id| id.split_once('.'));

        let (account, last) = self.signer().account(self.account_url()).await?;
        let mut nonces = NonceRetries::default();
        loop {
            let mut request = instant_acme::NewOrder::new(&identifiers);
            if let Some((key_id, serial)) = replaces {
                request = request.replaces(CertificateIdentifier {
                    authority_key_identifier: key_id.into(),
                    serial: serial.into(),
                });
            }
            if let Some(profile) = &order.profile {
                request = request.profile(profile);
            }
            match account.new_order(&request).await {
                Ok(placed) => return PlacedOrder::new(self.clone(), placed, last, Some(&order.identifiers)),
                Err(error) => {
                    // The CA accepted an order that the library gives up: it insists that the answer repeats
                    // `replaces`, or could not read it.
                    match last.take().and_then(|reply| reply.location().map(str::to_owned)) {
                        Some(url) => return Ok(self.accepted(url).await),
                        None => nonces.again(error)?,
                    }
                }
            }
        }
    }

    /// Returns an order of which only the URL is known, and reads it if possible.
    async fn accepted(&self, url: String) -> PlacedOrder {
        match self.read(&url).await {
            Ok(order) => order,
            Err(error) => {
                tracing::debug!(%error, url, "a new order cannot be read yet");
                PlacedOrder::unread(self.clone(), url)
            }
        }
    }

    pub(super) async fn read(&self, order_url: &str) -> Result<PlacedOrder, AcmeError> {
        let (account, last) = self.signer().account(self.account_url()).await?;
        let mut nonces = NonceRetries::default();
        loop {
            match account.order(order_url.to_owned()).await {
                Ok(order) => return PlacedOrder::new(self.clone(), order, last, None),
                Err(error) => nonces.again(error)?,
            }
        }
    }

    /// Returns the error as one of the account, if the CA refuses the account itself. Many CAs refuse a deactivated
    /// account with the same problem as a name, `unauthorized` with status 403, so the account is read.
    pub(super) async fn attribute(&self, error: AcmeError) -> AcmeError {
        if is_unauthorized(&error) && !self.is_usable().await { error.of_account() } else { error }
    }

    /// Names the profiles that the CA offers, if it refuses the profile.
    async fn with_profiles(&self, error: AcmeError) -> AcmeError {
        let refused = error.problem().is_some_and(|problem| problem.kind == ProblemKind::InvalidProfile);
        if !refused {
            return error;
        }
        match self.client.profiles().await {
            Ok(profiles) => error.noting(&format!("the CA offers: {}", profiles.join(", "))),
            Err(_) => error,
        }
    }

    /// Sends a POST-as-GET to a URL (RFC 8555 section 6.3), and returns the reply.
    pub(super) async fn post_as_get(&self, url: &str) -> Result<Reply, AcmeError> {
        let (account, last) = self.signer().account(self.account_url()).await?;
        let mut nonces = NonceRetries::default();
        loop {
            // The library signs a POST-as-GET only for orders; it is used for its signature, and its view of the reply
            // is ignored.
            let read = account.order(url.to_owned()).await;
            match (last.take(), read) {
                (Some(reply), _) => return Ok(reply),
                (None, Ok(_)) => return Err(AcmeError::protocol("there is no reply")),
                (None, Err(error)) => nonces.again(error)?,
            }
        }
    }

    /// Reads the account. An answer that cannot be read is no evidence against it.
    async fn is_usable(&self) -> bool {
        match self.post_as_get(self.account_url()).await {
            Ok(reply) => is_valid_account(&reply.body).unwrap_or(true),
            Err(error) => !(error.kind() == AcmeErrorKind::Account || is_unauthorized(&error)),
        }
    }
}

fn is_unauthorized(error: &AcmeError) -> bool {
    error.kind() == AcmeErrorKind::Refused
        && error.problem().is_some_and(|problem| problem.kind == ProblemKind::Unauthorized)
}

#[async_trait]
impl Authority for Account {
    fn account_url(&self) -> &str {
        self.credentials.account_url()
    }

    fn account_spki(&self) -> Option<Vec<u8>> {
        Some(self.credentials.key().spki_der().to_vec())
    }

    async fn new_order(&self, order: &NewOrder) -> Result<Box<dyn OrderHandle>, AcmeError> {
        match self.place(order).await {
            Ok(placed) => Ok(Box::new(placed)),
            Err(error) => {
                if matches!(error.fault().status, Some(404 | 410)) {
                    self.client.forget_directory().await;
                }
                let error = self.with_profiles(self.attribute(error).await).await;
                Err(error.during(Operation::NewOrder))
            }
        }
    }

    async fn resume(&self, order_url: &str) -> Result<Box<dyn OrderHandle>, AcmeError> {
        match self.read(order_url).await {
            Ok(placed) => Ok(Box::new(placed)),
            Err(error) => Err(self.attribute(error).await.during(Operation::ReadOrder)),
        }
    }

    async fn renewal_info(&self, id: &CertificateId) -> Result<RenewalInfo, AcmeError> {
        renewal_info::read(&self.client, id).await.map_err(|error| error.during(Operation::RenewalInfo))
    }

    async fn revoke(&self, certificate_der: &[u8], reason: RevocationReason) -> Result<(), AcmeError> {
        let revocation = RevocationRequest {
            certificate: &CertificateDer::from(certificate_der),
            reason: Some(match reason {
                RevocationReason::Unspecified => instant_acme::RevocationReason::Unspecified,
                RevocationReason::KeyCompromise => instant_acme::RevocationReason::KeyCompromise,
                RevocationReason::Superseded => instant_acme::RevocationReason::Superseded,
                RevocationReason::CessationOfOperation => {
                    instant_acme::RevocationReason::CessationOfOperation
                }
            }),
        };
        let (account, _) = self.signer().account(self.account_url()).await?;
        let mut nonces = NonceRetries::default();
        loop {
            match account.revoke(&revocation).await {
                Ok(()) => return Ok(()),
                Err(error) => nonces.again(error).map_err(|error| error.during(Operation::Revoke))?,
            }
        }
    }
}
