//! Every request to Google Cloud DNS, and what comes of every answer.

mod imitation;
mod key_file;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use fleetcert_ambient::{ManualClock, SystemClock};
use fleetcert_dns::conformance::{Subject, check};
use fleetcert_dns::{Addresses, BackendErrorKind, DnsBackend, DnsBackendExt, RecordType, Ttl};
use serde_json::{Value, json};

use crate::fixture::{
    Answer, Exchange, Script, add_value, challenge, client, client_at, expect, fault, json as answer_json,
    remove_value, status, zone,
};
use fleetcert_dns_http::google::{GoogleBackend, GoogleCredentials, GoogleOptions, ServiceAccountKey};
use fleetcert_dns_http::{AccessToken, ApiFault, CredentialError, HttpOptions, TokenSource};
use imitation::managed_zone;
use key_file::key_file;

const ZONE: &str = "/dns/v1/projects/p/managedZones/fleet";

/// A source of the tokens `tok-1`, `tok-2` ….
#[derive(Debug)]
struct Counted {
    given: AtomicU32,
    valid_for: Duration,
}

#[async_trait]
impl TokenSource for Counted {
    async fn token(&self) -> Result<AccessToken, CredentialError> {
        // As long as a request takes.
        tokio::time::sleep(Duration::from_millis(5)).await;
        let number = self.given.fetch_add(1, SeqCst) + 1;
        Ok(AccessToken { secret: format!("tok-{number}").into(), valid_for: self.valid_for })
    }
}

fn tokens(valid_for: Duration) -> GoogleCredentials {
    GoogleCredentials::Source(Arc::new(Counted { given: AtomicU32::new(0), valid_for }))
}

fn options(base: &str) -> GoogleOptions {
    GoogleOptions {
        endpoint: base.parse().unwrap(),
        managed_zones: [(zone(), "fleet".to_owned())].into(),
        ..GoogleOptions::new("p", tokens(Duration::from_secs(3600)))
    }
}

fn backend(script: &Script, adjust: impl FnOnce(&mut HttpOptions)) -> GoogleBackend {
    GoogleBackend::new(options(&script.url("/")), &client(adjust))
}

fn listing(record_type: &str, sets: &[&Value]) -> Exchange {
    let list = json!({"kind": "dns#resourceRecordSetsListResponse", "rrsets": sets});
    expect("GET", format!("{ZONE}/rrsets?name=_acme-challenge.a.fleet.test.&type={record_type}"))
        .header("authorization", "Bearer tok-1")
        .header("accept", "application/json")
        .answer(answer_json(list))
}

fn set(record_type: &str, ttl: u32, values: &[&str]) -> Value {
    json!({"name": "_acme-challenge.a.fleet.test.", "type": record_type, "ttl": ttl, "rrdatas": values})
}

fn change(deletions: &[&Value], additions: &[&Value]) -> Exchange {
    expect("POST", format!("{ZONE}/changes"))
        .header("authorization", "Bearer tok-1")
        .header("content-type", "application/json")
        .json(json!({"deletions": deletions, "additions": additions}))
        .answer(made())
}

fn made() -> Answer {
    answer_json(json!({"kind": "dns#change", "id": "7", "status": "pending"}))
}

fn error(code: u16, reason: &str) -> Answer {
    status(code).json(json!({
        "error": {"code": code, "message": "why", "errors": [{"domain": "global", "reason": reason}]}
    }))
}

#[tokio::test]
async fn value_is_added_and_removed_in_two_requests() {
    let one = set("TXT", 1, &["\"1\""]);
    let script = Script::new([change(&[], &[&one]), change(&[&one], &[])]).await;
    let backend = backend(&script, |_| {});
    add_value(&backend, "1").await.unwrap();
    remove_value(&backend, "1").await.unwrap();
    script.finish();
}

#[tokio::test]
async fn other_value_is_found_after_a_wrong_guess_and_keeps_its_spelling() {
    let foreign = set("TXT", 300, &[r#""for" "eign\233""#, "bare"]);
    for (conflict, deletes) in [(error(409, "alreadyExists"), false), (error(412, "conditionNotMet"), true)] {
        let after = set("TXT", 1, &[r#""for" "eign\233""#, "bare", "\"1\""]);
        let mut exchanges = vec![change(&[], &[&set("TXT", 1, &["\"1\""])]).answer(conflict)];
        if deletes {
            // Somebody was faster once more, and deleted what was to be deleted.
            let gone = change(&[&foreign], &[&after]).answer(error(404, "notFound"));
            exchanges.extend([listing("TXT", &[&foreign]), gone]);
        }
        exchanges.extend([listing("TXT", &[&foreign]), change(&[&foreign], &[&after])]);
        let script = Script::new(exchanges).await;
        add_value(&backend(&script, |_| {}), "1").await.unwrap();
        script.finish();
    }
}

#[tokio::test]
async fn existing_value_is_not_written_and_missing_value_is_not_removed() {
    let script = Script::new([
        change(&[], &[&set("TXT", 1, &["\"1\""])]),
        listing("TXT", &[&set("TXT", 1, &["\"1\""])]),
        listing("TXT", &[&set("TXT", 1, &["\"1\""])]),
    ])
    .await;
    let first = backend(&script, |_| {});
    add_value(&first, "1").await.unwrap();
    add_value(&first, "1").await.unwrap();
    remove_value(&backend(&script, |_| {}), "2").await.unwrap();
    script.finish();
}

#[tokio::test]
async fn addresses_are_replaced_in_one_change() {
    let (before, v4, v6) =
        (set("A", 60, &["10.1.1.4"]), set("A", 60, &["10.1.1.5"]), set("AAAA", 60, &["fd00::5"]));
    let script = Script::new([
        listing("A", &[&before]),
        listing("AAAA", &[]),
        change(&[&before], &[&v4, &v6]),
        change(&[&v4, &v6], &[]),
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
async fn zones_and_sets_are_found_on_any_page() {
    let zones = |zones: Value, next: Option<&str>| {
        answer_json(
            json!({"kind": "dns#managedZonesListResponse", "managedZones": zones, "nextPageToken": next}),
        )
    };
    let zone_of = |name: &str, visibility: &str| json!([{"name": name, "dnsName": "fleet.test.", "visibility": visibility}]);
    let first = || {
        expect("GET", "/dns/v1/projects/p/managedZones?dnsName=fleet.test.")
            .header("authorization", "Bearer tok-1")
    };
    let second = || expect("GET", "/dns/v1/projects/p/managedZones?dnsName=fleet.test.&pageToken=n%2F2");
    let other = json!({"name": "x.fleet.test.", "type": "TXT", "ttl": 1, "rrdatas": ["\"2\""]});
    let list = |sets: Value, next: Option<&str>| {
        answer_json(
            json!({"kind": "dns#resourceRecordSetsListResponse", "rrsets": sets, "nextPageToken": next}),
        )
    };
    let sets = format!("{ZONE}/rrsets?name=_acme-challenge.a.fleet.test.&type=TXT");
    let script = Script::new([
        first().answer(zones(zone_of("inside", "private"), Some("n/2"))),
        second().answer(zones(zone_of("fleet", "public"), None)),
        expect("GET", &sets).answer(list(json!([other]), Some("two"))),
        expect("GET", format!("{sets}&pageToken=two")).answer(list(json!([set("TXT", 1, &["\"1\""])]), None)),
        // The backend looks up a zone again after it is gone.
        expect("GET", &sets).answer(error(404, "notFound")),
        first().answer(zones(zone_of("one", "public"), Some("n/2"))),
        second().answer(zones(zone_of("two", "public"), None)),
        first().answer(answer_json(json!({"kind": "dns#managedZonesListResponse"}))),
    ])
    .await;
    let options = GoogleOptions { managed_zones: [].into(), ..options(&script.url("/")) };
    let backend = GoogleBackend::new(options, &client(|_| {}));
    assert_eq!(backend.texts(&zone(), &challenge()).await.unwrap(), ["1".parse().unwrap()].into());
    let read = async || backend.read(&zone(), &challenge(), RecordType::Txt).await.unwrap_err();
    assert_eq!(read().await.kind(), BackendErrorKind::NotInZone);
    let two = read().await;
    assert_eq!(two.kind(), BackendErrorKind::InvalidInput);
    assert!(two.to_string().contains("one, two"), "{two}");
    assert_eq!(read().await.kind(), BackendErrorKind::NotInZone);
    script.finish();
}

#[tokio::test]
async fn endless_pages_are_an_error() {
    let endless =
        || answer_json(json!({"kind": "dns#resourceRecordSetsListResponse", "nextPageToken": "again"}));
    let sets = format!("{ZONE}/rrsets?name=_acme-challenge.a.fleet.test.&type=TXT");
    let next = || expect("GET", format!("{sets}&pageToken=again")).answer(endless());
    let script = Script::new([expect("GET", &sets).answer(endless()), next(), next()]).await;
    let backend = backend(&script, |http| http.max_pages = 3);
    let error = backend.read(&zone(), &challenge(), RecordType::Txt).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Unavailable);
    script.finish();
}

#[tokio::test]
async fn routing_policies_are_left_alone() {
    let routed = json!({
        "name": "_acme-challenge.a.fleet.test.", "type": "A", "ttl": 60, "routingPolicy": {"wrr": {"items": []}}
    });
    let script = Script::new([listing("A", &[&routed])]).await;
    let error = backend(&script, |_| {}).read(&zone(), &challenge(), RecordType::A).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::InvalidInput);
    assert!(error.to_string().contains("routing policy"), "{error}");
    script.finish();
}

#[tokio::test]
async fn more_than_a_hundred_values_are_rejected() {
    let many: Vec<String> = (0..100).map(|number| format!("\"{number}\"")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let script = Script::new([
        change(&[], &[&set("TXT", 1, &["\"new\""])]).answer(error(409, "alreadyExists")),
        listing("TXT", &[&set("TXT", 1, &many)]),
    ])
    .await;
    let error = add_value(&backend(&script, |_| {}), "new").await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Quota);
    script.finish();
}

#[tokio::test]
async fn refusals_are_classified() {
    for (answer, kind) in [
        (error(403, "forbidden"), BackendErrorKind::Refused),
        (status(403).html(), BackendErrorKind::Refused),
        (error(404, "notFound"), BackendErrorKind::NotInZone),
        (error(409, "alreadyExists"), BackendErrorKind::Conflict),
        (error(400, "invalid"), BackendErrorKind::InvalidInput),
    ] {
        let script = Script::new([listing("TXT", &[]).answer(answer)]).await;
        let error = backend(&script, |_| {}).read(&zone(), &challenge(), RecordType::Txt).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(error.server(), Some(script.server().as_str()));
        script.finish();
    }
    // Without anything deleted, a 404 is the zone's.
    let script =
        Script::new([change(&[], &[&set("TXT", 1, &["\"1\""])]).answer(error(404, "notFound"))]).await;
    assert_eq!(
        add_value(&backend(&script, |_| {}), "1").await.unwrap_err().kind(),
        BackendErrorKind::NotInZone
    );
    script.finish();
}

#[tokio::test]
async fn refused_or_expired_token_is_replaced() {
    let read = |token: &str| {
        let list = json!({"kind": "dns#resourceRecordSetsListResponse"});
        expect("GET", format!("{ZONE}/rrsets?name=_acme-challenge.a.fleet.test.&type=TXT"))
            .header("authorization", format!("Bearer {token}"))
            .answer(answer_json(list))
    };
    let script = Script::new([
        read("tok-1").answer(error(401, "authError")),
        read("tok-2"),
        read("tok-2"),
        // An hour less a minute later.
        read("tok-3"),
        read("tok-3").answer(error(401, "authError")),
        read("tok-4").answer(error(401, "authError")),
    ])
    .await;
    let clock = ManualClock::starting_at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000));
    let backend = GoogleBackend::new(options(&script.url("/")), &client_at(Arc::new(clock.clone()), |_| {}));
    let read = async || backend.read(&zone(), &challenge(), RecordType::Txt).await;
    read().await.unwrap();
    clock.advance(Duration::from_secs(3539));
    read().await.unwrap();
    clock.advance(Duration::from_secs(1));
    read().await.unwrap();
    assert_eq!(read().await.unwrap_err().kind(), BackendErrorKind::Unauthenticated);
    script.finish();
}

#[tokio::test]
async fn many_calls_fetch_one_token() {
    let script = Script::new((0..20).map(|_| listing("TXT", &[]))).await;
    let backend = backend(&script, |_| {});
    let (zone, name) = (zone(), challenge());
    let reads = (0..20).map(|_| backend.read(&zone, &name, RecordType::Txt));
    for read in futures_util::future::join_all(reads).await {
        assert_eq!(read.unwrap(), None);
    }
    script.finish();
}

#[tokio::test]
async fn rate_limited_request_is_repeated() {
    let once = |answer| change(&[], &[&set("TXT", 1, &["\"1\""])]).answer(answer);
    let script = Script::new([
        once(error(403, "rateLimitExceeded")),
        once(error(429, "rateLimitExceeded").header("retry-after", "0")),
        once(error(503, "backendError").header("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")),
        once(made()),
    ])
    .await;
    add_value(&backend(&script, |_| {}), "1").await.unwrap();
    script.finish();

    let script = Script::new([once(error(403, "quotaExceeded").header("retry-after", "3600"))]).await;
    let error = add_value(&backend(&script, |_| {}), "1").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.retry_after()),
        (BackendErrorKind::Quota, Some(Duration::from_secs(3600)))
    );
    script.finish();
}

#[tokio::test]
async fn unusable_answers_are_errors() {
    for (answer, expected) in [
        (status(200).html(), ApiFault::Html),
        (status(200).text("application/json", r#"{"kind": "dns#reso"#), ApiFault::TruncatedJson),
        (status(200).text("text/plain", "hello"), ApiFault::NotJson),
        (answer_json(json!({})), ApiFault::UnexpectedJson),
        (answer_json(json!({"kind": "dns#managedZonesListResponse"})), ApiFault::UnexpectedJson),
        (status(500), ApiFault::Status(500)),
    ] {
        let script = Script::new([listing("TXT", &[]).answer(answer)]).await;
        let backend = backend(&script, |http| http.max_attempts = 1);
        let error = backend.read(&zone(), &challenge(), RecordType::Txt).await.unwrap_err();
        assert_eq!((error.kind(), fault(&error)), (BackendErrorKind::Unavailable, Some(expected)));
        script.finish();
    }
    let script =
        Script::new([change(&[], &[&set("TXT", 1, &["\"1\""])]).answer(answer_json(json!({})))]).await;
    assert_eq!(
        fault(&add_value(&backend(&script, |_| {}), "1").await.unwrap_err()),
        Some(ApiFault::UnexpectedJson)
    );
    script.finish();
}

fn key(token_uri: &str) -> GoogleCredentials {
    GoogleCredentials::Key(ServiceAccountKey::parse(&key_file(token_uri)).unwrap())
}

#[tokio::test]
async fn errors_of_the_token_endpoint_are_classified() {
    for (answer, kind) in [
        (
            status(400)
                .json(json!({"error": "invalid_grant", "error_description": "Invalid JWT Signature."})),
            BackendErrorKind::Unauthenticated,
        ),
        (status(401).json(json!({"error": "invalid_client"})), BackendErrorKind::Unauthenticated),
        (status(403).json(json!({"error": "access_denied"})), BackendErrorKind::Unauthenticated),
        (status(400).json(json!({"error": "invalid_request"})), BackendErrorKind::InvalidInput),
        (status(429).header("retry-after", "7200"), BackendErrorKind::Quota),
        (answer_json(json!({"access_token": "", "expires_in": 10})), BackendErrorKind::Unavailable),
        (answer_json(json!({"access_token": "a\nb", "expires_in": 10})), BackendErrorKind::Unauthenticated),
        (status(200).html(), BackendErrorKind::Unavailable),
        (status(200).text("application/json", "{\"access_tok"), BackendErrorKind::Unavailable),
    ] {
        // Each request signs its own assertion. The tests of the signature check its form.
        let tokens = crate::fixture::Script::new([expect("POST", "/token")
            .header("content-type", "application/x-www-form-urlencoded")
            .no_header("authorization")
            .any_body()
            .answer(answer)])
        .await;
        let script = Script::new([]).await;
        let options = GoogleOptions { credentials: key(&tokens.url("/token")), ..options(&script.url("/")) };
        let backend = GoogleBackend::new(options, &client(|http| http.call_within = Duration::from_secs(5)));
        let error = backend.read(&zone(), &challenge(), RecordType::Txt).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(!error.to_string().contains("access_tok"), "{error}");
        tokens.finish();
        script.finish();
    }
}

/// Against an imitation, which is not Google Cloud DNS.
#[tokio::test]
async fn backend_conforms_over_an_imitation() {
    let base = managed_zone().await;
    let http = client(|http| http.requests_at_once = 32);
    for managed_zones in [[].into(), [(zone(), "fleet".to_owned())].into()] {
        let credentials = key(&format!("{base}/token"));
        let options = GoogleOptions { managed_zones, credentials, ..options(&base) };
        let subject = Subject {
            calls_at_once: 200,
            ..Subject::new(|| GoogleBackend::new(options.clone(), &http), zone(), &SystemClock)
        };
        let report = check(&subject).await;
        println!("{report}");
        report.require_passed().unwrap();
    }
}
