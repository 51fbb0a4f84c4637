//! Waiting until a value is visible.

use std::fmt;
use std::time::Duration;

use fleetcert_ambient::timeout;
use fleetcert_dns::{BackendError, Quorum, Sighting, TxtValue, Visibility};
use fleetcert_names::DomainName;

use super::AuthoritativeVisibility;

/// How long to wait for a value, and how often to look. [`Challenges`](fleetcert_dns::challenge::Challenges) has its
/// own; this is for who publishes by other means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How many servers must show it. Default: all.
    pub quorum: Quorum,
    /// How long to wait altogether. Default: 2 minutes.
    pub within: Duration,
    /// The pause after the first look; it doubles each time. Default: 100 milliseconds.
    pub interval: Duration,
    /// What the doubling stops at. Default: 5 seconds.
    pub max_interval: Duration,
}

impl Default for Patience {
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
    /// Looks until enough servers show the value, and returns what they said. With [`Quorum::TrustBackend`] nobody is
    /// asked.
    ///
    /// **Cancellation.** Nothing is changed; dropping it is safe.
    ///
    /// # Errors
    /// [`NotSeenError`], with the last verdict of each server: when the time is over, or at once when the servers
    /// cannot be found and waiting does not help.
    pub async fn wait_until_seen(
        &self,
        zone: &DomainName,
        name: &DomainName,
        value: &TxtValue,
        patience: Patience,
    ) -> Result<Sighting, NotSeenError> {
        if patience.quorum == Quorum::TrustBackend {
            return Ok(Sighting { servers: Vec::new() });
        }
        let mut last = NotSeenError { name: name.clone(), sighting: None, source: None };
        let mut pause = patience.interval;
        let clock = self.asker.clock();
        let watch = async {
            loop {
                match self.look(zone, name, value).await {
                    Ok(sighting) if sighting.satisfies(patience.quorum) => return Some(sighting),
                    Ok(sighting) => (last.sighting, last.source) = (Some(sighting), None),
                    Err(error) => {
                        let is_final = error.retry_after().is_none();
                        last.source = Some(error);
                        if is_final {
                            return None;
                        }
                    }
                }
                clock.sleep(pause).await;
                pause = (pause * 2).min(patience.max_interval);
            }
        };
        match timeout(clock, patience.within, watch).await {
            Ok(Some(sighting)) => Ok(sighting),
            Ok(None) | Err(_) => Err(last),
        }
    }
}

/// Not enough servers showed the value in time.
#[derive(Debug)]
pub struct NotSeenError {
    name: DomainName,
    sighting: Option<Sighting>,
    source: Option<BackendError>,
}

impl NotSeenError {
    /// What each server said last; `None` when none was asked to the end.
    pub fn sighting(&self) -> Option<&Sighting> {
        self.sighting.as_ref()
    }
}

impl fmt::Display for NotSeenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the value is not to be seen at {}", self.name)?;
        if let Some(sighting) = &self.sighting {
            write!(f, ": {sighting}")?;
        }
        match &self.source {
            Some(error) => write!(f, ": {error}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for NotSeenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}
