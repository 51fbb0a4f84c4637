//! Every request to Azure DNS, and what comes of every answer.

mod imitation;

use std::time::Duration;

use fleetcert_ambient::SystemClock;
use fleetcert_dns::conformance::{Subject, check};
use fleetcert_dns::{
    Addresses, BackendErrorKind, Change, DnsBackend, DnsBackendExt, RecordType, Ttl, TxtValue,
};
use serde_json::{Value, json};

use crate::fixture::{
    Answer, Exchange, Script, add_value, challenge, client, expect, fault, json as answer_json, remove_value,
    status, zone,
};
use fleetcert_dns_http::azure::{AzureBackend, AzureCredentials, AzureOptions};
use fleetcert_dns_http::{ApiFault, HttpOptions};
use imitation::resource_group;

const ZONE: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/dnsZones/fleet.test";

fn options(base: &str) -> AzureOptions {
    let credentials = AzureCredentials::ClientSecret {
        tenant_id: "t".to_owned(),
        client_id: "c".to_owned(),
        client_secret: "the client secret".into(),
    };
    AzureOptions {
        endpoint: base.parse().unwrap(),
        authority: base.parse().unwrap(),
        ..AzureOptions::new("s", "g", credentials)
    }
}

fn backend(script: &Script, adjust: impl FnOnce(&mut HttpOptions)) -> AzureBackend {
    AzureBackend::new(options(&script.url("/")), &client(adjust))
}

/// A script that first gives out a token.
async fn script(exchanges: impl IntoIterator<Item = Exchange>) -> Script {
    // The scope holds the script's own address, so the form is compared in the test of it.
    let token = expect("POST", "/t/oauth2/v2.0/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .no_header("authorization")
        .any_body()
        .answer(answer_json(json!({"access_token": "tok", "expires_in": 3599, "token_type": "Bearer"})));
    Script::new([token].into_iter().chain(exchanges)).await
}

fn to(method: &'static str, record_type: &str) -> Exchange {
    expect(method, format!("{ZONE}/{record_type}/_acme-challenge.a?api-version=2018-05-01"))
        .header("authorization", "Bearer tok")
}

fn get(record_type: &str, answer: Answer) -> Exchange {
    to("GET", record_type).no_header("if-match").no_header("if-none-match").answer(answer)
}

/// A writing under the condition that there is none.
fn create(record_type: &str, properties: &Value) -> Exchange {
    to("PUT", record_type)
        .header("if-none-match", "*")
        .no_header("if-match")
        .header("content-type", "application/json")
        .json(json!({"properties": properties}))
        .answer(set("\"1\"", properties))
}

fn replace(record_type: &str, etag: &str, properties: &Value) -> Exchange {
    to("PUT", record_type)
        .header("if-match", etag)
        .no_header("if-none-match")
        .json(json!({"properties": properties}))
        .answer(set("\"2\"", properties))
}

fn delete(record_type: &str, etag: &str) -> Exchange {
    to("DELETE", record_type).header("if-match", etag).no_header("if-none-match")
}

fn set(etag: &str, properties: &Value) -> Answer {
    let mut properties = properties.clone();
    properties["fqdn"] = json!("_acme-challenge.a.fleet.test.");
    properties["provisioningState"] = json!("Succeeded");
    properties["targetResource"] = json!({});
    answer_json(json!({"id": "…", "name": "_acme-challenge.a", "etag": etag, "properties": properties}))
}

fn txt(ttl: u32, records: &[&[&str]]) -> Value {
    let records: Vec<Value> = records.iter().map(|strings| json!({"value": strings})).collect();
    json!({"TTL": ttl, "TXTRecords": records})
}

fn error(code: u16, name: &str) -> Answer {
    status(code).json(json!({"error": {"code": name, "message": "why"}}))
}

#[tokio::test]
async fn value_is_added_and_removed_in_two_requests() {
    let script = script([create("TXT", &txt(1, &[&["1"]])), delete("TXT", "\"1\"")]).await;
    let backend = backend(&script, |_| {});
    add_value(&backend, "1").await.unwrap();
    remove_value(&backend, "1").await.unwrap();
    script.finish();
}

#[tokio::test]
async fn other_value_is_found_after_a_wrong_guess_and_keeps_its_strings_and_metadata() {
    let mut before = txt(300, &[&["for", "eign"], &[""]]);
    before["metadata"] = json!({"owner": "somebody"});
    let mut after = txt(1, &[&["for", "eign"], &[""], &["1"]]);
    after["metadata"] = json!({"owner": "somebody"});
    let mut left = txt(1, &[&["for", "eign"], &[""]]);
    left["metadata"] = json!({"owner": "somebody"});
    let script = script([
        create("TXT", &txt(1, &[&["1"]])).answer(error(412, "PreconditionFailed")),
        get("TXT", set("old", &before)),
        // Somebody was faster once more.
        replace("TXT", "old", &after).answer(error(412, "PreconditionFailed")),
        get("TXT", set("new", &before)),
        replace("TXT", "new", &after),
        replace("TXT", "\"2\"", &left),
    ])
    .await;
    let backend = backend(&script, |_| {});
    add_value(&backend, "1").await.unwrap();
    remove_value(&backend, "1").await.unwrap();
    script.finish();
}

#[tokio::test]
async fn existing_value_is_not_written_and_missing_value_is_not_removed() {
    let script = script([
        create("TXT", &txt(1, &[&["1"]])),
        get("TXT", set("\"1\"", &txt(1, &[&["1"]]))),
        get("TXT", error(404, "NotFound")),
    ])
    .await;
    let backend = backend(&script, |_| {});
    add_value(&backend, "1").await.unwrap();
    add_value(&backend, "1").await.unwrap();
    remove_value(&backend, "2").await.unwrap();
    script.finish();
}

#[tokio::test]
async fn addresses_are_two_sets() {
    let v4 = |address: &str| json!({"TTL": 60, "ARecords": [{"ipv4Address": address}]});
    let v6 = json!({"TTL": 60, "AAAARecords": [{"ipv6Address": "fd00::5"}]});
    let script = script([
        get("A", set("old", &v4("10.1.1.4"))),
        get("AAAA", error(404, "NotFound")),
        replace("A", "old", &v4("10.1.1.5")),
        create("AAAA", &v6),
        delete("A", "\"2\""),
        delete("AAAA", "\"1\"").answer(status(204)),
    ])
    .await;
    let backend = backend(&script, |http| http.requests_at_once = 1);
    let addresses = |texts: &[&str]| Addresses::new(texts.iter().map(|text| text.parse().unwrap())).unwrap();
    let new = addresses(&["10.1.1.5", "fd00::5"]);
    backend.set_addresses(&zone(), &challenge(), new, Ttl::ADDRESS).await.unwrap();
    backend.set_addresses(&zone(), &challenge(), addresses(&[]), Ttl::ADDRESS).await.unwrap();
    script.finish();
}

#[tokio::test]
async fn records_are_read_also_at_the_apex() {
    let apex = format!("{ZONE}/TXT/@?api-version=2018-05-01");
    let script = script([
        get("TXT", set("1", &txt(300, &[&["1"], &[r#"a"\"#, "b"], &[""]]))),
        expect("GET", apex).answer(set("1", &txt(0, &[&["2"]]))),
        get("A", set("1", &json!({"TTL": 60}))),
    ])
    .await;
    let backend = backend(&script, |_| {});
    let texts = backend.texts(&zone(), &challenge()).await.unwrap();
    assert_eq!(texts, ["1".parse().unwrap(), r#"a"\b"#.parse().unwrap()].into());
    let apex = backend.read(&zone(), &zone(), RecordType::Txt).await.unwrap().unwrap();
    assert_eq!(apex.ttl, Ttl::ZERO);
    assert_eq!(backend.read(&zone(), &challenge(), RecordType::A).await.unwrap(), None);
    script.finish();
}

#[tokio::test]
async fn aliases_are_left_alone() {
    let alias = answer_json(json!({
        "etag": "1",
        "properties": {"TTL": 60, "targetResource": {"id": "/subscriptions/s/…/publicIPAddresses/ip"}}
    }));
    let script = script([get("A", alias)]).await;
    let error = backend(&script, |_| {}).read(&zone(), &challenge(), RecordType::A).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::InvalidInput);
    assert!(error.to_string().contains("is an alias"), "{error}");
    script.finish();
}

#[tokio::test]
async fn more_than_twenty_values_are_rejected() {
    let many: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    let many: Vec<[&str; 1]> = many.iter().map(|text| [text.as_str()]).collect();
    let many: Vec<&[&str]> = many.iter().map(|strings| &strings[..]).collect();
    let script = script([
        create("TXT", &txt(1, &[&["new"]])).answer(error(412, "PreconditionFailed")),
        get("TXT", set("1", &txt(1, &many))),
    ])
    .await;
    let error = add_value(&backend(&script, |_| {}), "new").await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Quota);
    script.finish();
}

#[tokio::test]
async fn text_that_json_cannot_carry_is_rejected_before_it_is_sent() {
    let script = Script::new([]).await;
    let backend = backend(&script, |_| {});
    for octets in [b"\xff".as_slice(), "\u{e4}".as_bytes(), b"a\nb"] {
        let change =
            Change::AddTxt { name: challenge(), value: TxtValue::new(octets).unwrap(), ttl: Ttl::ADDRESS };
        let error = backend.apply(&zone(), &[change]).await.unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::InvalidInput);
    }
    script.finish();
}

#[tokio::test]
async fn refusals_are_classified() {
    for (answer, kind) in [
        (error(403, "AuthorizationFailed"), BackendErrorKind::Refused),
        (status(403).html(), BackendErrorKind::Refused),
        (error(404, "ParentResourceNotFound"), BackendErrorKind::NotInZone),
        (error(404, "ResourceGroupNotFound"), BackendErrorKind::NotInZone),
        (status(404).html(), BackendErrorKind::NotInZone),
        (status(404), BackendErrorKind::NotInZone),
        (error(409, "Conflict"), BackendErrorKind::Conflict),
        (error(400, "BadRequest"), BackendErrorKind::InvalidInput),
    ] {
        let script = script([get("TXT", answer)]).await;
        let error = backend(&script, |_| {}).read(&zone(), &challenge(), RecordType::Txt).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(error.server(), Some(script.server().as_str()));
        script.finish();
    }
    let gone = create("TXT", &txt(1, &[&["1"]])).answer(error(404, "ParentResourceNotFound"));
    let script = script([gone]).await;
    assert_eq!(
        add_value(&backend(&script, |_| {}), "1").await.unwrap_err().kind(),
        BackendErrorKind::NotInZone
    );
    script.finish();
}

#[tokio::test]
async fn token_is_requested_and_replaced_when_refused() {
    let api = Script::new([
        get("TXT", error(401, "ExpiredAuthenticationToken")),
        to("GET", "TXT").answer(error(401, "InvalidAuthenticationToken")),
    ])
    .await;
    let scope: String =
        url::form_urlencoded::byte_serialize(format!("{}.default", api.url("/")).as_bytes()).collect();
    let form =
        format!("grant_type=client_credentials&client_id=c&client_secret=the+client+secret&scope={scope}");
    let ask = || {
        expect("POST", "/t/oauth2/v2.0/token")
            .header("content-type", "application/x-www-form-urlencoded")
            .text(form.clone())
            .answer(answer_json(json!({"access_token": "tok", "expires_in": 3599, "token_type": "Bearer"})))
    };
    let tokens = Script::new([ask(), ask()]).await;
    let options = AzureOptions { authority: tokens.url("/").parse().unwrap(), ..options(&api.url("/")) };
    let backend = AzureBackend::new(options, &client(|_| {}));
    let error = backend.read(&zone(), &challenge(), RecordType::Txt).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Unauthenticated);
    api.finish();
    tokens.finish();
}

#[tokio::test]
async fn no_error_shows_a_secret() {
    let token = expect("POST", "/t/oauth2/v2.0/token").any_body().answer(
        status(401)
            .json(json!({"error": "invalid_client", "error_description": "the client secret is wrong"})),
    );
    let script = Script::new([token]).await;
    let options = options(&script.url("/"));
    let shown = format!("{options:?}");
    let backend = AzureBackend::new(options, &client(|_| {}));
    let error = backend.read(&zone(), &challenge(), RecordType::Txt).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Unauthenticated);
    for shown in [shown, error.to_string(), format!("{error:?}"), format!("{backend:?}")] {
        assert!(!shown.contains("the client secret"), "{shown}");
    }
    script.finish();
}

#[tokio::test]
async fn throttled_request_is_repeated() {
    let once = |answer| create("TXT", &txt(1, &[&["1"]])).answer(answer);
    let properties = txt(1, &[&["1"]]);
    let script_of_retries = script([
        once(error(429, "TooManyRequests").header("retry-after", "0")),
        once(error(429, "TooManyRequests").header("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")),
        once(error(500, "InternalServerError")),
        once(set("1", &properties)),
    ])
    .await;
    add_value(&backend(&script_of_retries, |_| {}), "1").await.unwrap();
    script_of_retries.finish();

    let script = script([once(error(429, "TooManyRequests").header("retry-after", "3600"))]).await;
    let error = add_value(&backend(&script, |_| {}), "1").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.retry_after()),
        (BackendErrorKind::Quota, Some(Duration::from_secs(3600)))
    );
    script.finish();
}

#[tokio::test]
async fn lost_answer_does_not_lose_a_value() {
    let properties = txt(1, &[&["1"]]);
    let script = script([
        create("TXT", &properties).answer(status(502).html()),
        // The first was made after all.
        create("TXT", &properties).answer(error(412, "PreconditionFailed")),
        get("TXT", set("1", &properties)),
    ])
    .await;
    add_value(&backend(&script, |_| {}), "1").await.unwrap();
    script.finish();
}

#[tokio::test]
async fn unusable_answers_are_errors() {
    for (answer, expected) in [
        (status(200).html(), ApiFault::Html),
        (status(200).text("application/json", r#"{"etag": "1", "proper"#), ApiFault::TruncatedJson),
        (status(200).text("text/plain", "hello"), ApiFault::NotJson),
        (answer_json(json!({})), ApiFault::UnexpectedJson),
        (status(500), ApiFault::Status(500)),
    ] {
        let script = script([get("TXT", answer)]).await;
        let backend = backend(&script, |http| http.max_attempts = 1);
        let error = backend.read(&zone(), &challenge(), RecordType::Txt).await.unwrap_err();
        assert_eq!((error.kind(), fault(&error)), (BackendErrorKind::Unavailable, Some(expected)));
        script.finish();
    }
}

/// Against an imitation, which is not Azure.
#[tokio::test]
async fn backend_conforms_over_an_imitation() {
    let base = resource_group().await;
    let http = client(|http| http.requests_at_once = 32);
    let subject = Subject {
        calls_at_once: 200,
        ..Subject::new(|| AzureBackend::new(options(&base), &http), zone(), &SystemClock)
    };
    let report = check(&subject).await;
    println!("{report}");
    report.require_passed().unwrap();
}
