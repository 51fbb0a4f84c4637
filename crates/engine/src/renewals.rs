//! Renewal times: the CA's windows, polled and stored.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fleetcert_acme::{AcmeErrorKind, Authority};
use fleetcert_ambient::{Backoff, timeout};
use fleetcert_names::HostName;
use fleetcert_schedule::{Calendar, Margin, Window, renewal_time, smear_from, window_without_ari};
use fleetcert_store::{Expect, Record, Transaction};
use fleetcert_x509::CertificateId;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::context::ServiceContext;
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
/// Back-off of all polls while the CA does not answer. The renewal times are stored, so nothing is lost by waiting.
const OUTAGE_BACKOFF: Backoff = Backoff::new(Duration::from_secs(60), Duration::from_secs(3600));

/// What a poll says of the CA itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CaState {
    /// It answered.
    Answers,
    /// It was not reached, or cannot serve now, and wants to be left alone for this time if it says so.
    Away(Option<Duration>),
}

/// The outage of the CA as the polls see it: one for all certificates, because the fault belongs to none of them.
#[derive(Debug, Default)]
struct Outage {
    failures: u32,
    until: Option<SystemTime>,
}

impl Outage {
    fn record(&mut self, state: CaState, now: SystemTime, random: u64) {
        match state {
            CaState::Answers => *self = Self::default(),
            // The polls that were in flight together are one failure.
            CaState::Away(_) if self.lasts(now) => {}
            CaState::Away(asked) => {
                self.failures = self.failures.saturating_add(1);
                let wait = OUTAGE_BACKOFF.jittered(self.failures, random).max(asked.unwrap_or_default());
                self.until = now.checked_add(wait);
            }
        }
    }

    fn lasts(&self, now: SystemTime) -> bool {
        self.until.is_some_and(|until| now < until)
    }
}

/// The planned renewals, so that those of one day are not all due on one later day; `None` leaves each in its window.
#[derive(Debug)]
pub(crate) struct RenewalCalendar(Option<Mutex<Calendar>>);

impl RenewalCalendar {
    pub(crate) fn new(unnoticed: Option<u32>) -> Self {
        Self(unnoticed.map(|unnoticed| Mutex::new(Calendar::new(unnoticed))))
    }

    fn with<R>(&self, f: impl FnOnce(&mut Calendar) -> R) -> Option<R> {
        let calendar = self.0.as_ref()?;
        Some(f(&mut calendar.lock()))
    }

    /// Plans a renewal, and returns its time. It takes the place of what was planned for the certificate before.
    fn place(
        &self,
        instead_of: Option<SystemTime>,
        window: Window,
        earliest: SystemTime,
        now: SystemTime,
        random: u64,
    ) -> SystemTime {
        let placed = self.with(|calendar| {
            instead_of.into_iter().for_each(|at| calendar.remove(at));
            calendar.place(window, earliest, now, random)
        });
        placed.unwrap_or_else(|| renewal_time(window, random))
    }

    /// Replaces a planned renewal by another.
    pub(crate) fn replace(&self, one: Option<SystemTime>, other: Option<SystemTime>) {
        if one != other {
            self.with(|calendar| {
                one.into_iter().for_each(|at| calendar.remove(at));
                other.into_iter().for_each(|at| calendar.add(at));
            });
        }
    }
}

/// The service that knows when certificates are due for renewal.
#[derive(Debug)]
pub(crate) struct Renewals {
    context: ServiceContext,
    authority: Arc<dyn Authority>,
    margin: Margin,
    unnoticed: Option<u32>,
    calendar: RenewalCalendar,
    work: Notify,
}

impl Renewals {
    pub(crate) fn new(
        context: ServiceContext,
        options: &EngineOptions,
        authority: Arc<dyn Authority>,
    ) -> Self {
        Self {
            context,
            authority,
            margin: options.margin.unwrap_or(Margin::NONE),
            unnoticed: options.unnoticed_renewals,
            calendar: RenewalCalendar::new(options.unnoticed_renewals),
            work: Notify::new(),
        }
    }

    /// Takes note of a new certificate, whose window is polled next. `planned_before` is the planned renewal of the one
    /// that it replaces.
    pub(crate) fn certificate_stored(&self, planned_before: Option<SystemTime>) {
        self.calendar.replace(planned_before, None);
        self.work.notify_one();
    }

    /// Makes the certificate of a name due for a poll.
    pub(crate) async fn poll_soon(&self, name: &HostName) -> Result<(), EngineError> {
        let store = &self.context.store;
        for _ in 0..MAX_ATTEMPTS {
            let Some(found) = store.read(CERTIFICATES, name.as_str()).await? else { return Ok(()) };
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
        while self.context.is_store_unavailable(self.load_calendar().await).await {}
        // Dropped with this future, it ends the polls in flight.
        let mut polls = JoinSet::new();
        let mut waiting = VecDeque::new();
        let mut outage = Outage::default();
        loop {
            let mut failed = None;
            if outage.lasts(self.context.now()) {
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
            let rest = async {
                match &failed {
                    Some(error) => self.context.back_off(error).await,
                    None => self.context.wait_for(&self.work).await,
                }
            };
            tokio::select! {
                Some(polled) = polls.join_next(), if failed.is_none() => {
                    if let Ok(Some(Some(state))) = polled {
                        outage.record(state, self.context.now(), self.context.random());
                    }
                }
                () = rest, if polls.len() < MAX_POLLS => {}
            }
        }
    }

    /// Loads the planned renewals from the store: a restart must not move what is planned.
    async fn load_calendar(&self) -> Result<(), EngineError> {
        let Some(unnoticed) = self.unnoticed else { return Ok(()) };
        // What an earlier run planned is in the store too.
        self.calendar.with(|calendar| *calendar = Calendar::new(unnoticed));
        let mut after: Option<String> = None;
        loop {
            let page = self.context.store.page(CERTIFICATES, after.as_deref(), PAGE_SIZE).await?;
            for stored in &page {
                let record: Option<CertificateRecord> = self.context.ok_or_report(records::decode(stored));
                self.calendar.replace(None, record.and_then(|record| record.renew_at));
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

    /// Polls the CA for the window of one certificate, and stores the answer. Returns what that says of the CA; `None`
    /// when it was not asked.
    async fn poll(&self, stored: Record) -> Result<Option<CaState>, EngineError> {
        let name: HostName = stored
            .key
            .parse()
            .map_err(|error: fleetcert_names::NameError| EngineError::new(EngineErrorKind::Corrupt, error))?;
        let mut record: CertificateRecord = records::decode(&stored)?;
        let (before, planned_before) = (record.window(), record.renew_at);
        let now = self.context.now();
        // RFC 9773 section 4.3.3: expired certificates are not polled.
        let (next, state) = match record.not_after <= now {
            true => (None, None),
            false => self.ask_ca(&name, &mut record).await,
        };
        let expect = Expect::Version(stored.version);
        let write = Transaction::new().put(CERTIFICATES, stored.key, expect, records::encode(&record), next);
        if let Err(error) = self.context.store.commit(write).await {
            self.calendar.replace(record.renew_at, planned_before);
            // A newer certificate was stored meanwhile, or an operator wants another poll: that write counts.
            return if error.is_conflict() { Ok(state) } else { Err(error.into()) };
        }
        // After the write, so that a listener finds the record as the event says.
        if let (Some(window), Some(renew_at)) = (record.window(), record.renew_at)
            && before != Some(window)
        {
            self.context.notify(&Event::RenewalWindow { name: &name, window, renew_at });
        }
        Ok(state)
    }

    /// Asks for the window and notes it in the record. Returns when to ask again, and how the CA is.
    async fn ask_ca(
        &self,
        name: &HostName,
        record: &mut CertificateRecord,
    ) -> (Option<SystemTime>, Option<CaState>) {
        let now = self.context.now();
        let id = record.certificate_id.as_deref().and_then(|id| id.parse::<CertificateId>().ok());
        let Some(id) = id else {
            self.note_window(record, None);
            return (None, None);
        };
        let asked = self.authority.renewal_info(&id);
        match timeout(&*self.context.ambient.clock, POLL_TIMEOUT, asked).await {
            Ok(Ok(info)) => {
                self.note_window(record, Window::new(info.start, info.end));
                (Some(now + info.poll_after), Some(CaState::Answers))
            }
            Err(_) => {
                self.context
                    .notify(&Event::RenewalUnknown { name, why: "the CA did not answer within 120 s" });
                self.note_window(record, None);
                (Some(now + POLL_BACKOFF), Some(CaState::Away(None)))
            }
            Ok(Err(error)) => {
                self.context.notify(&Event::RenewalUnknown { name, why: &error.to_string() });
                self.note_window(record, None);
                let state = match error.kind() {
                    AcmeErrorKind::Unreachable | AcmeErrorKind::Unavailable | AcmeErrorKind::RateLimited => {
                        CaState::Away(error.fault().retry_after)
                    }
                    _ => CaState::Answers,
                };
                let wait = error.retry_after().unwrap_or(POLL_BACKOFF).max(Duration::from_secs(1));
                (Some(now + wait), Some(state))
            }
        }
    }

    /// Notes the window that the CA named. If it named none, or an impossible one (RFC 9773 section 4.2), the window
    /// before stays, and the first is computed from the lifetime. The renewal time is kept while the window is the
    /// same; it is before the window if the margin requires it.
    fn note_window(&self, record: &mut CertificateRecord, named: Option<Window>) {
        let before = record.window();
        let computed = || window_without_ari(record.not_before, record.not_after);
        let Some(window) = named.or(before).or_else(computed) else { return };
        if before != Some(window) {
            record.window = Some((window.start(), window.end()));
            let now = self.context.now();
            let window = self.margin.apply(window, record.not_before, record.not_after, now);
            // Only the first window is spread. A change by the CA is deliberate.
            let earliest =
                if before.is_none() { smear_from(record.not_before, window) } else { window.start() };
            let renew_at = self.calendar.place(record.renew_at, window, earliest, now, self.context.random());
            record.renew_at = Some(renew_at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: SystemTime = SystemTime::UNIX_EPOCH;

    fn at(seconds: u64) -> SystemTime {
        NOON + Duration::from_secs(seconds)
    }

    #[test]
    fn outage_backs_off_once_for_polls_in_flight_together_and_ends_with_an_answer() {
        let mut outage = Outage::default();
        for _ in 0..4 {
            outage.record(CaState::Away(None), NOON, u64::MAX);
        }
        assert_eq!((outage.failures, outage.until), (1, Some(at(60))));
        assert!(outage.lasts(at(59)) && !outage.lasts(at(60)));
        outage.record(CaState::Away(None), at(60), u64::MAX);
        assert_eq!(outage.until, Some(at(60 + 120)));
        outage.record(CaState::Answers, at(180), u64::MAX);
        assert!(!outage.lasts(at(180)));
    }

    #[test]
    fn outage_is_polled_once_an_hour_at_least_unless_the_ca_asks_for_more() {
        let mut outage = Outage { failures: 50, until: None };
        outage.record(CaState::Away(None), NOON, u64::MAX);
        assert_eq!(outage.until, Some(at(3600)));
        outage.record(CaState::Away(Some(Duration::from_secs(7200))), at(3600), 0);
        assert_eq!(outage.until, Some(at(3600 + 7200)));
    }
}
