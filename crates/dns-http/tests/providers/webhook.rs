//! Every request that the backend makes, to the letter of docs/webhook.md, and what it does with every answer.

use std::time::Duration;

use fleetcert_ambient::{Clock, SystemClock};
use fleetcert_dns::{
    Addresses, BackendErrorKind, Capabilities, Change, DnsBackend, RecordData, RecordType, Ttl, TxtValue,
};
use serde_json::{Value, json};

use crate::fixture::{
    Exchange, SECRET, Script, client, expect, json as answer, name, require_refusals, status, zone,
};
use fleetcert_dns_http::webhook::messages::{ApplyRequest, ErrorAnswer, ErrorKind};
use fleetcert_dns_http::webhook::{SignatureVerifier, WebhookBackend, WebhookOptions, WebhookSecret};
use fleetcert_dns_http::{Endpoint, HttpClient};

fn options(endpoint: Endpoint) -> WebhookOptions {
    WebhookOptions { endpoint, secret: WebhookSecret::Bearer(SECRET.into()) }
}

fn make(endpoint: Endpoint, http: &HttpClient) -> WebhookBackend {
    WebhookBackend::new(options(endpoint), http, Capabilities { max_changes: 10, ..Capabilities::ALL })
}

fn backend(script: &Script) -> WebhookBackend {
    make(script.endpoint("/hook"), &client(|_| {}))
}

fn post(path: &str, body: Value) -> Exchange {
    expect("POST", format!("/hook/{path}"))
        .header("authorization", format!("Bearer {SECRET}"))
        .header("content-type", "application/json")
        .json(body)
}

fn remove() -> Change {
    Change::RemoveTxt { name: name("_acme-challenge.a.fleet.test"), value: "old".parse().unwrap() }
}

fn removal() -> Exchange {
    let change = json!({"change": "remove_txt", "name": "_acme-challenge.a.fleet.test", "value": "old"});
    post("apply", json!({"zone": "fleet.test", "changes": [change]})).answer(answer(json!({})))
}

fn reading(record_type: &str) -> Exchange {
    post("read", json!({"zone": "fleet.test", "name": "a.fleet.test", "type": record_type}))
}

#[tokio::test]
async fn changes_are_sent_as_documented() {
    let ttl = Ttl::from_secs(60).unwrap();
    let owner = name("_acme-challenge.a.fleet.test");
    let changes = [
        Change::AddTxt { name: owner.clone(), value: "gfj9Xq…".parse().unwrap(), ttl: Ttl::CHALLENGE },
        Change::RemoveTxt { name: owner, value: TxtValue::new(b"\xff\x00").unwrap() },
        Change::SetAddresses {
            name: name("a.fleet.test"),
            addresses: Addresses::new(["10.1.1.4".parse().unwrap(), "fd00::4".parse().unwrap()]).unwrap(),
            ttl,
        },
    ];
    let body = json!({"zone": "fleet.test", "changes": [
        {"change": "add_txt", "name": "_acme-challenge.a.fleet.test", "value": "gfj9Xq…", "ttl": 1},
        {"change": "remove_txt", "name": "_acme-challenge.a.fleet.test", "value": {"base64": "/wA="}},
        {"change": "set_addresses", "name": "a.fleet.test", "a": ["10.1.1.4"], "aaaa": ["fd00::4"], "ttl": 60},
    ]});
    let script = Script::new([post("apply", body.clone()).answer(answer(json!({})))]).await;
    backend(&script).apply(&zone(), &changes).await.unwrap();
    script.finish();
    let message: ApplyRequest = serde_json::from_value(body).unwrap();
    assert_eq!(message.changes().unwrap(), changes);
}

#[tokio::test]
async fn sets_are_read_as_documented() {
    let set = |values: Value| answer(json!({"set": {"ttl": 60, "values": values}}));
    let script = Script::new([
        reading("TXT").answer(set(json!(["one", {"base64": "/wA="}]))),
        reading("A").answer(set(json!(["10.1.1.4"]))),
        reading("AAAA").answer(set(json!(["fd00::4"]))),
        reading("TXT").answer(answer(json!({"set": null}))),
        reading("TXT").answer(set(json!([]))),
    ])
    .await;
    let (backend, owner) = (backend(&script), name("a.fleet.test"));
    let mut sets = Vec::new();
    for record_type in [RecordType::Txt, RecordType::A, RecordType::Aaaa, RecordType::Txt, RecordType::Txt] {
        sets.push(backend.read(&zone(), &owner, record_type).await.unwrap());
    }
    let values: Vec<Vec<RecordData>> =
        sets[..3].iter().map(|set| set.as_ref().unwrap().values.iter().cloned().collect()).collect();
    assert_eq!(
        values,
        [
            vec![
                RecordData::Txt("one".parse().unwrap()),
                RecordData::Txt(TxtValue::new(b"\xff\x00").unwrap()),
            ],
            vec![RecordData::A("10.1.1.4".parse().unwrap())],
            vec![RecordData::Aaaa("fd00::4".parse().unwrap())],
        ]
    );
    assert_eq!(sets[3..], [None, None]);
    script.finish();
}

#[tokio::test]
async fn values_that_cannot_be_are_not_believed() {
    for (record_type, value) in [
        (RecordType::A, json!("fd00::4")),
        (RecordType::Aaaa, json!("10.1.1.4")),
        (RecordType::A, json!({"base64": "AAAA"})),
        (RecordType::Txt, json!("")),
        (RecordType::Txt, json!("x".repeat(1025))),
        (RecordType::Txt, json!({"base64": "no"})),
        (RecordType::Txt, json!(7)),
    ] {
        let type_name = format!("{record_type:?}").to_uppercase();
        let set = answer(json!({"set": {"ttl": 60, "values": [value]}}));
        let script = Script::new([reading(&type_name).answer(set)]).await;
        let error = backend(&script).read(&zone(), &name("a.fleet.test"), record_type).await.unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::Unavailable, "{value}");
        script.finish();
    }
}

#[tokio::test]
async fn it_asks_what_the_webhook_can_do() {
    let asked = || {
        expect("GET", "/hook/capabilities?zone=fleet.test")
            .header("authorization", format!("Bearer {SECRET}"))
    };
    let full = json!({"atomic": false, "addresses": false, "reads": true, "removes": true, "any_name": true,
                      "any_text": true, "max_values": 2, "min_ttl": 60, "max_changes": 20});
    let script = Script::new([
        asked().answer(answer(full)),
        asked().answer(answer(json!({"max_changes": null, "news": 1}))),
        asked().answer(answer(json!({"min_ttl": -1}))),
    ])
    .await;
    let connect =
        async || WebhookBackend::connect(options(script.endpoint("/hook")), &client(|_| {}), &zone()).await;
    let little = Capabilities {
        atomic: false,
        addresses: false,
        max_values: 2,
        min_ttl: Ttl::ADDRESS,
        max_changes: 20,
        ..Capabilities::ALL
    };
    assert_eq!(connect().await.unwrap().capabilities(), little);
    assert_eq!(connect().await.unwrap().capabilities(), Capabilities::ALL);
    assert_eq!(connect().await.unwrap_err().kind(), BackendErrorKind::Unavailable);
    script.finish();
}

#[tokio::test]
async fn errors_are_told_by_kind() {
    for kind in [
        ErrorKind::Unauthenticated,
        ErrorKind::Refused,
        ErrorKind::NotInZone,
        ErrorKind::Conflict,
        ErrorKind::Quota,
        ErrorKind::InvalidInput,
    ] {
        let body = serde_json::to_value(ErrorAnswer::of_kind(kind, "because")).unwrap();
        // The kind counts, whatever the status.
        for code in [kind.status(), 400] {
            let no = status(code).header("retry-after", "60").json(body.clone());
            let script = Script::new([removal().answer(no)]).await;
            let http = client(|options| options.max_attempts = 1);
            let error = make(script.endpoint("/hook"), &http).apply(&zone(), &[remove()]).await.unwrap_err();
            assert_eq!(error.kind(), kind.into());
            assert!(error.to_string().contains("because"), "{error}");
            let again = matches!(kind, ErrorKind::Conflict | ErrorKind::Quota);
            assert_eq!(error.retry_after(), again.then_some(Duration::from_secs(60)));
            assert_eq!(ErrorAnswer::new(&error).error.kind, kind);
            script.finish();
        }
    }
}

#[tokio::test]
async fn each_attempt_is_signed_for_itself() {
    let change = json!({"change": "remove_txt", "name": "_acme-challenge.a.fleet.test", "value": "old"});
    let body = json!({"zone": "fleet.test", "changes": [change]});
    let request = || expect("POST", "/hook/apply").json(body.clone()).no_header("authorization");
    let script = Script::new([request().answer(status(503)), request().answer(answer(json!({})))]).await;
    let options =
        WebhookOptions { endpoint: script.endpoint("/hook"), secret: WebhookSecret::Hmac(SECRET.into()) };
    let backend = WebhookBackend::new(options, &client(|_| {}), Capabilities::ALL);
    backend.apply(&zone(), &[remove()]).await.unwrap();
    assert!(!format!("{backend:?}").contains(SECRET));

    let verifier = SignatureVerifier::new(SECRET.into(), Duration::from_secs(60));
    let seen = script.seen("fleetcert-signature");
    assert_eq!(seen.len(), 2);
    for (header, body) in seen {
        verifier.verify("POST", "/hook/apply", &header, &body, SystemClock.now()).unwrap();
    }
    script.finish();
}

#[tokio::test]
async fn invalid_call_is_not_sent() {
    let script = Script::new([]).await;
    let backend = backend(&script);
    backend.apply(&zone(), &[]).await.unwrap();
    let error = backend.apply(&zone(), &vec![remove(); 11]).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::InvalidInput);
    let error = backend.read(&zone(), &name("a.xfleet.test"), RecordType::A).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::NotInZone);
    script.finish();
}

#[tokio::test]
async fn every_refusal_of_every_request_is_reported() {
    let change = async |backend: WebhookBackend| backend.apply(&zone(), &[remove()]).await;
    let read = async |backend: WebhookBackend| {
        backend.read(&zone(), &name("a.fleet.test"), RecordType::Txt).await.map(drop)
    };
    require_refusals("/hook", Vec::new, removal, make, change, &[]).await;
    require_refusals("/hook", Vec::new, || reading("TXT"), make, read, &[]).await;
}
