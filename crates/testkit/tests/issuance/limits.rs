//! Limits, over the wire.

use std::time::{Duration, SystemTime};

use fleetcert_acme_server::Resource;
use fleetcert_ambient::{Clock, SystemClock};
use fleetcert_testkit::limiter::{Bucket, CaLimits, Limit, Rate, RequestLimits};
use instant_acme::{Error, OrderStatus};

use crate::world::{TestSetup, host};

const DAY: Duration = Duration::from_secs(86_400);

async fn limited(change: impl FnOnce(&mut CaLimits)) -> TestSetup {
    let mut limits = CaLimits::production();
    change(&mut limits);
    TestSetup::start(|options, _| options.rate_limits = Some(limits)).await
}

/// The sentence of a refusal with status 429.
fn refusal<T>(answer: Result<T, Error>) -> String {
    match answer {
        Err(Error::Api(problem)) => {
            assert_eq!(problem.status, Some(429));
            assert_eq!(problem.r#type.as_deref(), Some("urn:ietf:params:acme:error:rateLimited"));
            problem.detail.unwrap()
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("the order was not refused"),
    }
}

#[tokio::test]
async fn an_order_beyond_the_limit_is_refused_and_one_in_use_costs_too() {
    let world = limited(|limits| limits.new_orders_per_account = Rate::of(2, DAY)).await;
    let account = world.account().await;
    let first = world.order(&account, &["a.fleet.test"], None).await.unwrap();
    let again = world.order(&account, &["a.fleet.test"], None).await.unwrap();
    assert_eq!(first.url(), again.url(), "the same order");
    let detail = refusal(world.order(&account, &["b.fleet.test"], None).await);
    assert!(
        detail.starts_with("too many new orders (2) from this account in the last 24h0m0s, retry after 20")
    );
    assert!(detail.ends_with(" UTC: see https://letsencrypt.org/docs/rate-limits/#new-orders-per-account"));
    assert_eq!(world.ca.ledger().rate_limited(), [(Limit::NewOrdersPerAccount, 1)].into());
    assert_eq!(world.ca.ledger().orders().len(), 1);
    world.stop().await;
}

#[tokio::test]
async fn a_refused_order_gives_its_token_back() {
    let mut limits = CaLimits::production();
    limits.new_orders_per_account = Rate::of(2, DAY);
    let world = TestSetup::start(|options, _| {
        options.rate_limits = Some(limits);
        options.zones = vec!["fleet.test".parse().unwrap()];
    })
    .await;
    let account = world.account().await;
    for _ in 0..5 {
        world.order(&account, &["a.elsewhere.test"], None).await.err().unwrap();
    }
    assert_eq!(world.ca.ledger().rate_limited(), [].into());
    let bucket = Bucket::Orders { account: account.id() };
    assert_eq!(world.ca.limiter(|limiter| limiter.remaining(&bucket, SystemClock.now())), Some(2));
    world.stop().await;
}

#[tokio::test]
async fn issuance_spends_and_a_renewal_is_exempt() {
    let world = limited(|limits| limits.certificates_per_domain = Rate::of(1, 7 * DAY)).await;
    let account = world.account().await;
    let csr = world.csr("a.fleet.test");
    world.issue(&account, &csr, None).await.unwrap();
    let detail = refusal(world.order(&account, &["b.fleet.test"], None).await);
    assert!(
        detail
            .starts_with("too many certificates (1) already issued for \"fleet.test\" in the last 168h0m0s")
    );
    // The same set again, four times more, and not a fifth time.
    for _ in 0..4 {
        world.issue(&account, &csr, None).await.unwrap();
    }
    let detail = refusal(world.order(&account, &["a.fleet.test"], None).await);
    assert!(
        detail
            .starts_with("too many certificates (5) already issued for this exact set of identifiers in the")
    );
    let refused = [(Limit::CertificatesPerDomain, 1), (Limit::CertificatesPerExactSet, 1)];
    assert_eq!(world.ca.ledger().rate_limited(), refused.into());
    world.stop().await;
}

#[tokio::test]
async fn a_listed_suffix_has_a_bucket_for_each_device() {
    let world = limited(|limits| {
        limits.certificates_per_domain = Rate::of(1, 7 * DAY);
        limits.extra_public_suffixes.insert("fleet.test".parse().unwrap());
    })
    .await;
    let account = world.account().await;
    for name in ["a.fleet.test", "b.fleet.test", "c.fleet.test"] {
        world.issue(&account, &world.csr(name), None).await.unwrap();
    }
    refusal(world.order(&account, &["www.a.fleet.test"], None).await);
    world.stop().await;
}

#[tokio::test]
async fn replaces_is_exempt_inside_the_window_alone() {
    let world = limited(|limits| limits.certificates_per_exact_set = Rate::of(1, 7 * DAY)).await;
    let account = world.account().await;
    let csr = world.csr("a.fleet.test");
    let chain = world.issue(&account, &csr, None).await.unwrap();
    let id = chain.leaf().certificate_id().unwrap();
    let minute = Duration::from_secs(60);
    let order = || world.order(&account, &["a.fleet.test"], Some(&chain));
    let window = |start: SystemTime, end: SystemTime| world.ca.set_renewal_window(id.clone(), start, end);

    // The window of its validity comes in two months.
    refusal(order().await);
    let now = SystemClock.now();
    window(now - 2 * minute, now - minute);
    refusal(order().await);
    window(now + minute, now + 2 * minute);
    refusal(order().await);
    window(now - minute, now + 2 * minute);
    let mut renewal = order().await.unwrap();
    world.finish(&mut renewal, &csr).await.unwrap();
    assert_eq!(world.ca.ledger().rate_limited(), [(Limit::CertificatesPerExactSet, 3)].into());
    assert_eq!(world.ca.limiter(|limiter| limiter.counts().replacements), Some(1));
    world.stop().await;
}

#[tokio::test]
async fn failures_are_counted_and_pause() {
    let world = limited(|limits| limits.consecutive_failures.burst = 2).await;
    let account = world.account().await;
    let fail = async || {
        let mut order = world.order(&account, &["a.fleet.test"], None).await.unwrap();
        world.answer(&mut order, |_| Vec::new()).await;
        assert_eq!(world.end_of(&mut order).await, OrderStatus::Invalid);
    };
    fail().await;
    world.issue(&account, &world.csr("a.fleet.test"), None).await.unwrap();
    fail().await;
    fail().await;
    let name = host("a.fleet.test");
    let bucket = Bucket::Failures { account: account.id(), name: &name };
    assert_eq!(world.ca.limiter(|limiter| limiter.remaining(&bucket, SystemClock.now())), Some(2));
    fail().await;
    let detail = refusal(world.order(&account, &["a.fleet.test"], None).await);
    assert!(detail.starts_with(
        "Your account is temporarily prevented from requesting certificates for a.fleet.test and possibly others. \
         Please visit: https://portal.letsencrypt.org/sfe/v1/unpause?jwt="
    ));
    assert_eq!(world.ca.ledger().rate_limited(), [(Limit::ConsecutiveFailures, 1)].into());
    assert_eq!(world.ca.limiter(|limiter| limiter.unpause(account.id())), Some(1));
    world.order(&account, &["a.fleet.test"], None).await.unwrap();
    world.stop().await;
}

#[tokio::test]
async fn a_validation_that_never_ends_is_a_failure() {
    let world = TestSetup::start(|options, _| {
        options.rate_limits = Some(CaLimits::production());
        options.acme.validation_timeout = Duration::from_millis(50);
    })
    .await;
    world.ca.faults().delay_validations(Duration::from_secs(3600));
    let account = world.account().await;
    let mut order = world.order(&account, &["a.fleet.test"], None).await.unwrap();
    world.answer(&mut order, |_| Vec::new()).await;
    assert_eq!(world.end_of(&mut order).await, OrderStatus::Invalid);
    assert_eq!(world.ca.limiter(|limiter| limiter.counts().failed_validations), Some(1));
    world.stop().await;
}

#[tokio::test]
async fn new_accounts_are_counted_and_old_ones_are_not() {
    let world = limited(|limits| limits.new_registrations_per_ip_address = Rate::of(2, DAY)).await;
    world.account().await;
    let account = world.account().await;
    let detail = refusal(world.try_account().await);
    assert!(detail.starts_with("too many new registrations (2) from this IP address in the last 24h0m0s"));
    world.order(&account, &["a.fleet.test"], None).await.unwrap();
    world.stop().await;
}

#[tokio::test]
async fn the_headers_of_a_refusal() {
    let world = limited(|limits| {
        let hour = Duration::from_secs(3600);
        limits.requests = Some(RequestLimits {
            per_resource: [(Resource::Directory, Rate { burst: 5, count: 1, period: hour })].into(),
            others: Rate::of(100, Duration::from_secs(1)),
        });
        limits.new_registrations_per_ip_address = Rate::of(1, DAY);
        limits.jitter = None;
    })
    .await;
    world.account().await;
    let answer = world.raw_new_account().await;
    assert_eq!(answer.status(), 429);
    assert_eq!(answer.headers()["retry-after"], "86400");
    assert!(answer.headers().contains_key("replay-nonce"));
    let links: Vec<_> = answer.headers().get_all("link").iter().collect();
    assert!(
        links.contains(&&"<https://letsencrypt.org/docs/rate-limits>;rel=\"help\"".parse().unwrap()),
        "{links:?}"
    );

    // Two of the five are gone: one for each account.
    let http = world.http();
    for expected in [200, 200, 200, 503, 503] {
        let answer = http.get(world.ca.directory_url()).send().await.unwrap();
        assert_eq!(answer.status(), expected);
        let wait = answer.headers().get("retry-after").map(|wait| wait.to_str().unwrap().parse().unwrap());
        assert_eq!(wait.is_some_and(|wait: u64| (3000..=3600).contains(&wait)), expected == 503, "{wait:?}");
    }
    assert_eq!(world.ca.ledger().turned_away(), 2);
    assert_eq!(world.ca.ledger().requests(Resource::Directory), 7);
    world.stop().await;
}
