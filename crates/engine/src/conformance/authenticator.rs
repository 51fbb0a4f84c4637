//! The suite for authenticators.
//!
//! ```
//! use fleetcert_engine::conformance::authenticator::{self, AuthenticatorSubject};
//! use fleetcert_engine::{DeviceAuthenticator, DeviceKeys, RequestOrigin, RequestParts};
//! use fleetcert_jose::{KeyPair, KeyReference};
//! use fleetcert_protocol::DeviceId;
//! use fleetcert_protocol::request::{self, SignedRequest};
//! use fleetcert_store::Store;
//! use serde_json::Value;
//! use std::sync::Arc;
//!
//! struct Envelopes;
//!
//! impl AuthenticatorSubject for Envelopes {
//!     fn authenticator(&self, store: Arc<dyn Store>) -> Arc<dyn DeviceAuthenticator> {
//!         Arc::new(DeviceKeys::new(store))
//!     }
//!
//!     fn request(&self, device: &DeviceId, key: &KeyPair, url: &str, payload: &Value) -> RequestParts {
//!         let sender = KeyReference::Kid(device.to_string());
//!         let body = request::sign(url, "bm9uY2U", &sender, payload, key).unwrap();
//!         RequestParts {
//!             url: url.to_owned(),
//!             envelope: Some(SignedRequest::parse(&body).unwrap()),
//!             body,
//!             origin: RequestOrigin::default(),
//!         }
//!     }
//! }
//!
//! authenticator::check(&Envelopes).unwrap();
//! ```

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fleetcert_ambient::{Ambient, SystemEntropy};
use fleetcert_jose::{Algorithm, KeyPair, Signer};
use fleetcert_protocol::DeviceId;
use fleetcert_protocol::EnrolRequest;
use fleetcert_protocol::request::SignedRequest;
use fleetcert_store::{MemoryStore, Store};
use serde_json::{Value, json};

use super::meeting::{Meeting, Member};
use super::store_watch::{MeetsAt, StoreWatch};
use super::{BrokenPromise, Outcome, block_on, parts_without_ca, require, run};
use crate::{
    Caller, DeviceAuthenticator, DeviceState, Engine, EngineError, EngineErrorKind, EngineParts,
    RequestOrigin, RequestParts,
};

/// An authenticator under test, with a source of requests for it.
pub trait AuthenticatorSubject: Send + Sync {
    /// Makes the authenticator over a store.
    fn authenticator(&self, store: Arc<dyn Store>) -> Arc<dyn DeviceAuthenticator>;

    /// Makes the authenticator know a device that has just enrolled with `key`. Override it where the enrolment alone
    /// is not enough, as for a table of certificates.
    fn introduce(&self, device: &DeviceId, key: &KeyPair) {
        let _ = (device, key);
    }

    /// Makes a request of `device` to `url`, authenticated by `key` alone, whether or not that is the device's key.
    /// A subject for mutual TLS shows a certificate for `key` and no envelope.
    fn request(&self, device: &DeviceId, key: &KeyPair, url: &str, payload: &Value) -> RequestParts;
}

/// Threads that authenticate at the same time.
const THREADS: usize = 4;
/// Requests of each.
const REQUESTS: usize = 50;
/// URL that the requests are for.
const URL: &str = "https://control.test/v1/addresses";

/// Runs every check.
///
/// # Errors
/// The first promise that the authenticator does not keep.
pub fn check(subject: &dyn AuthenticatorSubject) -> Result<(), BrokenPromise> {
    run("a request comes from its device, with its payload", identifies(subject))?;
    run("a request for another URL is rejected", another_url(subject))?;
    run("a tampered payload is rejected", tampered_payload(subject))?;
    run("a request without any proof is rejected", no_proof(subject))?;
    run("a key speaks for its own device alone", another_key(subject))?;
    run("an unknown device is refused as a wrong key is", unknown_device(subject))?;
    run("a suspended device is denied, and only to itself", suspended(subject))?;
    run("an unavailable store identifies nothing", unavailable_store(subject))?;
    run("concurrent requests are not mixed up", concurrent(subject))
}

struct Setup<'a> {
    subject: &'a dyn AuthenticatorSubject,
    engine: Engine,
    authenticators_store: Arc<StoreWatch>,
}

struct TestDevice {
    id: DeviceId,
    key: KeyPair,
}

impl<'a> Setup<'a> {
    fn new(subject: &'a dyn AuthenticatorSubject) -> Self {
        let store = Arc::new(MemoryStore::new());
        let (handle, authenticators_store) = StoreWatch::on(&store, MeetsAt::EachCall);
        let authenticator = subject.authenticator(handle);
        let parts = parts_without_ca(store, Ambient::system());
        let engine = Engine::new(EngineParts { authenticator, ..parts });
        Self { subject, engine, authenticators_store }
    }

    async fn enrol(&self) -> Result<TestDevice, Box<dyn std::error::Error + Send + Sync>> {
        let key = KeyPair::generate(Algorithm::EdDsa)?;
        let token = self.engine.issue_token(std::time::Duration::from_secs(60)).await?;
        let answer =
            self.engine.enrol(&EnrolRequest::new(token), key.jwk(), &RequestOrigin::default()).await?;
        let id = answer.enrolled().ok_or("a token is decided at once")?.device;
        self.subject.introduce(&id, &key);
        Ok(TestDevice { id, key })
    }

    fn request(&self, device: &DeviceId, key: &KeyPair) -> RequestParts {
        self.subject.request(device, key, URL, &json!({ "addresses": [] }))
    }

    async fn authenticate(&self, device: &DeviceId, key: &KeyPair) -> Result<Caller, EngineError> {
        self.engine.authenticate(self.request(device, key)).await
    }
}

fn require_kind(outcome: Result<Caller, EngineError>, kind: EngineErrorKind) -> Outcome {
    match outcome {
        Ok(caller) => Err(format!("it was taken for device {}", caller.device()).into()),
        Err(error) if error.kind() == kind => Ok(()),
        Err(error) => Err(format!("expected {kind:?}, got {:?}: {error}", error.kind()).into()),
    }
}

async fn identifies(subject: &dyn AuthenticatorSubject) -> Outcome {
    let setup = Setup::new(subject);
    let (first, second) = (setup.enrol().await?, setup.enrol().await?);
    for device in [&first, &second] {
        let caller = setup.authenticate(&device.id, &device.key).await?;
        require(*caller.device() == device.id, "it was taken for another device")?;
        let payload: Value = serde_json::from_slice(caller.payload())?;
        require(payload == json!({ "addresses": [] }), "the payload is not what was sent")?;
    }
    Ok(())
}

async fn another_url(subject: &dyn AuthenticatorSubject) -> Outcome {
    let setup = Setup::new(subject);
    let device = setup.enrol().await?;
    for url in ["https://control.test/v1/certificate", "https://other.test/v1/addresses", ""] {
        let request = RequestParts { url: url.to_owned(), ..setup.request(&device.id, &device.key) };
        if request.envelope.is_none() {
            return Ok(()); // the connection itself leads to one server
        }
        require_kind(setup.engine.authenticate(request).await, EngineErrorKind::Unauthenticated)?;
    }
    Ok(())
}

async fn tampered_payload(subject: &dyn AuthenticatorSubject) -> Outcome {
    let setup = Setup::new(subject);
    let device = setup.enrol().await?;
    let mut request = setup.request(&device.id, &device.key);
    if request.envelope.is_none() {
        return Ok(()); // the connection itself protects it
    }
    let mut envelope: Value = serde_json::from_slice(&request.body)?;
    envelope["payload"] = URL_SAFE_NO_PAD.encode(r#"{"addresses":["10.0.0.1"]}"#).into();
    request.body = envelope.to_string().into_bytes();
    request.envelope = Some(SignedRequest::parse(&request.body)?);
    require_kind(setup.engine.authenticate(request).await, EngineErrorKind::Unauthenticated)
}

async fn no_proof(subject: &dyn AuthenticatorSubject) -> Outcome {
    let setup = Setup::new(subject);
    let device = setup.enrol().await?;
    let body = json!({ "device": device.id.to_string(), "addresses": [] }).to_string().into_bytes();
    let origin = RequestOrigin { address: Some([127, 0, 0, 1].into()), tls_identity: None };
    let request = RequestParts { url: URL.to_owned(), envelope: None, body, origin };
    require_kind(setup.engine.authenticate(request).await, EngineErrorKind::Unauthenticated)
}

async fn another_key(subject: &dyn AuthenticatorSubject) -> Outcome {
    let setup = Setup::new(subject);
    let (device, other) = (setup.enrol().await?, setup.enrol().await?);
    match setup.authenticate(&device.id, &other.key).await {
        // With mutual TLS the key says which device it is.
        Ok(caller) => require(*caller.device() == other.id, "it was taken for the device that it named"),
        refused => require_kind(refused, EngineErrorKind::Unauthenticated),
    }
}

async fn unknown_device(subject: &dyn AuthenticatorSubject) -> Outcome {
    let setup = Setup::new(subject);
    let device = setup.enrol().await?;
    let stranger = KeyPair::generate(Algorithm::EdDsa)?;
    let unknown = DeviceId::generate(&SystemEntropy);
    let mut answers = Vec::new();
    for device in [&unknown, &device.id] {
        let outcome = setup.authenticate(device, &stranger).await;
        answers.push(outcome.as_ref().err().map(ToString::to_string));
        require_kind(outcome, EngineErrorKind::Unauthenticated)?;
    }
    require(answers[0] == answers[1], "the answer says whether there is such a device")
}

async fn suspended(subject: &dyn AuthenticatorSubject) -> Outcome {
    let setup = Setup::new(subject);
    let device = setup.enrol().await?;
    setup.engine.set_device_state(&device.id, DeviceState::Suspended).await?;
    require_kind(setup.authenticate(&device.id, &device.key).await, EngineErrorKind::Denied)?;
    let stranger = KeyPair::generate(Algorithm::EdDsa)?;
    require_kind(setup.authenticate(&device.id, &stranger).await, EngineErrorKind::Unauthenticated)
}

async fn unavailable_store(subject: &dyn AuthenticatorSubject) -> Outcome {
    let setup = Setup::new(subject);
    let device = setup.enrol().await?;
    let before = setup.authenticators_store.calls();
    setup.authenticators_store.set_unavailable(true);
    let outcome = setup.authenticate(&device.id, &device.key).await;
    if setup.authenticators_store.calls() == before {
        return Ok(()); // it knows its devices without a store
    }
    require_kind(outcome, EngineErrorKind::Unavailable)?;
    setup.authenticators_store.set_unavailable(false);
    setup.authenticate(&device.id, &device.key).await?;
    Ok(())
}

async fn concurrent(subject: &dyn AuthenticatorSubject) -> Outcome {
    let setup = Setup::new(subject);
    let mut devices = Vec::new();
    for _ in 0..THREADS {
        devices.push(setup.enrol().await?);
    }
    // The threads take each call to the store together, so that their requests overlap.
    let meeting = Arc::new(Meeting::of(THREADS));
    setup.authenticators_store.meet(&meeting);
    let ask = |index: usize, device: &TestDevice| -> Outcome {
        let _member = Member(&meeting);
        meeting.wait();
        for number in 0..REQUESTS {
            let sent = json!({ "device": index, "request": number });
            let request = setup.subject.request(&device.id, &device.key, URL, &sent);
            let caller = block_on(setup.engine.authenticate(request))?;
            require(*caller.device() == device.id, "a request was taken for another device's")?;
            let payload: Value = serde_json::from_slice(caller.payload())?;
            require(payload == sent, "a request got another's payload")?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let ask = &ask;
        let threads =
            devices.iter().enumerate().map(|(index, device)| scope.spawn(move || ask(index, device)));
        let threads: Vec<_> = threads.collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|_| Err("it panicked".into())))
    })
}
