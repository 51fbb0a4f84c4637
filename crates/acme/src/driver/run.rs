//! One drive of one order: what the actions of the state machine do.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use fleetcert_dns::challenge::{ChallengeError, ChallengeRecord, Published};
use fleetcert_names::Identifier;
use fleetcert_x509::{Chain, ChainFault, Expectation};

use super::pace::PollPace;
use super::{Driver, Job, Observer, Step};
use crate::order::{Action, Event, Pause, State, ZoneFault};
use crate::{
    AcmeError, AcmeErrorKind, AuthorizationStatus, Dns01, Fault, Operation, OrderHandle, OrderStatus,
};

/// What lives as long as one drive.
pub(super) struct Run<'a> {
    driver: &'a Driver,
    job: Job<'a>,
    observer: &'a dyn Observer,
    deadline: SystemTime,
    pace: PollPace,
    order: Option<Box<dyn OrderHandle>>,
    /// Identifiers whose challenges are to be answered.
    unproved: Vec<Identifier>,
    /// Answers for the records that are out there, or may be. Dropped, it leaves them to the next sweep.
    published: Option<Published>,
    /// The fault that the next pause is for.
    fault: Option<Fault>,
    validated: bool,
}

impl<'a> Run<'a> {
    pub(super) fn new(driver: &'a Driver, job: Job<'a>, observer: &'a dyn Observer, state: &State) -> Self {
        let records = state.records();
        let now = driver.clock.now();
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

    /// Does what the state machine asks, and says what came of it.
    pub(super) async fn perform(&mut self, action: Action, state: &State) -> Event {
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
            // The driver ends with these and never hands them on.
            Action::Suspend(_) | Action::Stop => return Event::Started,
        };
        done.unwrap_or_else(|error| {
            tracing::debug!(%error, "the CA did not do it");
            let fault = Fault::from(error);
            self.notify(&Step::Refused { fault: fault.clone() });
            self.fault = Some(fault.clone());
            Event::Fault(fault)
        })
    }

    async fn place(&mut self, state: &State) -> Result<Event, AcmeError> {
        let order = self.driver.authority.new_order(state.order()).await?;
        let (url, reading) = (order.url().to_owned(), order.reading().clone());
        self.notify(&Step::Placed { url: url.clone(), status: reading.status });
        self.pace.observe(reading.status);
        self.order = Some(order);
        Ok(Event::Placed { url, reading })
    }

    async fn read(&mut self, pause: Pause, state: &State) -> Result<Event, AcmeError> {
        if let Pause::Poll(asked_for) = pause {
            let wait = self.pace.next_wait(asked_for);
            let fault = self.fault.take();
            if self.time_left() < wait {
                return Ok(Event::OutOfTime { retry_after: asked_for, fault });
            }
            self.driver.clock.sleep(wait).await;
        }
        match &mut self.order {
            Some(order) => order.refresh().await?,
            None => {
                let url = state.url().ok_or_else(no_order)?;
                let order = self.driver.authority.resume(url).await?;
                self.notify(&Step::Resumed { url: url.to_owned(), status: order.status() });
                self.order = Some(order);
            }
        }
        let reading = self.order()?.reading().clone();
        self.pace.observe(reading.status);
        self.saw(reading.status);
        let problem = self.explain().await;
        Ok(Event::Read(crate::Reading { problem: reading.problem.or(problem), ..reading }))
    }

    /// Why an order is invalid, where only its challenges say so. It is for people: that it cannot be had changes
    /// nothing.
    async fn explain(&mut self) -> Option<crate::Problem> {
        let order = self.order.as_mut()?;
        if order.status() != OrderStatus::Invalid || order.reading().problem.is_some() {
            return None;
        }
        order.challenges().await.ok()?.into_iter().find_map(|challenge| challenge.problem)
    }

    fn saw(&mut self, status: OrderStatus) {
        let proved = matches!(status, OrderStatus::Ready | OrderStatus::Processing | OrderStatus::Valid);
        if proved && !self.validated {
            self.validated = true;
            self.notify(&Step::Validated);
        }
    }

    async fn read_challenges(&mut self, state: &State) -> Result<Event, AcmeError> {
        let challenges = self.order()?.challenges().await?;
        let named: BTreeSet<&Identifier> = challenges.iter().map(|it| &it.identifier).collect();
        if named != state.order().identifiers.iter().collect() {
            let detail = "the challenges are for other identifiers than the order";
            return Err(AcmeError::protocol(detail).during(Operation::ReadChallenges));
        }
        if let Some(dead) = challenges.iter().find(|challenge| challenge.status == AuthorizationStatus::Dead)
        {
            return Ok(Event::ChallengeDead { problem: dead.problem.clone() });
        }
        let unproved = challenges.iter().filter(|challenge| challenge.status == AuthorizationStatus::Pending);
        self.unproved = unproved.map(|challenge| challenge.identifier.clone()).collect();
        let records = challenges.iter().filter_map(|challenge| self.record(challenge, state).transpose());
        Ok(Event::Challenges { records: records.collect::<Result<_, _>>()? })
    }

    fn record(&self, challenge: &Dns01, state: &State) -> Result<Option<ChallengeRecord>, AcmeError> {
        let Some(value) = &challenge.value else { return Ok(None) };
        let owner = state.url().unwrap_or_default();
        let now = self.driver.clock.now();
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

    async fn publish(&mut self, state: &State) -> Event {
        match self.driver.challenges.publish(state.records().to_vec()).await {
            Ok(published) => {
                self.notify(&Step::Published { records: published.records().to_vec() });
                self.published = Some(published);
                Event::Published
            }
            Err(error) => {
                // They are orphans now; this drive still answers for them.
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
        for identifier in std::mem::take(&mut self.unproved) {
            self.order()?.answer(&identifier).await?;
            self.notify(&Step::Answered { identifier });
        }
        Ok(Event::Answered)
    }

    async fn finalize(&mut self) -> Result<Event, AcmeError> {
        self.saw(OrderStatus::Ready);
        let csr = self.job.csr.der();
        let order = self.order()?;
        order.finalize(csr).await?;
        let reading = order.reading().clone();
        self.notify(&Step::Finalized);
        self.pace.observe(reading.status);
        Ok(Event::Finalized(reading))
    }

    async fn download(&mut self) -> Result<Event, AcmeError> {
        let pem = self.order()?.certificate().await?;
        Ok(match Chain::from_pem(&pem) {
            Ok(chain) => {
                self.notify(&Step::Downloaded { certificates: chain.certificates().len() });
                Event::Downloaded { chain: chain.to_pem() }
            }
            Err(error) => Event::WrongCertificate { why: error.to_string() },
        })
    }

    fn check(&self, state: &State) -> Event {
        let State::Downloaded { chain, .. } = state else { return Event::Started };
        let expected = Expectation {
            spki: self.job.csr.spki(),
            identifiers: &state.order().identifiers,
            now: self.driver.clock.now(),
            roots: self.job.roots,
        };
        let check = |chain: Chain| {
            chain.check(&expected)?;
            self.job.lifetime.map_or(Ok(()), |lifetime| chain.check_lifetime(lifetime))
        };
        let chain = Chain::from_pem(chain.as_bytes()).map_err(|error| error.to_string());
        match chain.and_then(|chain| check(chain).map_err(|fault: ChainFault| fault.to_string())) {
            Ok(()) => {
                self.notify(&Step::Checked);
                Event::Checked
            }
            Err(why) => Event::WrongCertificate { why },
        }
    }

    async fn withdraw(&mut self, state: &State) -> Event {
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
        self.deadline.duration_since(self.driver.clock.now()).unwrap_or_default()
    }

    fn notify(&self, step: &Step) {
        self.observer.notify(step);
    }
}

/// The state machine reads an order before it asks for anything else of it.
fn no_order() -> AcmeError {
    AcmeError::new(AcmeErrorKind::InvalidInput, Operation::ReadOrder, "no order was read")
}

fn zone_fault(error: &ChallengeError) -> ZoneFault {
    ZoneFault { why: error.to_string(), retry_after: error.retry_after() }
}
