//! Reasons why an order failed, or pauses.

use std::fmt;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::ZoneFault;
use crate::{AcmeErrorKind, Fault, Problem, ProblemKind};

/// Reason why there is no certificate, or not yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Kind of failure.
    pub kind: FailureKind,
    /// When to try again.
    pub retry: Retry,
    /// Problem document of the CA, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
    /// Sentence for people.
    pub message: String,
    /// Time of the failure.
    pub at: SystemTime,
    /// Chain in PEM that the CA issued and that is not the one that was ordered, for
    /// [`WrongCertificate`](FailureKind::WrongCertificate). An operator can look at it and
    /// [revoke](crate::Authority::revoke) it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<String>,
}

/// Kind of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum FailureKind {
    /// The CA did not carry out a request.
    Ca(AcmeErrorKind),
    /// The CA's validation failed, or the CA gave up the order.
    Invalid,
    /// The CA no longer has the order.
    OrderGone,
    /// The CA did not finish the order in time.
    Slow,
    /// The zone could not be changed, or its servers do not show the records.
    Zone,
    /// The certificate is for another key, other identifiers, or another time.
    WrongCertificate,
}

/// When to try again after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Retry {
    /// Not before this time, which the CA or the zone named.
    NotBefore(SystemTime),
    /// After a back-off that grows with each failure.
    Backoff,
    /// When an operator has acted: waiting does not help. A rare retry does no harm.
    Operator,
}

impl Failure {
    fn new(kind: FailureKind, retry: Retry, message: impl Into<String>, at: SystemTime) -> Self {
        Self { kind, retry, problem: None, message: message.into(), at, chain: None }
    }

    pub(super) fn of_fault(fault: Fault, now: SystemTime) -> Self {
        let message = fault.to_string();
        let retry = match fault.kind {
            _ if fault.passes() => not_before(fault.retry_after, now),
            // Of the account: when it works again, so does each of its orders.
            AcmeErrorKind::Account => Retry::Backoff,
            AcmeErrorKind::NotFound | AcmeErrorKind::OrderNotReady | AcmeErrorKind::Protocol => {
                Retry::Backoff
            }
            AcmeErrorKind::Refused if fault.problem.as_ref().is_some_and(is_temporary) => Retry::Backoff,
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

    /// Returns the failure of an invalid order. A new order may succeed: most often the CA saw a stale record.
    pub(super) fn invalid(problem: Option<Problem>, now: SystemTime) -> Self {
        let message = match &problem {
            Some(problem) => format!("the CA gave up the order: {problem}"),
            None => "the CA gave up the order and gave no reason".to_owned(),
        };
        let retry = match &problem {
            Some(problem) if problem.kind == ProblemKind::Caa || is_final(problem) => Retry::Operator,
            _ => Retry::Backoff,
        };
        Self { problem, ..Self::new(FailureKind::Invalid, retry, message, now) }
    }

    pub(super) fn order_gone(now: SystemTime) -> Self {
        Self::new(FailureKind::OrderGone, Retry::Backoff, "the CA no longer has the order", now)
    }

    pub(crate) fn slow(retry: Retry, message: impl Into<String>, now: SystemTime) -> Self {
        Self::new(FailureKind::Slow, retry, message, now)
    }

    /// Returns the failure of a chain that is not what was ordered. The next order would most likely fail likewise, and
    /// cost the limits of the name. A chain whose validity lies ahead of our clock is good from then on.
    pub(crate) fn wrong_certificate(
        why: impl Into<String>,
        chain: Option<String>,
        valid_from: Option<SystemTime>,
        now: SystemTime,
    ) -> Self {
        let retry = valid_from.map_or(Retry::Operator, Retry::NotBefore);
        Self { chain, ..Self::new(FailureKind::WrongCertificate, retry, why, now) }
    }
}

pub(super) fn not_before(wait: Option<Duration>, now: SystemTime) -> Retry {
    match wait.and_then(|wait| now.checked_add(wait)) {
        Some(time) => Retry::NotBefore(time),
        None => Retry::Backoff,
    }
}

/// Returns whether the next try may not meet the refusal.
fn is_temporary(problem: &Problem) -> bool {
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
