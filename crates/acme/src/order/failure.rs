//! Why an order failed, or pauses.

use std::fmt;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::ZoneFault;
use crate::{AcmeErrorKind, Fault, Problem, ProblemKind};

/// Why there is no certificate, or not yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind of failure it is.
    pub kind: FailureKind,
    /// What can be done about it.
    pub retry: Retry,
    /// What the CA said, if it said something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
    /// One sentence for people.
    pub message: String,
    /// When it happened.
    pub at: SystemTime,
}

/// What kind of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum FailureKind {
    /// The CA did not do what was asked.
    Ca(AcmeErrorKind),
    /// The CA looked and did not find the names proved, or gave up the order.
    Invalid,
    /// The CA does not have the order any more: it has expired.
    OrderGone,
    /// The CA has not come to an end with the order in the time that there was.
    Slow,
    /// The zone could not be changed, or its servers do not show the records.
    Zone,
    /// The CA gave a certificate for another key, other names, or another time.
    WrongCertificate,
}

/// What can be done about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Retry {
    /// Try again, and not before this time: the CA or the zone said so.
    NotBefore(SystemTime),
    /// Try again, later each time that it fails.
    Backoff,
    /// Time does not mend it: somebody has to do something. Trying again once in a while does no harm.
    Operator,
}

impl Failure {
    fn new(kind: FailureKind, retry: Retry, message: impl Into<String>, at: SystemTime) -> Self {
        Self { kind, retry, problem: None, message: message.into(), at }
    }

    pub(super) fn of_fault(fault: Fault, now: SystemTime) -> Self {
        let message = fault.to_string();
        let retry = match fault.kind {
            _ if fault.passes() => not_before(fault.retry_after, now),
            AcmeErrorKind::NotFound | AcmeErrorKind::OrderNotReady | AcmeErrorKind::Protocol => {
                Retry::Backoff
            }
            AcmeErrorKind::Refused if fault.problem.as_ref().is_some_and(is_about_the_moment) => {
                Retry::Backoff
            }
            _ => Retry::Operator,
        };
        Self { problem: fault.problem, ..Self::new(FailureKind::Ca(fault.kind), retry, message, now) }
    }

    pub(super) fn of_zone(fault: ZoneFault, now: SystemTime) -> Self {
        let retry = match fault.retry_after {
            Some(wait) if !wait.is_zero() => not_before(Some(wait), now),
            Some(_) => Retry::Backoff,
            None => Retry::Operator,
        };
        Self::new(FailureKind::Zone, retry, fault.why, now)
    }

    /// The order is invalid. A new one may do better: most often the CA has seen a stale record somewhere.
    pub(super) fn invalid(problem: Option<Problem>, now: SystemTime) -> Self {
        let message = match &problem {
            Some(problem) => format!("the CA gave up the order: {problem}"),
            None => "the CA gave up the order and does not say why".to_owned(),
        };
        let retry = match &problem {
            Some(problem) if problem.kind == ProblemKind::Caa || is_final(problem) => Retry::Operator,
            _ => Retry::Backoff,
        };
        Self { problem, ..Self::new(FailureKind::Invalid, retry, message, now) }
    }

    pub(super) fn order_gone(now: SystemTime) -> Self {
        Self::new(FailureKind::OrderGone, Retry::Backoff, "the CA does not have the order any more", now)
    }

    pub(crate) fn slow(retry: Retry, what: &str, now: SystemTime) -> Self {
        Self::new(FailureKind::Slow, retry, what, now)
    }

    /// Ordered again it would most likely be wrong again, and cost the limits of the name.
    pub(crate) fn wrong_certificate(why: String, now: SystemTime) -> Self {
        Self::new(FailureKind::WrongCertificate, Retry::Operator, why, now)
    }
}

pub(super) fn not_before(wait: Option<std::time::Duration>, now: SystemTime) -> Retry {
    match wait.and_then(|wait| now.checked_add(wait)) {
        Some(time) => Retry::NotBefore(time),
        None => Retry::Backoff,
    }
}

/// Refusals that the next try may not meet.
fn is_about_the_moment(problem: &Problem) -> bool {
    matches!(
        problem.kind,
        ProblemKind::Dns
            | ProblemKind::Connection
            | ProblemKind::IncorrectResponse
            | ProblemKind::Unauthorized
            | ProblemKind::Compound
            | ProblemKind::AlreadyReplaced
            | ProblemKind::Other(_)
    )
}

fn is_final(problem: &Problem) -> bool {
    matches!(
        problem.kind,
        ProblemKind::RejectedIdentifier
            | ProblemKind::BadCsr
            | ProblemKind::BadPublicKey
            | ProblemKind::UnsupportedIdentifier
    )
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
