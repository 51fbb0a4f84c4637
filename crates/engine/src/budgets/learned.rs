//! Limits of the CA as its refusals show them.

use std::time::{Duration, SystemTime};

use fleetcert_schedule::budget::{BucketKey, Limit, Limits, Override, Rule};
use fleetcert_store::{Expect, Transaction};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::StoreKeys;
use super::commit::Learned;
use crate::EngineError;
use crate::context::ServiceContext;
use crate::records::{self, LIMITS};

/// A limit that the CA stated in a refusal, as it is stored.
#[derive(Debug, Serialize, Deserialize)]
struct LearnedLimit {
    /// Key of a bucket that it is about.
    key: String,
    limit: Numbers,
    /// Limit that was configured then. A learned limit is ignored when the configuration changes.
    configured: Option<Numbers>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Numbers {
    burst: u32,
    count: u32,
    period: Duration,
}

/// Interval at which limits that other nodes learned are read.
const READ_INTERVAL: Duration = Duration::from_secs(60);
/// Maximum learned limits that are read.
const MAX_LEARNED: usize = 1000;
/// Records in one page of the store.
const PAGE_SIZE: usize = 100;
/// Lifetime of a learned limit. The CA may have changed it by then, and says so again.
const LEARNED_LIFETIME: Duration = Duration::from_secs(30 * 86_400);

/// The limits of the CA: as configured, and corrected by what the CA stated.
#[derive(Debug)]
pub(super) struct LearnedLimits {
    context: ServiceContext,
    configured: Limits,
    store_keys: StoreKeys,
    /// Corrected limits, and when they were read.
    cached: Mutex<Option<(SystemTime, Limits)>>,
}

impl LearnedLimits {
    pub(super) fn new(context: ServiceContext, configured: Limits, store_keys: StoreKeys) -> Self {
        Self { context, configured, store_keys, cached: Mutex::default() }
    }

    /// Returns the limits as they are known now.
    pub(super) async fn get(&self) -> Result<Limits, EngineError> {
        let mut known = self.cached.lock().await;
        let now = self.context.now();
        if let Some((read_at, limits)) = &*known
            && now.duration_since(*read_at).is_ok_and(|age| age < READ_INTERVAL)
        {
            return Ok(limits.clone());
        }
        let limits = self.read_limits().await?;
        *known = Some((now, limits.clone()));
        Ok(limits)
    }

    /// Drops the cache.
    pub(super) async fn refresh(&self) {
        *self.cached.lock().await = None;
    }

    async fn read_limits(&self) -> Result<Limits, EngineError> {
        let configured = &self.configured;
        let prefix = self.store_keys.prefix();
        let mut limits = configured.clone();
        let mut after: Option<String> = None;
        for _ in 0..MAX_LEARNED.div_ceil(PAGE_SIZE) {
            let page = self.context.store.page(LIMITS, after.as_deref(), PAGE_SIZE).await?;
            for record in page.iter().filter(|record| record.key.starts_with(&prefix)) {
                // A limit that cannot be decoded counts as not learned: the CA states it again.
                let Some(learned) = self.context.ok_or_report(records::decode::<LearnedLimit>(record)) else {
                    continue;
                };
                if let Ok(key) = learned.key.parse::<BucketKey>()
                    && numbers(configured.rule_for(&key)) == learned.configured
                    && let Ok(limit) =
                        Limit::new(learned.limit.burst, learned.limit.count, learned.limit.period)
                {
                    limits = with_limit(limits, &key, limit);
                }
            }
            match page.last() {
                Some(last) if page.len() == PAGE_SIZE => after = Some(last.key.clone()),
                _ => break,
            }
        }
        Ok(limits)
    }

    /// Adds a learned limit to a transaction.
    pub(super) fn with_learned(
        &self,
        write: Transaction,
        learned: Option<&Learned>,
        now: SystemTime,
    ) -> Transaction {
        let Some(Learned { key, limit }) = learned else { return write };
        let record = LearnedLimit {
            key: key.to_string(),
            limit: limit.into(),
            configured: numbers(self.configured.rule_for(key)),
        };
        let store_key = self.store_keys.of(&scope(key));
        write.put(LIMITS, store_key, Expect::Any, records::encode(&record), Some(now + LEARNED_LIFETIME))
    }
}

/// Returns what a limit is about: one bucket, an account in each domain, or everything.
fn scope(key: &BucketKey) -> String {
    match key {
        BucketKey::NewOrdersPerAccount(_) | BucketKey::CertificatesPerDomain(_) => key.to_string(),
        BucketKey::CertificatesPerDomainPerAccount(account, _) => format!("{} {account}", key.kind()),
        _ => key.kind().to_string(),
    }
}

fn with_limit(mut limits: Limits, key: &BucketKey, limit: Limit) -> Limits {
    let scope = match key {
        BucketKey::NewOrdersPerAccount(account) => Override::NewOrdersPerAccount(account.clone()),
        BucketKey::CertificatesPerDomain(domain) => Override::CertificatesPerDomain(domain.clone()),
        BucketKey::CertificatesPerDomainPerAccount(account, _) => {
            Override::CertificatesPerDomainPerAccount(account.clone())
        }
        _ => return limits.with_rule(key.kind(), Rule::Limited(limit)),
    };
    let _ = limits.set_override(scope, limit);
    limits
}

fn numbers(rule: Rule) -> Option<Numbers> {
    match rule {
        Rule::Limited(limit) => Some((&limit).into()),
        Rule::Unlimited | Rule::Unknown => None,
    }
}

impl From<&Limit> for Numbers {
    fn from(limit: &Limit) -> Self {
        Self { burst: limit.burst(), count: limit.count(), period: limit.period() }
    }
}
