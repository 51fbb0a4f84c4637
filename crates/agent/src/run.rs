//! The loop that keeps a device going.

use std::convert::Infallible;
use std::time::Duration;

use fleetcert_protocol::CertificateStatus;
use fleetcert_x509::Validity;

use crate::addresses::{AddressSource, AddressWatch};
use crate::agent::Agent;
use crate::error::{AgentError, AgentErrorKind, AgentStep};
use crate::plan::{PlanAction, PlanEvent, PlanState, plan};
use crate::{CertificatePair, Installer};

/// Poll interval of the address source.
const ADDRESS_POLL: Duration = Duration::from_secs(30);

impl Agent {
    /// Keeps an enrolled device going until `shutdown` completes: installs the remembered pair at the start, reports
    /// addresses when they change, requests a certificate when there is none or the server says that it is due,
    /// always with a new key, and installs it. Failures are logged and waited out; the waits grow, are spread at
    /// random and obey the server.
    ///
    /// # Cancellation
    /// Dropped or shut down at any point, it goes on from there at the next start.
    ///
    /// # Errors
    /// `NotEnrolled`, at once. Nothing else ends it.
    ///
    /// ```
    /// use fleetcert_agent::{Agent, AgentError, FileInstaller};
    /// use std::net::IpAddr;
    ///
    /// # async fn example(mut agent: Agent) -> Result<(), AgentError> {
    /// let addresses: Vec<IpAddr> = vec!["10.1.1.4".parse().unwrap()];
    /// let installer = FileInstaller::new("/etc/device/tls");
    /// let interrupted = async { drop(tokio::signal::ctrl_c().await) };
    /// agent.run(&addresses, &installer, interrupted).await
    /// # }
    /// ```
    pub async fn run(
        &mut self,
        addresses: &dyn AddressSource,
        installer: &dyn Installer,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), AgentError> {
        self.known(AgentStep::Open)?;
        tokio::select! {
            never = self.keep_going(addresses, installer) => match never {},
            () = shutdown => Ok(()),
        }
    }

    async fn keep_going(&mut self, addresses: &dyn AddressSource, installer: &dyn Installer) -> Infallible {
        if let Some(pair) = self.installed()
            && let Err(error) = installer.install(pair).await
        {
            tracing::warn!(%error, "the remembered certificate was not installed at the start");
        }
        let mut state = PlanState::at_start(self.request().is_some(), self.installed().map(validity));
        let mut watch = AddressWatch::default();
        self.report_changes(addresses, &mut watch).await;
        let mut event = PlanEvent::Woke;
        let mut chain = String::new();
        loop {
            let (next, action) = plan(state, event, self.ambient.now(), self.ambient.random());
            state = next;
            tracing::debug!(?event, ?action, "next step");
            let done = match action {
                PlanAction::Wait(wait) => Ok(self.wait(wait, addresses, &mut watch).await),
                PlanAction::MakeRequest => self.make_request().map(|_| PlanEvent::Stored),
                PlanAction::Submit => self.submit().await.map(|status| self.event_of(status, &mut chain)),
                PlanAction::Ask => self.ask().await.map(|status| self.event_of(status, &mut chain)),
                PlanAction::Install => self.check_and_install(&chain, installer).await,
            };
            event = done.unwrap_or_else(|error| event_of_error(&error));
        }
    }

    async fn check_and_install(
        &mut self,
        chain: &str,
        installer: &dyn Installer,
    ) -> Result<PlanEvent, AgentError> {
        let pair = self.check(chain)?;
        let pair = self.install(pair, installer).await?;
        Ok(PlanEvent::Installed(validity(pair)))
    }

    async fn wait(
        &mut self,
        wait: Duration,
        addresses: &dyn AddressSource,
        watch: &mut AddressWatch,
    ) -> PlanEvent {
        // Counted down, not compared with a time: the clock may be set during the wait.
        let mut left = wait.saturating_add(self.up_to(wait / 10));
        while !left.is_zero() {
            let slice = left.min(ADDRESS_POLL);
            self.ambient.sleep(slice).await;
            left -= slice;
            self.report_changes(addresses, watch).await;
        }
        PlanEvent::Woke
    }

    /// Returns a random duration up to `max`, so that devices that were switched on together do not ask together.
    fn up_to(&self, max: Duration) -> Duration {
        let share = u32::try_from(self.ambient.random() & 0xff).expect("8 bits fit");
        max / 256 * share
    }

    async fn report_changes(&mut self, addresses: &dyn AddressSource, watch: &mut AddressWatch) {
        let seen = match addresses.addresses().await {
            Ok(seen) => seen,
            Err(error) => return tracing::warn!(%error, "the device's addresses cannot be determined"),
        };
        let Some(changed) = watch.see(seen, self.ambient.now()) else { return };
        match self.report_addresses(&changed).await {
            Ok(_) => watch.reported(changed),
            Err(error) => {
                tracing::warn!(%error, "the addresses were not reported");
                watch.failed(error.retry_after(), self.ambient.now(), self.ambient.random());
            }
        }
    }

    fn event_of(&self, status: CertificateStatus, answer: &mut String) -> PlanEvent {
        if let CertificateStatus::Failed { problem, .. } = &status {
            tracing::warn!(%problem, "the certificate order failed");
        }
        let event = PlanEvent::of_status(&status, |chain| self.request().is_none() || self.is_answer(chain));
        if let (PlanEvent::Issued { .. }, CertificateStatus::Issued { chain, .. }) = (event, status) {
            *answer = chain;
        }
        event
    }
}

fn event_of_error(error: &AgentError) -> PlanEvent {
    tracing::warn!(%error, "a step failed");
    match (error.kind(), error.step()) {
        // A chain for another key is the certificate of an older request.
        (AgentErrorKind::WrongChain, _) => PlanEvent::NotOurs,
        (_, AgentStep::Check | AgentStep::Install) => PlanEvent::InstallFailure,
        _ => PlanEvent::Failure { retry_after: error.retry_after() },
    }
}

fn validity(pair: &CertificatePair) -> Validity {
    pair.chain().leaf().validity()
}
