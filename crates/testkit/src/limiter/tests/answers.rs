//! The words of the refusals.

use super::*;
use crate::limiter::{Bucket, Limit, Refused};
use std::collections::BTreeSet;

/// What an emptied limiter says to one order of Alice for a name that is new.
fn refusal(prepare: impl FnOnce(&mut Limiter, SystemTime), names: &IdentifierSet) -> Refused {
    let (mut limiter, now) = (limiter(), start());
    prepare(&mut limiter, now);
    limiter.new_order(&by(ALICE, names), now).unwrap_err()
}

#[test]
fn new_orders() {
    let refused = refusal(
        |limiter, now| {
            for number in 0..300 {
                limiter.new_order(&by(ALICE, &elsewhere(number)), now).unwrap();
            }
        },
        &elsewhere(300),
    );
    assert_eq!(
        refused.detail,
        "too many new orders (300) from this account in the last 3h0m0s, retry after 2027-01-15 08:00:36 UTC: see \
         https://letsencrypt.org/docs/rate-limits/#new-orders-per-account"
    );
    assert_eq!((refused.key.as_str(), refused.burst, refused.period), (ALICE, 300, 3 * HOUR));
    assert_eq!(refused.to_string(), refused.detail);
}

#[test]
fn failed_authorizations() {
    let set = device(0);
    let refused = refusal(
        |limiter, now| (0..5).for_each(|_| limiter.validation_failed(ALICE, &host(&set, 0), now)),
        &set,
    );
    assert_eq!(
        refused.detail,
        "too many failed authorizations (5) for \"device0.example.com\" in the last 1h0m0s, retry after 2027-01-15 \
         08:12:00 UTC: see \
         https://letsencrypt.org/docs/rate-limits/#authorization-failures-per-identifier-per-account"
    );
}

#[test]
fn certificates_of_a_domain() {
    let refused = refusal(
        |limiter, now| (0..50).for_each(|number| limiter.issued(&by(ALICE, &device(number)), now)),
        &device(50),
    );
    assert_eq!(
        refused.detail,
        "too many certificates (50) already issued for \"example.com\" in the last 168h0m0s, retry after \
         2027-01-15 11:21:36 UTC: see \
         https://letsencrypt.org/docs/rate-limits/#new-certificates-per-registered-domain"
    );
}

#[test]
fn certificates_of_an_exact_set() {
    let set = names(["b.example.com", "a.example.com"]);
    let refused = refusal(|limiter, now| (0..5).for_each(|_| limiter.issued(&by(BOB, &set), now)), &set);
    assert_eq!(
        refused.detail,
        "too many certificates (5) already issued for this exact set of identifiers in the last 168h0m0s, retry \
         after 2027-01-16 17:36:00 UTC: see \
         https://letsencrypt.org/docs/rate-limits/#new-certificates-per-exact-set-of-identifiers"
    );
    assert_eq!(refused.key, "a.example.com,b.example.com");
}

#[test]
fn registrations() {
    let (mut limiter, now) = (limiter(), start());
    let from = "192.0.2.1".parse().unwrap();
    (0..10).for_each(|_| limiter.new_account(from, now).unwrap());
    assert_eq!(
        limiter.new_account(from, now).unwrap_err().detail,
        "too many new registrations (10) from this IP address in the last 3h0m0s, retry after 2027-01-15 08:18:00 \
         UTC: see https://letsencrypt.org/docs/rate-limits/#new-registrations-per-ip-address"
    );
    for host in 0..500 {
        limiter.new_account(format!("2001:db8::{host:x}").parse().unwrap(), now).unwrap();
    }
    let refused = limiter.new_account("2001:db8::ffff".parse().unwrap(), now).unwrap_err();
    assert_eq!(
        refused.detail,
        "too many new registrations (500) from this /48 subnet of IPv6 addresses in the last 3h0m0s, retry after \
         2027-01-15 08:00:21 UTC: see https://letsencrypt.org/docs/rate-limits/#new-registrations-per-ipv6-range"
    );
    assert_eq!(refused.retry_after_seconds(), Some(22), "21.6 s, to the nearest second");
}

#[test]
fn paused() {
    let set = names(["a.example.com", "b.example.com", "c.example.com"]);
    let refused = refusal(
        |limiter, now| {
            for name in [&host(&set, 0), &host(&set, 1)] {
                (0..1153).for_each(|_| limiter.validation_failed(ALICE, name, now));
            }
        },
        &set,
    );
    let (sentence, token) = refused.detail.split_once("?jwt=").unwrap();
    assert_eq!(
        sentence,
        "Your account is temporarily prevented from requesting certificates for a.example.com, b.example.com and \
         possibly others. Please visit: https://portal.letsencrypt.org/sfe/v1/unpause"
    );
    assert!(!token.is_empty());
}

#[test]
fn jitter_is_up_to_three_percent_and_repeats_with_its_seed() {
    let told = |seed| {
        let mut limiter = Limiter::new(CaLimits { jitter: Some(seed), ..CaLimits::production() });
        (0..50).for_each(|number| limiter.issued(&by(ALICE, &device(number)), start()));
        let waits: Vec<_> = (50..1050)
            .map(|number| limiter.new_order(&by(ALICE, &device(number)), start()).unwrap_err())
            .map(|refused| (refused.retry_in.unwrap(), refused.retry_after.unwrap()))
            .collect();
        waits
    };
    let waits = told(7);
    let exact = seconds(12_096);
    assert!(waits.iter().all(|(retry_in, told)| *retry_in == exact && *told >= exact));
    let longest = waits.iter().map(|(_, told)| *told).max().unwrap();
    let shortest = waits.iter().map(|(_, told)| *told).min().unwrap();
    assert!(longest <= exact * 103 / 100 && longest > exact * 1029 / 1000, "{longest:?}");
    assert!(shortest < exact * 1001 / 1000, "{shortest:?}");
    assert_eq!(waits, told(7));
    assert_ne!(waits, told(8));
}

#[test]
fn retry_after_is_the_nearest_second() {
    let said = |millis| {
        let mut refused = refusal(
            |limiter, now| (0..5).for_each(|_| limiter.issued(&by(BOB, &device(0)), now)),
            &device(0),
        );
        refused.retry_after = Some(Duration::from_millis(millis));
        refused.retry_after_seconds()
    };
    assert_eq!([499, 500, 1499, 1500].map(said), [None, Some(1), Some(1), Some(2)]);
}

#[test]
fn every_limit_has_its_bucket_and_its_anchor() {
    let (name, domain) = (&host(&device(0), 0), "example.com".parse().unwrap());
    let buckets = [
        Bucket::RegistrationsFromAddress("192.0.2.1".parse().unwrap()),
        Bucket::RegistrationsFromRange("2001:db8::1".parse().unwrap()),
        Bucket::Orders { account: ALICE },
        Bucket::Failures { account: ALICE, name },
        Bucket::Certificates { domain: &domain },
        Bucket::CertificatesOfAccount { account: ALICE, domain: &domain },
        Bucket::ExactSet { identifiers: &device(0) },
        Bucket::ConsecutiveFailures { account: ALICE, name },
    ];
    assert_eq!(buckets.map(|bucket| bucket.limit()), Limit::ALL);
    let keys: BTreeSet<_> = buckets.iter().map(Bucket::key).collect();
    assert_eq!(keys.len(), Limit::ALL.len());
    assert!(Limit::ALL.iter().all(|limit| !limit.anchor().is_empty() && !limit.name().is_empty()));
}
