//! The CA behind the protocol.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fleetcert_acme_server::{
    Dns01Challenge, IssueRequest, Issuer, OrderRequest, Problem, ProblemKind, RenewalInfo, Resource,
};
use fleetcert_ambient::{Clock, Entropy};
use fleetcert_x509::{Chain, Leaf};

use crate::authority::{Authority, LeafTerms};
use crate::ledger::{CertificateEntry, OrderEntry, ValidationEntry};
use crate::limiting::Limiting;
use crate::renewal::boulder_window;
use crate::validation::Validator;
use crate::{Faults, Ledger, TestCaOptions};

#[derive(Debug)]
pub(crate) struct TestIssuer {
    pub(crate) options: TestCaOptions,
    pub(crate) authority: Arc<Authority>,
    pub(crate) validator: Validator,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) faults: Arc<Faults>,
    pub(crate) limiting: Option<Arc<Limiting>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
}

impl TestIssuer {
    fn limited(&self, ask: impl FnOnce(&Limiting) -> Result<(), Problem>) -> Result<(), Problem> {
        self.limiting.as_deref().map_or(Ok(()), ask)
    }
}

/// Counts a validation once, however it ends.
struct Verdict<'a> {
    issuer: &'a TestIssuer,
    challenge: &'a Dns01Challenge,
    succeeded: bool,
}

impl Drop for Verdict<'_> {
    fn drop(&mut self) {
        if let Some(limiting) = &self.issuer.limiting {
            let Dns01Challenge { account_url, identifier, .. } = self.challenge;
            limiting.validated(account_url, identifier.base(), self.succeeded, self.issuer.clock.now());
        }
    }
}

#[async_trait]
impl Issuer for TestIssuer {
    async fn admit(&self, resource: Resource, from: Option<IpAddr>) -> Result<(), Problem> {
        self.ledger.count(resource);
        if let Some(problem) = self.faults.next_refusal(resource) {
            return Err(problem);
        }
        self.limited(|limiting| limiting.request(resource, from, self.clock.now()))
    }

    async fn admit_account(&self, from: Option<IpAddr>) -> Result<(), Problem> {
        self.limited(|limiting| limiting.new_account(from, self.clock.now()))
    }

    fn account_not_created(&self, from: Option<IpAddr>) {
        if let Some(limiting) = &self.limiting {
            limiting.account_not_created(from, self.clock.now());
        }
    }

    async fn limit_order(&self, order: &OrderRequest<'_>) -> Result<(), Problem> {
        self.limited(|limiting| limiting.new_order(order, self.clock.now()))
    }

    fn order_not_created(&self, order: &OrderRequest<'_>) {
        if let Some(limiting) = &self.limiting {
            limiting.order_not_created(order, self.clock.now());
        }
    }

    async fn admit_order(&self, order: &OrderRequest<'_>) -> Result<(), Problem> {
        let zones = &self.options.zones;
        let is_ours = |identifier: &fleetcert_names::Identifier| {
            zones.is_empty() || zones.iter().any(|zone| identifier.is_within(zone))
        };
        let refused = order.identifiers.iter().filter(|identifier| !is_ours(identifier));
        let refusals = refused.map(|identifier| {
            let detail = format!("this CA issues nothing for {identifier}");
            (identifier.clone(), Problem::new(ProblemKind::RejectedIdentifier, detail))
        });
        if let Some(problem) = Problem::of_identifiers(refusals.collect()) {
            return Err(problem);
        }
        self.ledger.add_order(OrderEntry {
            at: self.clock.now(),
            account_url: order.account_url.to_owned(),
            identifiers: order.identifiers.clone(),
            profile: order.profile.map(str::to_owned),
            replaces: order.replaces.cloned(),
        });
        Ok(())
    }

    async fn validate(&self, challenge: &Dns01Challenge) -> Result<(), Problem> {
        // The server drops this future when it takes too long, which is a failure too.
        let mut verdict = Verdict { issuer: self, challenge, succeeded: false };
        self.faults.validations_may_begin().await;
        let delay = self.faults.validation_delay();
        if !delay.is_zero() {
            self.clock.sleep(delay).await;
        }
        let outcome = self.validator.validate(challenge).await;
        verdict.succeeded = outcome.is_ok();
        self.ledger.add_validation(ValidationEntry {
            at: self.clock.now(),
            account_url: challenge.account_url.clone(),
            identifier: challenge.identifier.clone(),
            outcome: outcome.clone(),
        });
        outcome
    }

    async fn issue(&self, request: &IssueRequest) -> Result<Chain, Problem> {
        let failed =
            |error: &dyn std::error::Error| Problem::new(ProblemKind::ServerInternal, error.to_string());
        let now = self.clock.now();
        let not_before = now - self.options.backdate;
        let life = self.options.life_of(request.profile.as_deref());
        let mut serial = [0; 16];
        self.entropy.fill(&mut serial);
        let chain = self
            .authority
            .sign(&LeafTerms {
                spki: request.csr.spki(),
                identifiers: &request.identifiers,
                serial,
                not_before,
                // The last second belongs to the validity (RFC 5280 section 4.1.2.5).
                not_after: not_before + life.saturating_sub(Duration::from_secs(1)),
            })
            .map_err(|error| failed(&error))?;
        self.ledger.add_certificate(CertificateEntry {
            at: now,
            account_url: request.account_url.clone(),
            id: chain.leaf().certificate_id().map_err(|error| failed(&error))?,
            chain: chain.clone(),
            profile: request.profile.clone(),
            replaces: request.replaces.clone(),
        });
        if let Some(limiting) = &self.limiting {
            limiting.issued(&request.account_url, &request.identifiers, now);
        }
        Ok(chain)
    }

    async fn renewal_info(&self, leaf: &Leaf) -> Result<RenewalInfo, Problem> {
        let (start, end) = boulder_window(leaf.validity());
        Ok(RenewalInfo { start, end, explanation_url: None, retry_after: self.options.renewal_poll })
    }
}
