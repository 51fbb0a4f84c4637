//! The CA's rate limits, shared by all nodes and kept over crashes.
//!
//! Each bucket is one row of the store. The tokens that an order holds are in the order's own record, and both are
//! written in one transaction: the journal entry "about to send newOrder" holds the tokens, the entry that says how
//! the order ended spends or frees them. So no crash loses a token or counts one twice. What is unknown, as when the
//! answer to newOrder was lost, counts as spent.

mod commit;
mod describe;
mod holding;
mod kind;
mod learned;
mod refusal;
mod row_cache;
mod rows;
mod settlement;

use std::time::{Duration, SystemTime};

use fleetcert_acme::NewOrder;
use fleetcert_names::HostName;
use fleetcert_schedule::budget::{Account, BucketKey, Charges, Leave, Limits, OrderKind, SharedDenial};
use fleetcert_schedule::known_ca::{KnownCa, origin};
use fleetcert_schedule::order_queue::{Lane, Reserve};
use fleetcert_store::Transaction;
use tokio::sync::Mutex;

use commit::{Learned, Refused, apply, pausing, retry_at};
use kind::kind_of;
use learned::LearnedLimits;
use row_cache::RowCache;
use rows::{RowSource, Rows};

pub(crate) use commit::{Change, Committed};
pub(crate) use describe::describe_denial;
pub(crate) use holding::Holding;
pub(crate) use refusal::refused;
pub(crate) use rows::StoredRow;
pub(crate) use settlement::{Decision, Settlement, decide, on_pause, on_setting_aside};

use crate::context::ServiceContext;
use crate::records::{self, CertificateRecord, OrderRecord};
use crate::{EngineError, EngineErrorKind, EngineOptions, Event};

/// The service that keeps our mirror of the CA's rate limits.
#[derive(Debug)]
pub(crate) struct CaBudgets {
    context: ServiceContext,
    account_url: String,
    account: Account,
    reserve: Reserve,
    limits: LearnedLimits,
    store_keys: StoreKeys,
    row_cache: RowCache,
    /// Serialises the writes of rows that all orders share. Between processes the store decides.
    shared_rows: Mutex<()>,
}

/// Attempts of a write that loses against other writes of the same rows. Each conflict is a success elsewhere.
const MAX_ATTEMPTS: u32 = 32;
/// Maximum delay before an attempt.
const MAX_ATTEMPT_DELAY: Duration = Duration::from_millis(40);

impl CaBudgets {
    pub(crate) fn new(context: ServiceContext, options: &EngineOptions, account_url: &str) -> Self {
        let configured = configured_limits(options.limits.as_ref(), account_url);
        let store_keys = StoreKeys::of_ca(account_url);
        Self {
            limits: LearnedLimits::new(context.clone(), configured, store_keys.clone()),
            context,
            account_url: account_url.to_owned(),
            account: account(account_url),
            reserve: options.reserve,
            store_keys,
            row_cache: RowCache::default(),
            shared_rows: Mutex::default(),
        }
    }

    /// Returns the limits as they are known now.
    pub(crate) async fn limits(&self) -> Result<Limits, EngineError> {
        self.limits.get().await
    }

    /// Returns the part of the shared buckets that orders of a lane leave to more urgent ones.
    pub(crate) fn leave(&self, lane: Lane) -> Leave {
        self.reserve.leave_of(lane)
    }

    /// Returns what an order must hold that is about to be sent. `before` is the certificate that the name has.
    pub(crate) async fn holding_to_order(
        &self,
        order: &NewOrder,
        before: Option<&CertificateRecord>,
    ) -> Result<Holding, EngineError> {
        let limits = self.limits().await?;
        Ok(Holding::to_order(&limits, self.kind(order, before), &self.account_url, &order.identifiers))
    }

    /// Returns what an order must hold that the CA has and that holds nothing, because it was set aside.
    pub(crate) async fn holding_of_placed(
        &self,
        order: &NewOrder,
        before: Option<&CertificateRecord>,
    ) -> Result<Holding, EngineError> {
        let limits = self.limits().await?;
        Ok(Holding::of_placed(&limits, self.kind(order, before), &self.account_url, &order.identifiers))
    }

    fn kind(&self, order: &NewOrder, before: Option<&CertificateRecord>) -> OrderKind {
        let before = before.filter(|before| before.is_for(&order.identifiers));
        kind_of(before, order, &self.account_url, self.context.now())
    }

    /// Returns what an order will cost, as far as its record tells. The exact cost is computed when it starts.
    pub(crate) async fn likely_charges(&self, order: &OrderRecord) -> Result<Option<Charges>, EngineError> {
        let names = &order.state.order().identifiers;
        let kind = order.likely_kind(self.context.now());
        Ok(Holding::to_order(&self.limits().await?, kind, &self.account_url, names).charges())
    }

    /// Returns why a shared bucket would deny an order, if `starting` others take a token first.
    pub(crate) async fn shared_denial(
        &self,
        charges: &Charges,
        leave: Leave,
        starting: u32,
    ) -> Result<Option<SharedDenial>, EngineError> {
        let now = self.context.now();
        for may_be_cached in [true, false] {
            let mut rows = self.read(charges.shared().cloned(), may_be_cached, now).await?;
            rows.hold_more(|_| starting, now);
            match rows.budgets.shared_denial(charges, leave, now) {
                // The store confirms a denial.
                Some(denial) if !rows.are_cached => return Ok(Some(in_whole_milliseconds(denial))),
                Some(_) => {}
                None => return Ok(None),
            }
        }
        Ok(None)
    }

    /// Returns why the shared buckets deny an order of a lane now, and when they have a token for it with `ahead` others
    /// before it; `None` for no denial, and for a time that the limits do not tell.
    pub(crate) async fn outlook(
        &self,
        charges: &Charges,
        lane: Lane,
        ahead: usize,
    ) -> Result<(Option<SharedDenial>, Option<SystemTime>), EngineError> {
        let now = self.context.now();
        let leave = self.leave(lane);
        let mut rows = self.read(charges.shared().cloned(), true, now).await?;
        let denial = rows.budgets.shared_denial(charges, leave, now).map(in_whole_milliseconds);
        rows.hold_more(|limit| leave.of(limit), now);
        Ok((denial, rows.budgets.available_at(charges, (ahead as u64).saturating_add(1), now)))
    }

    /// Makes `write` and the change to the budgets in one transaction.
    ///
    /// # Errors
    /// A conflict when something other than a budget was not as expected.
    pub(crate) async fn commit(&self, write: Transaction, change: &Change) -> Result<Committed, EngineError> {
        let keys = change.keys();
        if keys.is_empty() {
            return Ok(Committed::Written(self.context.store.commit(write).await?));
        }
        let _guard = match keys.iter().any(|key| key.kind().is_shared()) {
            true => Some(self.shared_rows.lock().await),
            false => None,
        };
        let (mut before, mut may_be_cached) = (None, true);
        for attempt in 0..MAX_ATTEMPTS {
            let now = self.context.now();
            let mut rows = self.read(keys.iter().cloned(), may_be_cached, now).await?;
            let versions = rows.versions();
            if before.as_ref().is_some_and(|before| *before != versions) {
                self.row_cache.bypass(now);
            }
            may_be_cached = false;
            let learned = match apply(&mut rows, change, now) {
                Ok(learned) => learned,
                // The store confirms a denial.
                Err(_) if rows.are_cached => continue,
                Err(denied) => {
                    let until = retry_at(&denied, &rows, now);
                    return Ok(Committed::Denied { denied, until });
                }
            };
            let with_rows = self.limits.with_learned(write.clone(), learned.as_ref(), now);
            let (write, after) = rows.with_writes(with_rows, now);
            match self.context.store.commit(write).await {
                Ok(version) => {
                    self.row_cache.note(after.committed(version, now));
                    self.notify_of(change, learned.as_ref()).await;
                    return Ok(Committed::Written(version));
                }
                // The rows are as they were, so the conflict is about the order or its device.
                Err(error) if !error.is_conflict() || before.as_ref() == Some(&versions) => {
                    // It may have been written.
                    self.row_cache.clear();
                    return Err(error.into());
                }
                Err(_) => before = Some(versions),
            }
            let longest = MAX_ATTEMPT_DELAY / MAX_ATTEMPTS * (attempt + 1);
            let part = u32::try_from(self.context.random() % 1000).unwrap_or_default();
            self.context.ambient.sleep(longest / 1000 * part).await;
        }
        Err(EngineError::new(EngineErrorKind::Unavailable, "too many orders of other nodes at the same time"))
    }

    /// Returns a write that lifts the CA's pause of a name; `None` if the name is not paused.
    pub(crate) async fn unpausing(&self, name: &HostName) -> Result<Option<Transaction>, EngineError> {
        let key = pausing(self.account.clone(), name.clone());
        let now = self.context.now();
        let mut rows = self.read([key.clone()], false, now).await?;
        if rows.paused_until(&key).is_none() {
            return Ok(None);
        }
        rows.set_paused(&key, None);
        self.row_cache.clear();
        Ok(Some(rows.with_writes(Transaction::new(), now).0))
    }

    async fn read(
        &self,
        keys: impl IntoIterator<Item = BucketKey>,
        may_be_cached: bool,
        now: SystemTime,
    ) -> Result<Rows, EngineError> {
        let store = &*self.context.store;
        let (store_keys, cache) = (&self.store_keys, &self.row_cache);
        let source = RowSource { store, store_keys, cache, may_be_cached };
        Rows::read(source, keys, self.limits().await?, now).await
    }

    async fn notify_of(&self, change: &Change, learned: Option<&Learned>) {
        if let Some(Learned { key, limit }) = learned {
            self.limits.refresh().await;
            self.context.notify(&Event::LimitLearned { key, limit: *limit });
        }
        match &change.refused {
            Some(Refused::Limit { key, refusal }) => {
                self.context.notify(&Event::LimitReached { key, retry_after: refusal.retry_after });
            }
            Some(Refused::Paused { keys, pause, until }) => {
                for key in keys {
                    if let BucketKey::FailedAuthorizationsForPausingPerDomainPerAccount(_, name) = key {
                        self.context.notify(&Event::NamePaused { name, pause, until: *until });
                    }
                }
            }
            None => {}
        }
    }
}

/// The keys of the rows of one CA. Rows of another CA have others.
#[derive(Clone, Debug)]
struct StoreKeys {
    ca: String,
}

impl StoreKeys {
    fn of_ca(account_url: &str) -> Self {
        Self { ca: key_part(origin(account_url)) }
    }

    fn prefix(&self) -> String {
        format!("{} ", self.ca)
    }

    /// Returns the key of a row: the text itself, or its hash where the text is too long for a key.
    fn of(&self, text: &str) -> String {
        records::fitting_key(&format!("{} {text}", self.ca))
    }
}

/// The store keeps whole milliseconds, rounded down: a due time must not be before the end of the denial.
fn in_whole_milliseconds(denial: SharedDenial) -> SharedDenial {
    let until = denial.until.checked_add(Duration::from_millis(1)).unwrap_or(denial.until);
    SharedDenial { until, ..denial }
}

/// Returns the limits that the operator set, or what the account's CA publishes.
fn configured_limits(set: Option<&Limits>, account_url: &str) -> Limits {
    let published = || KnownCa::of(account_url).map_or_else(Limits::unknown, KnownCa::limits);
    set.cloned().unwrap_or_else(published)
}

/// An account by its URL, or by its hash where the URL cannot be one.
fn account(url: &str) -> Account {
    Account::new(url)
        .or_else(|_| Account::new(&records::sha256_hex(url.as_bytes())))
        .expect("a hash is visible ASCII")
}

fn key_part(text: &str) -> String {
    let fits = text.len() <= 100 && text.bytes().all(|byte| byte.is_ascii_graphic());
    if fits && !text.is_empty() { text.to_owned() } else { records::sha256_hex(text.as_bytes()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_known_by_the_origin_of_the_account() {
        assert_eq!(
            configured_limits(None, "https://acme-v02.api.letsencrypt.org/acme/acct/1"),
            Limits::lets_encrypt_production()
        );
        assert_eq!(
            configured_limits(None, "https://acme-staging-v02.api.letsencrypt.org/acme/acct/1"),
            Limits::lets_encrypt_staging()
        );
        for url in ["https://acme-v02.api.letsencrypt.org.evil.test/a", "https://127.0.0.1:14000/x", "", "é"]
        {
            assert_eq!(configured_limits(None, url), Limits::unknown(), "{url}");
        }
        let set = Limits::lets_encrypt_staging();
        assert_eq!(configured_limits(Some(&set), "https://ca.test/1"), set);
    }

    #[test]
    fn rows_have_distinct_keys_within_the_limit_of_the_store() {
        let one = StoreKeys::of_ca("https://ca.test/acct/1");
        assert_eq!(one.of("x y"), "https://ca.test x y");
        let long = "n".repeat(600);
        assert_eq!(one.of(&long).len(), 64);
        assert_ne!(one.of(&long), StoreKeys::of_ca("https://cb.test/1").of(&long));
        assert_ne!(StoreKeys::of_ca("").of("a"), StoreKeys::of_ca(" ").of("a"));
    }
}
