//! The mirror of the CA's rate limits in `fleetcert-schedule` against the limiter of the test CA: two
//! implementations of the same rules, written apart, under random operations.
//!
//! Ten million operations in a release build, two hundred thousand in a debug build. All of them come from
//! constants: the same build does the same again. A failure names its episode; with [`ONLY`] set to it, that one
//! alone is repeated:
//!
//! ```text
//! cargo test --release -p fleetcert-tests --test mirror
//! ```

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)] // a test may

mod episode;
mod random;
mod world;

use episode::{Episode, Knowledge};

/// Of all tests together.
const OPERATIONS: u64 = if cfg!(debug_assertions) { 200_000 } else { 10_000_000 };
/// Each episode begins with other limits and empty books.
const OPERATIONS_OF_AN_EPISODE: u64 = 2_000;
/// The episode to repeat after a failure.
const ONLY: Option<u64> = None;

fn run(share: u64, knowledge: Knowledge) -> world::Tally {
    let episodes = OPERATIONS * share / 100 / OPERATIONS_OF_AN_EPISODE;
    let mut tally = world::Tally::default();
    for number in 0..episodes {
        if ONLY.is_none_or(|only| only == number) {
            Episode::new(number, knowledge).run(OPERATIONS_OF_AN_EPISODE, &mut tally);
        }
    }
    println!("{knowledge:?}: {tally:?}");
    tally
}

/// The mirror sees every outcome at once: its buckets are those of the CA to the nanosecond, and it denies what
/// the CA refuses, for as long, and nothing else but what is held for orders under way.
#[test]
fn buckets_are_equal_when_every_outcome_is_seen() {
    let tally = run(50, Knowledge::Exact);
    if ONLY.is_none() {
        tally.must_have_seen_everything();
        assert!(tally.equal_denials > 0 && tally.stricter > 0, "{tally:?}");
    }
}

/// Outcomes come late or never: the mirror may deny more, and never lets through what the CA refuses.
#[test]
fn nothing_is_let_through_when_outcomes_are_late_or_lost() {
    let tally = run(40, Knowledge::LateOrLost);
    if ONLY.is_none() {
        tally.must_have_seen_everything();
    }
}

/// Strangers spend what the mirror does not see: a refusal of the CA makes the bucket equal again, and a limit
/// that was not known becomes known.
#[test]
fn a_refusal_makes_the_bucket_equal_again() {
    let tally = run(10, Knowledge::Strangers);
    if ONLY.is_none() {
        assert!(tally.corrections > 0 && tally.learned > 0 && tally.issued > 0, "{tally:?}");
    }
}
