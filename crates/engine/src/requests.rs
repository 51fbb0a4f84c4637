//! How many certificate requests a device may send.

use parking_lot::Mutex;
use std::time::{Duration, SystemTime};

use fleetcert_ambient::Entropy;
use fleetcert_protocol::DeviceId;
use fleetcert_schedule::budget::Limit;
use fleetcert_schedule::quota::{Quota, QuotaDecision};

use crate::EngineError;

/// What each device has sent to this process of late; nothing where it may send any number.
#[derive(Debug)]
pub(crate) struct Requests(Option<Mutex<Quota>>);

/// So many devices are remembered, in four megabytes. Of more, those are forgotten that have sent least.
const REMEMBERED: usize = 1 << 18;
/// A quota that is never had again is asked for again in a day.
const A_DAY: Duration = Duration::from_secs(86_400);

impl Requests {
    pub(crate) fn new(limit: Option<Limit>, entropy: &dyn Entropy) -> Self {
        let mut secret = [0; 8];
        entropy.fill(&mut secret);
        Self(limit.map(|limit| Mutex::new(Quota::new(limit, REMEMBERED, u64::from_le_bytes(secret)))))
    }

    /// Counts one request.
    pub(crate) fn spend(&self, device: &DeviceId, now: SystemTime) -> Result<(), EngineError> {
        let Some(quota) = &self.0 else { return Ok(()) };
        let decision = quota.lock().spend(device.as_str(), now);
        match decision {
            QuotaDecision::Allowed { .. } => Ok(()),
            QuotaDecision::Denied { retry_at } => {
                let until = retry_at.unwrap_or(now + A_DAY);
                Err(EngineError::limited(now, until, "this device has sent its certificate requests for now"))
            }
        }
    }
}
