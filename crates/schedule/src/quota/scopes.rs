//! One request, counted for its device, its tenant and all together.

use std::hash::Hash;
use std::time::SystemTime;

use super::table::{Quota, QuotaDecision};
use crate::budget::{Bucket, Limit};

/// A quota for each device, one for each tenant, and one for all together.
///
/// The device is asked first, and what it is denied costs neither its tenant nor the others anything: one hostile
/// device can use up its own quota and no more. All three are spent, or none.
///
/// ```
/// use fleetcert_schedule::budget::Limit;
/// use fleetcert_schedule::quota::{CSRS_PER_DEVICE, Scope, ScopeDecision, ScopedQuota};
/// use std::time::{Duration, SystemTime};
///
/// let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
/// let hour = Duration::from_secs(3600);
/// let tenant = Limit::new(50, 50, hour)?;
/// let all = Limit::new(1000, 1000, hour)?;
/// let mut requests = ScopedQuota::new((CSRS_PER_DEVICE, 100_000), (tenant, 1000), all, 0x5eed);
/// for _ in 0..10 {
///     assert_eq!(requests.spend("d1", "tenant", now), ScopeDecision::Allowed);
/// }
/// for _ in 0..1000 {
///     let decision = requests.spend("d1", "tenant", now);
///     assert!(matches!(decision, ScopeDecision::Denied { by: Scope::Device, .. }));
/// }
/// // The thousand have cost the tenant nothing.
/// assert!((0..40).all(|i| requests.spend(&("other", i), "tenant", now) == ScopeDecision::Allowed));
/// let decision = requests.spend("d2", "tenant", now);
/// assert!(matches!(decision, ScopeDecision::Denied { by: Scope::Tenant, .. }));
/// # Ok::<(), fleetcert_schedule::budget::LimitError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ScopedQuota {
    devices: Quota,
    tenants: Quota,
    all_limit: Limit,
    all: Bucket,
}

/// Whose quota it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scope {
    /// The device's.
    Device,
    /// The tenant's.
    Tenant,
    /// That of all together.
    All,
}

/// What a [`ScopedQuota`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a decision that is not looked at limits nothing"]
pub enum ScopeDecision {
    /// Go on.
    Allowed,
    /// Not now.
    Denied {
        /// The first quota that had nothing left.
        by: Scope,
        /// When that has one again; `None` when time ends before that.
        retry_at: Option<SystemTime>,
    },
}

impl ScopedQuota {
    /// The limit of a device and of a tenant, each with how many are to be remembered, and that of all; `secret` as
    /// for [`Quota::new`].
    pub fn new(device: (Limit, usize), tenant: (Limit, usize), all: Limit, secret: u64) -> Self {
        Self {
            devices: Quota::new(device.0, device.1, secret),
            tenants: Quota::new(tenant.0, tenant.1, secret),
            all_limit: all,
            all: Bucket::FULL,
        }
    }

    /// Takes one token of each, or none.
    pub fn spend<D, T>(&mut self, device: &D, tenant: &T, now: SystemTime) -> ScopeDecision
    where
        D: Hash + ?Sized,
        T: Hash + ?Sized,
    {
        let denied = |by, retry_at| ScopeDecision::Denied { by, retry_at };
        if let QuotaDecision::Denied { retry_at } = self.devices.look(device, now) {
            return denied(Scope::Device, retry_at);
        }
        if let QuotaDecision::Denied { retry_at } = self.tenants.look(tenant, now) {
            return denied(Scope::Tenant, retry_at);
        }
        let all = self.all.spend(&self.all_limit, now, 1);
        if !all.allowed {
            return denied(Scope::All, all.retry_in().and_then(|wait| now.checked_add(wait)));
        }
        self.all = all.bucket;
        // Both were looked at just now.
        let _ = self.devices.spend(device, now);
        let _ = self.tenants.spend(tenant, now);
        ScopeDecision::Allowed
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use proptest::prelude::*;

    fn limit(burst: u32) -> Limit {
        Limit::new(burst, 1, Duration::from_secs(60)).unwrap()
    }

    proptest! {
        #[test]
        fn all_or_none(steps in prop::collection::vec((0u8..3, 0u8..2, 0u32..30), 1..100)) {
            let mut scoped = ScopedQuota::new((limit(2), 8), (limit(3), 8), limit(4), 9);
            let mut now = SystemTime::UNIX_EPOCH;
            for (device, tenant, pause) in steps {
                now += Duration::from_secs(pause.into());
                let before = (scoped.devices.look(&device, now), scoped.tenants.look(&tenant, now), scoped.all);
                let decision = scoped.spend(&device, &tenant, now);
                let after = (scoped.devices.look(&device, now), scoped.tenants.look(&tenant, now), scoped.all);
                let all_had = before.0.is_allowed() && before.1.is_allowed();
                match decision {
                    ScopeDecision::Allowed => {
                        prop_assert!(all_had);
                        prop_assert!(before.0 != after.0 && before.1 != after.1 && before.2 != after.2);
                    }
                    ScopeDecision::Denied { by, retry_at } => {
                        prop_assert_eq!(before, after);
                        prop_assert_eq!(by == Scope::All, all_had);
                        prop_assert!(retry_at.is_some_and(|at| at > now));
                    }
                }
            }
        }
    }
}
