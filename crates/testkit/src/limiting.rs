//! The limiter in front of the issuer.

use parking_lot::{Mutex, MutexGuard};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fleetcert_acme_server::{OrderRequest, Problem, ProblemKind, Resource};
use fleetcert_names::{HostName, IdentifierSet};

use crate::Ledger;
use crate::limiter::{Limiter, OrderFacts, Refused};
use crate::renewal::SetByHand;

/// Asks the limiter and answers in problem documents.
#[derive(Debug)]
pub(crate) struct Limiting {
    limiter: Mutex<Limiter>,
    ledger: Arc<Ledger>,
    set_by_hand: Arc<SetByHand>,
}

impl Limiting {
    pub(crate) fn new(limiter: Limiter, ledger: Arc<Ledger>, set_by_hand: Arc<SetByHand>) -> Self {
        Self { limiter: Mutex::new(limiter), ledger, set_by_hand }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Limiter> {
        // Nothing panics while the lock is held by us; a caller of `TestCa::limiter` that does leaves sound buckets.
        self.limiter.lock()
    }

    pub(crate) fn request(
        &self,
        resource: Resource,
        from: Option<IpAddr>,
        now: SystemTime,
    ) -> Result<(), Problem> {
        let Some(from) = from else { return Ok(()) };
        self.lock().request(resource, from, now).map_err(|wait| {
            self.ledger.count_turned_away();
            // What stands before the CA knows no ACME, but a problem document is what a client can be shown here.
            Problem::new(ProblemKind::RateLimited, "Service busy; retry later.")
                .with_status(503)
                .with_retry_after(wait)
        })
    }

    pub(crate) fn new_account(&self, from: Option<IpAddr>, now: SystemTime) -> Result<(), Problem> {
        let Some(from) = from else { return Ok(()) };
        self.lock().new_account(from, now).map_err(|refused| self.problem(&refused))
    }

    pub(crate) fn account_not_created(&self, from: Option<IpAddr>, now: SystemTime) {
        if let Some(from) = from {
            self.lock().account_not_created(from, now);
        }
    }

    pub(crate) fn new_order(&self, order: &OrderRequest<'_>, now: SystemTime) -> Result<(), Problem> {
        let facts = self.facts(order, now);
        self.lock().new_order(&facts, now).map_err(|refused| self.problem(&refused))
    }

    pub(crate) fn order_not_created(&self, order: &OrderRequest<'_>, now: SystemTime) {
        let facts = self.facts(order, now);
        self.lock().order_not_created(&facts, now);
    }

    pub(crate) fn issued(&self, account: &str, identifiers: &IdentifierSet, now: SystemTime) {
        // At issuance it makes no difference whether a certificate is replaced.
        self.lock().issued(&OrderFacts { account, identifiers, replaces_in_window: false }, now);
    }

    pub(crate) fn validated(&self, account: &str, name: &HostName, succeeded: bool, now: SystemTime) {
        let mut limiter = self.lock();
        if succeeded {
            limiter.validated(account, name);
        } else {
            limiter.validation_failed(account, name, now);
        }
    }

    /// The server has looked at everything that a replacement needs but the window.
    fn facts<'a>(&self, order: &OrderRequest<'a>, now: SystemTime) -> OrderFacts<'a> {
        let window = order.replaces.and_then(|certificate| {
            let validity = self.ledger.validity_of(certificate)?;
            self.set_by_hand.window(certificate, validity)
        });
        OrderFacts {
            account: order.account_url,
            identifiers: order.identifiers,
            replaces_in_window: window.is_some_and(|(start, end)| start <= now && now < end),
        }
    }

    fn problem(&self, refused: &Refused) -> Problem {
        self.ledger.count_rate_limited(refused.limit);
        let problem = Problem::new(ProblemKind::RateLimited, refused.detail.as_str());
        match refused.retry_after_seconds() {
            Some(seconds) => problem.with_retry_after(Duration::from_secs(seconds)).with_help(Refused::HELP),
            None => problem,
        }
    }
}
