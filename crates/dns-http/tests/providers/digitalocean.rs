//! Every request that the backend makes, and what it does with every answer.

mod imitation;

use fleetcert_ambient::SystemClock;
use fleetcert_dns::conformance::{Subject, check};
use fleetcert_dns::{BackendErrorKind, Change, DnsBackend, DnsBackendExt, Ttl, TxtValue};
use serde_json::{Value, json};

use crate::fixture::{
    Exchange, SECRET, Script, addresses, client, expect, json as answer, name, require_refusals,
    require_unfit_refused, status, zone,
};
use fleetcert_dns_http::digitalocean::{DigitalOceanBackend, DigitalOceanOptions};
use fleetcert_dns_http::{Endpoint, HttpClient};

const NAME: &str = "_acme-challenge.a.fleet.test";
const OWN: &str = "_acme-challenge.a";

/// A dns-01 value that begins like this.
fn long(value: &str) -> String {
    format!("{value:-<43}")
}

fn text(value: &str) -> TxtValue {
    long(value).parse().unwrap()
}

fn make(endpoint: Endpoint, http: &HttpClient) -> DigitalOceanBackend {
    let options = DigitalOceanOptions { endpoint, ..DigitalOceanOptions::new(SECRET.into()) };
    DigitalOceanBackend::new(options, http)
}

fn backend(script: &Script) -> DigitalOceanBackend {
    make(script.endpoint("/v2"), &client(|options| options.requests_at_once = 1))
}

fn add(value: &str) -> Change {
    Change::AddTxt { name: name(NAME), value: text(value), ttl: Ttl::CHALLENGE }
}

fn remove(value: &str) -> Change {
    Change::RemoveTxt { name: name(NAME), value: text(value) }
}

fn bearer(method: &'static str, path: impl AsRef<str>) -> Exchange {
    expect(method, format!("/v2/domains/fleet.test/records{}", path.as_ref()))
        .header("authorization", format!("Bearer {SECRET}"))
}

fn get(owner: &str) -> Exchange {
    bearer("GET", format!("?name={owner}&per_page=200"))
}

fn record(id: u64, record_type: &str, own: &str, data: &str, ttl: u32) -> Value {
    json!({"id": id, "type": record_type, "name": own, "data": data, "ttl": ttl, "priority": null, "flags": null})
}

fn held(owner: &str, records: &[Value]) -> Exchange {
    get(owner)
        .answer(answer(json!({"domain_records": records, "links": {}, "meta": {"total": records.len()}})))
}

fn post(record_type: &str, own: &str, data: &str, ttl: u32) -> Exchange {
    bearer("POST", "")
        .json(json!({"type": record_type, "name": own, "data": data, "ttl": ttl}))
        .answer(status(201).json(json!({"domain_record": record(99, record_type, own, data, ttl)})))
}

fn delete(id: u64) -> Exchange {
    bearer("DELETE", format!("/{id}")).answer(status(204))
}

#[tokio::test]
async fn values_are_added_and_removed_one_by_one_and_others_stay() {
    let script = Script::new([
        held(NAME, &[]),
        post("TXT", OWN, &long("one"), 30),
        held(
            NAME,
            &[
                record(1, "TXT", OWN, &long("one"), 30),
                record(2, "TXT", OWN, "something else", 1800),
                record(3, "TXT", OWN, &long("theirs"), 1800),
                record(4, "TXT", OWN, &format!("\"{}\"", long("gone")), 1800),
                record(5, "TXT", OWN, &long("gone"), 1800),
                record(6, "A", OWN, "10.1.1.4", 1800),
                record(7, "MX", OWN, "mail.fleet.test", 1800),
                record(8, "TXT", "b", &long("gone"), 1800),
            ],
        ),
        post("TXT", OWN, &long("two"), 30),
        delete(4),
        delete(5).answer(status(404).json(json!({"id": "not_found"}))),
        held(NAME, &[record(1, "TXT", OWN, &long("one"), 30)]),
    ])
    .await;
    let backend = backend(&script);
    backend.apply(&zone(), &[add("one")]).await.unwrap();
    backend.apply(&zone(), &[remove("gone"), add("two"), add("one")]).await.unwrap();
    // Records that are as they should be are not written.
    backend.apply(&zone(), &[add("one"), remove("two")]).await.unwrap();
    script.finish();
}

#[tokio::test]
async fn addresses_come_before_others_go() {
    let script = Script::new([
        held(
            "fleet.test",
            &[
                record(1, "A", "@", "10.1.1.4", 60),
                record(2, "A", "@", "10.1.1.5", 1800),
                record(3, "AAAA", "@", "fd00::4", 60),
                record(4, "TXT", "@", "v=spf1 -all", 60),
                record(5, "A", "@", "10.1.1.6", 60),
            ],
        ),
        post("A", "@", "10.1.1.5", 60),
        post("A", "@", "10.1.1.7", 60),
        delete(2),
        delete(5),
        delete(3),
        held("fleet.test", &[record(1, "A", "@", "10.1.1.4", 60)]),
        delete(1),
    ])
    .await;
    let backend = backend(&script);
    backend
        .apply(&zone(), &[addresses("fleet.test", &["10.1.1.4", "10.1.1.5", "10.1.1.7"], Ttl::ADDRESS)])
        .await
        .unwrap();
    backend.apply(&zone(), &[addresses("fleet.test", &[], Ttl::ADDRESS)]).await.unwrap();
    script.finish();
}

#[tokio::test]
async fn all_pages_are_read() {
    let script = Script::linked(|base| {
        let next = format!("{base}/v2/domains/fleet.test/records?name={NAME}&page=2&per_page=200");
        let page = |value: &str, id, links: Value| {
            answer(json!({"domain_records": [record(id, "TXT", OWN, &long(value), 60)], "links": links}))
        };
        vec![
            get(NAME).answer(page("one", 1, json!({"pages": {"next": next, "last": next}}))),
            bearer("GET", format!("?name={NAME}&page=2&per_page=200")).answer(page(
                "two",
                2,
                json!({"pages": {"first": "…"}}),
            )),
        ]
    })
    .await;
    let texts = backend(&script).texts(&zone(), &name(NAME)).await.unwrap();
    assert_eq!(texts, [text("one"), text("two")].into());
    script.finish();

    let elsewhere = json!({"domain_records": [], "links": {"pages": {"next": "https://evil.test/v2"}}});
    let script = Script::new([get(NAME).answer(answer(elsewhere))]).await;
    let error = backend(&script).texts(&zone(), &name(NAME)).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Unavailable);
    script.finish();
}

#[tokio::test]
async fn addition_is_not_repeated_after_a_lost_answer() {
    let one = || post("TXT", OWN, &long("one"), 30);
    for answer in [status(500), status(201).text("application/json", "{\"domain").broken()] {
        let script = Script::new([held(NAME, &[]), one().answer(answer)]).await;
        let error = backend(&script).apply(&zone(), &[add("one")]).await.unwrap_err();
        assert_eq!((error.kind(), error.attempt()), (BackendErrorKind::Unavailable, 1));
        script.finish();
    }
    let busy = status(429).header("retry-after", "1").json(json!({"id": "too_many_requests"}));
    let script = Script::new([held(NAME, &[]), one().answer(busy), one()]).await;
    backend(&script).apply(&zone(), &[add("one")]).await.unwrap();
    script.finish();
}

#[tokio::test]
async fn invalid_call_is_not_sent() {
    let script = Script::new([]).await;
    let backend = backend(&script);
    require_unfit_refused(&backend, addresses("a.xfleet.test", &[], Ttl::ADDRESS), add("1"), 50).await;
    let other =
        Change::AddTxt { name: name(NAME), value: "v=spf1 -all".parse().unwrap(), ttl: Ttl::CHALLENGE };
    let error = backend.apply(&zone(), &[other]).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::InvalidInput);
    script.finish();
}

#[tokio::test]
async fn every_refusal_of_every_request_is_reported() {
    let change = async |backend: DigitalOceanBackend| backend.apply(&zone(), &[add("1")]).await;
    let read = async |backend: DigitalOceanBackend| backend.texts(&zone(), &name(NAME)).await.map(drop);
    require_refusals("/v2", Vec::new, || get(NAME), make, change, &[]).await;
    require_refusals("/v2", Vec::new, || get(NAME), make, read, &[]).await;
}

#[tokio::test]
async fn refused_write_is_reported() {
    let old = || held(NAME, &[record(1, "TXT", OWN, &long("one"), 30)]);
    for (code, kind) in [
        (401, BackendErrorKind::Unauthenticated),
        (403, BackendErrorKind::Refused),
        (404, BackendErrorKind::NotInZone),
        (422, BackendErrorKind::InvalidInput),
    ] {
        let refused = || status(code).json(json!({"id": "no", "message": "…"}));
        let script =
            Script::new([held(NAME, &[]), post("TXT", OWN, &long("one"), 30).answer(refused())]).await;
        let error = backend(&script).apply(&zone(), &[add("one")]).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        script.finish();
        if code != 404 {
            let script = Script::new([old(), delete(1).answer(refused())]).await;
            let error = backend(&script).apply(&zone(), &[remove("one")]).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
            script.finish();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn backend_conforms_over_an_imitation() {
    let endpoint: Endpoint = format!("http://{}", imitation::start().await).parse().unwrap();
    // Two instances that share nothing: records come and go one by one.
    let subject = Subject::new(|| make(endpoint.clone(), &client(|_| {})), zone(), &SystemClock);
    check(&Subject { calls_at_once: 200, ..subject }).await.require_passed().unwrap();
}
