//! An engine without a CA behind the API, and devices that use it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use fleetcert_ambient::{Ambient, ManualClock, SystemEntropy};
use fleetcert_control::{DeviceApiOptions, device_api};
use fleetcert_engine::{Engine, EngineParts, conformance};
use fleetcert_jose::{Algorithm, KeyPair, KeyReference, Signer};
use fleetcert_protocol::{DeviceId, EnrolRequest, EnrolmentAnswer, request, route};
use fleetcert_store::{InterceptedStore, Interceptor, MemoryStore, StoreCall, StoreError, StoreErrorKind};
use fleetcert_x509::{KeyKind, csr_for};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

pub(crate) const BASE: &str = "https://control.test";
pub(crate) const DAY: Duration = Duration::from_secs(86_400);
pub(crate) const TYP: &str = "fleetcert+jws";

/// A switch that makes a store unavailable.
#[derive(Debug, Default)]
pub(crate) struct Outage(AtomicBool);

impl Outage {
    pub(crate) fn begin(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    pub(crate) fn end(&self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

#[async_trait]
impl Interceptor for Outage {
    async fn before(&self, _: StoreCall<'_>) -> Result<(), StoreError> {
        match self.0.load(Ordering::SeqCst) {
            true => Err(StoreError::new(StoreErrorKind::Unavailable, "the password is hunter2")),
            false => Ok(()),
        }
    }
}

pub(crate) struct Setting {
    pub(crate) router: Router,
    pub(crate) engine: Engine,
    pub(crate) store: Arc<MemoryStore>,
    /// Outage of the store as the engine sees it.
    pub(crate) outage: Arc<Outage>,
    pub(crate) clock: ManualClock,
    nonces_seen: parking_lot::Mutex<std::collections::HashSet<String>>,
}

pub(crate) struct Device {
    pub(crate) id: DeviceId,
    pub(crate) name: String,
    pub(crate) key: KeyPair,
}

/// An answer as it arrived.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) nonce: String,
    pub(crate) retry_after: Option<String>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The kind of the problem, without its prefix.
    pub(crate) fn problem(&self) -> String {
        let json = self.json();
        json["type"].as_str().unwrap().strip_prefix("urn:fleetcert:error:").unwrap().to_owned()
    }
}

impl Setting {
    pub(crate) fn new() -> Self {
        Self::with(|parts| parts)
    }

    /// A setting whose engine has other parts.
    pub(crate) fn with(change: impl FnOnce(EngineParts) -> EngineParts) -> Self {
        let clock = ManualClock::starting_at(SystemTime::UNIX_EPOCH + DAY * 20_000);
        let (store, outage) = (Arc::new(MemoryStore::new()), Arc::new(Outage::default()));
        let intercepted = Arc::new(InterceptedStore::new(store.clone(), outage.clone()));
        let ambient = Ambient { clock: Arc::new(clock.clone()), entropy: Arc::new(SystemEntropy) };
        let engine = Engine::new(change(conformance::parts_without_ca(intercepted, ambient.clone())));
        let router = device_api(engine.clone(), DeviceApiOptions::new(BASE), ambient);
        Self { router, engine, store, outage, clock, nonces_seen: parking_lot::Mutex::default() }
    }

    /// Sends a request. Every answer must have a new nonce and no place in a cache.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let text = |name| parts.headers.get(name).map(|value: &header::HeaderValue| value.to_str().unwrap());
        assert_eq!(text("cache-control"), Some("no-store"), "{parts:?}");
        let nonce = text("replay-nonce").unwrap_or_else(|| panic!("no nonce: {parts:?}")).to_owned();
        assert!(self.nonces_seen.lock().insert(nonce.clone()), "a nonce that was seen before");
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        let kind = text("content-type");
        match parts.status {
            StatusCode::OK | StatusCode::ACCEPTED => assert_eq!(kind, Some("application/json")),
            StatusCode::NO_CONTENT => assert_eq!((kind, body.len()), (None, 0)),
            // The answer to HEAD has no body.
            _ => assert_eq!(kind, Some("application/problem+json"), "{}", String::from_utf8_lossy(&body)),
        }
        let retry_after = text("retry-after").map(str::to_owned);
        Answer { status: parts.status, nonce, retry_after, body }
    }

    pub(crate) async fn nonce(&self) -> String {
        let request = Request::builder().uri(route::NONCE).body(Body::empty()).unwrap();
        let answer = self.send(request).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT);
        answer.nonce
    }

    pub(crate) async fn post(&self, route: &str, body: Vec<u8>) -> Answer {
        self.send(posting(route, request::CONTENT_TYPE, body)).await
    }

    pub(crate) async fn enrol(&self) -> Device {
        let key = KeyPair::generate(Algorithm::EdDsa).unwrap();
        let answer = self.post(route::ENROL, self.enrolment(&key).await).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.json());
        let answer: EnrolmentAnswer = serde_json::from_slice(&answer.body).unwrap();
        let enrolled = answer.enrolled().unwrap();
        Device { id: enrolled.device, name: enrolled.name.to_string(), key }
    }

    pub(crate) async fn enrolment(&self, key: &KeyPair) -> Vec<u8> {
        self.enrolment_with(EnrolRequest::new(self.engine.issue_token(DAY).await.unwrap()), key).await
    }

    pub(crate) async fn enrolment_with(&self, request: EnrolRequest, key: &KeyPair) -> Vec<u8> {
        let sender = KeyReference::Jwk(key.jwk().clone());
        request::sign(&url(route::ENROL), &self.nonce().await, &sender, &request, key).unwrap()
    }

    /// A request of this device, with a new nonce.
    pub(crate) async fn signed(&self, device: &Device, route: &str, payload: &Value) -> Vec<u8> {
        device.sign(route, &self.nonce().await, payload)
    }

    /// One good request for each route of an enrolled device.
    pub(crate) async fn good(&self, device: &Device) -> Vec<(&'static str, Vec<u8>)> {
        let names = device.name.parse().unwrap();
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
    pub(crate) fn sign(&self, route: &str, nonce: &str, payload: &Value) -> Vec<u8> {
        let sender = KeyReference::Kid(self.id.to_string());
        request::sign(&url(route), nonce, &sender, payload, &self.key).unwrap()
    }
}

pub(crate) fn url(route: &str) -> String {
    format!("{BASE}{route}")
}

pub(crate) fn posting(route: &str, content_type: &str, body: Vec<u8>) -> Request<Body> {
    let builder = Request::builder().method(Method::POST).uri(route);
    builder.header(header::CONTENT_TYPE, content_type).body(Body::from(body)).unwrap()
}

pub(crate) const POSTS: [&str; 4] =
    [route::ENROL, route::ADDRESSES, route::CERTIFICATE, route::CERTIFICATE_STATUS];

pub(crate) fn device_key() -> KeyPair {
    KeyPair::generate(Algorithm::EdDsa).unwrap()
}
