//! The numbers that Let's Encrypt publishes.

use super::*;

fn limit(limits: &Limits, kind: LimitKind) -> Limit {
    match limits.rule(kind) {
        Rule::Limited(limit) => limit,
        other => panic!("{kind} is {other:?}"),
    }
}

#[test]
fn production_has_the_published_intervals() {
    let limits = Limits::lets_encrypt_production();
    let hour = Duration::from_secs(3600);
    for (kind, burst, emission_ms, offset) in [
        (LimitKind::NewRegistrationsPerIpAddress, 10, 1_080_000, 3 * hour),
        (LimitKind::NewRegistrationsPerIpv6Range, 500, 21_600, 3 * hour),
        (LimitKind::NewOrdersPerAccount, 300, 36_000, 3 * hour),
        (LimitKind::FailedAuthorizationsPerDomainPerAccount, 5, 720_000, hour),
        (LimitKind::CertificatesPerDomain, 50, 12_096_000, WEEK),
        (LimitKind::CertificatesPerFqdnSet, 5, 120_960_000, WEEK),
        (LimitKind::FailedAuthorizationsForPausingPerDomainPerAccount, 1152, 86_400_000, 1152 * DAY),
    ] {
        let limit = limit(&limits, kind);
        assert_eq!(limit.burst(), burst, "{kind}");
        assert_eq!(limit.emission_interval(), Duration::from_millis(emission_ms), "{kind}");
        assert_eq!(limit.burst_offset(), offset, "{kind}");
    }
    assert_eq!(limits.rule(LimitKind::CertificatesPerDomainPerAccount), Rule::Unlimited);
}

#[test]
fn staging_has_the_published_intervals() {
    let limits = Limits::lets_encrypt_staging();
    let orders = limit(&limits, LimitKind::NewOrdersPerAccount);
    assert_eq!((orders.burst(), orders.emission_interval()), (1500, Duration::from_millis(7200)));
    // A second does not divide by 30,000: the rest is lost in each interval, as at the CA.
    let domain = limit(&limits, LimitKind::CertificatesPerDomain);
    assert_eq!(domain.emission_interval(), Duration::from_nanos(33_333));
    assert_eq!(domain.burst_offset(), Duration::from_nanos(999_990_000));
    let failed = limit(&limits, LimitKind::FailedAuthorizationsPerDomainPerAccount);
    assert_eq!(failed.emission_interval(), Duration::from_secs(18));
}

#[test]
fn small_tier_for_orders_refills_more_slowly_than_the_default() {
    let tiers = [1, 5, 10, 25, 50, 75, 100, 175, 250, 500, 750, 1000].map(|thousands| thousands * 1000);
    let mut limits = Limits::lets_encrypt_production();
    let worse = tiers.into_iter().filter(|tier| {
        let limit = Limit::new(*tier, *tier, WEEK).unwrap();
        limits.set_override(Override::NewOrdersPerAccount(account()), limit).is_some()
    });
    assert_eq!(worse.collect::<Vec<_>>(), [1000, 5000, 10_000]);

    let warning = limits
        .set_override(Override::NewOrdersPerAccount(account()), Limit::new(1000, 1000, WEEK).unwrap())
        .unwrap();
    assert_eq!(warning.replaced_by.emission_interval(), Duration::from_millis(604_800));
    assert_eq!(warning.default.emission_interval(), Duration::from_secs(36));
    // It holds even so, and for this account alone.
    let rule = |account| limits.rule_for(&BucketKey::NewOrdersPerAccount(account));
    assert_eq!(rule(account()), Rule::Limited(warning.replaced_by));
    assert_eq!(rule(Account::new("other").unwrap()), Rule::Limited(warning.default));
}

#[test]
fn every_tier_for_a_domain_refills_faster_than_the_default() {
    let mut limits = Limits::lets_encrypt_production();
    for tier in [300, 1000, 5000, 10_000, 25_000, 1_000_000] {
        let limit = Limit::new(tier, tier, WEEK).unwrap();
        let domain = Override::CertificatesPerDomain("example.com".parse().unwrap());
        assert_eq!(limits.set_override(domain, limit), None);
        assert_eq!(limits.set_override(Override::CertificatesPerDomainPerAccount(account()), limit), None);
    }
}

#[test]
fn limits_of_other_cas_are_unknown() {
    let limits = Limits::unknown();
    assert!(LimitKind::ALL.into_iter().all(|kind| limits.rule(kind) == Rule::Unknown));
}
