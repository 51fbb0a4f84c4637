//! The quota of certificate requests of a device.

use parking_lot::Mutex;
use std::time::{Duration, SystemTime};

use fleetcert_ambient::Entropy;
use fleetcert_protocol::DeviceId;
use fleetcert_schedule::budget::Limit;
use fleetcert_schedule::quota::{Quota, QuotaDecision};

use crate::EngineError;

/// The recent requests of each device to this process; `None` for no limit.
#[derive(Debug)]
pub(crate) struct Requests(Option<Mutex<Quota>>);

/// Maximum devices that are counted, in four megabytes. Beyond it, those that sent least are forgotten.
const MAX_DEVICES: usize = 1 << 18;
/// Wait for a quota that never refills.
const NO_REFILL_WAIT: Duration = Duration::from_secs(86_400);

impl Requests {
    pub(crate) fn new(limit: Option<Limit>, entropy: &dyn Entropy) -> Self {
        let mut secret = [0; 8];
        entropy.fill(&mut secret);
        Self(limit.map(|limit| Mutex::new(Quota::new(limit, MAX_DEVICES, u64::from_le_bytes(secret)))))
    }

    /// Counts one request.
    pub(crate) fn spend(&self, device: &DeviceId, now: SystemTime) -> Result<(), EngineError> {
        let Some(quota) = &self.0 else { return Ok(()) };
        let decision = quota.lock().spend(device.as_str(), now);
        match decision {
            QuotaDecision::Allowed { .. } => Ok(()),
            QuotaDecision::Denied { retry_at } => {
                let until = retry_at.unwrap_or(now + NO_REFILL_WAIT);
                Err(EngineError::limited(now, until, "this device has sent its certificate requests for now"))
            }
        }
    }
}
