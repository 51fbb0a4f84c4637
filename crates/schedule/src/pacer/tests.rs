use proptest::prelude::*;

use super::*;

fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)
}

fn production(per_mille: u16) -> Pacer {
    Pacer::new(Rates::lets_encrypt_production(), per_mille)
}

/// Returns the requests in `time` of a client that asks again as early as allowed.
fn sent(pacer: &mut Pacer, endpoint: Endpoint, from: SystemTime, time: Duration) -> u32 {
    let (mut now, mut sent) = (from, 0);
    while now < from + time {
        match pacer.take(endpoint, now) {
            Pace::Now => sent += 1,
            Pace::After { wait, .. } => now += wait,
        }
    }
    sent
}

#[test]
fn rates_are_as_published() {
    let of = |rates: &Rates| {
        Endpoint::ALL.map(|endpoint| rates.rate(endpoint).map(|rate| (rate.per_second, rate.burst)))
    };
    let rates = [(40, 40), (20, 10), (5, 15), (300, 200), (10, 100), (1000, 100), (250, 125)];
    assert_eq!(of(&Rates::lets_encrypt_production()), rates.map(Some));
    let rates = [(40, 40), (20, 10), (5, 15), (20, 40), (10, 100), (1000, 100), (20, 20)];
    assert_eq!(of(&Rates::lets_encrypt_staging()), rates.map(Some));
    assert!(of(&Rates::none()).iter().all(Option::is_none));
    assert!(Endpoint::ALL.into_iter().enumerate().all(|(place, endpoint)| endpoint as usize == place));
}

#[test]
fn pacer_uses_its_share_of_rate_and_burst() {
    let minute = Duration::from_secs(60);
    // The burst, and 60 seconds of the rate.
    assert_eq!(sent(&mut production(1000), Endpoint::NewNonce, start(), minute), 10 + 60 * 20 - 1);
    assert_eq!(sent(&mut production(800), Endpoint::NewNonce, start(), minute), 8 + 60 * 16 - 1);
    assert_eq!(sent(&mut production(400), Endpoint::NewAccount, start(), minute), 6 + 60 * 2 - 1);
    // Numbers out of range are clamped.
    let limit = |per_mille| production(per_mille).limit(Endpoint::NewAccount, start()).unwrap();
    assert_eq!(limit(0), limit(1));
    assert_eq!(limit(u16::MAX), limit(1000));
    assert_eq!((limit(1).burst(), limit(1).emission_interval()), (1, Duration::from_secs(200)));
}

#[test]
fn new_orders_meet_the_rate_of_the_rest() {
    let mut pacer = production(1000);
    for _ in 0..125 {
        assert_eq!(pacer.take(Endpoint::NewOrder, start()), Pace::Now);
    }
    let wait = Duration::from_millis(4);
    assert_eq!(pacer.take(Endpoint::NewOrder, start()), Pace::After { wait, by: Endpoint::Other });
    assert_eq!(pacer.take(Endpoint::Other, start()), Pace::After { wait, by: Endpoint::Other });
    // What was denied was not counted.
    assert_eq!(pacer.endpoints[Endpoint::NewOrder as usize].bucket, {
        let limit = pacer.limit(Endpoint::NewOrder, start()).unwrap();
        Bucket::FULL.spend(&limit, start(), 125).bucket
    });
    assert_eq!(pacer.take(Endpoint::RenewalInfo, start()), Pace::Now);
    assert_eq!(pacer.take(Endpoint::Directory, start()), Pace::Now);
}

#[test]
fn refused_endpoint_backs_off_slows_down_and_recovers() {
    let mut pacer = production(1000);
    let second = Duration::from_secs(1);
    let interval = |pacer: &Pacer, now| {
        let limit = pacer.limit(Endpoint::RenewalInfo, now).unwrap();
        limit.emission_interval().as_millis()
    };
    // Three answers to what was sent together are one refusal.
    for _ in 0..3 {
        pacer.refused(Endpoint::RenewalInfo, Some(5 * second), start());
    }
    let rest = Pace::After { wait: 5 * second, by: Endpoint::RenewalInfo };
    assert_eq!(pacer.take(Endpoint::RenewalInfo, start()), rest);
    assert_eq!(pacer.take(Endpoint::NewOrder, start()), Pace::Now);
    assert_eq!(interval(&pacer, start()), 2);

    let mut now = start() + 5 * second;
    for halvings in 2..=12 {
        pacer.refused(Endpoint::RenewalInfo, None, now);
        now += DEFAULT_BACKOFF;
        // At least about one in a second is always tried.
        assert_eq!(interval(&pacer, now), 1 << halvings.min(9));
    }
    for steps in 0..12u32 {
        assert_eq!(interval(&pacer, now + RECOVERY * steps), 1 << 9u32.saturating_sub(steps));
    }
}

#[test]
fn without_rates_only_refusals_count() {
    let mut pacer = Pacer::new(Rates::none(), 800);
    assert!((0..100_000).all(|_| pacer.take(Endpoint::NewOrder, start()) == Pace::Now));
    pacer.refused(Endpoint::NewOrder, Some(Duration::MAX), start());
    let rest = Pace::After { wait: MAX_BACKOFF, by: Endpoint::NewOrder };
    assert_eq!(pacer.take(Endpoint::NewOrder, start()), rest);
    assert_eq!(pacer.take(Endpoint::NewOrder, start() + MAX_BACKOFF), Pace::Now);
}

#[test]
fn clock_set_back_closes_no_endpoint() {
    let mut pacer = production(800);
    let wrong = start() + Duration::from_secs(400 * 86_400);
    sent(&mut pacer, Endpoint::NewNonce, wrong, Duration::from_secs(1));
    pacer.refused(Endpoint::NewNonce, Some(MAX_BACKOFF), wrong);
    let Pace::After { wait, .. } = pacer.take(Endpoint::NewNonce, start()) else { panic!("it was empty") };
    assert_eq!(wait, Duration::from_micros(62_500));
}

/// A load balancer that was set to two requests a second, and a client that wants 46 (a million certificates that are
/// asked about four times a day).
#[test]
fn pace_adapts_to_a_lower_rate_of_the_server() {
    let mut pacer = production(800);
    let balancer = Limit::new(2, 2, Duration::from_secs(1)).unwrap();
    let (mut bucket, mut passed, mut refused) = (Bucket::FULL, 0, 0);
    for millis in (0..3_600_000u64).step_by(1000 / 46) {
        let now = start() + Duration::from_millis(millis);
        if pacer.take(Endpoint::RenewalInfo, now) == Pace::Now {
            let decision = bucket.spend(&balancer, now, 1);
            bucket = decision.bucket;
            if decision.allowed {
                passed += 1;
            } else {
                refused += 1;
                pacer.refused(Endpoint::RenewalInfo, Some(Duration::from_secs(1)), now);
            }
        }
    }
    assert!(refused < 120, "{refused} refused");
    assert!(passed > 3600 / 2, "{passed} passed");
}

proptest! {
    #[test]
    fn requests_never_exceed_the_rate(
        per_mille in 1u16..=1000,
        staging: bool,
        steps in prop::collection::vec((0u64..20_000, 0usize..7), 1..600),
    ) {
        let rates = if staging { Rates::lets_encrypt_staging() } else { Rates::lets_encrypt_production() };
        let mut pacer = Pacer::new(rates.clone(), per_mille);
        let mut at = 0;
        // Nanoseconds of backlog, which run off with time: the arithmetic in another way.
        let mut backlog = [(0u128, 0u64); 7];
        for (pause, which) in steps {
            at += pause;
            let now = start() + Duration::from_micros(at);
            let endpoint = Endpoint::ALL[which];
            if pacer.take(endpoint, now) != Pace::Now {
                continue;
            }
            let rate = rates.rate(endpoint).unwrap();
            let other = rate.counts_as_other.then_some(Endpoint::Other);
            for counted in [Some(endpoint), other].into_iter().flatten() {
                let rate = rates.rate(counted).unwrap();
                let each = 1_000_000_000 / u128::from(rate.per_second);
                let (before, since) = backlog[counted as usize];
                let after = before.saturating_sub(u128::from(at - since) * 1000) + each;
                prop_assert!(after <= each * u128::from(rate.burst), "503 of {counted:?}");
                backlog[counted as usize] = (after, at);
            }
        }
    }

    #[test]
    fn request_after_the_wait_is_sent(
        which in 0usize..7,
        refusals in prop::collection::vec((0u64..100, prop::option::of(0u64..100_000)), 0..20),
        asked in 1usize..300,
    ) {
        let (mut pacer, mut now, endpoint) = (production(800), start(), Endpoint::ALL[which]);
        for (pause, retry_after) in refusals {
            now += Duration::from_secs(pause);
            pacer.refused(endpoint, retry_after.map(Duration::from_secs), now);
        }
        for _ in 0..asked {
            if let Pace::After { wait, .. } = pacer.take(endpoint, now) {
                prop_assert!(wait <= MAX_BACKOFF);
                now += wait;
                // The end of a rest is not the time of a token.
                if let Pace::After { wait, .. } = pacer.take(endpoint, now) {
                    now += wait;
                    prop_assert_eq!(pacer.take(endpoint, now), Pace::Now);
                }
            }
        }
    }
}
