//! Refusals of Boulder and of other servers, and hostile texts.

use fleetcert_names::IdentifierSet;
use fleetcert_schedule::budget::{
    Account, BucketKey, Budgets, Charges, LimitKind, Limits, OrderKind, Refusal,
};
use proptest::prelude::*;

use super::*;

const SEE: &str = "https://letsencrypt.org/docs/rate-limits/";

fn now() -> SystemTime {
    sentence::time("2026-11-25 12:00:00 UTC").unwrap()
}

fn account() -> Account {
    Account::new("https://acme-v02.api.letsencrypt.org/acme/acct/1").unwrap()
}

fn set(names: &[&str]) -> IdentifierSet {
    names.join(",").parse().unwrap()
}

fn limit(detail: &str, retry_after: Option<Duration>) -> ReachedLimit {
    match RateLimit::read(detail, retry_after, now()) {
        RateLimit::Reached(limit) => limit,
        other => panic!("{other:?}"),
    }
}

fn pause(detail: &str) -> NamePause {
    match RateLimit::read(detail, None, now()) {
        RateLimit::Paused(pause) => pause,
        other => panic!("{other:?}"),
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn every_sentence_of_boulder_names_its_limit() {
    let week = seconds(7 * 86_400);
    let hours = seconds(3 * 3600);
    let names = set(&["a.example.com", "b.example.com"]);
    for (sentence, anchor, kind, seen, key) in [
        (
            "too many new registrations (10) from this IP address in the last 3h0m0s",
            "new-registrations-per-ip-address",
            LimitKind::NewRegistrationsPerIpAddress,
            (10, hours),
            "WholeAccount https://acme-v02.api.letsencrypt.org/acme/acct/1",
        ),
        (
            "too many new registrations (500) from this /48 subnet of IPv6 addresses in the last 3h0m0s",
            "new-registrations-per-ipv6-range",
            LimitKind::NewRegistrationsPerIpv6Range,
            (500, hours),
            "WholeAccount https://acme-v02.api.letsencrypt.org/acme/acct/1",
        ),
        (
            "too many new orders (300) from this account in the last 3h0m0s",
            "new-orders-per-account",
            LimitKind::NewOrdersPerAccount,
            (300, hours),
            "NewOrdersPerAccount https://acme-v02.api.letsencrypt.org/acme/acct/1",
        ),
        (
            "too many failed authorizations (5) for \"b.example.com\" in the last 1h0m0s",
            "authorization-failures-per-identifier-per-account",
            LimitKind::FailedAuthorizationsPerDomainPerAccount,
            (5, seconds(3600)),
            "FailedAuthorizationsPerDomainPerAccount https://acme-v02.api.letsencrypt.org/acme/acct/1 b.example.com",
        ),
        (
            "too many certificates (5000) already issued for \"example.com\" in the last 168h0m0s",
            "new-certificates-per-registered-domain",
            LimitKind::CertificatesPerDomain,
            (5000, week),
            "CertificatesPerDomain example.com",
        ),
        (
            "too many certificates (5) already issued for this exact set of identifiers in the last 168h0m0s",
            "new-certificates-per-exact-set-of-identifiers",
            LimitKind::CertificatesPerFqdnSet,
            (5, week),
            "CertificatesPerFQDNSet a.example.com,b.example.com",
        ),
    ] {
        let time = "retry after 2026-11-25 13:02:03 UTC";
        let whole = format!("Error creating new order :: {sentence}, {time}: see {SEE}#{anchor}");
        // Either of the two that name the limit is enough.
        for detail in [&whole, &format!("{sentence}, {time}"), &format!("Enough. {time}: {SEE}#{anchor}")] {
            let limit_of = |retry_after| limit(detail, retry_after);
            assert_eq!(limit_of(Some(seconds(3700))).kind, Some(kind), "{detail}");
            assert_eq!(limit_of(Some(seconds(3700))).retry_after, seconds(3700));
            assert_eq!(limit_of(None).retry_after, seconds(3723));
        }
        let limit = limit(&whole, Some(seconds(3700)));
        assert_eq!(limit.seen, Some(seen));
        let (bucket, refusal) = limit.of_order(&Limits::lets_encrypt_production(), &account(), &names);
        assert_eq!(bucket.to_string(), key);
        let seen = Some(seen).filter(|_| !sentence.contains("registrations"));
        assert_eq!(refusal, Refusal { retry_after: seconds(3700), seen });
    }
}

#[test]
fn name_outside_the_order_is_ignored() {
    let limits = Limits::lets_encrypt_production();
    let of = |detail: &str, names: &[&str]| {
        limit(detail, Some(seconds(60))).of_order(&limits, &account(), &set(names))
    };
    let domain = "too many certificates (7) already issued for \"example.org\" in the last 168h0m0s, x";
    let failed = "too many failed authorizations (7) for \"*.example.com\" in the last 1h0m0s, x";
    let (key, refusal) = of(domain, &["a.example.com"]);
    assert_eq!(key, BucketKey::WholeAccount(account()));
    assert_eq!(refusal.seen, None);
    // An invalid name counts as none: the refusal is about the only name of the order.
    assert_eq!(of(failed, &["a.example.com"]).0.kind(), LimitKind::FailedAuthorizationsPerDomainPerAccount);
    assert_eq!(of(failed, &["a.example.com", "b.example.com"]).0.kind(), LimitKind::WholeAccount);
    let anchor = format!("{SEE}#new-certificates-per-registered-domain");
    assert_eq!(of(&anchor, &["a.example.com", "b.example.com"]).0.kind(), LimitKind::CertificatesPerDomain);
    assert_eq!(of(&anchor, &["a.example.com", "a.example.org"]).0.kind(), LimitKind::WholeAccount);
}

#[test]
fn anchor_takes_precedence_over_the_sentence() {
    let text = limit(
        &format!(
            "too many new orders (300) from this account in the last 3h0m0s, x: {SEE}#new-certificates-per-exact-set-of-identifiers"
        ),
        None,
    );
    assert_eq!((text.kind, text.seen), (Some(LimitKind::CertificatesPerFqdnSet), None));
    let unknown = limit(
        &format!("too many new orders (300) from this account in the last 3h0m0s, x: {SEE}#news"),
        None,
    );
    assert_eq!(unknown.kind, Some(LimitKind::NewOrdersPerAccount));
}

#[test]
fn unknown_refusal_holds_the_whole_account() {
    let text = limit("<html><head><title>429 Too Many Requests</title></head></html>", None);
    let mut budgets = Budgets::new(Limits::unknown(), 100);
    let (key, refusal) = text.of_order(budgets.limits(), &account(), &set(&["a.example.com"]));
    assert_eq!(key, BucketKey::WholeAccount(account()));
    assert_eq!(refusal, Refusal { retry_after: DEFAULT_WAIT, seen: None });
    budgets.correct(&key, refusal, now()).unwrap();
    // Every order of the account, even one that is exempt from the other limits.
    for kind in [OrderKind::New, OrderKind::SameSet, OrderKind::AriWindow { same_set: true }] {
        let charges = Charges::order(budgets.limits(), kind, &account(), &set(&["b.example.org"]));
        assert_eq!(budgets.denial(&charges, now()).unwrap().retry_at(), Some(now() + DEFAULT_WAIT));
        assert_eq!(budgets.denial(&charges, now() + DEFAULT_WAIT), None);
        let other = Account::new("other").unwrap();
        let charges = Charges::order(budgets.limits(), kind, &other, &set(&["b.example.org"]));
        assert_eq!(budgets.denial(&charges, now()), None);
    }
}

#[test]
fn pause_needs_an_operator_and_its_url_is_secret() {
    let url = "https://portal.letsencrypt.org/sfe/v1/unpause?jwt=abc.def.ghi";
    let detail = format!(
        "Your account is temporarily prevented from requesting certificates for a.example.com, b.example.com and possibly others. Please visit: {url}"
    );
    let pause = pause(&detail);
    let shown = format!("{pause:?} {pause:#?} {}", without_url(&detail));
    assert!(!shown.contains("abc.def") && !shown.contains("portal"), "{shown}");
    assert!(shown.contains("REDACTED"));
    assert_eq!(pause.unpause_url(), Some(url));
    let order = set(&["b.example.com", "c.example.com"]);
    assert_eq!(pause.names(&order), ["b.example.com".parse().unwrap()]);
    assert_eq!(pause.names(&set(&["d.example.com"])), ["d.example.com".parse().unwrap()]);

    let mut budgets = Budgets::new(Limits::lets_encrypt_production(), 100);
    pause.names(&order).into_iter().for_each(|name| assert!(budgets.pause(account(), name)));
    let charges = Charges::order(budgets.limits(), OrderKind::SameSet, &account(), &order);
    assert_eq!(budgets.denial(&charges, now()).unwrap().retry_at(), None);
}

#[test]
fn url_that_is_not_https_is_not_shown() {
    for url in ["http://portal.example/", "javascript:alert(1)", "", "https://a.example/\u{202e}moc"] {
        let detail = format!(
            "temporarily prevented from requesting certificates for a and possibly others. Please visit: {url}"
        );
        assert_eq!(pause(&detail).unpause_url(), None, "{url}");
    }
}

#[test]
fn wait_is_bounded_and_has_a_default() {
    let wait = |header| limit("", header).retry_after;
    assert_eq!(wait(Some(Duration::ZERO)), Duration::ZERO);
    assert_eq!(wait(Some(seconds(604_801))), MAX_WAIT);
    assert_eq!(wait(None), DEFAULT_WAIT);
    // A time in the sentence that has passed is ignored.
    assert_eq!(limit("retry after 2026-11-25 11:59:59 UTC", None).retry_after, DEFAULT_WAIT);
}

#[test]
fn durations_of_go_are_read() {
    for (text, nanos) in [
        ("168h0m0s", 604_800_000_000_000),
        ("1h30m5.5s", 5_405_500_000_000),
        ("0s", 0),
        ("0", 0),
        ("300ms", 300_000_000),
        ("1.5µs", 1500),
        ("1.000000001s", 1_000_000_001),
        (".5s", 500_000_000),
        ("2562047h47m16.854775807s", i64::MAX as u64),
    ] {
        assert_eq!(duration::parse(text), Some(Duration::from_nanos(nanos)), "{text}");
    }
    for text in
        ["", "1", "h", "-1s", "1d", "1.s2", "..s", "1..5s", "2562047h47m16.854775808s", "1h 2m", "１s"]
    {
        assert_eq!(duration::parse(text), None, "{text}");
    }
    assert_eq!(duration::parse(&"9".repeat(40)), None);
}

#[test]
fn only_the_beginning_of_a_long_text_is_read() {
    let sentence = "too many new orders (300) from this account in the last 3h0m0s, x";
    let far = format!("{}{sentence}", "ä".repeat(MAX_DETAIL));
    assert_eq!(limit(&far, None).kind, None);
    let near = format!("{sentence}{}", "ä".repeat(MAX_DETAIL));
    assert_eq!(limit(&near, None).kind, Some(LimitKind::NewOrdersPerAccount));
}

/// Pieces of real refusals in any order.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<String>(),
        prop::sample::select(vec![
            "too many certificates (",
            "too many new orders (",
            "too many failed authorizations (",
            "50",
            "0",
            "4294967296",
            ") ",
            "already issued for \"",
            "already issued for this exact set of identifiers",
            "for \"",
            "example.com",
            "*.example.com",
            "\"",
            " in the last ",
            "168h0m0s",
            "99999999999999999999h",
            ", retry after ",
            "2026-11-25 13:00:00 UTC",
            "9999-99-99 99:99:99 UTC",
            ": see https://letsencrypt.org/docs/rate-limits/#",
            "new-orders-per-account",
            "temporarily prevented from requesting certificates for ",
            " and possibly others",
            "Please visit: ",
            "https://a.example/?jwt=x",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_text_panics(
        detail in hostile(),
        retry_after in prop::option::of(any::<u32>()),
        nanos: i64,
    ) {
        let now = SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos.unsigned_abs());
        let names = set(&["a.example.com", "b.example.com"]);
        let _ = without_url(&detail);
        match RateLimit::read(&detail, retry_after.map(|it| seconds(it.into())), now) {
            RateLimit::Reached(limit) => {
                prop_assert!(limit.retry_after <= MAX_WAIT);
                let mut budgets = Budgets::new(Limits::lets_encrypt_production(), 10);
                let (key, refusal) = limit.of_order(budgets.limits(), &account(), &names);
                // It concerns this order and no other account's.
                let charges = Charges::order(budgets.limits(), OrderKind::New, &account(), &names);
                prop_assert!(charges.keys().any(|charged| *charged == key), "{}", key);
                prop_assert!(budgets.correct(&key, refusal, now).is_some());
            }
            RateLimit::Paused(pause) => {
                let paused = pause.names(&names);
                prop_assert!(!paused.is_empty());
                prop_assert!(paused.iter().all(|name| names.bases().any(|base| base == name)));
            }
        }
    }

    #[test]
    fn no_duration_panics(text in "[0-9.hmsuµn-]{0,40}") {
        let _ = duration::parse(&text);
    }

    #[test]
    fn duration_is_read_as_go_writes_it(seconds in 0u64..9_000_000_000) {
        let text = format!("{}h{}m{}s", seconds / 3600, seconds / 60 % 60, seconds % 60);
        prop_assert_eq!(duration::parse(&text), Some(Duration::from_secs(seconds)));
    }
}
