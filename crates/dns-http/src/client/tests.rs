//! The shared client against a server that follows a script.

use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use fleetcert_ambient::{Clock, ManualClock};
use fleetcert_dns::{BackendError, BackendErrorKind, Operation};
use fleetcert_names::DomainName;
use http::header::AUTHORIZATION;
use http::{HeaderName, Method, StatusCode};
use secrecy::SecretString;
use serde_json::json;

use super::authorize::secret_header;
use super::{Api, ApiError, ApiFault, Authorizer, Call, Endpoint, Outgoing, Repeat, Request, Token};
use crate::fixture::{Answer, Script, client, client_at, expect, json, silence, status};

fn zone() -> DomainName {
    "fleet.test".parse().unwrap()
}

fn token() -> Token {
    Token::new(AUTHORIZATION, "Bearer ", SecretString::from("s3cret-token"))
}

fn api(script: &Script) -> Api {
    Api::new(&client(|_| {}), script.endpoint("/v1"), token())
}

fn zones() -> Request {
    Request::get(["zones"]).query("name", "fleet.test")
}

fn put(repeat: Repeat) -> Request {
    Request::new(Method::PUT, ["zones", "a b"], repeat).json(&json!({"a": 1}))
}

const ZONES: &str = "/v1/zones?name=fleet.test";

/// Asks once, with one answer from the server.
async fn answered(answer: Answer) -> BackendError {
    let script = Script::new([expect("GET", ZONES).answer(answer)]).await;
    let api = Api::new(&client(|options| options.max_attempts = 1), script.endpoint("/v1"), token());
    let zone = zone();
    let call = api.call(Operation::Read, &zone);
    let error = match call.send(&zones()).await {
        Ok(reply) => reply.json::<Vec<u32>>().unwrap_err(),
        Err(error) => error,
    };
    assert_eq!(error.server(), Some(script.server().as_str()));
    script.finish();
    error
}

fn api_error(error: &BackendError) -> &ApiError {
    error.source().unwrap().downcast_ref().unwrap()
}

#[tokio::test]
async fn a_request_goes_out_as_it_was_built() {
    let script = Script::new([
        expect("GET", ZONES)
            .header("authorization", "Bearer s3cret-token")
            .header("accept", "application/json")
            .header("user-agent", concat!("fleetcert-dns-http/", env!("CARGO_PKG_VERSION")))
            .no_header("content-type")
            .answer(json(json!([1, 2]))),
        expect("PUT", "/v1/zones/a%20b").header("content-type", "application/json").json(json!({"a": 1})),
    ])
    .await;
    let (api, zone) = (api(&script), zone());
    let call = api.call(Operation::Read, &zone);
    assert_eq!(call.send(&zones()).await.unwrap().json::<Vec<u32>>().unwrap(), [1, 2]);
    call.send(&put(Repeat::Harmful)).await.unwrap();
    script.finish();
}

#[tokio::test]
async fn each_status_has_its_kind() {
    use BackendErrorKind::*;
    for (code, kind) in [
        (301, InvalidInput),
        (400, InvalidInput),
        (401, Unauthenticated),
        (403, Refused),
        (404, NotInZone),
        (409, Conflict),
        (412, Conflict),
        (422, InvalidInput),
        (423, Conflict),
        (429, Quota),
        (500, Unavailable),
        (501, Unavailable),
        (503, Unavailable),
    ] {
        let error = answered(status(code).json(json!({"message": "no, \u{1b}[2Jbecause"}))).await;
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(error.operation(), Operation::Read);
        assert_eq!(api_error(&error).fault(), ApiFault::Status(code));
        // What the server said is shown, without what a terminal obeys.
        assert!(error.to_string().contains("no, "), "{error}");
        assert!(!error.to_string().contains('\u{1b}'), "{error}");
    }
}

#[tokio::test]
async fn an_api_can_tell_kinds_by_its_own_codes() {
    let script =
        Script::new([expect("GET", ZONES).answer(status(400).json(json!({"code": "locked"})))]).await;
    let api = api(&script).reading_kinds(|status, body| {
        assert_eq!(status, StatusCode::BAD_REQUEST);
        body.windows(6).any(|window| window == b"locked").then_some(BackendErrorKind::Conflict)
    });
    let error = api.call(Operation::Apply, &zone()).send(&zones()).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Conflict);
    script.finish();
}

#[tokio::test]
async fn what_is_not_the_json_of_the_api_is_named() {
    for (answer, fault) in [
        (status(200).html(), ApiFault::Html),
        (status(200).text("application/json", " <HTML>"), ApiFault::Html),
        (status(200).text("application/json", "[1, 2"), ApiFault::TruncatedJson),
        (status(200), ApiFault::TruncatedJson),
        (status(200).text("application/json", "[1, x]"), ApiFault::NotJson),
        (status(200).text("text/plain", "ok"), ApiFault::NotJson),
        (json(json!({"zones": []})), ApiFault::UnexpectedJson),
        (status(200).text("application/json", "[".repeat(100_000)), ApiFault::TruncatedJson),
        (status(200).text("application/json", "[".repeat(999) + &"]".repeat(999)), ApiFault::UnexpectedJson),
        (status(200).text("application/json", "x".repeat((8 << 20) + 1)), ApiFault::TooLong),
        (status(200).text("application/json", "[1, 2").broken(), ApiFault::Broken),
    ] {
        let error = answered(answer).await;
        assert_eq!(error.kind(), BackendErrorKind::Unavailable);
        assert_eq!(api_error(&error).fault(), fault, "{error}");
        assert!(error.to_string().len() < 600, "{error}");
    }
    let error = answered(status(200).html()).await;
    assert!(error.to_string().contains("Sign in"), "{error}");
}

#[tokio::test]
async fn a_body_without_a_length_is_bounded_too() {
    // A broken body is sent in chunks: its length is not announced.
    let error = answered(status(200).text("application/json", "x".repeat(9 << 20)).broken()).await;
    assert_eq!(api_error(&error).fault(), ApiFault::TooLong);
}

#[tokio::test]
async fn no_error_shows_a_secret() {
    let repeats =
        json!({"error": "token s3cret-token is not known", "pad": "x".repeat(150), "again": "s3cret-token"});
    let error = answered(status(401).json(repeats)).await;
    for text in [error.to_string(), format!("{error:?}"), format!("{:#?}", api_error(&error))] {
        assert!(!text.contains("s3cret"), "{text}");
        // A query can hold a secret, too.
        assert!(!text.contains("name=fleet.test"), "{text}");
    }
    assert!(error.to_string().contains("token [secret] is not known"), "{error}");
    assert!(!format!("{:?}", token()).contains("s3cret"));

    // Nor does one that comes from the connection.
    let endpoint: Endpoint = "http://127.0.0.1:1/".parse().unwrap();
    let api = Api::new(&client(|options| options.max_attempts = 1), endpoint, token());
    let error = api.call(Operation::Read, &zone()).send(&zones()).await.unwrap_err();
    assert_eq!(api_error(&error).fault(), ApiFault::NotReached);
    let source = api_error(&error).source().unwrap();
    assert!(!format!("{source} {source:?} {error:?}").contains("name=fleet.test"), "{source:?}");
}

#[tokio::test]
async fn an_answer_that_is_secret_is_not_shown() {
    let script =
        Script::new([expect("GET", ZONES).answer(status(400).json(json!({"password": "pa55"})))]).await;
    let (api, zone) = (api(&script), zone());
    let error = api.call(Operation::Read, &zone).send(&zones().with_secret_reply()).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("pa55"), "{error}");
    script.finish();
}

#[tokio::test]
async fn a_token_that_no_header_can_hold_is_not_sent() {
    for bad in ["", "line\nfeed"] {
        let script = Script::new([]).await;
        let api = Api::new(
            &client(|_| {}),
            script.endpoint("/"),
            Token::new(HeaderName::from_static("x-api-key"), "", bad.into()),
        );
        let error = api.call(Operation::Read, &zone()).send(&zones()).await.unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::Unauthenticated);
        script.finish();
    }
}

#[tokio::test]
async fn a_404_is_an_answer_where_it_is_allowed_but_a_web_page_is_none() {
    let not_found = || expect("GET", ZONES).answer(status(404).json(json!({})));
    let script =
        Script::new([not_found(), not_found(), expect("GET", ZONES).answer(status(404).html())]).await;
    let (api, zone) = (api(&script), zone());
    let call = api.call(Operation::Read, &zone);
    assert_eq!(call.send(&zones()).await.unwrap_err().kind(), BackendErrorKind::NotInZone);
    let allowed = [StatusCode::NOT_FOUND];
    assert_eq!(call.send_allowing(&zones(), &allowed).await.unwrap().status, StatusCode::NOT_FOUND);
    assert_eq!(call.send_allowing(&zones(), &allowed).await.unwrap_err().kind(), BackendErrorKind::NotInZone);
    script.finish();
}

#[tokio::test]
async fn what_passes_is_tried_again() {
    let script = Script::new([
        expect("GET", ZONES).answer(status(500)),
        expect("GET", ZONES).answer(status(200).text("application/json", "[1").broken()),
        expect("GET", ZONES).answer(status(502).html()),
        expect("GET", ZONES).answer(json(json!([1]))),
    ])
    .await;
    let (api, zone) = (api(&script), zone());
    assert_eq!(
        api.call(Operation::Read, &zone).send(&zones()).await.unwrap().json::<Vec<u32>>().unwrap(),
        [1]
    );
    script.finish();

    let script = Script::new((0..4).map(|_| expect("GET", ZONES).answer(status(500)))).await;
    let error = self::api(&script).call(Operation::Read, &zone).send(&zones()).await.unwrap_err();
    assert_eq!((error.kind(), error.attempt()), (BackendErrorKind::Unavailable, 4));
    script.finish();
}

#[tokio::test]
async fn what_is_harmful_twice_is_sent_once() {
    let path = "/v1/zones/a%20b";
    let request = || expect("PUT", path).json(json!({"a": 1}));
    let script = Script::new([
        request().answer(status(500)),
        request().answer(status(200).text("application/json", "[1").broken()),
        request().answer(status(429)),
        request(),
    ])
    .await;
    let (api, zone) = (api(&script), zone());
    let call = api.call(Operation::Apply, &zone);
    for _ in 0..2 {
        let error = call.send(&put(Repeat::Harmful)).await.unwrap_err();
        assert_eq!((error.kind(), error.attempt()), (BackendErrorKind::Unavailable, 1));
    }
    // One that was refused for its number was not done.
    call.send(&put(Repeat::Harmful)).await.unwrap();
    script.finish();
}

#[tokio::test]
async fn who_is_refused_for_his_number_is_told_a_time_in_any_case() {
    let script = Script::new((0..4).map(|_| expect("GET", ZONES).answer(status(429)))).await;
    let (api, zone) = (api(&script), zone());
    let error = api.call(Operation::Read, &zone).send(&zones()).await.unwrap_err();
    assert_eq!((error.kind(), error.attempt()), (BackendErrorKind::Quota, 4));
    // The longest pause of the tests' client.
    assert_eq!(error.retry_after(), Some(Duration::from_millis(10)));
    script.finish();
}

#[tokio::test]
async fn retry_after_is_kept_in_both_forms() {
    let forms: [fn() -> String; 2] =
        [|| "1".to_owned(), || httpdate::fmt_http_date(later(Duration::from_secs(2)))];
    for form in forms {
        let script = Script::new([
            expect("GET", ZONES).answer(status(429).header("retry-after", form())),
            expect("GET", ZONES).answer(json(json!([]))),
        ])
        .await;
        let (api, zone) = (api(&script), zone());
        let began = now();
        api.call(Operation::Read, &zone).send(&zones()).await.unwrap();
        // A date has whole seconds, so two of them may be a little more than one.
        assert!(now() - began > Duration::from_millis(900), "{:?}", now() - began);
        script.finish();
    }
}

#[tokio::test]
async fn a_wait_beyond_the_deadline_is_told_and_kept_by_all_calls() {
    let clock = ManualClock::starting_at(SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777));
    let script = Script::new([
        expect("GET", ZONES).answer(status(429).header("retry-after", "Sun, 06 Nov 1994 09:49:37 GMT")),
        expect("GET", ZONES).answer(json(json!([]))),
    ])
    .await;
    let http = client_at(Arc::new(clock.clone()), |_| {});
    let (api, zone) = (Api::new(&http, script.endpoint("/v1"), token()), zone());
    let error = api.call(Operation::Read, &zone).send(&zones()).await.unwrap_err();
    assert_eq!((error.kind(), error.attempt()), (BackendErrorKind::Quota, 1));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3600)));

    // The next call of the same account does not ask before.
    clock.advance(Duration::from_secs(1800));
    let error = api.call(Operation::Read, &zone).send(&zones()).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(1800)));
    clock.advance(Duration::from_secs(1800));
    api.call(Operation::Read, &zone).send(&zones()).await.unwrap();
    script.finish();
}

#[tokio::test]
async fn a_server_that_is_silent_costs_the_time_of_an_attempt() {
    let script = Script::new([
        expect("GET", ZONES).answer(silence()),
        expect("GET", ZONES).answer(json(json!([]))),
        expect("GET", ZONES).answer(silence()),
        expect("GET", ZONES).answer(silence()),
    ])
    .await;
    let http = client(|options| {
        options.attempt_within = Duration::from_millis(100);
        options.max_attempts = 2;
    });
    let (api, zone) = (Api::new(&http, script.endpoint("/v1"), token()), zone());
    api.call(Operation::Read, &zone).send(&zones()).await.unwrap();
    let error = api.call(Operation::Read, &zone).send(&zones()).await.unwrap_err();
    assert_eq!(api_error(&error).fault(), ApiFault::TooLate);
    assert_eq!((error.kind(), error.attempt()), (BackendErrorKind::Unavailable, 2));
    script.finish();
}

#[tokio::test]
async fn the_deadline_of_the_call_ends_all() {
    let script = Script::new([expect("GET", ZONES).answer(silence())]).await;
    let http = client(|options| options.call_within = Duration::from_millis(100));
    let (api, zone) = (Api::new(&http, script.endpoint("/v1"), token()), zone());
    let error = api.call(Operation::Read, &zone).send(&zones()).await.unwrap_err();
    assert_eq!((api_error(&error).fault(), error.attempt()), (ApiFault::TooLate, 1));
    script.finish();
}

#[tokio::test]
async fn so_many_requests_at_once_and_no_more() {
    // The first holds the only place until its time is over.
    let script = Script::new([expect("GET", ZONES).answer(silence()), expect("GET", ZONES)]).await;
    let http = client(|options| {
        options.requests_at_once = 1;
        options.attempt_within = Duration::from_millis(300);
        options.max_attempts = 1;
    });
    let (api, zone) = (Api::new(&http, script.endpoint("/v1"), token()), zone());
    let (first, second) = (api.call(Operation::Read, &zone), api.call(Operation::Read, &zone));
    let began = now();
    let (zones, other) = (zones(), self::zones());
    let (first, second) = tokio::join!(first.send(&zones), second.send(&other));
    assert!(first.is_err() && second.is_ok());
    assert!(now() - began >= Duration::from_millis(300));
    script.finish();
}

#[tokio::test]
async fn a_next_page_on_another_server_is_not_asked_for() {
    let script = Script::new([expect("GET", "/elsewhere?page=2")]).await;
    let (api, zone) = (api(&script), zone());
    let call = api.call(Operation::Read, &zone);
    for foreign in ["http://127.0.0.1:1/v1/zones?page=2", "https://evil.test/v1/zones"] {
        let error = call.send(&Request::get_url(foreign.parse().unwrap())).await.unwrap_err();
        assert_eq!(api_error(&error).fault(), ApiFault::ForeignUrl);
    }
    call.send(&Request::get_url(script.url("/elsewhere?page=2").parse().unwrap())).await.unwrap();
    script.finish();
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let script =
        Script::new([expect("GET", ZONES).answer(status(302).header("location", "http://127.0.0.1:1/"))])
            .await;
    let (api, zone) = (api(&script), zone());
    let error = api.call(Operation::Read, &zone).send(&zones()).await.unwrap_err();
    assert_eq!(api_error(&error).fault(), ApiFault::Status(302));
    script.finish();
}

#[tokio::test]
async fn list_with_more_pages_than_allowed_is_an_error() {
    let page = || expect("GET", ZONES).answer(json(json!([1, 2])));
    for (pages, items) in [(3, Some(6)), (4, None)] {
        let script = Script::new((0..3).map(|_| page())).await;
        let http = client(|options| options.max_pages = 3);
        let (api, zone) = (Api::new(&http, script.endpoint("/v1"), token()), zone());
        let read = AtomicU32::new(0);
        let call = api.call(Operation::Read, &zone);
        let list = call.list(zones(), |reply| {
            let next = (read.fetch_add(1, SeqCst) + 1 < pages).then(zones);
            Ok((reply.json::<Vec<u32>>()?, next))
        });
        match list.await {
            Ok(list) => assert_eq!(Some(list.len()), items),
            Err(error) => assert_eq!((error.kind(), items), (BackendErrorKind::Unavailable, None)),
        }
        script.finish();
    }
}

/// A token that is fetched through an API of its own, and thrown away when it is refused.
#[derive(Debug)]
struct Fetched {
    tokens: Api,
    refusals: AtomicU32,
}

#[async_trait]
impl Authorizer for Fetched {
    async fn authorize(&self, outgoing: &mut Outgoing, call: &Call<'_>) -> Result<(), BackendError> {
        let token: String = call.through(&self.tokens).send(&Request::get(["token"])).await?.json()?;
        outgoing.headers.insert("x-token", secret_header("", &token.into()).unwrap());
        Ok(())
    }

    fn conceal(&self, text: &str) -> String {
        text.to_owned()
    }

    fn refused(&self) -> bool {
        self.refusals.fetch_add(1, SeqCst);
        true
    }
}

#[tokio::test]
async fn a_refused_token_is_fetched_again_once() {
    let tokens = Script::new([
        expect("GET", "/token").answer(json(json!("old"))),
        expect("GET", "/token").answer(json(json!("new"))),
        expect("GET", "/token").answer(json(json!("newer"))),
    ])
    .await;
    let script = Script::new([
        expect("PUT", "/zones/a%20b").header("x-token", "old").json(json!({"a": 1})).answer(status(401)),
        expect("PUT", "/zones/a%20b").header("x-token", "new").json(json!({"a": 1})).answer(status(500)),
        expect("PUT", "/zones/a%20b").header("x-token", "newer").json(json!({"a": 1})).answer(status(401)),
    ])
    .await;
    let http = client(|_| {});
    let fetched =
        Fetched { tokens: Api::new(&http, tokens.endpoint("/"), token()), refusals: AtomicU32::new(0) };
    let (api, zone) = (Api::new(&http, script.endpoint("/"), fetched), zone());
    let error = api.call(Operation::Apply, &zone).send(&put(Repeat::Harmless)).await.unwrap_err();
    assert_eq!((error.kind(), error.attempt()), (BackendErrorKind::Unauthenticated, 3));
    script.finish();
    tokens.finish();
}

#[allow(clippy::disallowed_methods)] // how long a test takes
fn now() -> Instant {
    Instant::now()
}

fn later(wait: Duration) -> SystemTime {
    fleetcert_ambient::SystemClock.now() + wait
}
