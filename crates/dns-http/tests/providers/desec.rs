//! Every request that the backend makes, and what it does with every answer.

mod imitation;

use fleetcert_ambient::SystemClock;
use fleetcert_dns::conformance::{Subject, check};
use fleetcert_dns::{BackendErrorKind, DnsBackend, DnsBackendExt, RecordType, Ttl};
use serde_json::{Value, json};

use crate::fixture::{
    Exchange, SECRET, Script, add, addresses, client, expect, json as answer, name, remove, require_refusals,
    require_unfit_refused, status, zone,
};
use fleetcert_dns_http::desec::{DesecBackend, DesecOptions};
use fleetcert_dns_http::{Endpoint, HttpClient};

const NAME: &str = "_acme-challenge.a.fleet.test";

fn make(endpoint: Endpoint, http: &HttpClient) -> DesecBackend {
    let options = DesecOptions { endpoint, ..DesecOptions::new(SECRET.into()) };
    DesecBackend::new(options, http)
}

fn backend(script: &Script) -> DesecBackend {
    make(script.endpoint("/api/v1"), &client(|options| options.requests_at_once = 1))
}

fn get(path: &str) -> Exchange {
    expect("GET", format!("/api/v1/domains/fleet.test/{path}"))
        .header("authorization", format!("Token {SECRET}"))
}

fn domain() -> Exchange {
    get("").answer(answer(json!({"name": "fleet.test", "minimum_ttl": 3600, "touched": "…"})))
}

fn rrset(subname: &str, record_type: &str, ttl: u32, records: &[&str]) -> Value {
    json!({"subname": subname, "type": record_type, "ttl": ttl, "records": records})
}

fn absent(path: &str) -> Exchange {
    get(path).answer(status(404).json(json!({"detail": "Not found."})))
}

fn patch(sets: &[Value]) -> Exchange {
    expect("PATCH", "/api/v1/domains/fleet.test/rrsets/")
        .header("authorization", format!("Token {SECRET}"))
        .header("content-type", "application/json")
        .json(json!(sets))
        .answer(answer(json!(sets)))
}

const TXT_PATH: &str = "rrsets/_acme-challenge.a/TXT/";

#[tokio::test]
async fn values_are_merged_with_the_minimum_ttl_of_the_domain() {
    let theirs = rrset("_acme-challenge.a", "TXT", 7200, &["\"theirs\"", "\"gone\"", "\"\""]);
    let script = Script::new([
        domain(),
        get(TXT_PATH).answer(answer(theirs)),
        patch(&[rrset("_acme-challenge.a", "TXT", 3600, &["\"theirs\"", "\"\"", "\"mine\""])]),
        get(TXT_PATH).answer(answer(rrset("_acme-challenge.a", "TXT", 3600, &["\"mine\""]))),
        patch(&[rrset("_acme-challenge.a", "TXT", 3600, &[])]),
        absent(TXT_PATH),
    ])
    .await;
    let backend = backend(&script);
    backend.apply(&zone(), &[add(NAME, "mine"), remove(NAME, "gone")]).await.unwrap();
    backend.apply(&zone(), &[remove(NAME, "mine")]).await.unwrap();
    // What is not there is not removed, and no write is spent on it.
    backend.apply(&zone(), &[remove(NAME, "mine")]).await.unwrap();
    script.finish();
}

#[tokio::test]
async fn the_apex_has_two_spellings() {
    let script = Script::new([
        domain(),
        absent("rrsets/@/A/"),
        absent("rrsets/@/AAAA/"),
        patch(&[rrset("", "A", 3600, &["10.1.1.4", "10.1.1.5"]), rrset("", "AAAA", 3600, &["fd00::4"])]),
        absent("rrsets/@/A/"),
        get("rrsets/@/AAAA/").answer(answer(rrset("", "AAAA", 3600, &["fd00::4"]))),
        patch(&[rrset("", "AAAA", 3600, &[])]),
    ])
    .await;
    let backend = backend(&script);
    backend
        .apply(&zone(), &[addresses("fleet.test", &["10.1.1.4", "10.1.1.5", "fd00::4"], Ttl::ADDRESS)])
        .await
        .unwrap();
    backend.apply(&zone(), &[addresses("fleet.test", &[], Ttl::ADDRESS)]).await.unwrap();
    script.finish();
}

#[tokio::test]
async fn many_sets_are_read_by_pages_of_a_list() {
    let changes: Vec<_> = (0..4).map(|number| add(&format!("n{number}.fleet.test"), "mine")).collect();
    let first = get("rrsets/?type=TXT&cursor=");
    let first_page = answer(json!([rrset("n0", "TXT", 3600, &["\"theirs\""])]));
    let second = get("rrsets/?type=TXT&cursor=abc").answer(answer(json!([
        rrset("n3", "TXT", 3600, &["\"mine\""]),
        rrset("n9", "TXT", 3600, &["\"not asked for\""]),
    ])));
    let script = Script::linked(|base| {
        let link = format!(
            "<{base}/api/v1/domains/fleet.test/rrsets/?type=TXT&cursor=>; rel=\"first\", \
             <{base}/api/v1/domains/fleet.test/rrsets/?type=TXT&cursor=abc>; rel=\"next\""
        );
        vec![
            domain(),
            first.answer(first_page.header("link", link)),
            second,
            patch(&[
                rrset("n0", "TXT", 3600, &["\"theirs\"", "\"mine\""]),
                rrset("n1", "TXT", 3600, &["\"mine\""]),
                rrset("n2", "TXT", 3600, &["\"mine\""]),
            ]),
        ]
    })
    .await;
    backend(&script).apply(&zone(), &changes).await.unwrap();
    script.finish();
}

#[tokio::test]
async fn next_page_on_another_server_gets_no_token() {
    let changes: Vec<_> = (0..4).map(|number| add(&format!("n{number}.fleet.test"), "mine")).collect();
    let elsewhere = answer(json!([])).header("link", "<https://evil.test/?cursor=a>; rel=\"next\"");
    let script = Script::new([domain(), get("rrsets/?type=TXT&cursor=").answer(elsewhere)]).await;
    let error = backend(&script).apply(&zone(), &changes).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Unavailable);
    script.finish();
}

#[tokio::test]
async fn foreign_domain_and_absent_set_are_distinguished() {
    let script = Script::new([absent("")]).await;
    let error = backend(&script).read(&zone(), &name(NAME), RecordType::Txt).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::NotInZone);
    script.finish();

    let script = Script::new([domain(), absent(TXT_PATH)]).await;
    assert_eq!(backend(&script).read(&zone(), &name(NAME), RecordType::Txt).await.unwrap(), None);
    script.finish();
}

#[tokio::test]
async fn invalid_call_is_not_sent() {
    let script = Script::new([]).await;
    let backend = backend(&script);
    require_unfit_refused(&backend, add("a.xfleet.test", "1"), add(NAME, "1"), 500).await;
    script.finish();
}

#[tokio::test]
async fn every_refusal_of_every_request_is_reported() {
    let change = async |backend: DesecBackend| backend.apply(&zone(), &[add(NAME, "1")]).await;
    let read = async |backend: DesecBackend| backend.texts(&zone(), &name(NAME)).await.map(drop);
    let several = async |backend: DesecBackend| {
        let changes: Vec<_> = (0..4).map(|number| add(&format!("n{number}.fleet.test"), "1")).collect();
        backend.apply(&zone(), &changes).await
    };
    let base = "/api/v1";
    require_refusals(base, Vec::new, || get(""), make, change, &[]).await;
    require_refusals(base, Vec::new, || get(""), make, read, &[]).await;
    require_refusals(base, || vec![domain()], || get("rrsets/?type=TXT&cursor="), make, several, &[]).await;
}

#[tokio::test]
async fn refused_write_is_reported() {
    let write = || patch(&[rrset("_acme-challenge.a", "TXT", 3600, &["\"1\""])]);
    for (code, kind) in [
        (400, BackendErrorKind::InvalidInput),
        (401, BackendErrorKind::Unauthenticated),
        (403, BackendErrorKind::Refused),
        (404, BackendErrorKind::NotInZone),
    ] {
        let refused = status(code).json(json!([{"non_field_errors": ["no"]}]));
        let script = Script::new([domain(), absent(TXT_PATH), write().answer(refused)]).await;
        let error = backend(&script).apply(&zone(), &[add(NAME, "1")]).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        script.finish();
    }
    let busy = status(429).header("retry-after", "1").json(json!({"detail": "Request was throttled."}));
    let script = Script::new([domain(), absent(TXT_PATH), write().answer(busy), write()]).await;
    backend(&script).apply(&zone(), &[add(NAME, "1")]).await.unwrap();
    script.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn backend_conforms_over_an_imitation() {
    let endpoint: Endpoint = format!("http://{}", imitation::start().await).parse().unwrap();
    let backend = make(endpoint, &client(|_| {}));
    // The API has no condition on a write, so that one name belongs to one process: all instances are one.
    let subject = Subject::new(|| backend.clone(), zone(), &SystemClock);
    check(&Subject { calls_at_once: 200, ..subject }).await.require_passed().unwrap();
}
