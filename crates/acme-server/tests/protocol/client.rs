//! A client that can do everything wrong.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{SHA256, digest};
use axum::Router;
use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fleetcert_acme_server::{AcmeOptions, AcmeServer};
use fleetcert_ambient::{ManualClock, SeededEntropy};
use fleetcert_jose::{Algorithm, FlattenedJws, KeyPair, KeyReference, ProtectedHeader, Signer};
use fleetcert_names::{HostName, Identifier};
use fleetcert_x509::{KeyKind, VerifiedCsr, csr_for};
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::issuer::TestIssuer;

pub(crate) const BASE: &str = "https://ca.test";

/// A server whose background work runs in the test's runtime.
pub(crate) struct TestServer {
    pub(crate) router: Router,
    pub(crate) issuer: Arc<TestIssuer>,
    pub(crate) clock: ManualClock,
}

impl TestServer {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut AcmeOptions)) -> Self {
        let mut options = AcmeOptions::new(BASE);
        options.profiles = [("classic".to_owned(), "the usual".to_owned())].into();
        change(&mut options);
        let clock = ManualClock::starting_at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000));
        let issuer = Arc::new(TestIssuer::new());
        let entropy = Arc::new(SeededEntropy::new(7));
        let server = AcmeServer::new(issuer.clone(), options, Arc::new(clock.clone()), entropy);
        let router = server.router();
        tokio::spawn(server.run(Default::default()));
        Self { router, issuer, clock }
    }

    pub(crate) async fn client(&self) -> Client {
        let mut client = self.stranger();
        let answer = client.post("/acme/new-account", json!({ "termsOfServiceAgreed": true })).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        client.kid = Some(answer.header("location").to_owned());
        client
    }

    /// A client without an account.
    pub(crate) fn stranger(&self) -> Client {
        let key = KeyPair::generate(Algorithm::Es256).unwrap();
        Client { router: self.router.clone(), issuer: self.issuer.clone(), key, kid: None, nonce: None }
    }
}

pub(crate) struct Client {
    router: Router,
    issuer: Arc<TestIssuer>,
    pub(crate) key: KeyPair,
    pub(crate) kid: Option<String>,
    pub(crate) nonce: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// The path of the URL at `member`.
    pub(crate) fn path(&self, member: &str) -> String {
        path(self.json()[member].as_str().unwrap())
    }

    /// The last part of the error type.
    pub(crate) fn error(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        self.json()["type"].as_str().unwrap().rsplit(':').next().unwrap().to_owned()
    }
}

pub(crate) fn path(url: &str) -> String {
    url.strip_prefix(BASE).unwrap().to_owned()
}

pub(crate) fn host(text: &str) -> HostName {
    text.parse().unwrap()
}

impl Client {
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    pub(crate) async fn request(&self, method: &str, path: &str) -> Answer {
        let request = Request::builder().method(method).uri(path).header("user-agent", "test");
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// The nonce of the last answer, or a new one.
    pub(crate) async fn fresh_nonce(&mut self) -> String {
        match self.nonce.take() {
            Some(nonce) => nonce,
            None => self.request("HEAD", "/acme/new-nonce").await.header("replay-nonce").to_owned(),
        }
    }

    /// The header of a good request.
    pub(crate) async fn good_header(&mut self, path: &str) -> ProtectedHeader {
        let key = match &self.kid {
            Some(kid) => KeyReference::Kid(kid.clone()),
            None => KeyReference::Jwk(self.key.jwk().clone()),
        };
        let nonce = self.fresh_nonce().await;
        ProtectedHeader::new(&self.key, key).url(format!("{BASE}{path}")).nonce(nonce)
    }

    pub(crate) async fn send_signed(
        &mut self,
        path: &str,
        header: &ProtectedHeader,
        payload: &[u8],
    ) -> Answer {
        let jws = FlattenedJws::sign(header, payload, &self.key).unwrap().to_json();
        self.send_bytes(path, jws).await
    }

    pub(crate) async fn send_bytes(&mut self, path: &str, body: Vec<u8>) -> Answer {
        let request = Request::builder()
            .method("POST")
            .uri(path)
            .header("user-agent", "test")
            .header("content-type", "application/jose+json");
        let answer = self.send(request.body(Body::from(body)).unwrap()).await;
        self.nonce = Some(answer.header("replay-nonce").to_owned());
        answer
    }

    pub(crate) async fn post(&mut self, path: &str, payload: Value) -> Answer {
        let header = self.good_header(path).await;
        self.send_signed(path, &header, payload.to_string().as_bytes()).await
    }

    /// POST-as-GET.
    pub(crate) async fn read(&mut self, path: &str) -> Answer {
        let header = self.good_header(path).await;
        self.send_signed(path, &header, b"").await
    }

    pub(crate) async fn order(&mut self, names: &[&str]) -> Answer {
        self.post("/acme/new-order", order_for(names)).await
    }

    /// Puts the TXT value of the authorization's challenge in place, and gives the path of the challenge.
    pub(crate) async fn publish(&mut self, authorization: &str) -> String {
        let answer = self.read(authorization).await.json();
        let challenge = &answer["challenges"][0];
        let value = format!("{}.{}", challenge["token"].as_str().unwrap(), self.key.jwk().thumbprint());
        let value = URL_SAFE_NO_PAD.encode(digest(&SHA256, value.as_bytes()));
        let base = host(answer["identifier"]["value"].as_str().unwrap());
        let identifier = match answer.get("wildcard") {
            Some(wildcard) => {
                assert_eq!(wildcard, true);
                Identifier::wildcard(base)
            }
            None => base.into(),
        };
        self.issuer.decide(|decisions| decisions.texts.entry(identifier).or_default().push(value));
        path(challenge["url"].as_str().unwrap())
    }

    /// Reads until the status is another than these.
    pub(crate) async fn until_not(&mut self, path: &str, statuses: &[&str]) -> Answer {
        for _ in 0..1000 {
            let answer = self.read(path).await;
            if !statuses.contains(&answer.json()["status"].as_str().unwrap()) {
                return answer;
            }
            tokio::task::yield_now().await;
        }
        panic!("{path} does not get on");
    }

    /// Makes an order ready; gives its path.
    pub(crate) async fn ready_order(&mut self, names: &[&str]) -> String {
        let order = self.order(names).await;
        assert_eq!(order.status, 201, "{order:?}");
        self.make_ready(&order).await
    }

    pub(crate) async fn make_ready(&mut self, order: &Answer) -> String {
        for url in order.json()["authorizations"].as_array().unwrap() {
            let authorization = path(url.as_str().unwrap());
            let challenge = self.publish(&authorization).await;
            self.post(&challenge, json!({})).await;
            assert_eq!(self.until_not(&authorization, &["pending"]).await.json()["status"], "valid");
        }
        path(order.header("location"))
    }

    pub(crate) async fn finalize(&mut self, order: &str, csr: &[u8]) -> Answer {
        let url = self.read(order).await.path("finalize");
        self.post(&url, json!({ "csr": URL_SAFE_NO_PAD.encode(csr) })).await
    }

    /// A whole issuance; gives the chain.
    pub(crate) async fn issue(&mut self, names: &[&str]) -> Vec<u8> {
        let order = self.ready_order(names).await;
        let answer = self.finalize(&order, &csr(names)).await;
        assert_eq!(answer.json()["status"], "valid", "{answer:?}");
        self.read(&answer.path("certificate")).await.body
    }
}

pub(crate) fn order_for(names: &[&str]) -> Value {
    let identifiers: Vec<Value> = names.iter().map(|name| json!({ "type": "dns", "value": name })).collect();
    json!({ "identifiers": identifiers })
}

pub(crate) fn csr(names: &[&str]) -> Vec<u8> {
    let names = names.join(",").parse().unwrap();
    let key = fleetcert_x509::KeyPair::generate(KeyKind::P256).unwrap();
    let csr = csr_for(&names, &key).unwrap();
    VerifiedCsr::parse(&csr, &fleetcert_x509::CsrPolicy::lets_encrypt()).unwrap().der().to_vec()
}
