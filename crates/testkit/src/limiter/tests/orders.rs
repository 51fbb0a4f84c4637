//! What is checked and spent by which order.

use super::*;
use crate::limiter::{Bucket, Limit};
use std::net::IpAddr;

fn orders_left(limiter: &Limiter, account: &str, now: SystemTime) -> u64 {
    limiter.remaining(&Bucket::Orders { account }, now)
}

fn domain_left(limiter: &Limiter, domain: &str, now: SystemTime) -> u64 {
    limiter.remaining(&Bucket::Certificates { domain: &domain.parse().unwrap() }, now)
}

fn set_left(limiter: &Limiter, names: &IdentifierSet, now: SystemTime) -> u64 {
    limiter.remaining(&Bucket::ExactSet { identifiers: names }, now)
}

#[test]
fn a_plain_order_spends_orders_at_once_and_certificates_at_issuance() {
    let (mut limiter, now) = (limiter(), start());
    let both = names(["a.example.com", "b.example.net"]);
    limiter.new_order(&by(ALICE, &both), now).unwrap();
    assert_eq!(orders_left(&limiter, ALICE, now), 299);
    assert_eq!(limiter.bucket(&Bucket::Orders { account: ALICE }, now), Some(now + seconds(36)));
    assert_eq!((domain_left(&limiter, "example.com", now), set_left(&limiter, &both, now)), (50, 5));

    limiter.issued(&by(ALICE, &both), now);
    assert_eq!(orders_left(&limiter, ALICE, now), 299);
    assert_eq!(domain_left(&limiter, "example.com", now), 49);
    assert_eq!(domain_left(&limiter, "example.net", now), 49);
    assert_eq!(set_left(&limiter, &both, now), 4);
    let domain = "example.com".parse().unwrap();
    assert_eq!(limiter.bucket(&Bucket::Certificates { domain: &domain }, now), Some(now + seconds(12_096)));
    assert_eq!(limiter.bucket(&Bucket::ExactSet { identifiers: &both }, now), Some(now + seconds(120_960)));
    assert_eq!(limiter.bucket(&Bucket::ExactSet { identifiers: &both }, now + seconds(120_960)), None);
}

#[test]
fn orders_come_back_one_in_36_seconds() {
    let (mut limiter, now) = (limiter(), start());
    for number in 0..300 {
        limiter.new_order(&by(ALICE, &elsewhere(number)), now).unwrap();
    }
    let refused = limiter.new_order(&by(ALICE, &elsewhere(300)), now).unwrap_err();
    assert_eq!((refused.limit, refused.retry_in), (Limit::NewOrdersPerAccount, Some(seconds(36))));
    limiter.new_order(&by(BOB, &elsewhere(300)), now).unwrap();
    let just_before = now + seconds(36) - Duration::from_nanos(1);
    limiter.new_order(&by(ALICE, &elsewhere(300)), just_before).unwrap_err();
    limiter.new_order(&by(ALICE, &elsewhere(300)), now + seconds(36)).unwrap();
    limiter.new_order(&by(ALICE, &elsewhere(301)), now + seconds(36)).unwrap_err();
    assert_eq!(orders_left(&limiter, ALICE, now + 3 * HOUR), 299, "one was spent 36 s after the others");
    assert_eq!(orders_left(&limiter, ALICE, now + 3 * HOUR + seconds(36)), 300);
}

#[test]
fn certificates_of_a_domain_count_over_all_accounts() {
    let (mut limiter, now) = (limiter(), start());
    for number in 0..50 {
        limiter.issued(&by(if number % 2 == 0 { ALICE } else { BOB }, &device(number)), now);
    }
    let refused = limiter.new_order(&by(ALICE, &device(50)), now).unwrap_err();
    assert_eq!(refused.limit, Limit::CertificatesPerDomain);
    assert_eq!(refused.key, "example.com");
    assert_eq!(refused.retry_in, Some(seconds(12_096)));
    assert_eq!(orders_left(&limiter, ALICE, now), 300, "a refused order spends nothing");
    limiter.new_order(&by(ALICE, &device(50)), now + seconds(12_096)).unwrap();
}

#[test]
fn checked_is_not_reserved() {
    let (mut limiter, now) = (limiter(), start());
    for number in 0..49 {
        limiter.issued(&by(ALICE, &device(number)), now);
    }
    // One token is left, and three orders side by side pass. The bucket then gives what it has.
    for number in 50..53 {
        limiter.new_order(&by(ALICE, &device(number)), now).unwrap();
    }
    for number in 50..53 {
        limiter.issued(&by(ALICE, &device(number)), now);
    }
    let domain = "example.com".parse().unwrap();
    let bucket = Bucket::Certificates { domain: &domain };
    assert_eq!(limiter.bucket(&bucket, now), Some(now + 7 * DAY));
    assert_eq!(limiter.counts().spent[&Limit::CertificatesPerDomain], 50);
}

#[test]
fn a_renewal_meets_the_exact_set_and_failures_alone() {
    let (mut limiter, now) = (limiter(), start());
    let set = device(0);
    limiter.issued(&by(BOB, &set), now);
    for number in 1..50 {
        limiter.issued(&by(ALICE, &device(number)), now);
    }
    for number in 0..300 {
        limiter.new_order(&by(ALICE, &elsewhere(number)), now).unwrap();
    }
    // Neither the account nor the domain has anything left; the set was issued, though by another account.
    for left in [3, 2, 1, 0] {
        limiter.new_order(&by(ALICE, &set), now).unwrap();
        limiter.issued(&by(ALICE, &set), now);
        assert_eq!(set_left(&limiter, &set, now), left);
    }
    let refused = limiter.new_order(&by(ALICE, &set), now).unwrap_err();
    assert_eq!(refused.limit, Limit::CertificatesPerExactSet);
    assert_eq!(refused.retry_in, Some(seconds(120_960)));
    assert_eq!(limiter.counts().spent[&Limit::CertificatesPerDomain], 50, "renewals spend none");

    let other = device(1);
    for _ in 0..5 {
        limiter.validation_failed(ALICE, &host(&other, 0), now);
    }
    let refused = limiter.new_order(&by(ALICE, &other), now).unwrap_err();
    assert_eq!(refused.limit, Limit::FailedAuthorizations);
    limiter.new_order(&by(BOB, &other), now).unwrap();
}

#[test]
fn after_120_days_it_is_no_renewal_any_more() {
    let (mut limiter, now) = (limiter(), start());
    let set = device(0);
    limiter.issued(&by(ALICE, &set), now);
    let last = now + 120 * DAY - Duration::from_nanos(1);
    limiter.new_order(&by(ALICE, &set), last).unwrap();
    assert_eq!((limiter.counts().renewals, orders_left(&limiter, ALICE, last)), (1, 300));
    let over = now + 120 * DAY;
    limiter.new_order(&by(ALICE, &set), over).unwrap();
    assert_eq!((limiter.counts().renewals, orders_left(&limiter, ALICE, over)), (1, 299));
    limiter.issued(&by(ALICE, &set), over);
    assert_eq!(domain_left(&limiter, "example.com", over), 49);
    // It counts from the last issuance.
    limiter.new_order(&by(ALICE, &set), over + 119 * DAY).unwrap();
    assert_eq!(limiter.counts().renewals, 2);
}

#[test]
fn a_subset_is_no_renewal() {
    let (mut limiter, now) = (limiter(), start());
    limiter.issued(&by(ALICE, &names(["a.example.com", "b.example.com"])), now);
    limiter.new_order(&by(ALICE, &names(["b.example.com", "a.example.com"])), now).unwrap();
    limiter.new_order(&by(ALICE, &names(["a.example.com"])), now).unwrap();
    assert_eq!((limiter.counts().renewals, orders_left(&limiter, ALICE, now)), (1, 299));
}

#[test]
fn a_replacement_in_its_window_meets_no_limit() {
    let (mut limiter, now) = (limiter(), start());
    for number in 0..50 {
        limiter.issued(&by(ALICE, &device(number)), now);
    }
    let set = device(0);
    for _ in 0..4 {
        limiter.issued(&by(ALICE, &set), now);
    }
    for _ in 0..5 {
        limiter.validation_failed(ALICE, &host(&set, 0), now);
    }
    for number in 0..300 {
        limiter.new_order(&by(ALICE, &elsewhere(number)), now).unwrap();
    }
    assert_eq!(set_left(&limiter, &set, now), 0);
    limiter.new_order(&by(ALICE, &set), now).unwrap_err();
    limiter.new_order(&replacing(ALICE, &set), now).unwrap();
    assert_eq!(limiter.counts().replacements, 1);
}

#[test]
fn a_replacement_spends_at_issuance() {
    let (mut limiter, now) = (limiter(), start());
    let (old, new) = (names(["a.example.com"]), names(["a.example.com", "b.example.com"]));
    limiter.issued(&by(ALICE, &old), now);
    // The same names: the exact set alone.
    limiter.issued(&replacing(ALICE, &old), now);
    assert_eq!((set_left(&limiter, &old, now), domain_left(&limiter, "example.com", now)), (3, 49));
    // Other names: the registered domain too.
    limiter.issued(&replacing(ALICE, &new), now);
    assert_eq!((set_left(&limiter, &new, now), domain_left(&limiter, "example.com", now)), (4, 48));
    assert_eq!(orders_left(&limiter, ALICE, now), 300);
}

#[test]
fn a_token_comes_back_when_no_order_was_made() {
    let (mut limiter, now) = (limiter(), start());
    for number in 0..3 {
        limiter.new_order(&by(ALICE, &device(number)), now).unwrap();
    }
    limiter.order_not_created(&by(ALICE, &device(2)), now);
    assert_eq!(limiter.bucket(&Bucket::Orders { account: ALICE }, now), Some(now + seconds(72)));
    // What a renewal or a replacement did not spend does not come back.
    limiter.issued(&by(ALICE, &device(0)), now);
    limiter.order_not_created(&by(ALICE, &device(0)), now);
    limiter.order_not_created(&replacing(ALICE, &device(1)), now);
    assert_eq!(limiter.bucket(&Bucket::Orders { account: ALICE }, now), Some(now + seconds(72)));
    // A bucket becomes full and no fuller.
    for _ in 0..3 {
        limiter.order_not_created(&by(ALICE, &device(2)), now);
    }
    assert_eq!(
        (orders_left(&limiter, ALICE, now), limiter.counts().spent[&Limit::NewOrdersPerAccount]),
        (300, 0)
    );
}

#[test]
fn failures_count_by_account_and_name() {
    let (mut limiter, now) = (limiter(), start());
    let set = names(["a.example.com", "b.example.com"]);
    for _ in 0..5 {
        limiter.new_order(&by(ALICE, &set), now).unwrap();
        limiter.validation_failed(ALICE, &host(&set, 0), now);
    }
    let refused = limiter.new_order(&by(ALICE, &set), now).unwrap_err();
    assert_eq!((refused.limit, refused.retry_in), (Limit::FailedAuthorizations, Some(seconds(720))));
    limiter.new_order(&by(ALICE, &rest(&set)), now).unwrap();
    limiter.new_order(&by(BOB, &set), now).unwrap();
    // A success gives nothing back here.
    limiter.validated(ALICE, &host(&set, 0));
    limiter.new_order(&by(ALICE, &set), now + seconds(720) - Duration::from_nanos(1)).unwrap_err();
    limiter.new_order(&by(ALICE, &set), now + seconds(720)).unwrap();
}

#[test]
fn the_refusal_that_clears_last_is_told() {
    let (mut limiter, now) = (limiter(), start());
    for number in 0..50 {
        limiter.issued(&by(ALICE, &device(number)), now);
    }
    let set = device(99);
    for _ in 0..5 {
        limiter.validation_failed(ALICE, &host(&set, 0), now);
    }
    for number in 0..300 {
        limiter.new_order(&by(ALICE, &elsewhere(number)), now).unwrap();
    }
    assert_eq!(limiter.new_order(&by(ALICE, &set), now).unwrap_err().limit, Limit::CertificatesPerDomain);
    let later = now + seconds(12_096);
    assert_eq!(limiter.new_order(&by(ALICE, &set), later), Ok(()));
}

#[test]
fn accounts_count_by_address_and_by_range() {
    let (mut limiter, now) = (limiter(), start());
    let four: IpAddr = "192.0.2.1".parse().unwrap();
    for _ in 0..10 {
        limiter.new_account(four, now).unwrap();
    }
    let refused = limiter.new_account(four, now).unwrap_err();
    assert_eq!((refused.limit, refused.retry_in), (Limit::NewRegistrationsPerIpAddress, Some(seconds(1080))));
    limiter.new_account("::ffff:192.0.2.1".parse().unwrap(), now).unwrap_err();
    limiter.account_not_created(four, now);
    limiter.new_account(four, now).unwrap();

    for host in 0..500 {
        limiter.new_account(format!("2001:db8:1::{host:x}").parse().unwrap(), now).unwrap();
    }
    let refused = limiter.new_account("2001:db8:1:2::1".parse().unwrap(), now).unwrap_err();
    assert_eq!(refused.limit, Limit::NewRegistrationsPerIpv6Range);
    assert_eq!(
        (refused.key.as_str(), refused.retry_in),
        ("2001:db8:1::/48", Some(Duration::from_millis(21_600)))
    );
    limiter.new_account("2001:db8:2::1".parse().unwrap(), now).unwrap();
}

#[test]
fn a_clock_that_is_set_back_gives_nothing_away() {
    let (mut limiter, now) = (limiter(), start());
    for number in 0..300 {
        limiter.new_order(&by(ALICE, &elsewhere(number)), now).unwrap();
    }
    let refused = limiter.new_order(&by(ALICE, &elsewhere(300)), now - HOUR).unwrap_err();
    assert_eq!(refused.retry_in, Some(HOUR + seconds(36)));
    let long_ago = SystemTime::UNIX_EPOCH - DAY;
    limiter.new_order(&by(BOB, &elsewhere(0)), long_ago).unwrap();
    assert_eq!(
        limiter.bucket(&Bucket::Orders { account: BOB }, long_ago),
        Some(SystemTime::UNIX_EPOCH + seconds(36))
    );
}
