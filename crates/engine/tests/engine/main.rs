//! The engine over both stores, and a CA in the process that validates by the records of the zone.

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
mod over_sockets;
mod queue;
mod quotas;
mod renewals;
mod setting;
mod stopping_store;
mod store_calls;
mod sweeper;
mod urgent_renewals;
mod wildcards;
