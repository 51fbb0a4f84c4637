//! The backend.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use fleetcert_ambient::{Clock, Entropy};
use fleetcert_dns::{
    BackendError, BackendErrorKind, Capabilities, Change, DnsBackend, Operation, RecordSet, RecordType,
};
use fleetcert_dns_wire::record::type_to_wire;
use fleetcert_names::DomainName;
use futures_util::{FutureExt, StreamExt, stream};
use hickory_proto::op::Message;

use crate::changes::{Known, last_words, to_read};
use crate::course::{Course, Prospect, Step};
use crate::primary::{Failed, Primary};
use crate::record_set::record_set;
use crate::update::{EncodedUpdate, conditional_update, updates};
use crate::{Prerequisite, ReadFirst, Rfc2136Options};

/// Changes zones by signed updates, and reads them by ordinary queries over TCP or TLS.
///
/// To each server there is one connection, kept and shared by all calls, with many messages under way on it. It is
/// made by the first call that needs it, in a task of its own on that call's tokio runtime, and made anew when the
/// server has closed it.
///
/// What was lost on its way is sent again within the call's deadline, because changes may be repeated. So a change
/// may be made a second time, shortly after the first; calls that must not overtake each other at one name wait for
/// each other, as they must anyway.
#[derive(Debug)]
pub struct Rfc2136Backend {
    options: Rfc2136Options,
    primaries: Vec<Primary>,
    /// The one that answered last.
    preferred: AtomicUsize,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

/// How many sets are read at the same time before a change.
const READS_AT_ONCE: usize = 32;

impl Rfc2136Backend {
    /// A backend for these servers. `entropy` gives the ids of messages and spreads waits. Nothing is sent, and
    /// nothing connected, before the first call.
    pub fn new(options: Rfc2136Options, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        let primaries = options
            .servers
            .iter()
            .map(|server| Primary::new(server.clone(), &options, clock.clone(), entropy.clone()))
            .collect();
        Self { options, primaries, preferred: AtomicUsize::new(0), clock, entropy }
    }

    /// Makes the changes, as [`apply`](DnsBackend::apply) does, if the zone is as the prerequisites say; else
    /// nothing (compare-and-set). It is one message always, and without prerequisites it is an ordinary update.
    ///
    /// **Effect.** With `a A 10.1.1.4` in the zone, [`Prerequisite::SetIs`] with that address and the change to
    /// `10.1.1.5` leave `a A 10.1.1.5`. With any other address there, nothing changes and the call is `Conflict`.
    ///
    /// **Idempotence.** The same call again finds the zone as the first one left it, and is `Conflict` where that
    /// does not fit. So the message is not sent again when its fate is unknown.
    ///
    /// **Concurrency.** Of several calls with prerequisites that exclude each other, one succeeds.
    ///
    /// **Cancellation.** A dropped call has been made as a whole or not at all.
    ///
    /// # Errors
    /// Those of [`apply`](DnsBackend::apply), and [`Conflict`](BackendErrorKind::Conflict) when the zone is not as
    /// the prerequisites say. After `Unavailable` the changes may have been made: read, then decide.
    ///
    /// # Example
    /// ```no_run
    /// use fleetcert_dns::{Addresses, BackendErrorKind, Change, RecordData, Ttl};
    /// use fleetcert_dns_rfc2136::{Prerequisite, Rfc2136Backend};
    /// use fleetcert_names::DomainName;
    ///
    /// # async fn example(backend: Rfc2136Backend) -> Result<(), Box<dyn std::error::Error>> {
    /// let (zone, name): (DomainName, DomainName) = ("fleet.test".parse()?, "a.fleet.test".parse()?);
    /// let as_read = [RecordData::A([10, 1, 1, 4].into())].into();
    /// let still = [Prerequisite::SetIs { name: name.clone(), values: as_read }];
    /// let addresses = Addresses::new([[10, 1, 1, 5].into()])?;
    /// match backend.apply_if(&zone, &still, &[Change::SetAddresses { name, addresses, ttl: Ttl::ADDRESS }]).await {
    ///     Err(error) if error.kind() == BackendErrorKind::Conflict => println!("somebody was faster"),
    ///     made => made?,
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn apply_if(
        &self,
        zone: &DomainName,
        prerequisites: &[Prerequisite],
        changes: &[Change],
    ) -> Result<(), BackendError> {
        let call = self.call(Operation::Apply, zone);
        call.check(changes)?;
        for prerequisite in prerequisites {
            call.require_within(prerequisite.name())?;
            if prerequisite.to_wire().is_empty() {
                let why = "a set without values is no condition; it is written as NoSet";
                return Err(call.error(BackendErrorKind::InvalidInput, why));
            }
        }
        let changes = last_words(changes);
        let known = call.known(&changes).await;
        let update = conditional_update(zone, prerequisites, &changes, known.cuts());
        call.update(&update.map_err(|_| call.too_long())?, prerequisites.is_empty()).await
    }

    /// How many update messages this backend has sent so far to all its servers, repetitions among them.
    pub fn updates_sent(&self) -> u64 {
        self.primaries.iter().map(Primary::updates_sent).sum()
    }

    fn call<'a>(&'a self, operation: Operation, zone: &'a DomainName) -> Call<'a> {
        Call { backend: self, operation, zone, end: self.clock.now() + self.options.call_within }
    }
}

#[async_trait]
impl DnsBackend for Rfc2136Backend {
    async fn apply(&self, zone: &DomainName, changes: &[Change]) -> Result<(), BackendError> {
        let call = self.call(Operation::Apply, zone);
        call.check(changes)?;
        let mut changes = last_words(changes);
        let known = call.known(&changes).await;
        if self.options.read_first == ReadFirst::Everything {
            changes.retain(|change| !known.is_idle(change));
        }
        if changes.is_empty() {
            return Ok(());
        }
        let updates = updates(zone, &changes, known.cuts()).map_err(|_| call.too_long())?;
        if self.options.atomic && updates.len() > 1 {
            return Err(call.too_long());
        }
        // Each is seen to its end, whatever becomes of the others.
        let under_way: Vec<_> = updates.iter().map(|update| call.update(update, true).boxed()).collect();
        let results: Vec<_> =
            stream::iter(under_way).buffer_unordered(self.options.max_in_flight.max(1)).collect().await;
        results.into_iter().collect()
    }

    async fn read(
        &self,
        zone: &DomainName,
        name: &DomainName,
        record_type: RecordType,
    ) -> Result<Option<RecordSet>, BackendError> {
        let call = self.call(Operation::Read, zone);
        call.require_within(name)?;
        let answer = call.query(name, record_type).await?;
        Ok(record_set(&answer, name, record_type))
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            atomic: self.options.atomic,
            max_changes: self.options.max_changes,
            ..Capabilities::ALL
        }
    }
}

/// One call of the backend, with its deadline and what its errors tell.
#[derive(Clone, Copy)]
struct Call<'a> {
    backend: &'a Rfc2136Backend,
    operation: Operation,
    zone: &'a DomainName,
    end: SystemTime,
}

/// What is asked of a server.
#[derive(Clone, Copy)]
enum Job<'a> {
    Update { update: &'a EncodedUpdate, repeatable: bool },
    Query { name: &'a DomainName, record_type: RecordType },
}

impl Call<'_> {
    fn check(&self, changes: &[Change]) -> Result<(), BackendError> {
        let most = self.backend.options.max_changes;
        if changes.len() > most {
            let why = format!("{} changes in one call, and at most {most} are allowed", changes.len());
            return Err(self.error(BackendErrorKind::InvalidInput, why));
        }
        changes.iter().try_for_each(|change| self.require_within(change.name()))
    }

    fn require_within(&self, name: &DomainName) -> Result<(), BackendError> {
        if name.is_within(self.zone) {
            return Ok(());
        }
        Err(self.error(BackendErrorKind::NotInZone, format!("{name} is outside the zone")))
    }

    /// What the server has of what is to be changed, as far as it is worth reading. A set that cannot be read is not
    /// known: the update then says why better than a query can.
    async fn known(&self, changes: &[&Change]) -> Known {
        let sets = to_read(changes, self.backend.options.read_first);
        let queries: Vec<_> = sets
            .into_iter()
            .map(|(name, kind)| async move { (name, kind, self.query(name, kind).await) }.boxed())
            .collect();
        let mut answers = stream::iter(queries).buffer_unordered(READS_AT_ONCE);
        let mut known = Known::default();
        while let Some((name, record_type, answer)) = answers.next().await {
            if let Ok(answer) = answer {
                known.learn(name, record_type, &answer);
            }
        }
        known
    }

    async fn query(&self, name: &DomainName, record_type: RecordType) -> Result<Message, BackendError> {
        let answer = self.through(Job::Query { name, record_type }).await?;
        Ok(answer.expect("a query that succeeds has an answer"))
    }

    async fn update(&self, update: &EncodedUpdate, repeatable: bool) -> Result<(), BackendError> {
        self.through(Job::Update { update, repeatable }).await.map(|_| ())
    }

    /// Has it done by the first server that can, within the call's deadline.
    async fn through(&self, job: Job<'_>) -> Result<Option<Message>, BackendError> {
        let Rfc2136Backend { options, primaries, preferred, clock, entropy } = self.backend;
        let mut course = Course::new(primaries.len(), preferred.load(Ordering::Relaxed));
        let mut told: Option<BackendError> = None;
        for attempt in 1.. {
            let primary = &primaries[course.server()];
            let left = self.end.duration_since(clock.now()).unwrap_or_default();
            let failed = match self.attempt(primary, job, left).await {
                Ok(answer) => {
                    preferred.store(course.server(), Ordering::Relaxed);
                    return Ok(answer);
                }
                Err(failed) => failed,
            };
            let prospect = match job {
                Job::Update { repeatable: false, .. } if failed.may_have_been_made() => Prospect::None,
                _ => failed.prospect(),
            };
            // An attempt that was cut short by the call's deadline says less than the one before it.
            let cut_short = failed.is_out_of_time() && left < options.exchange_within;
            if told.is_none() || !cut_short {
                let error = failed.into_error(self.operation, self.zone);
                told = Some(error.at_server(primary.address()).at_attempt(attempt));
            }
            let mut chance = [0];
            entropy.fill(&mut chance);
            let wait = match course.after(prospect, chance[0]) {
                Step::Never => break,
                Step::Now => Duration::ZERO,
                Step::After(wait) => wait,
            };
            if clock.now() + wait >= self.end {
                break;
            }
            if let Some(error) = &told {
                tracing::debug!(%error, ?wait, next = %primaries[course.server()].address(), "trying again");
            }
            if !wait.is_zero() {
                clock.sleep(wait).await;
            }
        }
        Err(told.expect("a loop that ends without success has failed at least once"))
    }

    async fn attempt(
        &self,
        primary: &Primary,
        job: Job<'_>,
        left: Duration,
    ) -> Result<Option<Message>, Failed> {
        let within = self.backend.options.exchange_within;
        match job {
            Job::Update { update, .. } => primary.update(update, left, within).await.map(|()| None),
            Job::Query { name, record_type } => {
                primary.query(name, type_to_wire(record_type), within.min(left)).await.map(Some)
            }
        }
    }

    fn too_long(&self) -> BackendError {
        let why = "the changes do not fit into one message of 65,535 octets";
        self.error(BackendErrorKind::InvalidInput, why)
    }

    fn error(
        &self,
        kind: BackendErrorKind,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> BackendError {
        BackendError::new(kind, self.operation, self.zone, source)
    }
}
