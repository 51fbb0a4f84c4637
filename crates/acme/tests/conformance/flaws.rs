//! Authorities with one flaw each.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fleetcert_acme::{
    AcmeError, AcmeErrorKind, Authority, Dns01, NewOrder, Operation, OrderHandle, Reading, RenewalInfo,
    RevocationReason,
};
use fleetcert_names::Identifier;
use fleetcert_x509::CertificateId;
use parking_lot::Mutex;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    OtherCertificate,
    OneValueForAll,
    RefusesNothing,
    ResumesAnotherOrder,
    UnknownOrderIsBusy,
    WindowBackwards,
    /// Places an order, waits, and takes the order that was placed last.
    NoLock,
    RevokesAgain,
}

/// An authority with one flaw.
#[derive(Debug)]
pub(crate) struct Flawed {
    authority: Arc<dyn Authority>,
    flaw: Flaw,
    placed: Mutex<Option<Box<dyn OrderHandle>>>,
}

impl Flawed {
    pub(crate) fn new(authority: Arc<dyn Authority>, flaw: Flaw) -> Self {
        Self { authority, flaw, placed: Mutex::default() }
    }

    fn wrapped(&self, handle: Box<dyn OrderHandle>) -> Box<dyn OrderHandle> {
        Box::new(FlawedOrder { handle, flaw: self.flaw })
    }
}

fn another() -> NewOrder {
    NewOrder::new("another.fleet.test".parse().unwrap())
}

#[async_trait]
impl Authority for Flawed {
    fn account_url(&self) -> &str {
        self.authority.account_url()
    }

    async fn new_order(&self, order: &NewOrder) -> Result<Box<dyn OrderHandle>, AcmeError> {
        let placed = match self.authority.new_order(order).await {
            Err(error) if error.kind() == AcmeErrorKind::Refused && self.flaw == Flaw::RefusesNothing => {
                self.authority.new_order(&another()).await?
            }
            answer => answer?,
        };
        if self.flaw != Flaw::NoLock {
            return Ok(self.wrapped(placed));
        }
        *self.placed.lock() = Some(placed);
        tokio::time::sleep(Duration::from_millis(100)).await;
        let lost = || AcmeError::new(AcmeErrorKind::Protocol, Operation::NewOrder, "the order is lost");
        let placed = self.placed.lock().take();
        placed.map(|placed| self.wrapped(placed)).ok_or_else(lost)
    }

    async fn resume(&self, order_url: &str) -> Result<Box<dyn OrderHandle>, AcmeError> {
        match self.authority.resume(order_url).await {
            Ok(_) if self.flaw == Flaw::ResumesAnotherOrder => self.authority.new_order(&another()).await,
            Err(_) if self.flaw == Flaw::UnknownOrderIsBusy => {
                Err(AcmeError::new(AcmeErrorKind::Unavailable, Operation::ReadOrder, "busy"))
            }
            answer => answer,
        }
    }

    async fn renewal_info(&self, id: &CertificateId) -> Result<RenewalInfo, AcmeError> {
        let info = self.authority.renewal_info(id).await?;
        Ok(match self.flaw {
            Flaw::WindowBackwards => RenewalInfo { start: info.end, end: info.start, ..info },
            _ => info,
        })
    }

    async fn revoke(&self, certificate_der: &[u8], reason: RevocationReason) -> Result<(), AcmeError> {
        match self.authority.revoke(certificate_der, reason).await {
            Err(_) if self.flaw == Flaw::RevokesAgain => Ok(()),
            answer => answer,
        }
    }
}

#[derive(Debug)]
struct FlawedOrder {
    handle: Box<dyn OrderHandle>,
    flaw: Flaw,
}

#[async_trait]
impl OrderHandle for FlawedOrder {
    fn url(&self) -> &str {
        self.handle.url()
    }

    fn reading(&self) -> &Reading {
        self.handle.reading()
    }

    async fn challenges(&mut self) -> Result<Vec<Dns01>, AcmeError> {
        let mut challenges = self.handle.challenges().await?;
        if self.flaw == Flaw::OneValueForAll {
            let first = challenges[0].value.clone();
            challenges.iter_mut().for_each(|challenge| challenge.value = first.clone());
        }
        Ok(challenges)
    }

    fn known_challenges(&self) -> Vec<Dns01> {
        self.handle.known_challenges()
    }

    async fn answer(&mut self, identifier: &Identifier) -> Result<(), AcmeError> {
        self.handle.answer(identifier).await
    }

    async fn refresh(&mut self) -> Result<(), AcmeError> {
        self.handle.refresh().await
    }

    async fn finalize(&mut self, csr_der: &[u8]) -> Result<(), AcmeError> {
        self.handle.finalize(csr_der).await
    }

    async fn certificate(&mut self) -> Result<Vec<u8>, AcmeError> {
        let chain = self.handle.certificate().await?;
        if self.flaw != Flaw::OtherCertificate {
            return Ok(chain);
        }
        let other = rcgen::generate_simple_self_signed(["other.fleet.test".to_owned()]).unwrap();
        Ok(other.cert.pem().into_bytes())
    }
}
