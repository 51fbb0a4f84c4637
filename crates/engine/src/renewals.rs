//! When certificates are due: the CA's window, asked for and kept.

use parking_lot::Mutex;
use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use fleetcert_ambient::timeout;
use fleetcert_names::HostName;
use fleetcert_schedule::{Calendar, Margin, Window, renewal_time, smear_from, window_without_ari};
use fleetcert_store::{Expect, Record, Transaction};
use fleetcert_x509::CertificateId;
use tokio::task::JoinSet;

use crate::records::{self, CERTIFICATES, CertificateRecord};
use crate::{Engine, EngineError, EngineErrorKind, Event};

/// So many are claimed at once: their turn comes before the lease ends, however slow each answer is.
const AHEAD: usize = 16;
/// So many certificates are read at a time at the start.
const PAGE: usize = 500;
const TRIES: usize = 8;
/// Requests to the CA at the same time.
const AT_A_TIME: usize = 4;
const LEASE: Duration = Duration::from_secs(300);
/// An authority has a limit of its own; this is for one that has none.
const ASK_WITHIN: Duration = Duration::from_secs(120);
/// After an answer that will not soon be another (RFC 9773 section 4.3.3).
const AFTER_A_FAULT: Duration = Duration::from_secs(6 * 3600);

/// When renewals are planned, so that those of one day do not come back in one day; nothing where they may.
#[derive(Debug)]
pub(crate) struct Planned(Option<Mutex<Calendar>>);

impl Planned {
    pub(crate) fn new(unnoticed: Option<u32>) -> Self {
        Self(unnoticed.map(|unnoticed| Mutex::new(Calendar::new(unnoticed))))
    }

    fn with<R>(&self, f: impl FnOnce(&mut Calendar) -> R) -> Option<R> {
        let calendar = self.0.as_ref()?;
        Some(f(&mut calendar.lock()))
    }

    /// Plans one in the place of what was planned for it.
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

    /// Counts another moment in the place of one, or none.
    pub(crate) fn replace(&self, one: Option<SystemTime>, other: Option<SystemTime>) {
        if one != other {
            self.with(|calendar| {
                one.into_iter().for_each(|at| calendar.remove(at));
                other.into_iter().for_each(|at| calendar.add(at));
            });
        }
    }
}

impl Engine {
    /// Asks the CA for the renewal window of a name's certificate as soon as a worker is free, instead of when
    /// its time has come. For operators who heard of an incident.
    ///
    /// # Errors
    /// `Unavailable`; a name without a certificate is no error.
    pub async fn look_at_renewal(&self, name: &HostName) -> Result<(), EngineError> {
        let store = &self.parts().store;
        for _ in 0..TRIES {
            let Some(found) = store.read(CERTIFICATES, name.as_str()).await? else { return Ok(()) };
            let expect = Expect::Version(found.version);
            let write =
                Transaction::new().put(CERTIFICATES, found.key, expect, found.value, Some(self.now()));
            match store.commit(write).await {
                Ok(_) => {
                    self.wake_renewal_worker();
                    return Ok(());
                }
                // A worker has it, and may have asked before whatever the operator heard of: ask once more.
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(EngineError::new(
            EngineErrorKind::Unavailable,
            "too many changes of the certificate at the same time",
        ))
    }

    /// Asks about what is due, so many at a time: one answer that is slow holds up nobody.
    pub(crate) async fn renewal_worker(&self) {
        while self.is_away(self.remember_planned().await).await {}
        // Dropped with the worker, it ends the questions under way.
        let mut asking = JoinSet::new();
        let mut waiting = VecDeque::new();
        loop {
            let mut failed = None;
            if waiting.is_empty() && asking.len() < AT_A_TIME {
                match self.claim_windows().await {
                    Ok(claimed) => waiting.extend(claimed),
                    Err(error) => failed = Some(error),
                }
            }
            while asking.len() < AT_A_TIME
                && let Some(stored) = waiting.pop_front()
            {
                let engine = self.clone();
                asking.spawn(async move { engine.readable(engine.look_at_window(stored).await) });
            }
            let rest = async {
                match &failed {
                    Some(error) => self.rest_after(error).await,
                    None => self.rest(self.renewal_work()).await,
                }
            };
            tokio::select! {
                Some(_) = asking.join_next(), if failed.is_none() => {}
                () = rest, if asking.len() < AT_A_TIME => {}
            }
        }
    }

    /// Counts the moments that are stored: a restart must not spread anew what is spread.
    async fn remember_planned(&self) -> Result<(), EngineError> {
        let Some(unnoticed) = self.parts().options.unnoticed_renewals else { return Ok(()) };
        // What an earlier run counted is stored too.
        self.planned().with(|calendar| *calendar = Calendar::new(unnoticed));
        let mut after: Option<String> = None;
        loop {
            let page = self.parts().store.page(CERTIFICATES, after.as_deref(), PAGE).await?;
            for stored in &page {
                let record: Option<CertificateRecord> = self.readable(records::decode(stored));
                self.planned().replace(None, record.and_then(|record| record.renew_at));
            }
            after = page.last().map(|last| last.key.clone());
            if page.len() < PAGE {
                return Ok(());
            }
        }
    }

    async fn claim_windows(&self) -> Result<Vec<Record>, EngineError> {
        let now = self.now();
        Ok(self.parts().store.claim(CERTIFICATES, now, now + LEASE, AHEAD).await?)
    }

    async fn look_at_window(&self, stored: Record) -> Result<(), EngineError> {
        let name: HostName = stored
            .key
            .parse()
            .map_err(|error: fleetcert_names::NameError| EngineError::new(EngineErrorKind::Corrupt, error))?;
        let mut record: CertificateRecord = records::decode(&stored)?;
        let (before, planned_before) = (record.window(), record.renew_at);
        let now = self.now();
        // RFC 9773 section 4.3.3: no more questions about what has expired.
        let next = if record.not_after <= now { None } else { self.ask(&name, &mut record).await };
        let expect = Expect::Version(stored.version);
        let write = Transaction::new().put(CERTIFICATES, stored.key, expect, records::encode(&record), next);
        if let Err(error) = self.parts().store.commit(write).await {
            self.planned().replace(record.renew_at, planned_before);
            // A newer certificate was stored meanwhile, or an operator wants another look: that one counts.
            return if error.is_conflict() { Ok(()) } else { Err(error.into()) };
        }
        // Told when it is written, so that whoever acts on it finds it so.
        if let (Some(window), Some(renew_at)) = (record.window(), record.renew_at)
            && before != Some(window)
        {
            self.notify(&Event::RenewalWindow { name: &name, window, renew_at });
        }
        Ok(())
    }

    /// Asks for the window and notes it in the record; says when to ask again.
    async fn ask(&self, name: &HostName, record: &mut CertificateRecord) -> Option<SystemTime> {
        let now = self.now();
        let id = record.certificate_id.as_deref().and_then(|id| id.parse::<CertificateId>().ok());
        let Some(id) = id else {
            self.note_window(record, None);
            return None;
        };
        let asked = self.parts().authority.renewal_info(&id);
        match timeout(&*self.parts().ambient.clock, ASK_WITHIN, asked).await {
            Ok(Ok(info)) => {
                self.note_window(record, Window::new(info.start, info.end));
                Some(now + info.poll_after)
            }
            Err(_) => {
                self.notify(&Event::RenewalUnknown { name, why: "the CA gave no answer in time" });
                self.note_window(record, None);
                Some(now + AFTER_A_FAULT)
            }
            Ok(Err(error)) => {
                self.notify(&Event::RenewalUnknown { name, why: &error.to_string() });
                self.note_window(record, None);
                Some(now + error.retry_after().unwrap_or(AFTER_A_FAULT).max(Duration::from_secs(1)))
            }
        }
    }

    /// Notes the window that the CA named. Where it named none, or none that can be (RFC 9773 section 4.2), the one
    /// before stays, and the first is reckoned from the life. The moment that was drawn is kept as long as the
    /// window is the same; it comes before the window where the margin asks for it.
    fn note_window(&self, record: &mut CertificateRecord, named: Option<Window>) {
        let before = record.window();
        let reckoned = || window_without_ari(record.not_before, record.not_after);
        let Some(window) = named.or(before).or_else(reckoned) else { return };
        if before != Some(window) {
            record.window = Some((window.start(), window.end()));
            let now = self.now();
            let margin = self.parts().options.margin.unwrap_or(Margin::NONE);
            let window = margin.apply(window, record.not_before, record.not_after, now);
            // Only the first window is for spreading: one that the CA changes it means.
            let earliest =
                if before.is_none() { smear_from(record.not_before, window) } else { window.start() };
            let moment = self.planned().place(record.renew_at, window, earliest, now, self.random());
            record.renew_at = Some(moment);
        }
    }
}
