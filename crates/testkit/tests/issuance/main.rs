//! Whole issuances: a stock ACME client, HTTPS on a socket, and a name server that is asked for real.

#![allow(clippy::unwrap_used, clippy::panic)] // a test may

mod limits;
mod world;

use std::time::{Duration, SystemTime};

use fleetcert_acme_server::{Problem, ProblemKind, Resource};
use fleetcert_ambient::{Clock, SystemClock};
use fleetcert_dns::Change;
use fleetcert_nameserver::Caa;
use fleetcert_x509::{Chain, CsrPolicy, Expectation, KeyKind, KeyPair, Roots, VerifiedCsr, csr_for};
use instant_acme::{Error, Identifier, NewOrder, OrderStatus};
use serde_json::json;

use world::TestSetup;

const NAME: &str = "xi8qz.fleet.test";
const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn a_stock_client_gets_a_chain_that_leads_to_the_root() {
    let world = TestSetup::start(|_, _| {}).await;
    let account = world.account().await;
    let identifiers = "a.fleet.test,b.fleet.test".parse().unwrap();
    for kind in [KeyKind::P256, KeyKind::P384, KeyKind::Rsa2048] {
        let csr = csr_for(&identifiers, &KeyPair::generate(kind).unwrap()).unwrap();
        let csr = VerifiedCsr::parse(&csr, &CsrPolicy::lets_encrypt()).unwrap();
        let chain = world.issue(&account, &csr, None).await.unwrap();
        let roots = Roots::from_pem(world.ca.issuing_root_pem().as_bytes()).unwrap();
        let now = SystemClock.now();
        let expected = Expectation { spki: csr.spki(), identifiers: &identifiers, now, roots: Some(&roots) };
        assert_eq!(chain.check(&expected), Ok(()));
    }

    let ledger = world.ca.ledger();
    assert_eq!(ledger.certificates().len(), 3);
    assert_eq!(ledger.certificates()[0].account_url, account.id());
    assert_eq!(ledger.orders()[0].identifiers.canonical(), "a.fleet.test,b.fleet.test");
    assert!(ledger.validations().iter().all(|validation| validation.outcome.is_ok()));
    assert_eq!(ledger.requests(Resource::NewOrder), 3);
    assert!(ledger.all_requests() > 15);
    world.stop().await;
}

#[tokio::test]
async fn a_wildcard_and_its_base_come_in_one_certificate() {
    let world = TestSetup::start(|_, _| {}).await;
    let account = world.account().await;
    let names = [format!("*.{NAME}"), NAME.to_owned()];
    let mut order = world.order(&account, &[&names[0], &names[1]], None).await.unwrap();
    world.answer(&mut order, |change| vec![change]).await;
    assert_eq!(world.end_of(&mut order).await, OrderStatus::Ready);
    let mut params = rcgen::CertificateParams::new(names).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    let key = rcgen::KeyPair::generate().unwrap();
    order.finalize_csr(params.serialize_request(&key).unwrap().der()).await.unwrap();
    let chain = Chain::from_pem(order.certificate().await.unwrap().unwrap().as_bytes()).unwrap();
    assert_eq!(chain.leaf().identifier_set().unwrap(), format!("{NAME},*.{NAME}").parse().unwrap());
    let validated: Vec<_> = world.ca.ledger().validations().into_iter().map(|it| it.identifier).collect();
    assert!(
        validated.iter().any(fleetcert_names::Identifier::is_wildcard) && validated.len() == 2,
        "{validated:?}"
    );
    world.stop().await;
}

#[tokio::test]
async fn refused_nonces_are_no_end() {
    let world = TestSetup::start(|options, _| options.acme.nonce_rejection_percent = 5).await;
    let account = world.account().await;
    for number in 0..5 {
        let csr = world.csr(&format!("d{number}.fleet.test"));
        world.issue(&account, &csr, None).await.unwrap();
    }
    world.stop().await;
}

#[tokio::test]
async fn several_perspectives_and_a_caa_record_for_this_account_alone() {
    let world = TestSetup::start(|options, _| options.remote_perspectives = 3).await;
    let account = world.account().await;
    world.issue(&account, &world.csr(NAME), None).await.unwrap();
    world.stop().await;

    let forbidding = Caa {
        critical: false,
        tag: "issue".to_owned(),
        value: "ca.test; validationmethods=dns-01; accounturi=https://ca.test/acme/account/other".to_owned(),
    };
    let world = TestSetup::start(|_, zone| zone.caa = vec![forbidding.clone()]).await;
    let account = world.account().await;
    assert!(world.issue(&account, &world.csr(NAME), None).await.is_err());
    let outcome = world.ca.ledger().validations()[0].outcome.clone();
    assert_eq!(outcome.unwrap_err().kind(), ProblemKind::Caa);
    world.stop().await;
}

#[tokio::test]
async fn without_the_record_there_is_no_certificate() {
    let world = TestSetup::start(|_, _| {}).await;
    let account = world.account().await;
    let mut order = world.order(&account, &[NAME], None).await.unwrap();
    world.answer(&mut order, |_| Vec::new()).await;
    assert_eq!(world.end_of(&mut order).await, OrderStatus::Invalid);
    let missing = world.ca.ledger().validations()[0].outcome.clone().unwrap_err();
    assert_eq!(missing.kind(), ProblemKind::Dns);
    assert!(missing.detail().contains("NXDOMAIN looking up TXT for _acme-challenge.xi8qz.fleet.test"));

    let mut order = world.order(&account, &[NAME], None).await.unwrap();
    world.answer(&mut order, |change| vec![wrong(change)]).await;
    assert_eq!(world.end_of(&mut order).await, OrderStatus::Invalid);
    let wrong = world.ca.ledger().validations()[1].outcome.clone().unwrap_err();
    assert_eq!(wrong.kind(), ProblemKind::Unauthorized);
    world.stop().await;
}

fn wrong(change: Change) -> Change {
    match change {
        Change::AddTxt { name, ttl, .. } => Change::AddTxt { name, ttl, value: "wrong".parse().unwrap() },
        other => other,
    }
}

#[tokio::test]
async fn renewal_in_a_window_that_was_opened_as_at_pebble() {
    let world = TestSetup::start(|options, _| {
        options.life = 90 * DAY;
        options.acme.authorization_reuse = 30 * DAY;
    })
    .await;
    let account = world.account().await;
    let csr = world.csr(NAME);
    let chain = world.issue(&account, &csr, None).await.unwrap();
    let id = chain.leaf().certificate_id().unwrap();
    let url = format!("https://{}/acme/renewal-info/{id}", world.ca.local_addr());
    let http = world.http();

    let info: serde_json::Value = http.get(&url).send().await.unwrap().json().await.unwrap();
    let start = info["suggestedWindow"]["start"].as_str().unwrap();
    let start = time::OffsetDateTime::parse(start, &time::format_description::well_known::Rfc3339).unwrap();
    let after = SystemTime::from(start).duration_since(chain.leaf().not_before()).unwrap();
    assert!((59 * DAY..60 * DAY).contains(&after), "{after:?}");

    // The window, opened with what Pebble takes.
    let opened =
        json!({ "suggestedWindow": { "start": "2020-01-01T00:00:00Z", "end": "2020-01-02T00:00:00Z" } });
    let body = json!({ "certificate": chain.to_pem(), "ariResponse": opened.to_string() });
    let set = format!("https://{}/set-renewal-info/", world.ca.local_addr());
    let answer = http.post(&set).body(body.to_string()).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let answer = http.get(&url).send().await.unwrap();
    assert_eq!(answer.headers()["retry-after"], "21600");
    assert_eq!(answer.json::<serde_json::Value>().await.unwrap(), opened);

    let foreign = json!({ "certificate": world.ca.listener_root_pem(), "ariResponse": "x" });
    assert_ne!(http.post(&set).body(foreign.to_string()).send().await.unwrap().status(), 200);

    let renewed = world.issue(&account, &csr, Some(&chain)).await.unwrap();
    assert_ne!(renewed.leaf().serial(), chain.leaf().serial());
    assert_eq!(world.ca.ledger().certificates()[1].replaces, Some(id));
    world.stop().await;
}

#[tokio::test]
async fn windows_profiles_and_zones() {
    let world = TestSetup::start(|options, _| options.zones = vec!["fleet.test".parse().unwrap()]).await;
    let account = world.account().await;
    let profiles: Vec<String> = account.profiles().map(|profile| profile.name.to_owned()).collect();
    assert!(profiles.contains(&"shortlived".to_owned()), "{profiles:?}");

    let names = [Identifier::Dns(NAME.to_owned())];
    let mut order = account.new_order(&NewOrder::new(&names).profile("shortlived")).await.unwrap();
    let chain = world.finish(&mut order, &world.csr(NAME)).await.unwrap();
    let life = chain.leaf().not_after().duration_since(chain.leaf().not_before()).unwrap();
    assert_eq!(life, Duration::from_secs(160 * 3600 - 1));

    let (start, end) = (SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH + DAY);
    let id = chain.leaf().certificate_id().unwrap();
    world.ca.set_renewal_window(id.clone(), start, end);
    let url = format!("https://{}/acme/renewal-info/{id}", world.ca.local_addr());
    let info: serde_json::Value = world.http().get(&url).send().await.unwrap().json().await.unwrap();
    assert_eq!(info["suggestedWindow"]["end"], "1970-01-02T00:00:00Z");

    let refused = world.order(&account, &["www.example.com"], None).await;
    assert!(matches!(refused, Err(Error::Api(problem)) if problem.r#type.as_deref()
        == Some("urn:ietf:params:acme:error:rejectedIdentifier")));
    let root = format!("https://{}/roots/0", world.ca.local_addr());
    let root = world.http().get(&root).send().await.unwrap().text().await.unwrap();
    assert_eq!(root, world.ca.issuing_root_pem());
    world.stop().await;
}

#[tokio::test]
async fn faults_are_shown_and_then_over() {
    let world = TestSetup::start(|_, _| {}).await;
    let account = world.account().await;
    let problem = Problem::new(ProblemKind::RateLimited, "too many new orders (300) from this account")
        .with_retry_after(Duration::from_secs(36));
    world.ca.faults().refuse_next(Resource::NewOrder, 2, problem);
    world.ca.faults().delay_validations(Duration::from_millis(50));
    for _ in 0..2 {
        let refused = world.order(&account, &[NAME], None).await;
        assert!(matches!(refused, Err(Error::Api(problem)) if problem.status == Some(429)));
    }
    world.issue(&account, &world.csr(NAME), None).await.unwrap();
    assert_eq!(world.ca.ledger().requests(Resource::NewOrder), 3);
    assert_eq!(world.ca.ledger().orders().len(), 1);
    world.stop().await;
}

#[tokio::test]
async fn fifty_orders_side_by_side() {
    let world = TestSetup::start(|_, _| {}).await;
    let account = world.account().await;
    let issues = (0..50).map(|number| {
        let (world, account) = (&world, &account);
        async move {
            let csr = world.csr(&format!("d{number}.fleet.test"));
            world.issue(account, &csr, None).await.unwrap()
        }
    });
    let chains: Vec<Chain> = futures_util::future::join_all(issues).await;
    let serials: std::collections::HashSet<_> = chains.iter().map(|chain| chain.leaf().serial()).collect();
    assert_eq!(serials.len(), 50);
    world.stop().await;
}
