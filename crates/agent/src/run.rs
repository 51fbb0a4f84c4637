//! The loop that keeps a device going.

use std::convert::Infallible;
use std::time::{Duration, SystemTime};

use fleetcert_protocol::CertificateStatus;
use fleetcert_x509::Validity;

use crate::addresses::{AddressSource, AddressWatch};
use crate::agent::{Agent, poll_after};
use crate::error::{AgentError, AgentErrorKind, Step};
use crate::plan::{Action, Event, State, plan};
use crate::{Installer, Pair};

/// The addresses are looked at so often.
const LOOK: Duration = Duration::from_secs(30);
/// The wait after a failed report when the server names none.
const REPORT_PAUSE: Duration = Duration::from_secs(60);

impl Agent {
    /// Keeps an enrolled device going until `shutdown` ends: installs the remembered pair at the start, reports
    /// addresses when they change, requests a certificate when there is none or the server says that it is due,
    /// always with a new key, and installs it. Errors are logged and waited out; the waits grow, have some
    /// randomness and obey the server.
    ///
    /// Cancellation: dropped or shut down at any moment, it goes on from there at the next start.
    ///
    /// # Errors
    /// `NotEnrolled`, at once. Nothing else ends it.
    pub async fn run(
        &mut self,
        addresses: &dyn AddressSource,
        installer: &dyn Installer,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), AgentError> {
        self.known(Step::Open)?;
        tokio::select! {
            never = self.keep_going(addresses, installer) => match never {},
            () = shutdown => Ok(()),
        }
    }

    async fn keep_going(&mut self, addresses: &dyn AddressSource, installer: &dyn Installer) -> Infallible {
        if let Some(pair) = self.installed()
            && let Err(error) = installer.install(pair).await
        {
            tracing::warn!(%error, "the remembered certificate was not installed");
        }
        let mut state = State::at_start(self.request().is_some(), self.installed().map(validity));
        let mut watch = AddressWatch::default();
        self.look(addresses, &mut watch).await;
        let mut event = Event::Woke;
        let mut chain = String::new();
        loop {
            let (next, action) = plan(state, event, self.ambient.now());
            state = next;
            tracing::debug!(?event, ?action, "next step");
            let done = match action {
                Action::Wait(wait) => Ok(self.wait(wait, addresses, &mut watch).await),
                Action::MakeRequest => self.make_request().map(|_| Event::Stored),
                Action::Submit => self.submit().await.map(|status| self.event_of(status, &mut chain)),
                Action::Ask => self.ask().await.map(|status| self.event_of(status, &mut chain)),
                Action::Install => self.check_and_install(&chain, installer).await,
            };
            event = done.unwrap_or_else(|error| event_of_error(&error));
        }
    }

    async fn check_and_install(
        &mut self,
        chain: &str,
        installer: &dyn Installer,
    ) -> Result<Event, AgentError> {
        let pair = self.check(chain)?;
        let pair = self.install(pair, installer).await?;
        Ok(Event::Installed(validity(pair)))
    }

    async fn wait(
        &mut self,
        wait: Duration,
        addresses: &dyn AddressSource,
        watch: &mut AddressWatch,
    ) -> Event {
        // Counted down, not compared with a time: the clock may be set while we wait.
        let mut left = wait.saturating_add(self.some_of(wait / 10));
        while !left.is_zero() {
            let slice = left.min(LOOK);
            self.ambient.sleep(slice).await;
            left -= slice;
            self.look(addresses, watch).await;
        }
        Event::Woke
    }

    /// A random part of `most`, so that a fleet that was switched on together does not ask together.
    fn some_of(&self, most: Duration) -> Duration {
        let mut byte = [0];
        self.ambient.entropy.fill(&mut byte);
        most / 256 * u32::from(byte[0])
    }

    async fn look(&mut self, addresses: &dyn AddressSource, watch: &mut AddressWatch) {
        let seen = match addresses.addresses().await {
            Ok(seen) => seen,
            Err(error) => return tracing::warn!(%error, "the device's addresses are not known"),
        };
        let Some(changed) = watch.see(seen, self.ambient.now()) else { return };
        match self.report_addresses(&changed).await {
            Ok(_) => watch.reported(changed),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the addresses were not reported");
                watch.failed(error.retry_after().unwrap_or(REPORT_PAUSE), self.ambient.now());
            }
        }
    }

    fn event_of(&self, status: CertificateStatus, answer: &mut String) -> Event {
        let poll_after = poll_after(&status);
        match status {
            CertificateStatus::Queued { .. } => Event::Queued { poll_after },
            CertificateStatus::Issued { chain, renew_at, due, .. } => {
                if self.request().is_some() && !self.is_answer(&chain) {
                    return Event::NotOurs;
                }
                *answer = chain;
                Event::Issued { due, renew_at: renew_at.and_then(time), poll_after }
            }
            CertificateStatus::Failed { problem, retry_at, .. } => {
                tracing::warn!(%problem, "the order failed");
                Event::Failed { retried: retry_at.is_some(), poll_after }
            }
            _ => Event::Nothing,
        }
    }
}

fn event_of_error(error: &AgentError) -> Event {
    tracing::warn!(error = error as &dyn std::error::Error, "a step failed");
    match error.kind() {
        // A chain for another key is the certificate of an older request.
        AgentErrorKind::WrongChain => Event::NotOurs,
        _ => Event::Fault { retry_after: error.retry_after() },
    }
}

fn validity(pair: &Pair) -> Validity {
    pair.chain().leaf().validity()
}

fn time(seconds: u64) -> Option<SystemTime> {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}
