//! One drive of one order: performs the actions of the state machine.

use std::time::{Duration, SystemTime};

use fleetcert_dns::challenge::{ChallengeError, ChallengeRecord, Published};
use fleetcert_names::{Identifier, IdentifierSet};
use fleetcert_x509::{Chain, ChainFault, Expectation};

use super::pace::PollPace;
use super::{Driver, Job, Observer, Step};
use crate::order::{Action, Event, OrderState, Pause, ZoneFault};
use crate::{
    AcmeError, AcmeErrorKind, AuthorizationStatus, Dns01, Fault, Operation, OrderHandle, OrderStatus,
    Problem, Reading,
};

/// State that lives as long as one drive.
pub(super) struct Run<'a> {
    driver: &'a Driver,
    job: Job<'a>,
    observer: &'a dyn Observer,
    deadline: SystemTime,
    pace: PollPace,
    order: Option<Box<dyn OrderHandle>>,
    /// Identifiers whose challenges are to be answered.
    unproved: Vec<Identifier>,
    /// Owner of the records that are in the zone, or may be. When dropped, it leaves them to the next sweep.
    published: Option<Published>,
    /// Fault that the next wait is for.
    fault: Option<Fault>,
    validated: bool,
}

/// Number of polls of a pending order after which its challenges are read too, and again after twice as many. Some CAs
/// mark a challenge invalid and leave the order pending.
const POLLS_BEFORE_CHALLENGES: u32 = 8;

impl<'a> Run<'a> {
    pub(super) fn new(
        driver: &'a Driver,
        job: Job<'a>,
        observer: &'a dyn Observer,
        state: &OrderState,
    ) -> Self {
        let records = state.records();
        let now = driver.ambient.now();
        Self {
            driver,
            job,
            observer,
            deadline: now.checked_add(driver.options.patience).unwrap_or(now),
            pace: PollPace::new(&driver.options),
            order: None,
            unproved: Vec::new(),
            published: (!state.is_terminal() && !records.is_empty())
                .then(|| driver.challenges.adopt(records.to_vec())),
            fault: None,
            validated: false,
        }
    }

    /// Performs an action and returns its event.
    pub(super) async fn perform(&mut self, action: Action, state: &OrderState) -> Event {
        let done = match action {
            Action::PlaceOrder => self.place(state).await,
            Action::ReadOrder(pause) => self.read(pause, state).await,
            Action::ReadChallenges => self.read_challenges(state).await,
            Action::Publish => return self.publish(state).await,
            Action::AwaitVisible => return self.await_visible().await,
            Action::Answer => self.answer().await,
            Action::Finalize => self.finalize().await,
            Action::Download => self.download().await,
            Action::Check => return self.check(state),
            Action::Withdraw => return self.withdraw(state).await,
            // The driver ends with these and never passes them on.
            Action::Suspend(_) | Action::Stop => return Event::Started,
        };
        done.unwrap_or_else(|error| Event::Fault(self.note(error)))
    }

    /// Keeps the fault for the next wait.
    fn note(&mut self, error: AcmeError) -> Fault {
        tracing::debug!(%error, "the CA did not carry out a request");
        let fault = Fault::from(error);
        self.notify(&Step::Refused { fault: fault.clone() });
        self.fault = Some(fault.clone());
        fault
    }

    async fn place(&mut self, state: &OrderState) -> Result<Event, AcmeError> {
        let order = self.driver.authority.new_order(state.order()).await?;
        let (url, reading) = (order.url().to_owned(), order.reading().clone());
        self.notify(&Step::Placed { url: url.clone(), status: reading.status });
        self.pace.observe(reading.status);
        self.order = Some(order);
        Ok(Event::Placed { url, reading })
    }

    async fn read(&mut self, pause: Pause, state: &OrderState) -> Result<Event, AcmeError> {
        if let Pause::Poll(asked_for) = pause {
            let wait = self.pace.next_wait(asked_for);
            let fault = self.fault.take();
            if self.time_left() < wait {
                return Ok(Event::OutOfTime { retry_after: asked_for, fault });
            }
            self.driver.ambient.sleep(wait).await;
        }
        let url = state.url().ok_or_else(no_order)?;
        match self.refresh(url).await {
            Err(error) if error.kind() == AcmeErrorKind::NotFound => {
                self.note(error);
                return Ok(Event::OrderGone);
            }
            done => done?,
        }
        let reading = self.order()?.reading().clone();
        self.pace.observe(reading.status);
        self.observe(reading.status);
        match reading.status {
            OrderStatus::Invalid if reading.problem.is_none() => {
                let problem = self.failed_challenge().await.flatten();
                Ok(Event::Read(Reading { problem, ..reading }))
            }
            OrderStatus::Pending if self.challenges_are_due(state) => match self.failed_challenge().await {
                Some(problem) => Ok(Event::ChallengeFailed { problem }),
                None => Ok(Event::Read(reading)),
            },
            _ => Ok(Event::Read(reading)),
        }
    }

    async fn refresh(&mut self, url: &str) -> Result<(), AcmeError> {
        match &mut self.order {
            Some(order) => order.refresh().await,
            None => {
                let order = self.driver.authority.resume(url).await?;
                self.notify(&Step::Resumed { url: url.to_owned(), status: order.status() });
                self.order = Some(order);
                Ok(())
            }
        }
    }

    fn challenges_are_due(&self, state: &OrderState) -> bool {
        let readings = self.pace.readings();
        matches!(state, OrderState::Answered(_))
            && readings >= POLLS_BEFORE_CHALLENGES
            && readings.is_power_of_two()
    }

    /// Returns the problem of a challenge that has failed, if one has. That the challenges cannot be read changes
    /// nothing.
    async fn failed_challenge(&mut self) -> Option<Option<Problem>> {
        let challenges = self.order.as_mut()?.challenges().await.ok()?;
        failed(&challenges).map(|challenge| challenge.problem.clone())
    }

    fn observe(&mut self, status: OrderStatus) {
        let proved = matches!(status, OrderStatus::Ready | OrderStatus::Processing | OrderStatus::Valid);
        if proved && !self.validated {
            self.validated = true;
            self.notify(&Step::Validated);
        }
    }

    async fn read_challenges(&mut self, state: &OrderState) -> Result<Event, AcmeError> {
        let challenges = self.order()?.challenges().await?;
        if let Some(failed) = failed(&challenges) {
            return Ok(Event::ChallengeFailed { problem: failed.problem.clone() });
        }
        // Validated authorizations need no look: the order's status says whether they are enough.
        let unproved = || challenges.iter().filter(|it| it.status == AuthorizationStatus::Pending);
        if let Some(foreign) = unproved().find(|it| !self.is_part_of(it, &state.order().identifiers)) {
            let detail = format!("the CA wants a proof for {}, which was not ordered", foreign.identifier);
            return Err(AcmeError::protocol(detail).during(Operation::ReadChallenges));
        }
        self.unproved = unproved().map(|challenge| challenge.identifier.clone()).collect();
        let records = challenges.iter().filter_map(|challenge| self.record(challenge, state).transpose());
        Ok(Event::Challenges { records: records.collect::<Result<_, _>>()? })
    }

    /// Returns whether the challenge is for an identifier of the order, or for a parent domain of one (RFC 9444) in our
    /// zone.
    fn is_part_of(&self, challenge: &Dns01, ordered: &IdentifierSet) -> bool {
        let identifier = &challenge.identifier;
        let parent = identifier.base().as_domain();
        ordered.contains(identifier)
            || identifier.is_within(self.job.zone) && ordered.iter().any(|it| it.is_within(parent))
    }

    fn record(&self, challenge: &Dns01, state: &OrderState) -> Result<Option<ChallengeRecord>, AcmeError> {
        let Some(value) = &challenge.value else { return Ok(None) };
        let owner = state.url().unwrap_or_default();
        let now = self.driver.ambient.now();
        Ok(Some(ChallengeRecord {
            zone: self.job.zone.clone(),
            name: challenge.identifier.challenge_name(),
            value: value.clone(),
            owner: owner
                .parse()
                .map_err(|error| AcmeError::protocol("the order's URL is too long").because(error))?,
            expires: now.checked_add(self.driver.options.record_life).unwrap_or(now),
        }))
    }

    async fn publish(&mut self, state: &OrderState) -> Event {
        match self.driver.challenges.publish(state.records().to_vec()).await {
            Ok(published) => {
                self.notify(&Step::Published { records: published.records().to_vec() });
                self.published = Some(published);
                Event::Published
            }
            Err(error) => {
                // They are orphans now; this drive still owns them.
                self.published = Some(self.driver.challenges.adopt(state.records().to_vec()));
                Event::ZoneFault(zone_fault(&error))
            }
        }
    }

    async fn await_visible(&mut self) -> Event {
        let Some(published) = &self.published else { return Event::Started };
        match published.wait_until_visible().await {
            Ok(sightings) => {
                self.notify(&Step::Seen { sightings });
                Event::Seen
            }
            Err(error) => Event::ZoneFault(zone_fault(&error)),
        }
    }

    async fn answer(&mut self) -> Result<Event, AcmeError> {
        let unproved = std::mem::take(&mut self.unproved);
        for identifier in &unproved {
            self.order()?.answer(identifier).await?;
            self.notify(&Step::Answered { identifier: identifier.clone() });
            // Some CAs validate before they reply.
            if let Some(failed) = failed(&self.order()?.known_challenges()) {
                return Ok(Event::ChallengeFailed { problem: failed.problem.clone() });
            }
        }
        let known = self.order()?.known_challenges();
        let is_valid = |identifier: &Identifier| {
            known.iter().any(|it| it.identifier == *identifier && it.status == AuthorizationStatus::Valid)
        };
        Ok(Event::Answered { valid: !unproved.is_empty() && unproved.iter().all(is_valid) })
    }

    async fn finalize(&mut self) -> Result<Event, AcmeError> {
        self.observe(OrderStatus::Ready);
        let csr = self.job.csr.der();
        let order = self.order()?;
        if let Err(error) = order.finalize(csr).await {
            if error.kind() != AcmeErrorKind::Refused {
                return Err(error);
            }
            return self.after_refused_csr(error).await;
        }
        let reading = order.reading().clone();
        self.notify(&Step::Finalized);
        self.pace.observe(reading.status);
        Ok(Event::Finalized(reading))
    }

    /// Reads the order after a refusal of the CSR: an earlier request, whose answer was lost, may have brought it.
    async fn after_refused_csr(&mut self, error: AcmeError) -> Result<Event, AcmeError> {
        let refusal = self.note(error);
        let order = self.order()?;
        match order.refresh().await {
            Err(error) if error.kind() == AcmeErrorKind::NotFound => {
                self.note(error);
                return Ok(Event::OrderGone);
            }
            done => done?,
        }
        match order.reading().clone() {
            Reading { status: OrderStatus::Ready, .. } => Ok(Event::CsrRefused(refusal)),
            reading => {
                let problem = reading.problem.or(refusal.problem);
                Ok(Event::Read(Reading { problem, ..reading }))
            }
        }
    }

    async fn download(&mut self) -> Result<Event, AcmeError> {
        let pem = self.order()?.certificate().await?;
        let chain = Chain::from_pem(&pem).map_err(|error| {
            let detail = format!("the answer is not a certificate chain: {error}");
            AcmeError::protocol(detail).during(Operation::Download).because(error)
        })?;
        let chain = self.preferred(chain.in_order()).await?;
        self.notify(&Step::Downloaded { certificates: chain.certificates().len() });
        Ok(Event::Downloaded { chain: chain.to_pem() })
    }

    async fn preferred(&mut self, chain: Chain) -> Result<Chain, AcmeError> {
        let preference = &self.driver.options.chain;
        if preference.is_met_by(&chain) {
            return Ok(chain);
        }
        match self.order()?.alternate_chains().await {
            Ok(others) => {
                let read = |pem: Vec<u8>| Chain::from_pem(&pem).ok().map(|chain| chain.in_order());
                Ok(preference.choose(chain, others.into_iter().filter_map(read).collect()))
            }
            // The default chain is better than none.
            Err(error) => {
                tracing::warn!(%error, "the other chains cannot be downloaded; the CA's default is used");
                Ok(chain)
            }
        }
    }

    fn check(&self, state: &OrderState) -> Event {
        let OrderState::Downloaded { chain, .. } = state else { return Event::Started };
        let expected = Expectation {
            spki: self.job.csr.spki(),
            identifiers: &state.order().identifiers,
            now: self.driver.ambient.now(),
            roots: self.job.roots,
        };
        let chain = match Chain::from_pem(chain.as_bytes()) {
            Ok(chain) => chain,
            Err(error) => return Event::WrongCertificate { why: error.to_string(), valid_from: None },
        };
        let lifetime = self.job.lifetime.map_or(Ok(()), |lifetime| chain.check_lifetime(lifetime));
        match chain.check(&expected).and(lifetime) {
            Ok(()) => {
                self.notify(&Step::Checked);
                Event::Checked
            }
            Err(fault) => {
                let valid_from = match fault {
                    ChainFault::NotYetValid { not_before } => Some(not_before),
                    _ => None,
                };
                Event::WrongCertificate { why: fault.to_string(), valid_from }
            }
        }
    }

    async fn withdraw(&mut self, state: &OrderState) -> Event {
        let records = state.records();
        let published =
            self.published.take().unwrap_or_else(|| self.driver.challenges.adopt(records.to_vec()));
        match published.withdraw().await {
            Ok(()) => {
                self.notify(&Step::Withdrawn { records: records.len() });
                Event::Withdrawn
            }
            Err(error) => {
                tracing::warn!(%error, "challenge records are left in the zone");
                self.notify(&Step::NotWithdrawn { why: error.to_string() });
                let left = error.unfinished().iter().map(|unfinished| unfinished.record.clone());
                Event::NotWithdrawn { left: left.collect() }
            }
        }
    }

    fn order(&mut self) -> Result<&mut Box<dyn OrderHandle>, AcmeError> {
        self.order.as_mut().ok_or_else(no_order)
    }

    fn time_left(&self) -> Duration {
        self.deadline.duration_since(self.driver.ambient.now()).unwrap_or_default()
    }

    fn notify(&self, step: &Step) {
        self.observer.notify(step);
    }
}

fn failed(challenges: &[Dns01]) -> Option<&Dns01> {
    challenges.iter().find(|challenge| challenge.status == AuthorizationStatus::Dead)
}

/// The state machine reads an order before it asks for anything else of it.
fn no_order() -> AcmeError {
    AcmeError::new(AcmeErrorKind::InvalidInput, Operation::ReadOrder, "no order was read")
}

fn zone_fault(error: &ChallengeError) -> ZoneFault {
    ZoneFault { why: error.to_string(), retry_after: error.retry_after() }
}
