//! Every request that the backend makes, and what it does with every answer.

use fleetcert_ambient::SystemClock;
use fleetcert_dns::conformance::{Subject, check};
use fleetcert_dns::{Addresses, BackendErrorKind, Change, DnsBackend, RecordType, Ttl};
use secrecy::ExposeSecret;
use serde_json::json;

use crate::fixture::{
    Exchange, SECRET, Script, client, expect, json as answer, name, require_refusals, status, zone,
};
use fleetcert_dns_http::acme_dns::{AcmeDnsAccount, AcmeDnsBackend, register};
use fleetcert_dns_http::{Endpoint, HttpClient};

const NAME: &str = "_acme-challenge.a.fleet.test";
const SUBDOMAIN: &str = "8e5700ea-a4bf-41c7-8a77-e990661dcc6a";
const USER: &str = "c36f50e8-4632-44f0-83fe-e070fef28a10";

/// A dns-01 value that begins like this.
fn long(value: &str) -> String {
    format!("{value:-<43}")
}

fn account() -> AcmeDnsAccount {
    AcmeDnsAccount {
        full_domain: name(&format!("{SUBDOMAIN}.auth.test")),
        subdomain: SUBDOMAIN.to_owned(),
        username: USER.to_owned(),
        password: SECRET.into(),
    }
}

fn make(endpoint: Endpoint, http: &HttpClient) -> AcmeDnsBackend {
    AcmeDnsBackend::new(endpoint, [(name(NAME), account())], http)
}

fn backend(script: &Script) -> AcmeDnsBackend {
    make(script.endpoint("/"), &client(|_| {}))
}

fn add(owner: &str, value: &str) -> Change {
    Change::AddTxt { name: name(owner), value: long(value).parse().unwrap(), ttl: Ttl::CHALLENGE }
}

fn update(value: &str) -> Exchange {
    expect("POST", "/update")
        .header("x-api-user", USER)
        .header("x-api-key", SECRET)
        .header("content-type", "application/json")
        .json(json!({"subdomain": SUBDOMAIN, "txt": long(value)}))
        .answer(answer(json!({"txt": long(value)})))
}

#[tokio::test]
async fn a_value_is_written_once_while_it_is_there() {
    let script = Script::new([update("one"), update("two"), update("three"), update("one")]).await;
    let backend = backend(&script);
    backend.apply(&zone(), &[add(NAME, "one"), add(NAME, "two"), add(NAME, "one")]).await.unwrap();
    // By the name to which the CNAME points it is the same account.
    let full_domain = format!("{SUBDOMAIN}.auth.test");
    backend.apply(&name("auth.test"), &[add(&full_domain, "two"), add(&full_domain, "three")]).await.unwrap();
    // The third pushed out the first.
    backend.apply(&zone(), &[add(NAME, "one")]).await.unwrap();
    script.finish();
}

#[tokio::test]
async fn what_it_cannot_is_not_sent() {
    let script = Script::new([]).await;
    let backend = backend(&script);
    let remove = Change::RemoveTxt { name: name(NAME), value: long("one").parse().unwrap() };
    let nowhere =
        Change::SetAddresses { name: name(NAME), addresses: Addresses::default(), ttl: Ttl::ADDRESS };
    let short = Change::AddTxt { name: name(NAME), value: "short".parse().unwrap(), ttl: Ttl::CHALLENGE };
    for (changes, kind) in [
        (vec![remove], BackendErrorKind::InvalidInput),
        (vec![nowhere], BackendErrorKind::InvalidInput),
        (vec![short], BackendErrorKind::InvalidInput),
        (vec![add(NAME, "one"); 101], BackendErrorKind::InvalidInput),
        (vec![add(NAME, "one"), add("_acme-challenge.b.fleet.test", "one")], BackendErrorKind::NotInZone),
        (vec![add("_acme-challenge.a.xfleet.test", "one")], BackendErrorKind::NotInZone),
    ] {
        assert_eq!(backend.apply(&zone(), &changes).await.unwrap_err().kind(), kind, "{changes:?}");
    }
    let error = backend.read(&zone(), &name(NAME), RecordType::Txt).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::InvalidInput);
    let error = backend.read(&zone(), &name("elsewhere.test"), RecordType::Txt).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::NotInZone);
    assert!(!format!("{backend:?} {:?}", account()).contains(SECRET));
    script.finish();
}

#[tokio::test]
async fn every_refusal_is_told() {
    let change = async |backend: AcmeDnsBackend| backend.apply(&zone(), &[add(NAME, "1")]).await;
    require_refusals("/", Vec::new, || update("1"), make, change, &[]).await;
}

#[tokio::test]
async fn an_update_is_not_sent_twice_and_does_not_count_when_its_answer_is_lost() {
    let lost = answer(json!({"txt": long("one")})).broken();
    let other = answer(json!({"txt": long("another")}));
    let script = Script::new([
        update("one").answer(lost),
        update("one").answer(other),
        update("one").answer(status(500).json(json!({"error": "db_error"}))),
        update("one"),
    ])
    .await;
    let backend = backend(&script);
    for _ in 0..3 {
        let error = backend.apply(&zone(), &[add(NAME, "one")]).await.unwrap_err();
        assert_eq!((error.kind(), error.attempt()), (BackendErrorKind::Unavailable, 1));
    }
    backend.apply(&zone(), &[add(NAME, "one")]).await.unwrap();
    script.finish();
}

#[tokio::test]
async fn an_account_is_registered() {
    let registered = || {
        status(201).json(json!({
            "username": USER, "password": SECRET, "fulldomain": format!("{SUBDOMAIN}.auth.test"),
            "subdomain": SUBDOMAIN, "allowfrom": [],
        }))
    };
    let script = Script::new([
        expect("POST", "/register").no_header("x-api-key").answer(registered()),
        expect("POST", "/register").json(json!({"allowfrom": ["192.0.2.0/24"]})).answer(registered()),
    ])
    .await;
    let http = client(|_| {});
    for allow_from in [vec![], vec!["192.0.2.0/24".to_owned()]] {
        let new = register(script.endpoint("/"), &http, &name(NAME), &allow_from).await.unwrap();
        assert_eq!(new.full_domain, account().full_domain);
        assert_eq!((new.subdomain.as_str(), new.username.as_str()), (SUBDOMAIN, USER));
        assert_eq!(new.password.expose_secret(), SECRET);
    }
    script.finish();
}

#[tokio::test]
async fn a_registration_that_fails_shows_nothing_of_the_answer() {
    for (reply, kind) in [
        (status(201).json(json!({"username": USER, "password": SECRET})), BackendErrorKind::Unavailable),
        (
            status(201).json(
                json!({"username": USER, "password": SECRET, "subdomain": SUBDOMAIN, "fulldomain": "..."}),
            ),
            BackendErrorKind::Unavailable,
        ),
        (
            status(400).json(json!({"error": "invalid_allowfrom_cidr", "echo": SECRET})),
            BackendErrorKind::InvalidInput,
        ),
        (status(500), BackendErrorKind::Unavailable),
    ] {
        let script = Script::new([expect("POST", "/register").answer(reply)]).await;
        let error = register(script.endpoint("/"), &client(|_| {}), &name(NAME), &[]).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(!format!("{error} {error:?}").contains(SECRET), "{error:?}");
        script.finish();
    }
}

/// What of the suite can be run on a service that shows nothing and takes nothing back.
#[tokio::test]
async fn it_conforms_as_far_as_it_can() {
    let script = Script::new([]).await;
    let backend = backend(&script);
    let report = check(&Subject::new(|| backend.clone(), zone(), &SystemClock)).await;
    assert_eq!(report.failed().count(), 0, "{report}");
    script.finish();
}
