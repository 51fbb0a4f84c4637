//! Orders: found, put in a queue, taken, driven, settled.

mod admit;
mod breakers;
mod clock_watch;
mod journal;
mod look;
mod outcome;
mod turn;
mod waiting;
mod worker;

pub(crate) use breakers::{Breakers, Verdict};
pub(crate) use clock_watch::ClockWatch;
pub(crate) use waiting::Waiting;
