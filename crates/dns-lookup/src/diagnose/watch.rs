//! The watch on a value: when each server shows it, or stops showing it.

use std::collections::BTreeMap;
use std::time::Duration;

use fleetcert_ambient::{Clock, timeout};
use fleetcert_dns::challenge::ChallengeRecord;
use fleetcert_dns::{BackendError, Verdict, Visibility};

use crate::AuthoritativeVisibility;

/// The condition to wait for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    Seen,
    Gone,
}

/// The answers of one server over one transport.
pub(super) struct Line {
    /// Time until the condition was met; `None` if it was not met in time.
    pub(super) after: Option<Duration>,
    /// Last verdict.
    pub(super) last: Verdict,
}

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// Looks until every server meets the condition, for at most `within`. Fails only if no look succeeded.
pub(super) async fn watch(
    visibility: &AuthoritativeVisibility,
    record: &ChallengeRecord,
    until: Until,
    within: Duration,
    clock: &dyn Clock,
) -> Result<BTreeMap<String, Line>, BackendError> {
    let wanted = match until {
        Until::Seen => Verdict::Seen,
        Until::Gone => Verdict::NotSeen,
    };
    let start = clock.now();
    let mut lines: BTreeMap<String, Line> = BTreeMap::new();
    let mut failure = None;
    let looking = async {
        let mut pause = FIRST_PAUSE;
        loop {
            match visibility.look(&record.zone, &record.name, &record.value).await {
                Err(error) => failure = Some(error),
                Ok(sighting) => {
                    let elapsed = clock.now().duration_since(start).unwrap_or_default();
                    for server in sighting.servers {
                        let right = server.verdict == wanted;
                        let line = lines
                            .entry(server.server)
                            .or_insert(Line { after: None, last: server.verdict.clone() });
                        line.after = if right { line.after.or(Some(elapsed)) } else { None };
                        line.last = server.verdict;
                    }
                    if lines.values().all(|line| line.after.is_some()) {
                        return;
                    }
                }
            }
            clock.sleep(pause).await;
            pause = (pause * 2).min(MAX_PAUSE);
        }
    };
    let in_time = timeout(clock, within, looking).await;
    match (in_time, failure) {
        (Err(_), Some(failure)) if lines.is_empty() => Err(failure),
        _ => Ok(lines),
    }
}
