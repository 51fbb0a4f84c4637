//! The course of a message: the next server to try, and when.

use std::time::Duration;

use fleetcert_ambient::Backoff;
use fleetcert_dns_wire::ExchangeErrorKind;

use crate::Refusal;

/// The consequence of a failure for retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prospect {
    /// Every server would answer the same: the fault is in the request.
    None,
    /// Another server may succeed; this one will not.
    Elsewhere,
    /// The connection was lost, as when a server closes it or restarts. A retry on a new one may follow at once.
    Reconnect,
    /// This server may succeed after a delay.
    Later,
}

/// The order of servers for one message, a ring that begins with the server that answered last.
#[derive(Debug)]
pub(crate) struct Course {
    servers: usize,
    at: usize,
    /// Number of servers left in this round, without the current one.
    left: usize,
    /// Whether a server of this round may succeed later.
    hope: bool,
    reconnects: u32,
    rounds: u32,
}

/// The step after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NextStep {
    /// Try [`Course::server`] now.
    Now,
    /// Try it after this delay.
    After(Duration),
    /// Give up.
    Never,
}

/// Maximum immediate reconnections in a round. After that, the server counts as failed until the next round.
const MAX_RECONNECTS: u32 = 3;
/// Back-off between two rounds of the servers.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(25), Duration::from_secs(1));

impl Course {
    pub(crate) fn new(servers: usize, first: usize) -> Self {
        Self {
            servers,
            at: first % servers.max(1),
            left: servers.saturating_sub(1),
            hope: false,
            reconnects: 0,
            rounds: 0,
        }
    }

    /// Returns the server to try.
    pub(crate) fn server(&self) -> usize {
        self.at
    }

    /// Returns the step after a failure at this server. `random` spreads the delays, so that callers that failed
    /// together do not return together.
    pub(crate) fn after(&mut self, prospect: Prospect, random: u64) -> NextStep {
        match prospect {
            Prospect::None => return NextStep::Never,
            Prospect::Reconnect if self.reconnects < MAX_RECONNECTS => {
                self.reconnects += 1;
                return NextStep::Now;
            }
            Prospect::Reconnect | Prospect::Later => self.hope = true,
            Prospect::Elsewhere => {}
        }
        if self.servers > 1 {
            self.at = (self.at + 1) % self.servers;
        }
        if self.left > 0 {
            self.left -= 1;
            return NextStep::Now;
        }
        if !self.hope {
            return NextStep::Never;
        }
        self.rounds = self.rounds.saturating_add(1);
        (self.left, self.hope, self.reconnects) = (self.servers.saturating_sub(1), false, 0);
        NextStep::After(BACKOFF.jittered(self.rounds, random))
    }
}

impl Prospect {
    pub(crate) fn of_exchange(kind: ExchangeErrorKind) -> Self {
        match kind {
            ExchangeErrorKind::InvalidInput => Self::None,
            ExchangeErrorKind::BrokenOff => Self::Reconnect,
            ExchangeErrorKind::ForeignCertificate
            | ExchangeErrorKind::UntrustedCertificate
            | ExchangeErrorKind::NoTls => Self::Elsewhere,
            _ => Self::Later,
        }
    }

    pub(crate) fn of_refusal(refusal: Refusal) -> Self {
        match refusal {
            Refusal::ServFail => Self::Later,
            Refusal::NotAuth
            | Refusal::NoAuthority
            | Refusal::Other(_)
            | Refusal::Unsigned
            | Refusal::Forged
            | Refusal::Cut
            | Refusal::Malformed => Self::Elsewhere,
            Refusal::BadKey
            | Refusal::BadSig
            | Refusal::BadTime { .. }
            | Refusal::OtherTsigError(_)
            | Refusal::Refused
            | Refusal::NotZone
            | Refusal::Prerequisite(_)
            | Refusal::NotUnderstood(_)
            | Refusal::Untimely => Self::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_server_is_tried_before_a_delay() {
        let mut course = Course::new(3, 1);
        let mut tried = vec![course.server()];
        assert_eq!(course.after(Prospect::Later, u64::MAX), NextStep::Now);
        tried.push(course.server());
        assert_eq!(course.after(Prospect::Elsewhere, u64::MAX), NextStep::Now);
        tried.push(course.server());
        assert_eq!(tried, [1, 2, 0]);
        assert_eq!(course.after(Prospect::Elsewhere, u64::MAX), NextStep::After(BACKOFF.delay(1)));
        assert_eq!(course.server(), 1);
    }

    #[test]
    fn refusal_ends_the_course_and_permanent_failures_end_the_round() {
        assert_eq!(Course::new(3, 0).after(Prospect::None, 0), NextStep::Never);
        let mut course = Course::new(2, 0);
        assert_eq!(course.after(Prospect::Elsewhere, 0), NextStep::Now);
        assert_eq!(course.after(Prospect::Elsewhere, 0), NextStep::Never);
        assert_eq!(Course::new(1, 0).after(Prospect::Elsewhere, 0), NextStep::Never);
    }

    #[test]
    fn delays_grow_to_a_second_with_jitter() {
        let mut course = Course::new(1, 0);
        let waits: Vec<_> = (0..8).map(|_| course.after(Prospect::Later, u64::MAX)).collect();
        let millis = [25, 50, 100, 200, 400, 800, 1000, 1000];
        assert_eq!(waits, millis.map(|millis| NextStep::After(Duration::from_millis(millis))));
        assert_eq!(course.after(Prospect::Later, 0), NextStep::After(Duration::from_millis(500)));
    }

    #[test]
    fn lost_connection_is_reopened_three_times_per_round() {
        let mut course = Course::new(1, 0);
        for _ in 0..2 {
            for _ in 0..MAX_RECONNECTS {
                assert_eq!(course.after(Prospect::Reconnect, 0), NextStep::Now);
            }
            assert!(matches!(course.after(Prospect::Reconnect, 0), NextStep::After(_)));
        }
    }
}
