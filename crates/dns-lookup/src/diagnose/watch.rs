//! When each server shows a value, or shows it no longer.

use std::collections::BTreeMap;
use std::time::Duration;

use fleetcert_ambient::{Clock, timeout};
use fleetcert_dns::challenge::ChallengeRecord;
use fleetcert_dns::{BackendError, Verdict, Visibility};

use crate::AuthoritativeVisibility;

/// What is waited for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    Seen,
    Gone,
}

/// What one server showed, asked in one way.
pub(super) struct Line {
    /// After how long it was so; `None` if it was not in time.
    pub(super) after: Option<Duration>,
    /// What it said last.
    pub(super) last: Verdict,
}

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Looks until every server is as it should be, for at most `within`. An error only when no look succeeded at all.
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
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    };
    let in_time = timeout(clock, within, looking).await;
    match (in_time, failure) {
        (Err(_), Some(failure)) if lines.is_empty() => Err(failure),
        _ => Ok(lines),
    }
}
