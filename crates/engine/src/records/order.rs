//! The order of an identifier set.

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fleetcert_acme::NewOrder;
use fleetcert_acme::order::OrderState as State;
use fleetcert_names::HostName;
use fleetcert_protocol::DeviceId;
use fleetcert_schedule::budget::OrderKind;
use fleetcert_schedule::order_queue::{Lane, Predecessor, lane_of};
use serde::{Deserialize, Serialize};

use super::CertificateRecord;
use crate::budgets::{Change, Holding, Settlement};
use crate::{EngineError, EngineErrorKind};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct OrderRecord {
    pub device: DeviceId,
    /// The request, base64url of its DER: the very octets that passed the gate.
    csr: String,
    pub csr_sha256: String,
    /// When it was asked for; its place in the queue.
    pub queued_at: SystemTime,
    /// Where the order stands at the CA, with what was ordered.
    pub state: State,
    /// Failed tries in a row.
    pub failures: u32,
    /// Why the last try failed, for the device's owner; `None` while one is under way.
    pub failure: Option<String>,
    /// The rule that the failure is of, where it has a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_code: Option<String>,
    /// After a failure: from when on another request of the name may be tried, so that new requests are no way
    /// round the wait.
    #[serde(default)]
    pub replaceable_at: Option<SystemTime>,
    /// What it holds of the CA's budgets. Nothing, unless a newOrder may have been sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holding: Option<Holding>,
    /// Which limit it waits for, while nothing is wrong with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_back: Option<HeldBack>,
    /// Whose device it is for, for its share of what is ordered.
    #[serde(default)]
    pub tenant: u32,
    /// The certificate that the name had when it was asked for, for its place in the queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Previous>,
}

/// What the queue has to know of a certificate that is to be renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Previous {
    pub not_before: SystemTime,
    pub not_after: SystemTime,
    renew_at: Option<SystemTime>,
    window_end: Option<SystemTime>,
}

impl Previous {
    pub(crate) fn of(certificate: &CertificateRecord) -> Self {
        let CertificateRecord { not_before, not_after, renew_at, window, .. } = *certificate;
        Self { not_before, not_after, renew_at, window_end: window.map(|(_, end)| end) }
    }

    /// Returns the moment from which its renewal is urgent.
    pub(crate) fn expiring_from(&self) -> SystemTime {
        self.predecessor().expiring_from()
    }

    fn predecessor(&self) -> Predecessor {
        let Self { not_before, not_after, renew_at, window_end } = *self;
        Predecessor { not_before, not_after, renew_at, window_end }
    }
}

/// Why an order waits that nothing is wrong with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HeldBack {
    /// For the device's owner.
    pub why: String,
    /// When it is tried.
    pub until: SystemTime,
}

impl OrderRecord {
    pub(crate) fn new(
        device: DeviceId,
        csr_der: &[u8],
        csr_sha256: String,
        order: NewOrder,
        queued_at: SystemTime,
    ) -> Self {
        Self {
            device,
            csr: URL_SAFE_NO_PAD.encode(csr_der),
            csr_sha256,
            queued_at,
            state: State::Wanted { order },
            failures: 0,
            failure: None,
            failure_code: None,
            replaceable_at: None,
            holding: None,
            held_back: None,
            tenant: 0,
            previous: None,
        }
    }

    /// Returns the host name of the device: what its identifiers are, or are below.
    pub(crate) fn name(&self) -> &HostName {
        self.state.order().identifiers.as_slice()[0].base()
    }

    /// Whether the CA has the order: then going on with it costs nothing more.
    pub(crate) fn is_placed(&self) -> bool {
        !matches!(self.state, State::Wanted { .. } | State::Ordering { .. } | State::Failed { .. })
    }

    /// Returns the lane of the queue in which it waits.
    pub(crate) fn lane(&self, now: SystemTime) -> Lane {
        lane_of(self.failures, self.previous.map(|previous| previous.predecessor()).as_ref(), now)
    }

    /// Returns what it is by the rules of the CA, as far as its record shows.
    pub(crate) fn likely_kind(&self, now: SystemTime) -> OrderKind {
        let issued = self.previous.map(|previous| previous.not_before);
        OrderKind::at(None, issued, now)
    }

    /// The same, in the place of an order that failed or is held back: it has to wait as that one had to. Says when it
    /// is due.
    pub(crate) fn in_place_of(mut self, failed: OrderRecord) -> (Self, SystemTime) {
        self.failures = failed.failures;
        if let Some(held_back) = failed.held_back {
            // It takes its place, too.
            self.queued_at = failed.queued_at;
            let due = held_back.until;
            self.held_back = Some(held_back);
            return (self, due);
        }
        if failed.failure.is_none() {
            self.queued_at = failed.queued_at;
        }
        let due = failed.replaceable_at.unwrap_or(self.queued_at).max(self.queued_at);
        if due > self.queued_at {
            self.failure = failed.failure;
            self.failure_code = failed.failure_code;
            self.replaceable_at = failed.replaceable_at;
        }
        (self, due)
    }

    pub(crate) fn csr_der(&self) -> Result<Vec<u8>, EngineError> {
        URL_SAFE_NO_PAD.decode(&self.csr).map_err(|error| EngineError::new(EngineErrorKind::Corrupt, error))
    }

    /// The digest of the octets that passed the gate, which stands apart from them.
    pub(crate) fn checked_sha256(&self) -> Result<[u8; 32], EngineError> {
        let corrupt = || EngineError::new(EngineErrorKind::Corrupt, "the digest of a request cannot be read");
        super::unhex(&self.csr_sha256).and_then(|octets| octets.try_into().ok()).ok_or_else(corrupt)
    }

    /// Whether another request of the same name may take its place: nothing is at the CA for it.
    /// `kept` says that a limit keeps it and all that are like it.
    pub(crate) fn may_be_replaced(&self, kept: bool) -> bool {
        let waits = self.failure.is_some() || self.held_back.is_some() || kept;
        waits && matches!(self.state, State::Wanted { .. } | State::Failed { .. })
    }

    /// Ends what it holds, or a part of it, and returns the change of the budgets.
    pub(crate) fn settle(&mut self, settlement: Settlement) -> Change {
        let Some(holding) = self.holding.take() else { return Change::default() };
        self.holding = holding.clone().after(&settlement);
        Change { settle: Some((holding, settlement)), ..Change::default() }
    }

    /// Prepares the next attempt: a failed order starts again, a suspended one goes on.
    pub(crate) fn begin(&mut self) {
        self.failure = None;
        self.failure_code = None;
        self.held_back = None;
        if let State::Failed { order, .. } = &self.state {
            self.state = State::Wanted { order: order.clone() };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn at(day: u32) -> SystemTime {
        SystemTime::UNIX_EPOCH + DAY * (20_000 + day)
    }

    /// The order for a certificate of 90 days that the CA wants to be renewed about day 60.
    fn order(previous: bool, window_end: u32, failures: u32) -> OrderRecord {
        let device = "AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap();
        let wanted = NewOrder::new("x.fleet.test".parse().unwrap());
        let certificate = Previous {
            not_before: at(0),
            not_after: at(90),
            renew_at: Some(at(60)),
            window_end: Some(at(window_end)),
        };
        let previous = previous.then_some(certificate);
        OrderRecord { failures, previous, ..OrderRecord::new(device, &[], String::new(), wanted, at(60)) }
    }

    #[test]
    fn a_certificate_of_long_ago_is_no_renewal() {
        assert_eq!(order(true, 61, 0).likely_kind(at(60)), OrderKind::SameSet);
        assert_eq!(order(true, 61, 0).likely_kind(at(200)), OrderKind::New);
        assert_eq!(order(false, 61, 0).likely_kind(at(60)), OrderKind::New);
    }
}
