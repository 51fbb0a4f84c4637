//! Renewal times: the CA's windows, polled and stored.

mod outage;
mod urgent;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fleetcert_acme::{AcmeErrorKind, Authority};
use fleetcert_ambient::timeout;
use fleetcert_names::{HostName, NameError};
use fleetcert_schedule::{Margin, RenewalPlanner, Turn, Window, WindowChange, window_without_ari};
use fleetcert_store::{Expect, Record, Transaction, Version};
use fleetcert_x509::CertificateId;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use outage::{CaState, Outage};
use urgent::{UrgentRound, take_turns};

use crate::context::ServiceContext;
use crate::grant::sets_of;
use crate::orders::Breakers;
use crate::records::{self, CERTIFICATES, CertificateRecord};
use crate::{EngineError, EngineErrorKind, EngineOptions, Event};

/// Records that are claimed at once: all are polled before the lease ends, however slow each answer is.
const CLAIM_SIZE: usize = 16;
/// Certificates in one page of the store, at the start.
const PAGE_SIZE: usize = 500;
/// Attempts of a write that loses against other writes of the record.
const MAX_ATTEMPTS: usize = 8;
/// Maximum polls of the CA in flight.
const MAX_POLLS: usize = 4;
/// Lease of a claimed record.
const CLAIM_LEASE: Duration = Duration::from_secs(300);
/// Time limit of a poll, for an authority that has none of its own.
const POLL_TIMEOUT: Duration = Duration::from_secs(120);
/// Back-off after an answer that will not change soon (RFC 9773 section 4.3.3).
const POLL_BACKOFF: Duration = Duration::from_secs(6 * 3600);
/// A certificate after its poll, which is not stored yet.
#[derive(Debug)]
struct PolledCertificate {
    name: HostName,
    key: String,
    version: Version,
    record: CertificateRecord,
    /// Time of the next poll.
    next: Option<SystemTime>,
    window_before: Option<Window>,
    planned_before: Option<SystemTime>,
}

/// The result of a poll.
#[derive(Debug)]
struct Polled {
    /// State of the CA; `None` if it was not asked.
    ca: Option<CaState>,
    /// The certificate, if it must be renewed at once. It is stored when it has its turn.
    urgent: Option<Box<PolledCertificate>>,
}

/// What a window means for a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Noted {
    /// Its renewal time is set.
    Planned,
    /// It must be renewed at once, and needs a turn.
    Urgent,
}

/// The service that knows when certificates are due for renewal.
#[derive(Debug)]
pub(crate) struct Renewals {
    context: ServiceContext,
    authority: Arc<dyn Authority>,
    breakers: Arc<Breakers>,
    urgent_per_hour: u32,
    planner: Mutex<RenewalPlanner>,
    work: Notify,
}

impl Renewals {
    pub(crate) fn new(
        context: ServiceContext,
        options: &EngineOptions,
        authority: Arc<dyn Authority>,
        breakers: Arc<Breakers>,
    ) -> Self {
        Self {
            context,
            authority,
            breakers,
            urgent_per_hour: options.urgent_renewals_per_hour,
            planner: Mutex::new(RenewalPlanner::new(
                options.margin.unwrap_or(Margin::NONE),
                options.unnoticed_renewals,
            )),
            work: Notify::new(),
        }
    }

    /// Takes note of a new certificate, whose window is polled next. `planned_before` is the planned renewal of the one
    /// that it replaces.
    pub(crate) fn certificate_stored(&self, planned_before: Option<SystemTime>) {
        self.planner.lock().replace(planned_before, None);
        self.work.notify_one();
    }

    /// Makes the certificates of a name due for a poll.
    pub(crate) async fn poll_soon(&self, name: &HostName) -> Result<(), EngineError> {
        for set in sets_of(name) {
            self.poll_key_soon(&records::key_of(&set)).await?;
        }
        Ok(())
    }

    async fn poll_key_soon(&self, key: &str) -> Result<(), EngineError> {
        let store = &self.context.store;
        for _ in 0..MAX_ATTEMPTS {
            let Some(found) = store.read(CERTIFICATES, key).await? else { return Ok(()) };
            let expect = Expect::Version(found.version);
            let write = Transaction::new().put(
                CERTIFICATES,
                found.key,
                expect,
                found.value,
                Some(self.context.now()),
            );
            match store.commit(write).await {
                Ok(_) => {
                    self.work.notify_one();
                    return Ok(());
                }
                // A worker has it, and may have polled before the incident: poll once more.
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(EngineError::new(
            EngineErrorKind::Unavailable,
            "too many changes of the certificate at the same time",
        ))
    }

    /// Polls the CA for the windows that are due, several at a time, so that a slow answer holds up no other. Never
    /// returns.
    pub(crate) async fn run(self: &Arc<Self>) {
        while self.context.is_store_unavailable(self.load_planned().await).await {}
        // Dropped with this future, it ends the polls in flight.
        let mut polls = JoinSet::new();
        let mut waiting = VecDeque::new();
        let mut outage = Outage::default();
        let mut urgent = UrgentRound::default();
        loop {
            let mut failed = None;
            let now = self.context.now();
            if outage.lasts(now) || self.breakers.is_ca_stopped(now) {
                // Their leases end, and they are claimed again.
                waiting.clear();
            } else if waiting.is_empty() && polls.len() < MAX_POLLS {
                match self.claim_windows().await {
                    Ok(claimed) => waiting.extend(claimed),
                    Err(error) => failed = Some(error),
                }
            }
            while polls.len() < MAX_POLLS
                && let Some(stored) = waiting.pop_front()
            {
                let renewals = Arc::clone(self);
                polls.spawn(async move { renewals.context.ok_or_report(renewals.poll(stored).await) });
            }
            let polls_are_left = !waiting.is_empty() || !polls.is_empty();
            let ended = urgent.take_ended(polls_are_left, self.context.now());
            if !ended.is_empty() {
                failed = failed.or(self.place_urgent(ended).await.err());
            }
            let rest = async {
                match &failed {
                    Some(error) => self.context.back_off(error).await,
                    None => self.context.wait_for(&self.work).await,
                }
            };
            tokio::select! {
                Some(polled) = polls.join_next(), if failed.is_none() => {
                    if let Ok(Some(Polled { ca, urgent: at_once })) = polled {
                        let now = self.context.now();
                        ca.into_iter().for_each(|ca| outage.record(ca, now, self.context.random()));
                        at_once.into_iter().for_each(|certificate| urgent.add(*certificate, now));
                    }
                }
                () = rest, if polls.len() < MAX_POLLS => {}
            }
        }
    }

    /// Loads the planned renewals from the store: a restart must not move what is planned.
    async fn load_planned(&self) -> Result<(), EngineError> {
        // What an earlier run planned is in the store too.
        if !self.planner.lock().clear() {
            return Ok(());
        }
        let mut after: Option<String> = None;
        loop {
            let page = self.context.store.page(CERTIFICATES, after.as_deref(), PAGE_SIZE).await?;
            for stored in &page {
                let record: Option<CertificateRecord> = self.context.ok_or_report(records::decode(stored));
                self.planner.lock().replace(None, record.and_then(|record| record.renew_at));
            }
            after = page.last().map(|last| last.key.clone());
            if page.len() < PAGE_SIZE {
                return Ok(());
            }
        }
    }

    async fn claim_windows(&self) -> Result<Vec<Record>, EngineError> {
        let now = self.context.now();
        Ok(self.context.store.claim(CERTIFICATES, now, now + CLAIM_LEASE, CLAIM_SIZE).await?)
    }

    /// Polls the CA for the window of one certificate, and stores the answer, unless the certificate must be renewed at
    /// once.
    async fn poll(&self, stored: Record) -> Result<Polled, EngineError> {
        let mut record: CertificateRecord = records::decode(&stored)?;
        let corrupt = |error: NameError| EngineError::new(EngineErrorKind::Corrupt, error);
        let name = match record.name() {
            Some(name) => name.clone(),
            None => stored.key.parse().map_err(corrupt)?,
        };
        let (window_before, planned_before) = (record.window(), record.renew_at);
        let now = self.context.now();
        // RFC 9773 section 4.3.3: expired certificates are not polled.
        let (next, window, ca) = match record.not_after <= now {
            true => (None, None, None),
            false => self.ask_ca(&name, &record).await,
        };
        let is_urgent = record.not_after > now && self.note_window(&mut record, window) == Noted::Urgent;
        let certificate = PolledCertificate {
            name,
            key: stored.key,
            version: stored.version,
            record,
            next,
            window_before,
            planned_before,
        };
        if is_urgent {
            return Ok(Polled { ca, urgent: Some(Box::new(certificate)) });
        }
        self.store(certificate).await?;
        Ok(Polled { ca, urgent: None })
    }

    /// Stores the renewal times of certificates that must be renewed at once.
    async fn place_urgent(&self, round: Vec<PolledCertificate>) -> Result<(), EngineError> {
        for Turn { id: mut certificate, at, .. } in
            take_turns(&self.context, self.urgent_per_hour, round).await?
        {
            let record = &mut certificate.record;
            let renew_at = record.renew_at.map_or(at, |planned| planned.min(at));
            self.planner.lock().replace(record.renew_at, Some(renew_at));
            record.renew_at = Some(renew_at);
            record.is_urgent = true;
            self.store(certificate).await?;
        }
        Ok(())
    }

    /// Stores what a poll has changed.
    async fn store(&self, certificate: PolledCertificate) -> Result<(), EngineError> {
        let PolledCertificate { name, key, version, record, next, window_before, planned_before } =
            certificate;
        let expect = Expect::Version(version);
        let write = Transaction::new().put(CERTIFICATES, key, expect, records::encode(&record), next);
        if let Err(error) = self.context.store.commit(write).await {
            self.planner.lock().replace(record.renew_at, planned_before);
            // A newer certificate was stored meanwhile, or an operator wants another poll: that write counts.
            return if error.is_conflict() { Ok(()) } else { Err(error.into()) };
        }
        // After the write, so that a listener finds the record as the event says.
        if let (Some(window), Some(renew_at)) = (record.window(), record.renew_at)
            && window_before != Some(window)
        {
            self.context.notify(&Event::RenewalWindow { name: &name, window, renew_at });
        }
        Ok(())
    }

    /// Polls the CA. Returns when to poll again, the window that the CA named, and how the CA is.
    async fn ask_ca(
        &self,
        name: &HostName,
        record: &CertificateRecord,
    ) -> (Option<SystemTime>, Option<Window>, Option<CaState>) {
        let now = self.context.now();
        let id = record.certificate_id.as_deref().and_then(|id| id.parse::<CertificateId>().ok());
        let Some(id) = id else { return (None, None, None) };
        let asked = self.authority.renewal_info(&id);
        match timeout(&*self.context.ambient.clock, POLL_TIMEOUT, asked).await {
            Ok(Ok(info)) => {
                (Some(now + info.poll_after), Window::new(info.start, info.end), Some(CaState::Answers))
            }
            Err(_) => {
                self.context
                    .notify(&Event::RenewalUnknown { name, why: "the CA did not answer within 120 s" });
                (Some(now + POLL_BACKOFF), None, Some(CaState::Away(None)))
            }
            Ok(Err(error)) => {
                self.context.notify(&Event::RenewalUnknown { name, why: &error.to_string() });
                let state = match error.kind() {
                    AcmeErrorKind::Unreachable | AcmeErrorKind::Unavailable | AcmeErrorKind::RateLimited => {
                        CaState::Away(error.fault().retry_after)
                    }
                    _ => CaState::Answers,
                };
                let wait = error.retry_after().unwrap_or(POLL_BACKOFF).max(Duration::from_secs(1));
                (Some(now + wait), None, Some(state))
            }
        }
    }

    /// Notes the window that the CA named. If it named none, or an impossible one (RFC 9773 section 4.2), the window
    /// before stays, and the first is computed from the lifetime. The renewal time is kept while the window is the
    /// same; it is before the window if the margin requires it.
    fn note_window(&self, record: &mut CertificateRecord, named: Option<Window>) -> Noted {
        let before = record.window();
        let computed = || window_without_ari(record.not_before, record.not_after);
        let Some(window) = named.or(before).or_else(computed) else { return Noted::Planned };
        if before == Some(window) {
            return Noted::Planned;
        }
        record.window = Some((window.start(), window.end()));
        let now = self.context.now();
        let Some(counts) = record.counting_window() else { return Noted::Planned };
        if counts.start() <= now {
            // It is due already, or has its turn: a CA may name a window that moves with the time.
            let has_turn = record.renew_at.is_some_and(|at| record.is_urgent || at <= now);
            return if has_turn { Noted::Planned } else { Noted::Urgent };
        }
        record.is_urgent = false;
        let change = WindowChange {
            window: counts,
            is_first: before.is_none(),
            not_before: record.not_before,
            not_after: record.not_after,
            planned: record.renew_at,
        };
        let renew_at = self.planner.lock().plan(&change, now, self.context.random());
        record.renew_at = Some(renew_at);
        Noted::Planned
    }
}
