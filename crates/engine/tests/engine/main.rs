//! The engine over real parts: both stores, a name server, a CA in the process that validates by DNS.

#![allow(clippy::unwrap_used, clippy::panic)] // a test may

mod addresses;
mod authorization;
mod budgets;
mod certificates;
mod clock;
mod crashes;
mod enrolment;
mod failures;
mod fence;
mod odd_ca;
mod queue;
mod quotas;
mod renewals;
mod setting;
mod stopping_store;
mod store_calls;
mod sweeper;
mod urgent_renewals;
mod wildcards;
