//! One call of the backend, which tries the servers until its deadline.

use std::error::Error;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use fleetcert_dns::{BackendError, BackendErrorKind, Change, Operation, RecordType};
use fleetcert_dns_wire::record::type_to_wire;
use fleetcert_names::DomainName;
use futures_util::{FutureExt, StreamExt, stream};
use hickory_proto::op::Message;

use super::Rfc2136Backend;
use crate::changes::{KnownSets, to_read};
use crate::course::{Course, NextStep, Prospect};
use crate::primary::{Failed, Primary, Route};
use crate::update::EncodedUpdate;

/// Maximum concurrent reads before a change.
const READS_AT_ONCE: usize = 32;

/// One call of the backend, with its deadline and the context of its errors.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) backend: &'a Rfc2136Backend,
    pub(super) operation: Operation,
    pub(super) zone: &'a DomainName,
    pub(super) end: SystemTime,
}

/// The request to a server.
#[derive(Clone, Copy)]
enum Job<'a> {
    Update { update: &'a EncodedUpdate, repeatable: bool },
    Query { name: &'a DomainName, record_type: RecordType },
}

impl Call<'_> {
    /// Reads the sets that are worth reading before the changes. A set that cannot be read stays unknown: the update
    /// then reports the failure better than a query can.
    pub(super) async fn known(&self, changes: &[&Change]) -> Result<KnownSets, BackendError> {
        let sets = to_read(changes, self.backend.options.read_first);
        let queries: Vec<_> = sets
            .into_iter()
            .map(|(name, kind)| async move { (name, kind, self.query(name, kind).await) }.boxed())
            .collect();
        let mut answers = stream::iter(queries).buffer_unordered(READS_AT_ONCE);
        let mut known = KnownSets::default();
        while let Some((name, record_type, answer)) = answers.next().await {
            match answer {
                Ok(answer) => known.learn(name, record_type, &answer),
                // The reads have used the call's time.
                Err(error) if error.kind() == BackendErrorKind::Unavailable => return Err(error),
                Err(_) => {}
            }
        }
        Ok(known)
    }

    pub(super) async fn query(
        &self,
        name: &DomainName,
        record_type: RecordType,
    ) -> Result<Message, BackendError> {
        let answer = self.through(Job::Query { name, record_type }).await?;
        Ok(answer.expect("a query that succeeds has an answer"))
    }

    pub(super) async fn update(&self, update: &EncodedUpdate, repeatable: bool) -> Result<(), BackendError> {
        self.through(Job::Update { update, repeatable }).await.map(|_| ())
    }

    /// Sends the request to the first server that can handle it, within the call's deadline.
    async fn through(&self, job: Job<'_>) -> Result<Option<Message>, BackendError> {
        let Rfc2136Backend { options, primaries, preferred, ambient } = self.backend;
        let mut course = Course::new(primaries.len(), preferred.load(Ordering::Relaxed));
        let mut reported: Option<BackendError> = None;
        let mut hope = false;
        for attempt in 1.. {
            let primary = &primaries[course.server()];
            let left = self.end.duration_since(ambient.now()).unwrap_or_default();
            let failed = match self.attempt(primary, job, left).await {
                Ok(answer) => {
                    preferred.store(course.server(), Ordering::Relaxed);
                    return Ok(answer);
                }
                Err(failed) => failed,
            };
            let prospect = match job {
                Job::Update { repeatable: false, .. } if failed.may_have_taken_effect() => Prospect::None,
                _ => failed.prospect(),
            };
            // An attempt that was cut short by the call's deadline says less than the one before it, and a server
            // that is not a primary says nothing about the primary that is down.
            let cut_short = failed.is_out_of_time() && left < options.exchange_within;
            let says_less = cut_short || (prospect == Prospect::Elsewhere && hope);
            hope |= matches!(prospect, Prospect::Later | Prospect::Reconnect);
            if reported.is_none() || !says_less {
                let error = failed.into_error(self.operation, self.zone);
                reported = Some(error.at_server(primary.address()).at_attempt(attempt));
            }
            let wait = match course.after(prospect, ambient.random()) {
                NextStep::Never => break,
                NextStep::Now => Duration::ZERO,
                NextStep::After(wait) => wait,
            };
            if ambient.now() + wait >= self.end {
                break;
            }
            if let Some(error) = &reported {
                tracing::debug!(%error, ?wait, next = %primaries[course.server()].address(), "retrying");
            }
            if !wait.is_zero() {
                ambient.sleep(wait).await;
            }
        }
        Err(reported.expect("a loop without success has failed at least once"))
    }

    async fn attempt(
        &self,
        primary: &Primary,
        job: Job<'_>,
        left: Duration,
    ) -> Result<Option<Message>, Failed> {
        let within = self.backend.options.exchange_within;
        match job {
            Job::Update { update, repeatable } => {
                let travel = if repeatable { Route::Shared } else { Route::Separate };
                primary.update(update, travel, self.end, within).await.map(|()| None)
            }
            Job::Query { name, record_type } => {
                primary.query(name, type_to_wire(record_type), within.min(left)).await.map(Some)
            }
        }
    }

    pub(super) fn too_long(&self) -> BackendError {
        let why = "the changes do not fit into one message of 65,535 octets";
        self.error(BackendErrorKind::InvalidInput, why)
    }

    pub(super) fn error(
        &self,
        kind: BackendErrorKind,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> BackendError {
        BackendError::new(kind, self.operation, self.zone, source)
    }
}
