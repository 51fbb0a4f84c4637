//! Every request that the backend makes, and what it does with every answer.

mod imitation;

use std::time::Duration;

use fleetcert_ambient::SystemClock;
use fleetcert_dns::conformance::{Subject, check};
use fleetcert_dns::{BackendErrorKind, Change, DnsBackend, DnsBackendExt, RecordType, Ttl};
use serde_json::{Value, json};

use crate::fixture::{
    Answer, Exchange, SECRET, Script, addresses, client, expect, json as answer, name, require_refusals,
    require_unfit_refused, status, text, zone,
};
use fleetcert_dns_http::hetzner::{HetznerBackend, HetznerOptions};
use fleetcert_dns_http::{Endpoint, HttpClient};

const NAME: &str = "_acme-challenge.a.fleet.test";

fn make(endpoint: Endpoint, http: &HttpClient) -> HetznerBackend {
    let options = HetznerOptions { endpoint, ..HetznerOptions::new(SECRET.into()) };
    HetznerBackend::new(options, http)
}

fn backend(script: &Script) -> HetznerBackend {
    make(script.endpoint("/v1"), &client(|options| options.requests_at_once = 1))
}

fn add(value: &str) -> Change {
    Change::AddTxt { name: name(NAME), value: text(value), ttl: Ttl::CHALLENGE }
}

fn remove(value: &str) -> Change {
    Change::RemoveTxt { name: name(NAME), value: text(value) }
}

fn bearer(exchange: Exchange) -> Exchange {
    exchange.header("authorization", format!("Bearer {SECRET}"))
}

fn get(path: &str) -> Exchange {
    bearer(expect("GET", format!("/v1/{path}")))
}

fn the_zone() -> Exchange {
    get("zones/fleet.test").answer(answer(json!({"zone": {"id": 42, "mode": "primary", "ttl": 3600}})))
}

const TXT_PATH: &str = "zones/fleet.test/rrsets/_acme-challenge.a/TXT";

fn held(path: &str, ttl: Option<u32>, values: &[&str]) -> Exchange {
    let records: Vec<_> = values.iter().map(|value| json!({"value": value, "comment": "mine"})).collect();
    get(path).answer(answer(json!({"rrset": {"ttl": ttl, "records": records, "zone": 42}})))
}

fn absent(path: &str) -> Exchange {
    get(path).answer(refusal(404, "not_found"))
}

fn refusal(status_code: u16, code: &str) -> Answer {
    status(status_code).json(json!({"error": {"code": code, "message": "…"}}))
}

fn act(path: &str, action: &str, values: &[&str], ttl: Option<u32>) -> Exchange {
    let records: Vec<_> = values.iter().map(|value| json!({"value": value})).collect();
    let mut body = json!({"records": records});
    if let Some(ttl) = ttl {
        body["ttl"] = ttl.into();
    }
    post(path, action, body).answer(done("success"))
}

fn post(path: &str, action: &str, body: Value) -> Exchange {
    bearer(expect("POST", format!("/v1/{path}/actions/{action}"))).json(body)
}

fn done(status_text: &str) -> Answer {
    status(201).json(json!({"action": {"id": 7, "status": status_text, "error": null}}))
}

#[tokio::test]
async fn values_are_added_and_removed_one_by_one() {
    let script = Script::new([
        the_zone(),
        absent(TXT_PATH),
        act(TXT_PATH, "add_records", &["\"one\"", "\"two\""], Some(60)),
        held(TXT_PATH, None, &["\"one\"", "\"split \" \"theirs\"", "\"two\""]),
        act(TXT_PATH, "add_records", &["\"three\""], None),
        act(TXT_PATH, "remove_records", &["\"one\""], None),
        held(TXT_PATH, Some(60), &["\"two\""]),
    ])
    .await;
    let backend = backend(&script);
    backend.apply(&zone(), &[add("one"), add("two")]).await.unwrap();
    backend.apply(&zone(), &[remove("one"), add("three"), add("two")]).await.unwrap();
    // Records that are as they should be are not written.
    backend.apply(&zone(), &[add("two"), remove("four")]).await.unwrap();
    script.finish();
}

#[tokio::test]
async fn action_is_awaited() {
    let running = || get("actions/7").answer(done("running"));
    let add_one = || act(TXT_PATH, "add_records", &["\"1\""], Some(60)).answer(done("running"));
    let script = Script::new([
        the_zone(),
        absent(TXT_PATH),
        add_one(),
        running(),
        running(),
        get("actions/7").answer(done("success")),
    ])
    .await;
    backend(&script).apply(&zone(), &[add("1")]).await.unwrap();
    script.finish();

    for (code, kind) in [
        ("locked", BackendErrorKind::Conflict),
        ("server_error", BackendErrorKind::Unavailable),
        ("news", BackendErrorKind::Unavailable),
    ] {
        let failed = json!({"action": {"id": 7, "status": "error", "error": {"code": code, "message": "…"}}});
        let rounds = if kind == BackendErrorKind::Conflict { 8 } else { 1 };
        let round = || [absent(TXT_PATH), add_one().answer(status(201).json(failed.clone()))];
        let script = Script::new([the_zone()].into_iter().chain((0..rounds).flat_map(|_| round()))).await;
        let error = backend(&script).apply(&zone(), &[add("1")]).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(code), "{error}");
        script.finish();
    }
}

#[tokio::test]
async fn endless_action_ends_with_the_deadline() {
    let script = Script::new([
        the_zone(),
        absent(TXT_PATH),
        act(TXT_PATH, "add_records", &["\"1\""], Some(60)).answer(done("running")),
    ])
    .await;
    let http = client(|options| {
        options.call_within = Duration::from_secs(10);
        options.first_pause = Duration::from_secs(100);
        options.longest_pause = Duration::from_secs(100);
    });
    let error = make(script.endpoint("/v1"), &http).apply(&zone(), &[add("1")]).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Unavailable);
    assert!(error.to_string().contains("still running"), "{error}");
    script.finish();
}

#[tokio::test]
async fn conflict_reads_the_set_again() {
    let script = Script::new([
        the_zone(),
        held(TXT_PATH, Some(60), &["\"theirs\""]),
        act(TXT_PATH, "remove_records", &["\"theirs\""], None).answer(refusal(404, "not_found")),
        absent(TXT_PATH),
        held(TXT_PATH, Some(60), &["\"theirs\""]),
        act(TXT_PATH, "add_records", &["\"1\""], None).answer(refusal(409, "uniqueness_error")),
        held(TXT_PATH, Some(60), &["\"1\"", "\"theirs\""]),
    ])
    .await;
    let backend = backend(&script);
    backend.apply(&zone(), &[remove("theirs")]).await.unwrap();
    backend.apply(&zone(), &[add("1")]).await.unwrap();
    script.finish();
}

#[tokio::test]
async fn addresses_are_set_as_a_whole() {
    let (a, aaaa) = ("zones/fleet.test/rrsets/@/A", "zones/fleet.test/rrsets/@/AAAA");
    let script = Script::new([
        the_zone(),
        absent(a),
        absent(aaaa),
        act(a, "add_records", &["10.1.1.4"], Some(120)),
        act(aaaa, "add_records", &["fd00::4"], Some(120)),
        held(a, Some(300), &["10.1.1.4"]),
        held(aaaa, Some(120), &["fd00:0::4"]),
        act(a, "set_records", &["10.1.1.5"], None),
        post(a, "change_ttl", json!({"ttl": 120})).answer(done("success")),
        act(aaaa, "remove_records", &["fd00:0::4"], None),
        held(a, Some(120), &["10.1.1.5"]),
        absent(aaaa),
    ])
    .await;
    let backend = backend(&script);
    backend
        .apply(&zone(), &[addresses("fleet.test", &["10.1.1.4", "fd00::4"], Ttl::from_secs(120).unwrap())])
        .await
        .unwrap();
    backend
        .apply(&zone(), &[addresses("fleet.test", &["10.1.1.5"], Ttl::from_secs(120).unwrap())])
        .await
        .unwrap();
    backend
        .apply(&zone(), &[addresses("fleet.test", &["10.1.1.5"], Ttl::from_secs(120).unwrap())])
        .await
        .unwrap();
    script.finish();
}

#[tokio::test]
async fn secondary_zone_is_refused() {
    let secondary = answer(json!({"zone": {"id": 42, "mode": "secondary", "ttl": 3600}}));
    let script = Script::new([get("zones/fleet.test").answer(secondary)]).await;
    let error = backend(&script).apply(&zone(), &[add("1")]).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Refused);
    script.finish();
}

#[tokio::test]
async fn error_codes_refine_the_status() {
    for (status_code, code, kind) in [
        (403, "token_readonly", BackendErrorKind::Refused),
        (423, "locked", BackendErrorKind::Conflict),
        (422, "incorrect_zone_mode", BackendErrorKind::Refused),
        (403, "resource_limit_exceeded", BackendErrorKind::Quota),
        (422, "something_new", BackendErrorKind::InvalidInput),
    ] {
        let script = Script::new([get("zones/fleet.test").answer(refusal(status_code, code))]).await;
        let http = client(|options| options.max_attempts = 1);
        let backend = make(script.endpoint("/v1"), &http);
        let error = backend.read(&zone(), &name(NAME), RecordType::Txt).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        script.finish();
    }
}

#[tokio::test]
async fn invalid_call_is_not_sent() {
    let script = Script::new([]).await;
    let backend = backend(&script);
    require_unfit_refused(
        &backend,
        addresses("a.xfleet.test", &[], Ttl::from_secs(120).unwrap()),
        add("1"),
        50,
    )
    .await;
    script.finish();
}

#[tokio::test]
async fn every_refusal_of_every_request_is_reported() {
    let change = async |backend: HetznerBackend| backend.apply(&zone(), &[add("1")]).await;
    let read = async |backend: HetznerBackend| backend.texts(&zone(), &name(NAME)).await.map(drop);
    require_refusals("/v1", Vec::new, || get("zones/fleet.test"), make, change, &[]).await;
    require_refusals("/v1", Vec::new, || get("zones/fleet.test"), make, read, &[]).await;
}

#[tokio::test]
async fn refused_action_is_reported_and_temporary_failure_repeated() {
    let add_one = || act(TXT_PATH, "add_records", &["\"1\""], Some(60));
    for (answer, kind) in [
        (refusal(401, "unauthorized"), BackendErrorKind::Unauthenticated),
        (refusal(403, "forbidden"), BackendErrorKind::Refused),
        (refusal(422, "invalid_input"), BackendErrorKind::InvalidInput),
        (status(201).html(), BackendErrorKind::Unavailable),
        (status(201).text("application/json", "{\"action\":"), BackendErrorKind::Unavailable),
    ] {
        let script = Script::new([the_zone(), absent(TXT_PATH), add_one().answer(answer)]).await;
        let error = backend(&script).apply(&zone(), &[add("1")]).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        script.finish();
    }
    let busy = refusal(429, "rate_limit_exceeded").header("retry-after", "1");
    let script = Script::new([
        the_zone(),
        absent(TXT_PATH),
        add_one().answer(busy),
        add_one().answer(refusal(503, "service_error")),
        add_one(),
    ])
    .await;
    backend(&script).apply(&zone(), &[add("1")]).await.unwrap();
    script.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn backend_conforms_over_an_imitation() {
    let endpoint: Endpoint = format!("http://{}", imitation::start().await).parse().unwrap();
    // Two instances that share nothing: values come and go one by one.
    let subject = Subject::new(|| make(endpoint.clone(), &client(|_| {})), zone(), &SystemClock);
    check(&Subject { calls_at_once: 200, ..subject }).await.require_passed().unwrap();
}
