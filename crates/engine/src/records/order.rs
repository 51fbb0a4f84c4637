//! The order of a name.

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fleetcert_acme::NewOrder;
use fleetcert_acme::order::State;
use fleetcert_protocol::DeviceId;
use serde::{Deserialize, Serialize};

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
            replaceable_at: None,
            holding: None,
            held_back: None,
        }
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
        let due = failed.replaceable_at.unwrap_or(self.queued_at).max(self.queued_at);
        if due > self.queued_at {
            self.failure = failed.failure;
            self.replaceable_at = failed.replaceable_at;
        }
        (self, due)
    }

    pub(crate) fn csr_der(&self) -> Result<Vec<u8>, EngineError> {
        URL_SAFE_NO_PAD.decode(&self.csr).map_err(|error| EngineError::new(EngineErrorKind::Corrupt, error))
    }

    /// Whether another request of the same name may take its place: nothing is at the CA for it.
    pub(crate) fn may_be_replaced(&self) -> bool {
        let waits = self.failure.is_some() || self.held_back.is_some();
        waits && matches!(self.state, State::Wanted { .. } | State::Failed { .. })
    }

    /// Ends what it holds, or a part of it, and says what that means for the budgets.
    pub(crate) fn settle(&mut self, settlement: Settlement) -> Change {
        let Some(holding) = self.holding.take() else { return Change::default() };
        self.holding = holding.clone().after(&settlement);
        Change { settle: Some((holding, settlement)), ..Change::default() }
    }

    /// Sets it up for another try: what ended in failure begins anew, what was suspended goes on.
    pub(crate) fn begin(&mut self) {
        self.failure = None;
        self.held_back = None;
        if let State::Failed { order, .. } = &self.state {
            self.state = State::Wanted { order: order.clone() };
        }
    }
}
