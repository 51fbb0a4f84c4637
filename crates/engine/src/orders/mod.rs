//! Orders: claimed, driven, settled.

mod journal;
mod outcome;
mod worker;
