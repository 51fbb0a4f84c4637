//! A fleet for a year: what it costs.

use super::*;
use crate::limiter::{Limit, Rate};

/// A release build takes the whole fleet.
const DEVICES: u32 = if cfg!(debug_assertions) { 2_000 } else { 100_000 };

/// Each device renews every four weeks, inside its window or not, and has a bucket of its own.
#[test]
fn a_fleet_for_a_year_is_remembered_in_little() {
    let mut limits = CaLimits::production();
    limits.extra_public_suffixes.insert("fleet.test".parse().unwrap());
    limits.orders_of_account.insert(ALICE.to_owned(), Rate::of(250_000, 7 * DAY));
    let (mut limiter, mut most) = (Limiter::new(limits), 0);
    let spread = 28 * DAY / DEVICES;
    for round in 0..13 {
        for device in 0..DEVICES {
            let now = start() + round * 28 * DAY + device * spread;
            let names = format!("device{device}.fleet.test").parse().unwrap();
            let order = if device % 2 == 0 { by(ALICE, &names) } else { replacing(ALICE, &names) };
            if device % 50 == 0 {
                limiter.validation_failed(ALICE, &host(&names, 0), now);
            }
            limiter.new_order(&order, now).unwrap();
            limiter.validated(ALICE, &host(&names, 0));
            limiter.issued(&order, now);
            most = most.max(limiter.remembered());
        }
    }
    let counts = limiter.counts();
    assert_eq!(counts.issued, u64::from(DEVICES) * 13);
    assert_eq!(counts.spent[&Limit::NewOrdersPerAccount], u64::from(DEVICES).div_ceil(2));
    assert_eq!(counts.all_refused(), 0);
    // One set for each device, and the buckets that are not full, both up to the next sweep.
    assert!(most <= 4 * DEVICES as usize + (1 << 13), "{most} entries of 24 bytes");
}
