//! The device API under replays, forgeries, floods and nonsense.

#![allow(clippy::unwrap_used, clippy::panic)] // a test may

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use fleetcert_acme::{
    AcmeError, AcmeErrorKind, Authority, NewOrder, Operation, OrderHandle, RenewalInfo, RevocationReason,
};
use fleetcert_ambient::{ManualClock, SystemEntropy};
use fleetcert_control::{Ambient, DeviceApiOptions, device_api};
use fleetcert_dns::MemoryBackend;
use fleetcert_dns::challenge::{ChallengeOptions, Challenges};
use fleetcert_engine::{
    DeviceKeys, DeviceState, Engine, EngineOptions, EngineParts, NoEvents, OneTimeTokens, OwnName,
    PrivateAddresses, RandomLabels,
};
use fleetcert_jose::{Algorithm, FlattenedJws, KeyPair, KeyReference, ProtectedHeader, Signer};
use fleetcert_protocol::{DeviceId, EnrolRequest, Enrolled, request, route};
use fleetcert_store::{
    Collection, MemoryStore, Record, Store, StoreError, StoreErrorKind, Transaction, Version,
};
use fleetcert_x509::{CertificateId, KeyKind, csr_for};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tower::ServiceExt;

const BASE: &str = "https://control.test";
const DAY: Duration = Duration::from_secs(86_400);
const TYP: &str = "fleetcert+jws";

/// Nothing is ordered here: no worker runs.
#[derive(Debug)]
struct NoCa;

fn nobody() -> AcmeError {
    AcmeError::new(AcmeErrorKind::InvalidInput, Operation::NewOrder, "there is no CA in this test")
}

#[async_trait]
impl Authority for NoCa {
    fn account_url(&self) -> &str {
        "https://ca.test/nobody"
    }

    async fn new_order(&self, _: &NewOrder) -> Result<Box<dyn OrderHandle>, AcmeError> {
        Err(nobody())
    }

    async fn resume(&self, _: &str) -> Result<Box<dyn OrderHandle>, AcmeError> {
        Err(nobody())
    }

    async fn renewal_info(&self, _: &CertificateId) -> Result<RenewalInfo, AcmeError> {
        Err(nobody())
    }

    async fn revoke(&self, _: &[u8], _: RevocationReason) -> Result<(), AcmeError> {
        Err(nobody())
    }
}

/// A store in memory that can be away.
#[derive(Debug, Default)]
struct Fragile {
    inner: MemoryStore,
    down: AtomicBool,
}

impl Fragile {
    fn up(&self) -> Result<&MemoryStore, StoreError> {
        if self.down.load(Ordering::SeqCst) {
            return Err(StoreError::new(StoreErrorKind::Unavailable, "the password is hunter2"));
        }
        Ok(&self.inner)
    }
}

#[async_trait]
impl Store for Fragile {
    async fn read(&self, collection: Collection, key: &str) -> Result<Option<Record>, StoreError> {
        self.up()?.read(collection, key).await
    }

    async fn page(
        &self,
        collection: Collection,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        self.up()?.page(collection, after, limit).await
    }

    async fn commit(&self, transaction: Transaction) -> Result<Version, StoreError> {
        self.up()?.commit(transaction).await
    }

    async fn claim(
        &self,
        collection: Collection,
        now: SystemTime,
        until: SystemTime,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        self.up()?.claim(collection, now, until, limit).await
    }

    async fn count_due(
        &self,
        collection: Collection,
        time: SystemTime,
        limit: usize,
    ) -> Result<usize, StoreError> {
        self.up()?.count_due(collection, time, limit).await
    }
}

struct Setting {
    router: Router,
    engine: Engine,
    store: Arc<Fragile>,
    clock: ManualClock,
    nonces_seen: std::sync::Mutex<std::collections::HashSet<String>>,
}

struct Device {
    id: DeviceId,
    name: String,
    key: KeyPair,
}

/// What came back.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    nonce: String,
    retry_after: Option<String>,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The kind of the problem, without its prefix.
    fn problem(&self) -> String {
        let json = self.json();
        json["type"].as_str().unwrap().strip_prefix("urn:fleetcert:error:").unwrap().to_owned()
    }
}

impl Setting {
    fn new() -> Self {
        let clock = ManualClock::starting_at(SystemTime::UNIX_EPOCH + DAY * 20_000);
        let store = Arc::new(Fragile::default());
        let zone = "fleet.test".parse().unwrap();
        let backend = Arc::new(MemoryBackend::new([&zone]));
        let shared: Arc<ManualClock> = Arc::new(clock.clone());
        let options = ChallengeOptions::default();
        let engine = Engine::new(EngineParts {
            options: EngineOptions::new(zone),
            authority: Arc::new(NoCa),
            challenges: Challenges::new(backend.clone(), backend.clone(), shared.clone(), options),
            backend,
            enroller: Arc::new(OneTimeTokens::new(store.clone())),
            authenticator: Arc::new(DeviceKeys::new(store.clone())),
            authorizer: Arc::new(OwnName),
            labels: Arc::new(RandomLabels),
            addresses: Arc::new(PrivateAddresses),
            events: Arc::new(NoEvents),
            clock: shared.clone(),
            entropy: Arc::new(SystemEntropy),
            store: store.clone(),
        });
        let ambient = Ambient { clock: shared, entropy: Arc::new(SystemEntropy) };
        let router = device_api(engine.clone(), DeviceApiOptions::new(BASE), ambient);
        Self { router, engine, store, clock, nonces_seen: std::sync::Mutex::default() }
    }

    /// Every answer, whatever it is, has a nonce that was never seen before and is not for a cache.
    async fn send(&self, request: Request<Body>) -> Answer {
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let text = |name| parts.headers.get(name).map(|value: &header::HeaderValue| value.to_str().unwrap());
        assert_eq!(text("cache-control"), Some("no-store"), "{parts:?}");
        let nonce = text("replay-nonce").unwrap_or_else(|| panic!("no nonce: {parts:?}")).to_owned();
        assert!(self.nonces_seen.lock().unwrap().insert(nonce.clone()), "an old nonce");
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        let kind = text("content-type");
        match parts.status {
            StatusCode::OK => assert_eq!(kind, Some("application/json")),
            StatusCode::NO_CONTENT => assert_eq!((kind, body.len()), (None, 0)),
            // The answer to HEAD has no body.
            _ => assert_eq!(kind, Some("application/problem+json"), "{}", String::from_utf8_lossy(&body)),
        }
        let retry_after = text("retry-after").map(str::to_owned);
        Answer { status: parts.status, nonce, retry_after, body }
    }

    async fn nonce(&self) -> String {
        let request = Request::builder().uri(route::NONCE).body(Body::empty()).unwrap();
        let answer = self.send(request).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT);
        answer.nonce
    }

    async fn post(&self, route: &str, body: Vec<u8>) -> Answer {
        self.send(posting(route, request::CONTENT_TYPE, body)).await
    }

    async fn enrol(&self) -> Device {
        let key = KeyPair::generate(Algorithm::EdDsa).unwrap();
        let answer = self.post(route::ENROL, self.enrolment(&key).await).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.json());
        let enrolled: Enrolled = serde_json::from_slice(&answer.body).unwrap();
        Device { id: enrolled.device, name: enrolled.name.to_string(), key }
    }

    async fn enrolment(&self, key: &KeyPair) -> Vec<u8> {
        let payload = EnrolRequest { token: self.engine.issue_token(DAY).await.unwrap(), label: None };
        let who = KeyReference::Jwk(key.jwk().clone());
        request::sign(&url(route::ENROL), &self.nonce().await, &who, &payload, key).unwrap()
    }

    /// A request of this device, with a new nonce.
    async fn signed(&self, device: &Device, route: &str, payload: &Value) -> Vec<u8> {
        device.sign(route, &self.nonce().await, payload)
    }

    /// One good request for each route of an enrolled device.
    async fn good(&self, device: &Device) -> Vec<(&'static str, Vec<u8>)> {
        let names = [device.name.parse().unwrap()];
        let csr = csr_for(&names, &fleetcert_x509::KeyPair::generate(KeyKind::P256).unwrap()).unwrap();
        let csr = fleetcert_protocol::CsrBytes::new(csr).unwrap();
        let mut all = Vec::new();
        for (route, payload) in [
            (route::ADDRESSES, json!({ "addresses": ["10.0.0.1"] })),
            (route::CERTIFICATE, json!({ "csr": csr })),
            (route::CERTIFICATE_STATUS, json!({})),
        ] {
            all.push((route, self.signed(device, route, &payload).await));
        }
        all
    }
}

impl Device {
    fn sign(&self, route: &str, nonce: &str, payload: &Value) -> Vec<u8> {
        let who = KeyReference::Kid(self.id.to_string());
        request::sign(&url(route), nonce, &who, payload, &self.key).unwrap()
    }
}

fn url(route: &str) -> String {
    format!("{BASE}{route}")
}

fn posting(route: &str, content_type: &str, body: Vec<u8>) -> Request<Body> {
    let builder = Request::builder().method(Method::POST).uri(route);
    builder.header(header::CONTENT_TYPE, content_type).body(Body::from(body)).unwrap()
}

const POSTS: [&str; 4] = [route::ENROL, route::ADDRESSES, route::CERTIFICATE, route::CERTIFICATE_STATUS];

#[tokio::test]
async fn every_recorded_request_is_good_once_and_at_its_route_alone() {
    let setting = Setting::new();
    let (device, other) = (setting.enrol().await, setting.enrol().await);
    let key = KeyPair::generate(Algorithm::EdDsa).unwrap();
    let mut replays = 0;
    for recorded in 0..POSTS.len() {
        let (route, body) = match recorded {
            0 => (route::ENROL, setting.enrolment(&key).await),
            _ => setting.good(&device).await.swap_remove(recorded - 1),
        };
        let first = setting.post(route, body.clone()).await;
        assert_eq!(first.status, StatusCode::OK, "{route}: {}", first.json());
        // At once, to the same route and to each other; after six minutes, when the nonce has expired too.
        for wait in [0, 360] {
            setting.clock.advance(Duration::from_secs(wait));
            for route in POSTS {
                let again = setting.post(route, body.clone()).await;
                assert_eq!((again.status, again.problem().as_str()), (StatusCode::BAD_REQUEST, "bad_nonce"));
                replays += 1;
            }
        }
    }
    assert_eq!(replays, 32);

    // A new nonce under the old signature does not help, nor the right signature at another route, nor another
    // device's name on it.
    for route in &POSTS[1..] {
        for elsewhere in POSTS.iter().filter(|other| *other != route) {
            let body = setting.signed(&device, route, &json!({})).await;
            let answer = setting.post(elsewhere, body).await;
            let expected = if *elsewhere == route::ENROL { "malformed" } else { "unauthenticated" };
            assert_eq!(answer.problem(), expected, "{route} at {elsewhere}");
        }
        let body = setting.signed(&device, route, &json!({})).await;
        let mut jws: Value = serde_json::from_slice(&body).unwrap();
        let of_other: Value =
            serde_json::from_slice(&setting.signed(&other, route, &json!({})).await).unwrap();
        jws["protected"] = of_other["protected"].clone();
        let answer = setting.post(route, jws.to_string().into_bytes()).await;
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::UNAUTHORIZED, "unauthenticated"));
        let forged = Device { id: other.id.clone(), name: other.name.clone(), key: device_key() };
        let answer = setting.post(route, setting.signed(&forged, route, &json!({})).await).await;
        assert_eq!(answer.problem(), "unauthenticated");
    }
}

fn device_key() -> KeyPair {
    KeyPair::generate(Algorithm::EdDsa).unwrap()
}

#[tokio::test]
async fn another_server_is_not_meant() {
    let setting = Setting::new();
    let device = setting.enrol().await;
    let who = KeyReference::Kid(device.id.to_string());
    for base in [
        "https://control.example",
        "http://control.test",
        "https://control.test:8443",
        "https://control.test/",
    ] {
        let url = format!("{base}{}", route::CERTIFICATE_STATUS);
        let body = request::sign(&url, &setting.nonce().await, &who, &json!({}), &device.key).unwrap();
        let mut request = posting(route::CERTIFICATE_STATUS, request::CONTENT_TYPE, body);
        // No header says who we are.
        request.headers_mut().insert(header::HOST, "control.example".parse().unwrap());
        request.headers_mut().insert("x-forwarded-host", "control.example".parse().unwrap());
        assert_eq!(setting.send(request).await.problem(), "unauthenticated", "{base}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_at_once_with_one_nonce_and_one_succeeds() {
    let setting = Arc::new(Setting::new());
    let device = setting.enrol().await;
    let nonce = setting.nonce().await;
    // The same octets, and as many different ones.
    let mut race = JoinSet::new();
    for index in 0..1000u32 {
        let address = format!("10.0.{}.{}", index % 2 * (index >> 8), index % 2 * (index & 255));
        let body = device.sign(route::ADDRESSES, &nonce, &json!({ "addresses": [address] }));
        let setting = setting.clone();
        race.spawn(async move { setting.post(route::ADDRESSES, body).await });
    }
    let (won, lost): (Vec<_>, Vec<_>) =
        race.join_all().await.into_iter().partition(|answer| answer.status == StatusCode::OK);
    assert_eq!(won.len(), 1);
    assert!(lost.iter().all(|answer| answer.problem() == "bad_nonce"));
}

#[tokio::test]
async fn who_is_unknown_and_who_signs_badly_hear_the_same() {
    let setting = Setting::new();
    let device = setting.enrol().await;
    let unknown = Device {
        id: "AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap(),
        name: device.name.clone(),
        key: device_key(),
    };
    let forged = Device { id: device.id.clone(), name: device.name.clone(), key: device_key() };
    let other_algorithm = Device {
        id: device.id.clone(),
        name: device.name.clone(),
        key: KeyPair::generate(Algorithm::Es256).unwrap(),
    };
    let mut suspended = setting.enrol().await;
    setting.engine.set_device_state(&suspended.id, DeviceState::Suspended).await.unwrap();
    let answer = setting
        .post(
            route::CERTIFICATE_STATUS,
            setting.signed(&suspended, route::CERTIFICATE_STATUS, &json!({})).await,
        )
        .await;
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::FORBIDDEN, "denied"));
    suspended.key = device_key();

    let mut answers = Vec::new();
    for sender in [&unknown, &forged, &other_algorithm, &suspended] {
        for route in &POSTS[1..] {
            let answer = setting.post(route, setting.signed(sender, route, &json!({})).await).await;
            answers.push((answer.status, answer.retry_after, answer.body));
        }
    }
    assert_eq!(answers[0].0, StatusCode::UNAUTHORIZED);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}

#[tokio::test]
async fn enrolment_brings_its_own_key_and_nothing_else_does() {
    let setting = Setting::new();
    let device = setting.enrol().await;
    let payload = json!({ "token": setting.engine.issue_token(DAY).await.unwrap() });
    let by_kid = setting.post(route::ENROL, setting.signed(&device, route::ENROL, &payload).await).await;
    assert_eq!((by_kid.status, by_kid.problem().as_str()), (StatusCode::BAD_REQUEST, "malformed"));
    for route in &POSTS[1..] {
        let who = KeyReference::Jwk(device.key.jwk().clone());
        let body = request::sign(&url(route), &setting.nonce().await, &who, &json!({}), &device.key).unwrap();
        let by_key = setting.post(route, body).await;
        assert_eq!(by_key.problem(), "unauthenticated", "{route}");
    }
    // The key that is enrolled is the one that signed.
    let (mine, stolen) = (device_key(), device_key());
    let body = setting.enrolment(&mine).await;
    let mut jws: Value = serde_json::from_slice(&body).unwrap();
    let other: Value = serde_json::from_slice(&setting.enrolment(&stolen).await).unwrap();
    jws["protected"] = other["protected"].clone();
    let answer = setting.post(route::ENROL, jws.to_string().into_bytes()).await;
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::UNAUTHORIZED, "unauthenticated"));
}

#[tokio::test]
async fn a_private_key_is_told_and_goes_nowhere() {
    let setting = Setting::new();
    let device = setting.enrol().await;
    let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQ==\n-----END PRIVATE KEY-----\n";
    for route in &POSTS[1..] {
        let signed = setting.signed(&device, route, &json!({ "csr": pem })).await;
        let answer = setting.post(route, signed).await;
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::BAD_REQUEST, "private_key_sent"));
        let plain = setting.post(route, pem.into()).await;
        assert_eq!(plain.problem(), "private_key_sent");
    }
    let inside = fleetcert_protocol::request::sign(
        &url(route::ENROL),
        &setting.nonce().await,
        &KeyReference::Jwk(device.key.jwk().clone()),
        &json!({ "token": pem }),
        &device.key,
    );
    assert_eq!(setting.post(route::ENROL, inside.unwrap()).await.problem(), "private_key_sent");
    // It is read before the store is asked for anything.
    setting.store.down.store(true, Ordering::SeqCst);
    let body = setting.signed(&device, route::CERTIFICATE, &json!({ "csr": pem })).await;
    assert_eq!(setting.post(route::CERTIFICATE, body).await.problem(), "private_key_sent");
}

#[tokio::test]
async fn bodies_types_and_methods_are_bounded() {
    let setting = Setting::new();
    let device = setting.enrol().await;
    for route in POSTS {
        let over = setting.post(route, vec![b'{'; 64 * 1024 + 1]).await;
        assert_eq!((over.status, over.problem().as_str()), (StatusCode::PAYLOAD_TOO_LARGE, "malformed"));
        let at = setting.post(route, vec![b'{'; 64 * 1024]).await;
        assert_eq!((at.status, at.problem().as_str()), (StatusCode::BAD_REQUEST, "malformed"));
        for method in [Method::GET, Method::PUT, Method::DELETE, Method::HEAD, Method::OPTIONS] {
            let request = Request::builder().method(method).uri(route).body(Body::empty()).unwrap();
            let answer = setting.send(request).await;
            assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
        }
    }
    for method in [Method::GET, Method::HEAD] {
        let request = Request::builder().method(method).uri(route::NONCE).body(Body::empty()).unwrap();
        assert_eq!(setting.send(request).await.status, StatusCode::NO_CONTENT);
    }
    let types =
        ["application/json", "application/jose", "text/plain", "", "application/jose+json, text/plain"];
    for content_type in types {
        let body = setting.signed(&device, route::CERTIFICATE_STATUS, &json!({})).await;
        let answer = setting.send(posting(route::CERTIFICATE_STATUS, content_type, body.clone())).await;
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::BAD_REQUEST, "malformed"));
        // It was not looked at: the nonce is not spent.
        assert_eq!(setting.post(route::CERTIFICATE_STATUS, body).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn when_the_store_is_away_nobody_is_let_in_and_nothing_is_told() {
    let setting = Setting::new();
    let device = setting.enrol().await;
    let key = device_key();
    let mut requests = vec![(route::ENROL, setting.enrolment(&key).await)];
    requests.extend(setting.good(&device).await);
    setting.store.down.store(true, Ordering::SeqCst);
    for (route, body) in requests {
        let answer = setting.post(route, body).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (StatusCode::SERVICE_UNAVAILABLE, "unavailable")
        );
        assert!(answer.retry_after.unwrap().parse::<u64>().unwrap() >= 1);
        assert!(!String::from_utf8(answer.body).unwrap().contains("hunter2"));
    }
    // Nonces do not need it.
    setting.nonce().await;
    setting.store.down.store(false, Ordering::SeqCst);
    for (route, body) in setting.good(&device).await {
        assert_eq!(setting.post(route, body).await.status, StatusCode::OK, "{route}");
    }
}

#[tokio::test]
async fn refusals_have_their_kind_code_and_status() {
    let setting = Setting::new();
    let device = setting.enrol().await;
    let other = setting.enrol().await;
    let foreign =
        csr_for(&[other.name.parse().unwrap()], &fleetcert_x509::KeyPair::generate(KeyKind::P256).unwrap());
    let csr = fleetcert_protocol::CsrBytes::new(foreign.unwrap()).unwrap();
    let body = setting.signed(&device, route::CERTIFICATE, &json!({ "csr": csr })).await;
    let answer = setting.post(route::CERTIFICATE, body).await;
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::BAD_REQUEST, "csr_refused"));
    assert_eq!(answer.json()["code"], "name_not_granted");

    let body =
        setting.signed(&device, route::ADDRESSES, &json!({ "addresses": ["10.0.0.1", "127.0.0.1"] })).await;
    let answer = setting.post(route::ADDRESSES, body).await;
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::BAD_REQUEST, "address_not_allowed"));
    assert_eq!(answer.json()["address"], "127.0.0.1");

    // An enrolled key with another token, a used token with another key, a token that nobody gave out.
    let who = |key: &KeyPair| KeyReference::Jwk(key.jwk().clone());
    let token = setting.engine.issue_token(DAY).await.unwrap();
    let enrol = async |key: &KeyPair, payload: Value| {
        let body = request::sign(&url(route::ENROL), &setting.nonce().await, &who(key), &payload, key);
        let answer = setting.post(route::ENROL, body.unwrap()).await;
        (answer.status, if answer.status == StatusCode::OK { String::new() } else { answer.problem() })
    };
    let expected = |status, problem: &str| (status, problem.to_owned());
    assert_eq!(
        enrol(&device.key, json!({ "token": token })).await,
        expected(StatusCode::CONFLICT, "key_in_use")
    );
    let asking = json!({ "token": token, "label": "printer" });
    assert_eq!(enrol(&device_key(), asking).await, expected(StatusCode::BAD_REQUEST, "label_not_allowed"));
    let first = device_key();
    for _ in 0..2 {
        assert_eq!(enrol(&first, json!({ "token": token })).await, expected(StatusCode::OK, ""));
    }
    assert_eq!(
        enrol(&device_key(), json!({ "token": token })).await,
        expected(StatusCode::FORBIDDEN, "token_used")
    );
    let unknown = json!({ "token": "A".repeat(43) });
    assert_eq!(enrol(&device_key(), unknown).await, expected(StatusCode::FORBIDDEN, "token_unknown"));
}

/// What a signature covers, by hand: base64url of the header and the payload as they are.
fn by_hand(key: &KeyPair, header: &str, payload: &[u8]) -> Value {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
    let (protected, payload) = (B64.encode(header), B64.encode(payload));
    let signature = key.sign(format!("{protected}.{payload}").as_bytes()).unwrap();
    json!({ "protected": protected, "payload": payload, "signature": B64.encode(signature) })
}

#[tokio::test]
async fn malformed_envelopes_are_refused_and_never_a_server_error() {
    let setting = Setting::new();
    let device = setting.enrol().await;
    let key = &device.key;
    let target = route::CERTIFICATE_STATUS;
    let (url, kid) = (url(target), device.id.to_string());
    let jwk = serde_json::to_value(key.jwk()).unwrap();

    let mut bodies: Vec<(String, Vec<u8>)> = Vec::new();
    let mut add = |what: &str, body: Vec<u8>| bodies.push((what.to_owned(), body));
    let good = json!({ "alg": "EdDsa", "kid": kid, "nonce": setting.nonce().await, "url": url, "typ": TYP });
    let good = {
        let mut good = good;
        good["alg"] = json!("EdDSA");
        good
    };
    // The yardstick: made by hand, it is accepted, so that what follows is refused for its one fault.
    let yardstick = by_hand(key, &good.to_string(), b"{}");
    assert_eq!(setting.post(target, yardstick.to_string().into_bytes()).await.status, StatusCode::OK);

    let changes: [(&str, &str, Value); 14] = [
        ("alg none", "alg", json!("none")),
        ("alg HS256", "alg", json!("HS256")),
        ("alg of another key", "alg", json!("ES256")),
        ("alg in lower case", "alg", json!("eddsa")),
        ("alg a number", "alg", json!(1)),
        ("crit", "crit", json!(["exp"])),
        ("jwk beside kid", "jwk", jwk.clone()),
        ("jku", "jku", json!("https://evil.example/keys")),
        ("x5u", "x5u", json!("https://evil.example/cert")),
        ("b64", "b64", json!(false)),
        ("another typ", "typ", json!("JWT")),
        ("kid a path", "kid", json!("../../etc/passwd")),
        ("kid of 1 MiB would be over the bound, this one is long", "kid", json!("A".repeat(10_000))),
        ("url an object", "url", json!({})),
    ];
    for (what, member, value) in changes {
        let mut header = good.clone();
        header["nonce"] = json!(setting.nonce().await);
        header[member] = value;
        add(what, by_hand(key, &header.to_string(), b"{}").to_string().into_bytes());
    }
    for member in ["alg", "kid", "nonce", "url", "typ"] {
        let mut header = good.clone();
        header["nonce"] = json!(setting.nonce().await);
        header.as_object_mut().unwrap().remove(member);
        add(&format!("no {member}"), by_hand(key, &header.to_string(), b"{}").to_string().into_bytes());
    }
    let mut header = good.clone();
    header["nonce"] = json!(setting.nonce().await);
    let twice = header.to_string().replacen('{', &format!("{{\"kid\":\"{kid}\","), 1);
    add("kid twice", by_hand(key, &twice, b"{}").to_string().into_bytes());
    add("header no JSON", by_hand(key, "hello", b"{}").to_string().into_bytes());
    add("header a list", by_hand(key, "[]", b"{}").to_string().into_bytes());
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    add("header too deep", by_hand(key, &deep, b"{}").to_string().into_bytes());
    for payload in ["", "null", "[]", "hello", "{\"more\":1}", "{\"csr\":\"AAAA\"}", "\u{feff}{}"] {
        let mut header = good.clone();
        header["nonce"] = json!(setting.nonce().await);
        let body = by_hand(key, &header.to_string(), payload.as_bytes());
        add(&format!("payload {payload:?}"), body.to_string().into_bytes());
    }
    let fresh = async || {
        let mut header = good.clone();
        header["nonce"] = json!(setting.nonce().await);
        by_hand(key, &header.to_string(), b"{}")
    };
    for (member, value) in [
        ("signature", json!("")),
        ("signature", json!("AAAA")),
        ("signature", json!("=")),
        ("signature", Value::Null),
        ("payload", json!("e30=")),
        ("payload", json!("e 30")),
        ("protected", json!("")),
        ("header", json!({ "kid": "x" })),
        ("signatures", json!([])),
    ] {
        let mut jws = fresh().await;
        jws[member] = value;
        bodies.push((format!("{member} {}", jws[member]), jws.to_string().into_bytes()));
    }
    for member in ["protected", "payload", "signature"] {
        let mut jws = fresh().await;
        jws.as_object_mut().unwrap().remove(member);
        bodies.push((format!("no {member}"), jws.to_string().into_bytes()));
    }
    let jws = fresh().await;
    let compact = format!(
        "{}.{}.{}",
        jws["protected"].as_str().unwrap(),
        jws["payload"].as_str().unwrap(),
        jws["signature"].as_str().unwrap()
    );
    for (what, body) in [
        ("nothing", Vec::new()),
        ("a zero", vec![0]),
        ("no UTF-8", vec![0xff; 100]),
        ("a list", format!("[{jws}]").into_bytes()),
        ("compact form", compact.into_bytes()),
        ("more behind it", format!("{jws}{jws}").into_bytes()),
        ("cut off", jws.to_string().into_bytes()[..100].to_vec()),
        ("deep", deep.clone().into_bytes()),
    ] {
        bodies.push((what.to_owned(), body));
    }
    // The same again with the foreign name server's nonce, a made up one and an expired one.
    for nonce in ["", "x", "bm9uY2U", &"A".repeat(54), &"A".repeat(5_000)] {
        let mut header = good.clone();
        header["nonce"] = json!(nonce);
        let body = by_hand(key, &header.to_string(), b"{}").to_string().into_bytes();
        bodies.push((format!("nonce {nonce:.10}"), body));
    }
    let other = FlattenedJws::sign(
        &ProtectedHeader::new(key, KeyReference::Jwk(key.jwk().clone())).url(&url).nonce("bm9uY2U").typ(TYP),
        b"{}",
        key,
    );
    bodies.push(("jwk in place of kid, and no good nonce".to_owned(), other.unwrap().to_json()));

    assert!(bodies.len() >= 50, "{}", bodies.len());
    for (what, body) in bodies {
        for route in POSTS {
            let answer = setting.post(route, body.clone()).await;
            assert!(answer.status.is_client_error(), "{what} at {route}: {answer:?}");
        }
    }
    // And after all that it works.
    let answer = setting.post(target, setting.signed(&device, target, &json!({})).await).await;
    assert_eq!(answer.status, StatusCode::OK);
}
