//! The frame of the tests: names and changes, and a server that asserts a script of requests and gives its answers.

use parking_lot::Mutex;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request as HttpRequest;
use axum::response::Response;
use fleetcert_ambient::{Ambient, Clock, SeededEntropy, SystemClock};
use fleetcert_dns::{
    Addresses, BackendError, BackendErrorKind, Change, DnsBackend, DnsBackendExt, RecordType, Ttl, TxtValue,
};
use fleetcert_names::DomainName;
use futures_util::stream;
use http::StatusCode;
use tokio::task::JoinHandle;

use crate::{ApiError, ApiFault, Endpoint, HttpClient, HttpOptions};

/// What one request must be, and what is answered.
#[derive(Debug)]
pub(crate) struct Exchange {
    method: &'static str,
    /// Path and query, as they stand on the wire.
    target: String,
    headers: Vec<(&'static str, Option<String>)>,
    body: Wanted,
    answer: Answer,
}

#[derive(Debug)]
enum Wanted {
    Nothing,
    Anything,
    Json(serde_json::Value),
    Text(String),
}

#[derive(Debug)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
    end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Whole,
    /// The connection ends after the body that is there, which is shorter than announced.
    Broken,
    /// Nothing is ever answered.
    Never,
}

/// The request that is expected: `expect("GET", "/v1/zones?page=2")`. Without a body, none may come.
pub(crate) fn expect(method: &'static str, target: impl Into<String>) -> Exchange {
    let (headers, body) = (vec![], Wanted::Nothing);
    Exchange { method, target: target.into(), headers, body, answer: status(200) }
}

/// An answer with this status and no body.
pub(crate) fn status(status: u16) -> Answer {
    Answer { status, headers: vec![], body: String::new(), end: End::Whole }
}

/// An answer that is successful, with this JSON.
pub(crate) fn json(value: serde_json::Value) -> Answer {
    status(200).json(value)
}

/// No answer, ever.
pub(crate) fn silence() -> Answer {
    Answer { end: End::Never, ..status(200) }
}

impl Exchange {
    /// This header must have this value.
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, Some(value.into())));
        self
    }

    /// This header must be absent.
    pub(crate) fn no_header(mut self, name: &'static str) -> Self {
        self.headers.push((name, None));
        self
    }

    /// The body must be this JSON.
    pub(crate) fn json(mut self, value: serde_json::Value) -> Self {
        self.body = Wanted::Json(value);
        self
    }

    /// The body must be this text.
    pub(crate) fn text(mut self, text: impl Into<String>) -> Self {
        self.body = Wanted::Text(text.into());
        self
    }

    /// The body may be anything: it is signed or encrypted, and checked elsewhere.
    pub(crate) fn any_body(mut self) -> Self {
        self.body = Wanted::Anything;
        self
    }

    /// This is answered; without, status 200 and nothing.
    pub(crate) fn answer(mut self, answer: Answer) -> Self {
        self.answer = answer;
        self
    }
}

impl Answer {
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    #[allow(clippy::needless_pass_by_value)] // so that `json!` can stand there
    pub(crate) fn json(self, value: serde_json::Value) -> Self {
        self.text("application/json", value.to_string())
    }

    pub(crate) fn text(mut self, content_type: &'static str, body: impl Into<String>) -> Self {
        self.body = body.into();
        self.header("content-type", content_type)
    }

    /// A web page.
    pub(crate) fn html(self) -> Self {
        self.text("text/html; charset=utf-8", "<!DOCTYPE html><html><body>Sign in</body></html>")
    }

    /// The connection ends in the middle of the body.
    pub(crate) fn broken(mut self) -> Self {
        self.end = End::Broken;
        self
    }
}

/// The server. Its test ends with [`finish`](Self::finish).
#[derive(Debug)]
pub(crate) struct Script {
    address: SocketAddr,
    state: Arc<Mutex<ScriptState>>,
    serving: JoinHandle<()>,
    finished: bool,
}

#[derive(Debug)]
struct ScriptState {
    expected: VecDeque<Exchange>,
    answered: usize,
    faults: Vec<String>,
    seen: Vec<(http::HeaderMap, Bytes)>,
}

impl Script {
    /// A server that expects these requests and no other.
    pub(crate) async fn new(expected: impl IntoIterator<Item = Exchange>) -> Self {
        let (expected, faults) = (expected.into_iter().collect(), Vec::new());
        let state = ScriptState { expected, answered: 0, faults, seen: Vec::new() };
        let state = Arc::new(Mutex::new(state));
        let (address, serving) = serve({
            let state = state.clone();
            Router::new().fallback(move |request: HttpRequest| play(state.clone(), request))
        })
        .await;
        Self { address, state, serving, finished: false }
    }

    /// As [`new`](Self::new), for answers that link to the server itself: `expected` gets its base URL.
    pub(crate) async fn linked(expected: impl FnOnce(&str) -> Vec<Exchange>) -> Self {
        let script = Self::new([]).await;
        let expected = expected(&script.url(""));
        script.state.lock().expected.extend(expected);
        script
    }

    /// Where it listens, with this path below.
    pub(crate) fn endpoint(&self, path: &str) -> Endpoint {
        self.url(path).parse().unwrap()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What a backend's error calls the server.
    pub(crate) fn server(&self) -> String {
        self.address.to_string()
    }

    /// A header of every request that came, and its body.
    pub(crate) fn seen(&self, header: &str) -> Vec<(String, Bytes)> {
        let seen = &self.state.lock().seen;
        seen.iter()
            .map(|(headers, body)| (headers[header].to_str().unwrap().to_owned(), body.clone()))
            .collect()
    }

    /// That every request came, in order, and was as expected.
    pub(crate) fn finish(mut self) {
        self.finished = true;
        self.serving.abort();
        let state = self.state.lock();
        assert!(state.faults.is_empty(), "{}", state.faults.join("\n"));
        let missing: Vec<_> =
            state.expected.iter().map(|it| format!("{} {}", it.method, it.target)).collect();
        assert!(missing.is_empty(), "after {} requests these did not come: {missing:?}", state.answered);
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        self.serving.abort();
        if !std::thread::panicking() {
            assert!(self.finished, "a script is finished, or it proves nothing");
        }
    }
}

/// A server of our own for a test that needs more than a script: one that imitates an API.
pub(crate) async fn serve(router: Router) -> (SocketAddr, JoinHandle<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (address, serving)
}

/// A client with short pauses, and the given changes to the options.
pub(crate) fn client(adjust: impl FnOnce(&mut HttpOptions)) -> HttpClient {
    client_at(Arc::new(SystemClock), adjust)
}

/// As [`client`], with this clock.
pub(crate) fn client_at(clock: Arc<dyn Clock>, adjust: impl FnOnce(&mut HttpOptions)) -> HttpClient {
    let mut options = HttpOptions {
        first_pause: Duration::from_millis(2),
        longest_pause: Duration::from_millis(10),
        call_within: Duration::from_secs(20),
        ..HttpOptions::default()
    };
    adjust(&mut options);
    HttpClient::new(options, Ambient { clock, entropy: Arc::new(SeededEntropy::new(1)) }).unwrap()
}

async fn play(state: Arc<Mutex<ScriptState>>, request: HttpRequest) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 1 << 24).await.unwrap();
    let (answer, fault) = {
        let mut state = state.lock();
        let number = state.answered + 1;
        state.answered = number;
        state.seen.push((head.headers.clone(), body.clone()));
        let Some(expected) = state.expected.pop_front() else {
            let body = String::from_utf8_lossy(&body);
            let fault = format!("request {number} is unexpected: {} {} {body}", head.method, head.uri);
            state.faults.push(fault);
            // Not one that is tried again.
            return Response::builder().status(418).body(Body::empty()).unwrap();
        };
        let faults = compare(&expected, &head, &body);
        let fault = (!faults.is_empty()).then(|| format!("request {number}: {}", faults.join("; ")));
        state.faults.extend(fault.clone());
        (expected.answer, fault)
    };
    match fault {
        Some(fault) => Response::builder().status(418).body(fault.into()).unwrap(),
        None => respond(answer).await,
    }
}

fn compare(expected: &Exchange, head: &http::request::Parts, body: &Bytes) -> Vec<String> {
    let mut faults = Vec::new();
    let mut differ = |what: &str, wanted: String, came: String| {
        if wanted != came {
            faults.push(format!("{what} is {came} and should be {wanted}"));
        }
    };
    differ("the method", expected.method.to_owned(), head.method.to_string());
    differ("the target", expected.target.clone(), head.uri.to_string());
    for (name, wanted) in &expected.headers {
        let came =
            head.headers.get(*name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        differ(&format!("the header {name}"), format!("{wanted:?}"), format!("{came:?}"));
    }
    let came = String::from_utf8_lossy(body).into_owned();
    match &expected.body {
        Wanted::Anything => {}
        Wanted::Nothing => differ("the body", String::new(), came),
        Wanted::Text(text) => differ("the body", text.clone(), came),
        Wanted::Json(wanted) => match serde_json::from_slice::<serde_json::Value>(body) {
            Ok(value) => differ("the body", wanted.to_string(), value.to_string()),
            Err(_) => differ("the body", wanted.to_string(), came),
        },
    }
    faults
}

async fn respond(answer: Answer) -> Response {
    let mut response = Response::builder().status(StatusCode::from_u16(answer.status).unwrap());
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    let body = match answer.end {
        End::Whole => answer.body.into(),
        End::Never => std::future::pending().await,
        End::Broken => {
            let part = [Ok(Bytes::from(answer.body)), Err(std::io::Error::other("the script ends it here"))];
            Body::from_stream(stream::iter(part))
        }
    };
    response.body(body).unwrap()
}

/// What was wrong with the answer that the error is of.
pub(crate) fn fault(error: &BackendError) -> Option<ApiFault> {
    let source = std::error::Error::source(error)?;
    source.downcast_ref::<ApiError>().map(ApiError::fault)
}

/// That a backend sends nothing for what no provider can do: names outside the zone, and more than the `most`
/// changes that it takes in a call. `outside` changes a name outside, `change` one inside. What `Debug` shows of it has
/// no secret.
pub(crate) async fn require_unfit_refused(
    backend: &dyn DnsBackend,
    outside: Change,
    change: Change,
    most: usize,
) {
    let zone: DomainName = "fleet.test".parse().unwrap();
    let error = backend.apply(&zone, &[outside]).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::NotInZone);
    let name = "a.xfleet.test".parse().unwrap();
    let error = backend.read(&zone, &name, RecordType::A).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::NotInZone);
    let too_many = vec![change; most + 1];
    let error = backend.apply(&zone, &too_many).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::InvalidInput);
    backend.apply(&zone, &[]).await.unwrap();
    assert!(!format!("{backend:?}").contains(SECRET));
}

/// That each way in which an API can fail at this request becomes the error that it should be. `call` makes a call of
/// a new backend whose next request is `first`, after the exchanges of `before`. `kinds` says where the API means
/// something else by a status.
pub(crate) async fn require_refusals<B: DnsBackend>(
    base: &str,
    before: impl Fn() -> Vec<Exchange>,
    first: impl Fn() -> Exchange,
    make: impl Fn(Endpoint, &HttpClient) -> B,
    call: impl AsyncFn(B) -> Result<(), BackendError>,
    kinds: &[(u16, BackendErrorKind)],
) {
    use BackendErrorKind::{Conflict, InvalidInput, NotInZone, Quota, Refused, Unauthenticated, Unavailable};
    // Sun, 06 Nov 1994 08:49:37 GMT
    let now = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
    let date = "Sun, 06 Nov 1994 08:50:37 GMT";
    let refusal = |code| status(code).json(serde_json::json!({"error": {"message": "the API says no"}}));
    let cut = |code: u16| status(code).text("application/json", "{\"a\": [1");
    for (answer, code, kind, fault, wait) in [
        (refusal(400), 400, InvalidInput, ApiFault::Status(400), None),
        (refusal(401), 401, Unauthenticated, ApiFault::Status(401), None),
        (refusal(403), 403, Refused, ApiFault::Status(403), None),
        (refusal(404), 404, NotInZone, ApiFault::Status(404), None),
        (status(404).html(), 404, NotInZone, ApiFault::Status(404), None),
        (refusal(409), 409, Conflict, ApiFault::Status(409), Some(0)),
        (refusal(422), 422, InvalidInput, ApiFault::Status(422), None),
        (refusal(429).header("retry-after", "60"), 429, Quota, ApiFault::Status(429), Some(60)),
        (refusal(429).header("retry-after", date), 429, Quota, ApiFault::Status(429), Some(60)),
        (refusal(500), 500, Unavailable, ApiFault::Status(500), Some(0)),
        (status(502).html(), 502, Unavailable, ApiFault::Status(502), Some(0)),
        (status(200).html(), 200, Unavailable, ApiFault::Html, Some(0)),
        (cut(200), 200, Unavailable, ApiFault::TruncatedJson, Some(0)),
        (cut(200).broken(), 200, Unavailable, ApiFault::Broken, Some(0)),
    ] {
        let own = kinds.iter().find(|(status, _)| *status == code);
        let kind = own.map_or(kind, |(_, kind)| *kind);
        let what = format!("{answer:?}");
        let script = Script::new(before().into_iter().chain([first().answer(answer)])).await;
        let clock = Arc::new(fleetcert_ambient::ManualClock::starting_at(now));
        let http = client_at(clock, |options| options.max_attempts = 1);
        let error = call(make(script.endpoint(base), &http)).await.expect_err(&what);
        assert_eq!(error.kind(), kind, "{what}: {error}");
        let api_error: &ApiError = std::error::Error::source(&error).unwrap().downcast_ref().expect(&what);
        assert_eq!(api_error.fault(), fault, "{what}: {error}");
        if own.is_none() {
            assert_eq!(error.retry_after(), wait.map(Duration::from_secs), "{what}: {error}");
        }
        assert_eq!(error.server(), Some(script.server().as_str()));
        for secret in [SECRET, "fleet.test?"] {
            assert!(!format!("{error} {error:?}").contains(secret), "{error:?}");
        }
        script.finish();
    }
}

/// The token of the backends in tests, which no error may show.
pub(crate) const SECRET: &str = "s3cret-0f-the-tests";

/// The zone of the tests.
pub(crate) fn zone() -> DomainName {
    name("fleet.test")
}

/// The challenge name of the tests.
pub(crate) fn challenge() -> DomainName {
    name("_acme-challenge.a.fleet.test")
}

pub(crate) fn name(text: &str) -> DomainName {
    text.parse().unwrap()
}

pub(crate) fn text(value: &str) -> TxtValue {
    value.parse().unwrap()
}

pub(crate) fn add(owner: &str, value: &str) -> Change {
    Change::AddTxt { name: name(owner), value: text(value), ttl: Ttl::CHALLENGE }
}

pub(crate) fn remove(owner: &str, value: &str) -> Change {
    Change::RemoveTxt { name: name(owner), value: text(value) }
}

pub(crate) fn addresses(owner: &str, texts: &[&str], ttl: Ttl) -> Change {
    let addresses = Addresses::new(texts.iter().map(|text| text.parse().unwrap())).unwrap();
    Change::SetAddresses { name: name(owner), addresses, ttl }
}

/// Adds a value at the challenge name.
pub(crate) async fn add_value(backend: &impl DnsBackend, value: &str) -> Result<(), BackendError> {
    backend.add_txt(&zone(), &challenge(), &text(value), Ttl::CHALLENGE).await
}

/// Removes a value at the challenge name.
pub(crate) async fn remove_value(backend: &impl DnsBackend, value: &str) -> Result<(), BackendError> {
    backend.remove_txt(&zone(), &challenge(), &text(value)).await
}
