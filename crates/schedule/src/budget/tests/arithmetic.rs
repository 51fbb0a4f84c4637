//! One bucket.

use proptest::prelude::*;

use super::*;

fn any_time() -> impl Strategy<Value = SystemTime> {
    // Far outside the range of 64 bits of nanoseconds, on both sides.
    (-40_000_000_000i64..40_000_000_000, 0u64..1_000_000_000).prop_map(|(seconds, nanos)| {
        let whole = Duration::from_secs(seconds.unsigned_abs());
        let time = if seconds < 0 { SystemTime::UNIX_EPOCH - whole } else { SystemTime::UNIX_EPOCH + whole };
        time + Duration::from_nanos(nanos)
    })
}

fn any_limit() -> impl Strategy<Value = Limit> {
    (1u32.., 1u32.., any::<u64>())
        .prop_filter_map("no limit", |(burst, count, nanos)| {
            Limit::new(burst, count, Duration::from_nanos(nanos)).ok()
        })
        .boxed()
}

#[test]
fn numbers_out_of_range_are_no_limit() {
    assert!(Limit::new(0, 1, DAY).is_err());
    assert!(Limit::new(1, 0, DAY).is_err());
    assert!(Limit::new(1, 1, Duration::ZERO).is_err());
    assert!(Limit::new(1, 1001, Duration::from_micros(1)).is_err());
    assert!(Limit::new(u32::MAX, 1, WEEK).is_err());
    assert!(Limit::new(1, 1, Duration::MAX).is_err());
}

#[test]
fn decision_has_remaining_tokens_and_wait() {
    let limit = Limit::new(3, 1, Duration::from_secs(10)).unwrap();
    let now = start();
    let first = Bucket::FULL.spend(&limit, now, 2);
    assert!(first.allowed);
    assert_eq!((first.remaining(), first.bucket.full_in(now)), (1, Duration::from_secs(20)));
    // Two more are available when one of the two spent is refilled.
    assert_eq!(first.retry_in(), Some(Duration::from_secs(10)));

    let at = now + Duration::from_nanos(9_999_999_999);
    let early = first.bucket.spend(&limit, at, 2);
    assert!(!early.allowed);
    assert_eq!((early.remaining(), early.retry_in()), (1, Some(Duration::from_nanos(1))));
    assert_eq!(early.bucket, first.bucket);
    assert!(first.bucket.spend(&limit, now + Duration::from_secs(10), 2).allowed);

    let never = Bucket::FULL.spend(&limit, now, 4);
    assert_eq!((never.allowed, never.remaining(), never.retry_in()), (false, 3, None));
    let asked = first.bucket.spend(&limit, now, 0);
    assert!(asked.allowed);
    assert_eq!((asked.remaining(), asked.bucket), (1, first.bucket));
}

#[test]
fn bucket_that_is_never_full_is_empty() {
    let limit = Limit::new(3, 1, Duration::from_secs(10)).unwrap();
    let never_full = Bucket::full_at_unix_nanos(i64::MAX);
    let empty = never_full.spend(&limit, SystemTime::UNIX_EPOCH - Duration::from_secs(31), 1);
    assert_eq!((empty.allowed, empty.remaining()), (false, 0));
}

#[test]
fn bucket_after_the_year_2262_grants_nothing() {
    let limit = Limit::new(3, 1, Duration::from_secs(10)).unwrap();
    let end = SystemTime::UNIX_EPOCH + DAY * 365_250;
    let decision = Bucket::FULL.spend(&limit, end, 1);
    assert_eq!((decision.allowed, decision.retry_in()), (false, None));
}

proptest! {
    #[test]
    fn extreme_numbers_do_not_overflow(full_at: i64, limit in any_limit(), now in any_time(), cost: u32, wait: u64) {
        let bucket = Bucket::full_at_unix_nanos(full_at);
        let decision = bucket.spend(&limit, now, cost);
        prop_assert!(decision.bucket >= bucket);
        prop_assert!(decision.remaining() <= limit.burst());
        prop_assert!(decision.allowed || decision.bucket == bucket);
        prop_assert!(!decision.allowed || cost <= limit.burst());
        let plain = bucket.try_spend(&limit, now, cost);
        prop_assert_eq!(plain, decision.allowed.then_some(decision.bucket));
        prop_assert!(bucket.spend_anyway(&limit, now, cost) >= bucket.spend_to_empty(&limit, now, cost));
        prop_assert!(bucket.spend_to_empty(&limit, now, cost) >= bucket);
        prop_assert!(bucket.denied_for(&limit, now, Duration::from_secs(wait)) >= bucket);
    }

    #[test]
    fn retry_in_is_exact(full_at in 0i64..1_000_000_000_000, limit in any_limit(), cost in 1u32..10) {
        let bucket = Bucket::full_at_unix_nanos(full_at);
        let now = SystemTime::UNIX_EPOCH;
        let decision = bucket.spend(&limit, now, cost);
        let wait = decision.retry_in().filter(|_| !decision.allowed && limit.burst_offset() < DAY * 36_500);
        if let Some(wait) = wait {
            prop_assert!(bucket.spend(&limit, now + wait, cost).allowed);
            prop_assert!(!bucket.spend(&limit, now + (wait - Duration::from_nanos(1)), cost).allowed);
        }
    }

    #[test]
    fn grants_never_exceed_burst_and_refill(
        burst in 1u32..20,
        emission in 1u64..1000,
        steps in prop::collection::vec((0u64..3000, 1u32..5), 1..200),
    ) {
        let limit = Limit::new(burst, 1, Duration::from_nanos(emission)).unwrap();
        let (mut bucket, mut at) = (Bucket::FULL, 0);
        let mut granted: Vec<(u64, u64)> = Vec::new();
        for (pause, cost) in steps {
            at += pause;
            let decision = bucket.spend(&limit, start() + Duration::from_nanos(at), cost);
            bucket = decision.bucket;
            if decision.allowed {
                granted.push((at, cost.into()));
            }
        }
        for first in 0..granted.len() {
            let mut sum = 0;
            for (at, cost) in &granted[first..] {
                sum += cost;
                prop_assert!(sum <= u64::from(burst) + (at - granted[first].0) / emission);
            }
        }
    }

    #[test]
    fn denial_of_the_ca_is_mirrored_to_the_nanosecond(wait in 0u64..40_000_000_000, full_at: i32) {
        let limit = Limit::new(300, 300, Duration::from_secs(10_800)).unwrap();
        let wait = Duration::from_nanos(wait.min(36_000_000_000)).max(Duration::from_nanos(1));
        let bucket = Bucket::full_at_unix_nanos(full_at.into()).denied_for(&limit, start(), wait);
        prop_assert_eq!(bucket.spend(&limit, start(), 1).retry_in(), Some(wait));
    }
}
