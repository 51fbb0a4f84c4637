//! The order of a name.

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fleetcert_acme::NewOrder;
use fleetcert_acme::order::State;
use fleetcert_protocol::DeviceId;
use serde::{Deserialize, Serialize};

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
        }
    }

    /// The same, in the place of an order that failed: it has to wait as that one had to. Says when it is due.
    pub(crate) fn in_place_of(mut self, failed: OrderRecord) -> (Self, SystemTime) {
        self.failures = failed.failures;
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
        self.failure.is_some() && matches!(self.state, State::Wanted { .. } | State::Failed { .. })
    }

    /// Sets it up for another try: what ended in failure begins anew, what was suspended goes on.
    pub(crate) fn begin(&mut self) {
        self.failure = None;
        if let State::Failed { order, .. } = &self.state {
            self.state = State::Wanted { order: order.clone() };
        }
    }
}
