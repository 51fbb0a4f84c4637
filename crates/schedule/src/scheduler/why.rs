//! Why an order must wait.

use std::fmt;

use crate::budget::Denied;

/// What holds an order back.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// Its own time has not come.
    NotDue,
    /// A limit of the CA.
    Limit(Denied),
    /// What a bucket still holds is kept for more urgent lanes.
    Reserve(Denied),
    /// As many orders are under way as may be.
    InFlight,
    /// As many orders of names that fail are under way as may be.
    FailingInFlight,
    /// The CA is not to be asked at all now.
    Halted(Halt),
}

/// Why the CA is not to be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Halt {
    /// It does not answer as it should.
    Breaker,
    /// It is asked as often as it may be.
    Pacer,
    /// An operator said so.
    Operator,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotDue => f.write_str("its time has not come"),
            Self::Limit(denied) => denied.fmt(f),
            Self::Reserve(denied) => write!(f, "{denied}, and the rest is kept for what is more urgent"),
            Self::InFlight => f.write_str("as many orders are under way as may be"),
            Self::FailingInFlight => f.write_str("as many orders of failing names are under way as may be"),
            Self::Halted(Halt::Breaker) => f.write_str("the CA does not answer as it should"),
            Self::Halted(Halt::Pacer) => f.write_str("the CA is asked as often as it may be"),
            Self::Halted(Halt::Operator) => f.write_str("an operator has halted all orders"),
        }
    }
}

/// The same in one or two bytes, as the queue keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    NotDue,
    Limit,
    Reserve,
    FailingInFlight,
    Halted(Halt),
}
