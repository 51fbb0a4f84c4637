//! The CA's own arithmetic, written a second time and in another way: its tokens are counted as nanoseconds of backlog
//! that run off with time.

use std::collections::HashMap;

use super::*;

#[derive(Default)]
pub(super) struct Ca {
    backlog: HashMap<BucketKey, (u128, u64)>,
}

impl Ca {
    fn backlog(&self, key: &BucketKey, at: u64) -> u128 {
        self.backlog
            .get(key)
            .map_or(0, |(backlog, since)| backlog.saturating_sub(u128::from(at - since) * SECOND))
    }

    pub(super) fn has_one(&self, key: &BucketKey, at: u64) -> bool {
        let (burst, interval) = numbers(key.kind());
        self.backlog(key, at) + interval <= interval * burst
    }

    pub(super) fn spend(&mut self, key: &BucketKey, at: u64) -> bool {
        let has_one = self.has_one(key, at);
        if has_one {
            let backlog = self.backlog(key, at) + numbers(key.kind()).1;
            self.backlog.insert(key.clone(), (backlog, at));
        }
        has_one
    }
}

const SECOND: u128 = 1_000_000_000;

/// Small ones, so that they bind in a short test: burst and interval.
fn numbers(kind: LimitKind) -> (u128, u128) {
    match kind {
        LimitKind::NewOrdersPerAccount => (6, 36 * SECOND),
        LimitKind::CertificatesPerDomain => (5, 700 * SECOND),
        LimitKind::CertificatesPerFqdnSet => (3, 1200 * SECOND),
        LimitKind::FailedAuthorizationsPerDomainPerAccount => (3, 720 * SECOND),
        _ => (1152, 86_400 * SECOND),
    }
}

pub(super) fn small_limits() -> Limits {
    LimitKind::ALL.into_iter().fold(Limits::unknown(), |limits, kind| {
        let (burst, interval) = numbers(kind);
        let limit = Limit::new(burst as u32, 1, Duration::from_nanos(interval as u64)).unwrap();
        limits.with_rule(kind, Rule::Limited(limit))
    })
}
