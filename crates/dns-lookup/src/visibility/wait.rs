//! Waiting until a value has propagated.

use std::fmt;
use std::time::Duration;

use fleetcert_ambient::{Backoff, timeout};
use fleetcert_dns::{BackendError, Quorum, Sighting, TxtValue, Visibility};
use fleetcert_names::DomainName;

use super::AuthoritativeVisibility;

/// Options of a wait for a value. [`Challenges`](fleetcert_dns::challenge::Challenges) has its own; use this if you publish
/// by other means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitOptions {
    /// Servers that must show the value. Default: all.
    pub quorum: Quorum,
    /// Timeout of the whole wait. Default: 2 minutes.
    pub within: Duration,
    /// Pause after the first look; it doubles each time. Default: 100 milliseconds.
    pub interval: Duration,
    /// Maximum pause. Default: 5 seconds.
    pub max_interval: Duration,
}

impl Default for WaitOptions {
    fn default() -> Self {
        Self {
            quorum: Quorum::All,
            within: Duration::from_secs(120),
            interval: Duration::from_millis(100),
            max_interval: Duration::from_secs(5),
        }
    }
}

impl AuthoritativeVisibility {
    /// Looks until enough servers show the value, and returns their verdicts. With [`Quorum::TrustBackend`] no server is
    /// asked.
    ///
    /// **Cancellation.** Nothing is changed; dropping it is safe.
    ///
    /// # Errors
    /// [`NotVisibleError`] with the last verdict of each server, after the timeout, or at once if the servers cannot be
    /// found and waiting does not help.
    pub async fn wait_until_seen(
        &self,
        zone: &DomainName,
        name: &DomainName,
        value: &TxtValue,
        options: WaitOptions,
    ) -> Result<Sighting, NotVisibleError> {
        if options.quorum == Quorum::TrustBackend {
            return Ok(Sighting { servers: Vec::new() });
        }
        let mut last = NotVisibleError { name: name.clone(), sighting: None, source: None };
        let backoff = Backoff::new(options.interval, options.max_interval);
        let clock = self.asker.clock();
        let watch = async {
            for looks in 1.. {
                match self.look(zone, name, value).await {
                    Ok(sighting) if sighting.satisfies(options.quorum) => return Some(sighting),
                    Ok(sighting) => (last.sighting, last.source) = (Some(sighting), None),
                    Err(error) => {
                        let is_final = error.retry_after().is_none();
                        last.source = Some(error);
                        if is_final {
                            return None;
                        }
                    }
                }
                clock.sleep(backoff.delay(looks)).await;
            }
            None
        };
        match timeout(clock, options.within, watch).await {
            Ok(Some(sighting)) => Ok(sighting),
            Ok(None) | Err(_) => Err(last),
        }
    }
}

/// Too few servers showed the value in time.
#[derive(Debug)]
pub struct NotVisibleError {
    name: DomainName,
    sighting: Option<Sighting>,
    source: Option<BackendError>,
}

impl NotVisibleError {
    /// Returns the last verdict of each server; `None` if no look succeeded.
    pub fn sighting(&self) -> Option<&Sighting> {
        self.sighting.as_ref()
    }
}

impl fmt::Display for NotVisibleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the value is not visible at {}", self.name)?;
        if let Some(sighting) = &self.sighting {
            write!(f, ": {sighting}")?;
        }
        match &self.source {
            Some(error) => write!(f, ": {error}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for NotVisibleError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}
