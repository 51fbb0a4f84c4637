//! Every request to Cloudflare, and what comes of every answer.

mod imitation;

use std::time::Duration;

use fleetcert_ambient::SystemClock;
use fleetcert_dns::conformance::{Subject, check};
use fleetcert_dns::{Addresses, BackendErrorKind, Change, DnsBackend, DnsBackendExt, RecordType, Ttl};
use serde_json::{Value, json};

use crate::fixture::{
    Answer, Exchange, Script, add_value, challenge, client, expect, fault, json as answer_json, remove_value,
    status, zone,
};
use fleetcert_dns_http::cloudflare::{CloudflareBackend, CloudflareOptions};
use fleetcert_dns_http::{ApiFault, HttpOptions};
use imitation::free_zone;

const RECORDS: &str = "/client/v4/zones/z/dns_records";

fn options(base: &str) -> CloudflareOptions {
    CloudflareOptions {
        endpoint: base.parse().unwrap(),
        zone_ids: [(zone(), "z".to_owned())].into(),
        ..CloudflareOptions::new("the token".into())
    }
}

fn backend(script: &Script, adjust: impl FnOnce(&mut HttpOptions)) -> CloudflareBackend {
    CloudflareBackend::new(options(&script.url("/client/v4")), &client(adjust))
}

fn get(target: impl Into<String>) -> Exchange {
    expect("GET", target).header("authorization", "Bearer the token").header("accept", "application/json")
}

fn texts(page: u32) -> Exchange {
    get(format!("{RECORDS}?name.exact=_acme-challenge.a.fleet.test&type=TXT&per_page=1000&page={page}"))
}

fn addresses_of(name: &str) -> Exchange {
    get(format!("{RECORDS}?name.exact={name}&per_page=1000&page=1"))
}

fn page(records: &[Value], [page, pages]: [u32; 2]) -> Answer {
    answer_json(json!({
        "success": true, "errors": [], "messages": [], "result": records,
        "result_info": {"page": page, "per_page": 1000, "count": records.len(), "total_pages": pages},
    }))
}

fn only_page(records: &[Value]) -> Answer {
    page(records, [1, 1])
}

fn record(id: &str, record_type: &str, content: &str) -> Value {
    json!({
        "id": id, "name": "_acme-challenge.a.fleet.test", "type": record_type, "content": content,
        "ttl": 60, "proxied": false, "comment": null,
    })
}

fn post(content: &str) -> Value {
    json!({"name": "_acme-challenge.a.fleet.test", "type": "TXT", "content": content, "ttl": 60})
}

fn batch(body: Value) -> Exchange {
    expect("POST", format!("{RECORDS}/batch"))
        .header("authorization", "Bearer the token")
        .header("content-type", "application/json")
        .json(body)
        .answer(made())
}

fn made() -> Answer {
    answer_json(json!({"success": true, "errors": [], "messages": [], "result": {"posts": []}}))
}

fn error(http: u16, code: u32) -> Answer {
    status(http).json(json!({
        "success": false, "errors": [{"code": code, "message": "why"}], "messages": [], "result": null
    }))
}

#[tokio::test]
async fn value_is_added_in_one_request_and_removed_by_its_id() {
    let neighbours = [record("1", "TXT", "\"2\""), record("2", "TXT", "bare"), record("3", "TXT", "\"1\"")];
    let script = Script::new([
        batch(json!({"posts": [post("\"1\"")]})),
        texts(1).answer(only_page(&neighbours)),
        batch(json!({"deletes": [{"id": "3"}]})),
    ])
    .await;
    let backend = backend(&script, |_| {});
    add_value(&backend, "1").await.unwrap();
    remove_value(&backend, "1").await.unwrap();
    script.finish();
}

#[tokio::test]
async fn existing_value_is_found_on_any_page_and_not_added_again() {
    for code in [81_057, 81_058] {
        let both = json!({"posts": [post("\"1\""), post("\"2\"")]});
        let script = Script::new([
            batch(both).answer(error(400, code)),
            texts(1).answer(page(&[record("1", "TXT", "\"3\"")], [1, 2])),
            texts(2).answer(page(&[record("2", "TXT", "\"1\"")], [2, 2])),
            batch(json!({"posts": [post("\"2\"")]})),
        ])
        .await;
        let change = |value: &str| Change::AddTxt {
            name: challenge(),
            value: value.parse().unwrap(),
            ttl: Ttl::ADDRESS,
        };
        backend(&script, |_| {}).apply(&zone(), &[change("1"), change("2")]).await.unwrap();
        script.finish();
    }
}

#[tokio::test]
async fn value_that_another_process_removed_is_not_an_error() {
    let script = Script::new([
        texts(1).answer(only_page(&[record("1", "TXT", "\"1\"")])),
        batch(json!({"deletes": [{"id": "1"}]})).answer(error(404, 81_044)),
        texts(1).answer(only_page(&[])),
        texts(1).answer(only_page(&[record("2", "TXT", "\"2\"")])),
    ])
    .await;
    let backend = backend(&script, |_| {});
    remove_value(&backend, "1").await.unwrap();
    remove_value(&backend, "1").await.unwrap();
    script.finish();
}

#[tokio::test]
async fn many_challenge_names_are_removed_by_one_list_and_one_batch() {
    let name = |number: usize| format!("_acme-challenge.d{number}.fleet.test");
    let record = |number: usize, value: &str| {
        json!({"id": format!("{number}-{value}"), "name": name(number), "type": "TXT",
               "content": format!("\"{value}\""), "ttl": 60})
    };
    let target = format!("{RECORDS}?name.startswith=_acme-challenge.&type=TXT&per_page=1000&page=");
    let mut first: Vec<_> = (0..5).map(|number| record(number, "1")).collect();
    first.push(record(0, "neighbour"));
    let deleted: Vec<_> = (0..6).map(|number| json!({"id": format!("{number}-1")})).collect();
    let script = Script::new([
        get(format!("{target}1")).answer(page(&first, [1, 2])),
        get(format!("{target}2")).answer(page(&[record(5, "1"), record(6, "1")], [2, 2])),
        batch(json!({"deletes": deleted})),
    ])
    .await;
    let changes: Vec<_> = (0..6)
        .map(|number| Change::RemoveTxt { name: name(number).parse().unwrap(), value: "1".parse().unwrap() })
        .collect();
    backend(&script, |_| {}).apply(&zone(), &changes).await.unwrap();
    script.finish();
}

#[tokio::test]
async fn addresses_are_replaced_in_one_batch() {
    let name = "_acme-challenge.a.fleet.test";
    let records = [
        record("1", "A", "10.1.1.4"),
        record("2", "A", "10.1.1.5"),
        record("3", "AAAA", "fd00::4"),
        record("4", "TXT", "\"stays\""),
        json!({"id": "5", "name": name, "type": "LOC", "data": {}, "ttl": 1}),
    ];
    let posted = |record_type: &str, content: &str| json!({"name": name, "type": record_type, "content": content, "ttl": 300, "proxied": false});
    let script = Script::new([
        addresses_of(name).answer(only_page(&records)),
        batch(json!({
            "deletes": [{"id": "1"}, {"id": "3"}],
            "patches": [{"id": "2", "ttl": 300}],
            "posts": [posted("AAAA", "fd00::5")],
        })),
        addresses_of(name).answer(only_page(&records[3..])),
    ])
    .await;
    let backend = backend(&script, |_| {});
    let addresses = |texts: &[&str]| Addresses::new(texts.iter().map(|text| text.parse().unwrap())).unwrap();
    let (new, ttl) = (addresses(&["10.1.1.5", "fd00::5"]), Ttl::from_secs(300).unwrap());
    backend.set_addresses(&zone(), &self::challenge(), new, ttl).await.unwrap();
    backend.set_addresses(&zone(), &self::challenge(), addresses(&[]), ttl).await.unwrap();
    script.finish();
}

#[tokio::test]
async fn records_are_read() {
    let automatic = json!({"id": "1", "name": "_acme-challenge.a.fleet.test", "type": "A", "content": "10.0.0.1", "ttl": 1});
    let script = Script::new([
        texts(1).answer(only_page(&[record("1", "TXT", "\"1\""), record("2", "TXT", r#""a" "\"b\255""#)])),
        addresses_of("_acme-challenge.a.fleet.test").answer(only_page(&[automatic])),
        texts(1).answer(only_page(&[])),
    ])
    .await;
    let backend = backend(&script, |_| {});
    let texts = backend.texts(&zone(), &challenge()).await.unwrap();
    let odd = fleetcert_dns::TxtValue::new(b"a\"b\xff").unwrap();
    assert_eq!(texts, ["1".parse().unwrap(), odd].into());
    let set = backend.read(&zone(), &challenge(), RecordType::A).await.unwrap().unwrap();
    assert_eq!(set.ttl.as_secs(), 300, "what Cloudflare calls automatic");
    assert_eq!(backend.read(&zone(), &challenge(), RecordType::Txt).await.unwrap(), None);
    script.finish();
}

#[tokio::test]
async fn zone_is_found_by_name_and_again_after_it_was_removed() {
    let list = || get("/client/v4/zones?name=fleet.test&per_page=50&page=1");
    let of = |id: &str| json!({"id": id, "name": "fleet.test", "status": "active"});
    let script = Script::new([
        list().answer(page(&[json!({"id": "y", "name": "other.test"})], [1, 2])),
        get("/client/v4/zones?name=fleet.test&per_page=50&page=2").answer(page(&[of("z")], [2, 2])),
        texts(1).answer(only_page(&[])),
        texts(1).answer(error(400, 7003)),
        list().answer(only_page(&[of("one"), of("two")])),
        list().answer(only_page(&[])),
    ])
    .await;
    let options = CloudflareOptions { zone_ids: [].into(), ..options(&script.url("/client/v4")) };
    let backend = CloudflareBackend::new(options, &client(|_| {}));
    let read = async || backend.read(&zone(), &challenge(), RecordType::Txt).await;
    assert_eq!(read().await.unwrap(), None);
    assert_eq!(read().await.unwrap_err().kind(), BackendErrorKind::NotInZone);
    let two = read().await.unwrap_err();
    assert_eq!(two.kind(), BackendErrorKind::InvalidInput);
    assert!(two.to_string().contains("one, two"), "{two}");
    assert_eq!(read().await.unwrap_err().kind(), BackendErrorKind::NotInZone);
    script.finish();
}

#[tokio::test]
async fn endless_pages_are_an_error() {
    let script = Script::new((1..=3).map(|number| texts(number).answer(page(&[], [number, 1000])))).await;
    let backend = backend(&script, |http| http.max_pages = 3);
    let error = backend.read(&zone(), &challenge(), RecordType::Txt).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Unavailable);
    script.finish();
}

#[tokio::test]
async fn invalid_call_is_rejected_before_it_is_sent() {
    let name = |number: usize| format!("d{number}.fleet.test");
    let five = Addresses::new((0..5).map(|last| [10, 0, 0, last].into())).unwrap();
    let mut changes: Vec<_> = (0..50)
        .map(|number| Change::SetAddresses {
            name: name(number).parse().unwrap(),
            addresses: five.clone(),
            ttl: Ttl::ADDRESS,
        })
        .collect();
    // The names are read in their own order.
    let mut names: Vec<_> = (0..50).map(name).collect();
    names.sort();
    let script = Script::new(names.iter().map(|name| addresses_of(name).answer(only_page(&[])))).await;
    let backend = backend(&script, |http| http.requests_at_once = 1);
    let error = backend.apply(&zone(), &changes).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::InvalidInput);
    assert!(error.to_string().contains("250 operations"), "{error}");
    changes.push(changes[0].clone());
    let error = backend.apply(&zone(), &changes).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::InvalidInput);
    script.finish();
}

#[tokio::test]
async fn refusals_are_classified() {
    for (answer, kind) in [
        (error(400, 6003), BackendErrorKind::Unauthenticated),
        (error(401, 1000), BackendErrorKind::Unauthenticated),
        (error(403, 9109), BackendErrorKind::Unauthenticated),
        (error(403, 10_000), BackendErrorKind::Refused),
        (status(403).html(), BackendErrorKind::Refused),
        (error(404, 7003), BackendErrorKind::NotInZone),
        (error(409, 1), BackendErrorKind::Conflict),
        (error(400, 9021), BackendErrorKind::InvalidInput),
    ] {
        let script = Script::new([texts(1).answer(answer)]).await;
        let error = backend(&script, |_| {}).read(&zone(), &challenge(), RecordType::Txt).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(error.server(), Some(script.server().as_str()));
        script.finish();
    }
}

#[tokio::test]
async fn rate_limited_request_is_repeated() {
    let once = |answer| batch(json!({"posts": [post("\"1\"")]})).answer(answer);
    let script = Script::new([
        once(error(429, 10_429).header("retry-after", "0")),
        once(status(429).html().header("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")),
        once(status(500).html()),
        once(made()),
    ])
    .await;
    add_value(&backend(&script, |_| {}), "1").await.unwrap();
    script.finish();

    let script = Script::new([once(error(429, 10_429).header("retry-after", "300"))]).await;
    let error_of = add_value(&backend(&script, |_| {}), "1").await.unwrap_err();
    assert_eq!(
        (error_of.kind(), error_of.retry_after()),
        (BackendErrorKind::Quota, Some(Duration::from_secs(300)))
    );
    script.finish();

    let full = || once(error(400, 81_045));
    let script = Script::new([full(), full()]).await;
    let error = add_value(&backend(&script, |http| http.max_attempts = 2), "1").await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Quota);
    script.finish();
}

#[tokio::test]
async fn lost_answer_does_not_lose_a_value() {
    let script = Script::new([
        batch(json!({"posts": [post("\"1\"")]})).answer(status(502).html()),
        // The first was made after all.
        batch(json!({"posts": [post("\"1\"")]})).answer(error(400, 81_058)),
        texts(1).answer(only_page(&[record("1", "TXT", "\"1\"")])),
    ])
    .await;
    add_value(&backend(&script, |_| {}), "1").await.unwrap();
    script.finish();
}

#[tokio::test]
async fn unusable_answers_are_errors() {
    for (answer, expected) in [
        (status(200).html(), ApiFault::Html),
        (status(200).text("application/json", r#"{"success": true, "res"#), ApiFault::TruncatedJson),
        (status(200).text("text/plain", "hello"), ApiFault::NotJson),
        (answer_json(json!({})), ApiFault::UnexpectedJson),
        (answer_json(json!({"success": false, "result": []})), ApiFault::UnexpectedJson),
        (status(500), ApiFault::Status(500)),
    ] {
        let script = Script::new([texts(1).answer(answer)]).await;
        let backend = backend(&script, |http| http.max_attempts = 1);
        let error = backend.read(&zone(), &challenge(), RecordType::Txt).await.unwrap_err();
        assert_eq!((error.kind(), fault(&error)), (BackendErrorKind::Unavailable, Some(expected)));
        script.finish();
    }
    let script = Script::new([batch(json!({"posts": [post("\"1\"")]})).answer(answer_json(json!({})))]).await;
    assert_eq!(
        fault(&add_value(&backend(&script, |_| {}), "1").await.unwrap_err()),
        Some(ApiFault::UnexpectedJson)
    );
    script.finish();
}

#[tokio::test]
async fn no_error_shows_the_token() {
    let script = Script::new([texts(1).answer(status(400).text("text/plain", "you sent the token"))]).await;
    let options = options(&script.url("/client/v4"));
    let shown = format!("{options:?}");
    let backend = CloudflareBackend::new(options, &client(|_| {}));
    let error = backend.read(&zone(), &challenge(), RecordType::Txt).await.unwrap_err();
    for shown in [shown, error.to_string(), format!("{error:?}"), format!("{backend:?}")] {
        assert!(!shown.contains("the token"), "{shown}");
    }
    script.finish();
}

/// Against an imitation, which is not Cloudflare.
#[tokio::test]
async fn backend_conforms_over_an_imitation() {
    let base = free_zone().await;
    let http = client(|http| http.requests_at_once = 32);
    for zone_ids in [[].into(), [(zone(), "fleet-id".to_owned())].into()] {
        let options = CloudflareOptions { zone_ids, ..options(&base) };
        let subject = Subject {
            calls_at_once: 200,
            ..Subject::new(|| CloudflareBackend::new(options.clone(), &http), zone(), &SystemClock)
        };
        let report = check(&subject).await;
        println!("{report}");
        report.require_passed().unwrap();
    }
}
