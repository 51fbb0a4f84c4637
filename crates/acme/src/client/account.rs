//! An account at a CA, over RFC 8555.

use async_trait::async_trait;
use instant_acme::{CertificateIdentifier, Identifier, RevocationRequest};
use rustls_pki_types::CertificateDer;

use super::placed_order::PlacedOrder;
use super::signer::{NonceRetries, Signer};
use super::{Client, Credentials, renewal_info};
use crate::{
    AcmeError, AcmeErrorKind, Authority, NewOrder, Operation, OrderHandle, RenewalInfo, RevocationReason,
};
use fleetcert_x509::CertificateId;

/// An account, ready to order. Clones share their client.
#[derive(Clone, Debug)]
pub struct Account {
    client: Client,
    credentials: Credentials,
}

/// Agreement to the CA's terms of service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TermsOfService {
    /// The operator of this program has read [them](Client::terms_of_service) and agrees.
    Agreed,
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

    fn signer(&self) -> Signer<'_> {
        Signer::new(&self.client, self.credentials.key().clone())
    }

    async fn place(&self, order: &NewOrder) -> Result<PlacedOrder, AcmeError> {
        let identifiers: Vec<_> =
            order.identifiers.iter().map(|it| Identifier::Dns(it.as_str().to_owned())).collect();
        // A hint that the CA does not support must not cost the order.
        let speaks_ari = self.client.directory().await?.renewal_info.is_some();
        let replaces = order.replaces.as_ref().filter(|_| speaks_ari).map(CertificateId::to_string);
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
                Ok(placed) => return PlacedOrder::new(placed, last, Some(&order.identifiers)),
                Err(error) => {
                    // The library gives up an order whose answer does not repeat `replaces`. It is placed all the
                    // same.
                    let location = last.take().and_then(|reply| reply.location().map(str::to_owned));
                    match location {
                        Some(url) => return self.read(&url).await,
                        None => nonces.again(error)?,
                    }
                }
            }
        }
    }

    async fn read(&self, order_url: &str) -> Result<PlacedOrder, AcmeError> {
        let (account, last) = self.signer().account(self.account_url()).await?;
        let mut nonces = NonceRetries::default();
        loop {
            match account.order(order_url.to_owned()).await {
                Ok(order) => return PlacedOrder::new(order, last, None),
                Err(error) => nonces.again(error)?,
            }
        }
    }
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
                if error.kind() == AcmeErrorKind::NotFound {
                    self.client.forget_directory().await;
                }
                Err(error.during(Operation::NewOrder))
            }
        }
    }

    async fn resume(&self, order_url: &str) -> Result<Box<dyn OrderHandle>, AcmeError> {
        match self.read(order_url).await {
            Ok(placed) => Ok(Box::new(placed)),
            Err(error) => Err(error.during(Operation::ReadOrder)),
        }
    }

    async fn renewal_info(&self, id: &CertificateId) -> Result<RenewalInfo, AcmeError> {
        renewal_info::ask(&self.client, id).await.map_err(|error| error.during(Operation::RenewalInfo))
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
