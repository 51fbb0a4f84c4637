//! Overrides, other environments, and the load balancer.

use super::*;
use crate::limiter::{Bucket, Limit, Rate, RequestLimits};
use fleetcert_acme_server::Resource;

/// How many orders pass at one time, and how long the next one has to wait.
fn orders_at_once(limiter: &mut Limiter, account: &str, now: SystemTime) -> (u32, Duration) {
    for number in 0.. {
        if let Err(refused) = limiter.new_order(&by(account, &elsewhere(number)), now) {
            assert_eq!(refused.limit, Limit::NewOrdersPerAccount);
            return (number, refused.retry_in.unwrap());
        }
    }
    unreachable!()
}

#[test]
fn an_override_of_orders_can_raise_the_burst_and_lower_the_rate() {
    let mut limits = CaLimits { jitter: None, ..CaLimits::production() };
    limits.orders_of_account.insert(ALICE.to_owned(), Rate::of(1000, 7 * DAY));
    let mut limiter = Limiter::new(limits);
    assert_eq!(orders_at_once(&mut limiter, ALICE, start()), (1000, Duration::from_millis(604_800)));
    assert_eq!(orders_at_once(&mut limiter, BOB, start()), (300, seconds(36)));
}

#[test]
fn an_override_of_a_domain_is_for_every_account_and_is_told() {
    let mut limits = CaLimits { jitter: None, ..CaLimits::production() };
    limits.certificates_of_domain.insert("example.com".parse().unwrap(), Rate::of(300, 7 * DAY));
    let (mut limiter, now) = (Limiter::new(limits), start());
    (0..300).for_each(|number| limiter.issued(&by(ALICE, &device(number)), now));
    let refused = limiter.new_order(&by(BOB, &device(300)), now).unwrap_err();
    assert_eq!((refused.limit, refused.burst), (Limit::CertificatesPerDomain, 300));
    assert_eq!(refused.retry_in, Some(seconds(2016)));
    assert!(refused.detail.starts_with(
        "too many certificates (300) already issued for \"example.com\" in the last 168h0m0s, retry after"
    ));
}

#[test]
fn an_override_of_an_account_has_buckets_of_its_own() {
    let mut limits = CaLimits { jitter: None, ..CaLimits::production() };
    limits.certificates_of_account.insert(ALICE.to_owned(), Rate::of(60, 7 * DAY));
    let (mut limiter, now) = (Limiter::new(limits), start());
    // Bob empties the bucket of the domain. Alice does not look at it.
    (0..50).for_each(|number| limiter.issued(&by(BOB, &device(number)), now));
    for number in 50..110 {
        limiter.new_order(&by(ALICE, &device(number)), now).unwrap();
        limiter.issued(&by(ALICE, &device(number)), now);
    }
    let refused = limiter.new_order(&by(ALICE, &device(110)), now).unwrap_err();
    assert_eq!((refused.limit, refused.burst), (Limit::CertificatesPerDomainPerAccount, 60));
    assert_eq!(refused.key, format!("{ALICE}:example.com"));
    assert!(refused.detail.contains("already issued for \"example.com\" in the last 168h0m0s"));
    assert!(refused.detail.ends_with("#new-certificates-per-registered-domain"));
    // Another domain has another bucket.
    limiter.new_order(&by(ALICE, &elsewhere(0)), now).unwrap();
}

#[test]
fn the_issuance_of_an_account_with_an_override_still_spends_of_all() {
    let mut limits = CaLimits::production();
    limits.certificates_of_account.insert(ALICE.to_owned(), Rate::of(60, 7 * DAY));
    let (mut limiter, now) = (Limiter::new(limits), start());
    (0..50).for_each(|number| limiter.issued(&by(ALICE, &device(number)), now));
    let domain = "example.com".parse().unwrap();
    let own = Bucket::CertificatesOfAccount { account: ALICE, domain: &domain };
    assert_eq!(limiter.remaining(&own, now), 10);
    assert_eq!(limiter.remaining(&Bucket::Certificates { domain: &domain }, now), 0);
    limiter.new_order(&by(BOB, &device(50)), now).unwrap_err();
    limiter.new_order(&by(ALICE, &device(50)), now).unwrap();
}

#[test]
fn a_listed_suffix_gives_each_device_a_bucket() {
    let mut limits = CaLimits::production();
    limits.extra_public_suffixes.insert("example.com".parse().unwrap());
    let (mut limiter, now) = (Limiter::new(limits), start());
    (0..200).for_each(|number| limiter.issued(&by(ALICE, &device(number)), now));
    limiter.new_order(&by(ALICE, &device(200)), now).unwrap();
    let domain = "device0.example.com".parse().unwrap();
    assert_eq!(limiter.remaining(&Bucket::Certificates { domain: &domain }, now), 49);
}

#[test]
fn staging() {
    let (mut limiter, now) = (Limiter::new(CaLimits { jitter: None, ..CaLimits::staging() }), start());
    assert_eq!(orders_at_once(&mut limiter, ALICE, now), (1500, Duration::from_millis(7200)));
    let name = &host(&device(0), 0);
    (0..3600).for_each(|_| limiter.validation_failed(ALICE, name, now));
    assert!(!limiter.is_paused(ALICE, name));
    limiter.validation_failed(ALICE, name, now);
    assert!(limiter.is_paused(ALICE, name));
    let domain = "example.com".parse().unwrap();
    assert_eq!(limiter.remaining(&Bucket::Certificates { domain: &domain }, now), 30_000);
    assert_eq!(limiter.remaining(&Bucket::ExactSet { identifiers: &device(0) }, now), 30_000);
    assert_eq!(limiter.remaining(&Bucket::Failures { account: BOB, name }, now), 200);
    assert_eq!(limiter.remaining(&Bucket::RegistrationsFromAddress("192.0.2.1".parse().unwrap()), now), 50);
}

#[test]
fn the_load_balancer_counts_by_address_and_resource() {
    let limits = CaLimits { requests: Some(RequestLimits::production()), ..CaLimits::production() };
    let (mut limiter, now) = (Limiter::new(limits), start());
    let (one, other) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
    for _ in 0..10 {
        limiter.request(Resource::NewNonce, one, now).unwrap();
    }
    assert_eq!(limiter.request(Resource::NewNonce, one, now), Err(seconds(1)));
    limiter.request(Resource::NewNonce, other, now).unwrap();
    limiter.request(Resource::Directory, one, now).unwrap();
    // Twenty a second.
    limiter.request(Resource::NewNonce, one, now + Duration::from_millis(50)).unwrap();
    limiter.request(Resource::NewNonce, one, now + Duration::from_millis(50)).unwrap_err();
    // The rest shares one bucket.
    for _ in 0..125 {
        limiter.request(Resource::Order, one, now).unwrap();
    }
    limiter.request(Resource::Challenge, one, now).unwrap_err();
    assert_eq!(limiter.counts().requests_refused, 3);
    assert_eq!(limiter.counts().all_refused(), 0);
}
