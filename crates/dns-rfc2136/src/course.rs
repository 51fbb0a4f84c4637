//! The course of a message: which server is tried next, and when.

use std::time::Duration;

use fleetcert_ambient::Backoff;
use fleetcert_dns_wire::ExchangeErrorKind;

use crate::Refusal;

/// What a failure says about trying again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prospect {
    /// Every server would say the same: it is about us and what we want.
    None,
    /// Another server may say something else; this one will not.
    Elsewhere,
    /// The connection was lost, as it is when a server closes it or is restarted. On a new one it may go at once.
    Reconnect,
    /// This server may say something else after a while.
    Later,
}

/// The servers as they are tried for one message, in a ring that begins with the one that answered last.
#[derive(Debug)]
pub(crate) struct Course {
    servers: usize,
    at: usize,
    /// Number of servers left in this round, without the current one.
    left: usize,
    /// Whether one of this round may do it later.
    hope: bool,
    reconnects: u32,
    rounds: u32,
}

/// What to do after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Try [`Course::server`] now.
    Now,
    /// Try it after this time.
    After(Duration),
    /// There is nothing to try.
    Never,
}

/// Maximum reconnections at once in a round. After that the server counts as failed until the next round.
const RECONNECTS: u32 = 3;
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

    /// The server to try.
    pub(crate) fn server(&self) -> usize {
        self.at
    }

    /// Returns the step after a failure at this server. `random` spreads the waits, so that callers that failed together
    /// do not return together.
    pub(crate) fn after(&mut self, prospect: Prospect, random: u64) -> Step {
        match prospect {
            Prospect::None => return Step::Never,
            Prospect::Reconnect if self.reconnects < RECONNECTS => {
                self.reconnects += 1;
                return Step::Now;
            }
            Prospect::Reconnect | Prospect::Later => self.hope = true,
            Prospect::Elsewhere => {}
        }
        if self.servers > 1 {
            self.at = (self.at + 1) % self.servers;
        }
        if self.left > 0 {
            self.left -= 1;
            return Step::Now;
        }
        if !self.hope {
            return Step::Never;
        }
        self.rounds = self.rounds.saturating_add(1);
        (self.left, self.hope, self.reconnects) = (self.servers.saturating_sub(1), false, 0);
        Step::After(BACKOFF.jittered(self.rounds, random))
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
    fn each_server_is_tried_before_anybody_waits() {
        let mut course = Course::new(3, 1);
        let mut tried = vec![course.server()];
        assert_eq!(course.after(Prospect::Later, u64::MAX), Step::Now);
        tried.push(course.server());
        assert_eq!(course.after(Prospect::Elsewhere, u64::MAX), Step::Now);
        tried.push(course.server());
        assert_eq!(tried, [1, 2, 0]);
        assert_eq!(course.after(Prospect::Elsewhere, u64::MAX), Step::After(BACKOFF.delay(1)));
        assert_eq!(course.server(), 1);
    }

    #[test]
    fn a_policy_is_not_asked_of_the_next_and_no_hope_is_no_second_round() {
        assert_eq!(Course::new(3, 0).after(Prospect::None, 0), Step::Never);
        let mut course = Course::new(2, 0);
        assert_eq!(course.after(Prospect::Elsewhere, 0), Step::Now);
        assert_eq!(course.after(Prospect::Elsewhere, 0), Step::Never);
        assert_eq!(Course::new(1, 0).after(Prospect::Elsewhere, 0), Step::Never);
    }

    #[test]
    fn waits_grow_to_a_second_and_are_spread() {
        let mut course = Course::new(1, 0);
        let waits: Vec<_> = (0..8).map(|_| course.after(Prospect::Later, u64::MAX)).collect();
        let millis = [25, 50, 100, 200, 400, 800, 1000, 1000];
        assert_eq!(waits, millis.map(|millis| Step::After(Duration::from_millis(millis))));
        assert_eq!(course.after(Prospect::Later, 0), Step::After(Duration::from_millis(500)));
    }

    #[test]
    fn a_lost_connection_is_made_anew_three_times_a_round() {
        let mut course = Course::new(1, 0);
        for _ in 0..2 {
            for _ in 0..RECONNECTS {
                assert_eq!(course.after(Prospect::Reconnect, 0), Step::Now);
            }
            assert!(matches!(course.after(Prospect::Reconnect, 0), Step::After(_)));
        }
    }
}
