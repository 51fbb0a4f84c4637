//! The limits as they turned out to be.

use std::time::{Duration, SystemTime};

use fleetcert_schedule::budget::{BucketKey, Limit, Limits, Override, Rule};
use fleetcert_store::{Expect, Transaction};
use serde::{Deserialize, Serialize};

use super::commit::Learned;
use crate::records::{self, LIMITS};
use crate::{Engine, EngineError};

/// What the CA said of a limit that we took for another.
#[derive(Debug, Serialize, Deserialize)]
struct LearnedLimit {
    /// The key of a bucket that it holds for.
    key: String,
    limit: Numbers,
    /// What the operator said of it then. When he says something else, he knows better.
    configured: Option<Numbers>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Numbers {
    burst: u32,
    count: u32,
    period: Duration,
}

/// What other nodes learned is looked at so often. One that does not know it yet is refused at worst.
const READ_EVERY: Duration = Duration::from_secs(60);
/// No more are kept: beyond them each refusal counts alone.
const MOST: usize = 1000;
const PAGE: usize = 100;
/// What the CA said so long ago may have changed; then it says so again.
const KEPT: Duration = Duration::from_secs(30 * 86_400);

impl Engine {
    /// The limits as they are configured, and as the CA said that they are.
    pub(crate) async fn limits(&self) -> Result<Limits, EngineError> {
        let budgets = self.budgets();
        let mut known = budgets.limits.lock().await;
        let now = self.now();
        if let Some((read_at, limits)) = &*known
            && now.duration_since(*read_at).is_ok_and(|age| age < READ_EVERY)
        {
            return Ok(limits.clone());
        }
        let limits = self.read_limits().await?;
        *known = Some((now, limits.clone()));
        Ok(limits)
    }

    /// Reads them again next time.
    pub(super) async fn forget_limits(&self) {
        *self.budgets().limits.lock().await = None;
    }

    async fn read_limits(&self) -> Result<Limits, EngineError> {
        let configured = &self.budgets().configured;
        let prefix = format!("{} ", self.budgets().ca);
        let mut limits = configured.clone();
        let mut after: Option<String> = None;
        for _ in 0..MOST.div_ceil(PAGE) {
            let page = self.parts().store.page(LIMITS, after.as_deref(), PAGE).await?;
            for record in page.iter().filter(|record| record.key.starts_with(&prefix)) {
                // One that cannot be read is as one that was not learned: the CA says it again.
                let Some(learned) = self.readable(records::decode::<LearnedLimit>(record)) else { continue };
                if let Ok(key) = learned.key.parse::<BucketKey>()
                    && numbers(configured.rule_for(&key)) == learned.configured
                    && let Ok(limit) =
                        Limit::new(learned.limit.burst, learned.limit.count, learned.limit.period)
                {
                    limits = with_limit(limits, &key, limit);
                }
            }
            match page.last() {
                Some(last) if page.len() == PAGE => after = Some(last.key.clone()),
                _ => break,
            }
        }
        Ok(limits)
    }

    /// Adds what was learned to a write.
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
            configured: numbers(self.budgets().configured.rule_for(key)),
        };
        let store_key = self.budgets().store_key(&scope(key));
        write.put(LIMITS, store_key, Expect::Any, records::encode(&record), Some(now + KEPT))
    }
}

/// What a limit holds for: that of one bucket, of an account in each domain, or of everybody.
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
