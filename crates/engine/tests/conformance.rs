//! The conformance suites of policies: ours pass, and each check fails an implementation with its fault.

#![allow(clippy::unwrap_used, clippy::panic)] // a test may

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fleetcert_ambient::SystemEntropy;
use fleetcert_engine::conformance::BrokenPromise;
use fleetcert_engine::conformance::authenticator::{self, AuthenticatorSubject};
use fleetcert_engine::conformance::enroller::{self, EnrollerSubject, ProofCase};
use fleetcert_engine::{
    Admission, Applicant, AuthenticationError, ByProofKind, DeviceAuthenticator, DeviceKeys, Engine,
    EngineError, Enroller, EnrolmentDecision, EnrolmentRefusal, Identified, OneTimeTokens, RequestOrigin,
    RequestParts, TlsClientIdentity,
};
use fleetcert_jose::{Jwk, KeyPair, KeyReference, Signer};
use fleetcert_protocol::request::{self, SignedRequest};
use fleetcert_protocol::{DeviceId, EnrolmentProof, EnrolmentToken};
use fleetcert_store::{Collection, Expect, Store, Transaction};
use parking_lot::Mutex;
use serde_json::{Value, json};

const MINUTE: Duration = Duration::from_secs(60);

#[track_caller]
fn fails(outcome: Result<(), BrokenPromise>, check: &str) {
    let broken = outcome.expect_err("the suite passes a broken implementation");
    assert_eq!(broken.check(), check, "{broken}");
}

async fn token(engine: &Engine, case: ProofCase) -> EnrolmentProof {
    let token = match case {
        ProofCase::Valid => engine.issue_token(MINUTE).await.unwrap(),
        ProofCase::Expired => engine.issue_token(Duration::ZERO).await.unwrap(),
        ProofCase::Unknown => EnrolmentToken::generate(&SystemEntropy),
    };
    token.into()
}

/// Tokens, decided by the enroller that the function makes.
struct Tokens(fn(Arc<dyn Store>) -> Arc<dyn Enroller>);

#[async_trait]
impl EnrollerSubject for Tokens {
    fn enroller(&self, store: Arc<dyn Store>) -> Arc<dyn Enroller> {
        self.0(store)
    }

    async fn proof(&self, engine: &Engine, case: ProofCase, _: &Jwk) -> Option<EnrolmentProof> {
        Some(token(engine, case).await)
    }
}

#[test]
fn one_time_tokens_conform_alone_and_among_others() {
    enroller::check(&Tokens(|store| Arc::new(OneTimeTokens::new(store)))).unwrap();
    let among_others = Tokens(|store| {
        let tokens = Arc::new(OneTimeTokens::new(store));
        Arc::new(ByProofKind::new().with(EnrolmentProof::TOKEN, tokens.clone()).with("other", tokens))
    });
    enroller::check(&among_others).unwrap();
}

/// Keys that were registered before, with no proof but the key itself: it decides without a store.
struct RegisteredKeys(Arc<Mutex<Vec<Jwk>>>);

#[derive(Debug)]
struct Registered(Arc<Mutex<Vec<Jwk>>>);

#[async_trait]
impl Enroller for Registered {
    async fn decide(&self, applicant: &Applicant<'_>) -> Result<EnrolmentDecision, EngineError> {
        if applicant.proof.kind() != "key" {
            return Ok(EnrolmentRefusal::unsupported(applicant.proof, ["key"]).into());
        }
        Ok(match applicant.known_as {
            Some(device) => EnrolmentDecision::AlreadyAdmitted(device.clone()),
            None if self.0.lock().contains(applicant.key) => Admission::new(Transaction::new()).into(),
            None => EnrolmentRefusal::new("key_unknown", "register the key first").into(),
        })
    }
}

#[async_trait]
impl EnrollerSubject for RegisteredKeys {
    fn enroller(&self, _: Arc<dyn Store>) -> Arc<dyn Enroller> {
        Arc::new(Registered(self.0.clone()))
    }

    async fn proof(&self, _: &Engine, case: ProofCase, key: &Jwk) -> Option<EnrolmentProof> {
        match case {
            ProofCase::Valid => self.0.lock().push(key.clone()),
            ProofCase::Unknown => {}
            ProofCase::Expired => return None,
        }
        Some(EnrolmentProof::new("key", &json!({})).unwrap())
    }
}

#[test]
fn enroller_of_registered_keys_conforms() {
    enroller::check(&RegisteredKeys(Arc::default())).unwrap();
}

/// Which fault a broken enroller of tokens has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    RefusesEverything,
    ForgetsTheUse,
    TakesUsedTokens,
    TakesUnknownTokens,
    TakesExpiredTokens,
    TakesAnyType,
    WritesByItself,
    AdmitsWithoutAVersion,
    RefusesWhileBusy,
    AdmitsWhenUnavailable,
}

/// One-time tokens with one fault.
#[derive(Debug)]
struct Broken {
    fault: Fault,
    right: OneTimeTokens,
    store: Arc<dyn Store>,
    busy: AtomicBool,
}

const OWN: Collection = Collection::new("conformance-test");

#[async_trait]
impl Enroller for Broken {
    async fn decide(&self, applicant: &Applicant<'_>) -> Result<EnrolmentDecision, EngineError> {
        let yes = || Ok(Admission::new(Transaction::new()).into());
        if self.fault == Fault::RefusesWhileBusy && self.busy.swap(true, SeqCst) {
            return Ok(EnrolmentRefusal::new("busy", "come back").into());
        }
        let decision = self.right.decide(applicant).await;
        self.busy.store(false, SeqCst);
        let decision = match decision {
            Err(_) if self.fault == Fault::AdmitsWhenUnavailable => return yes(),
            decision => decision?,
        };
        match (self.fault, decision) {
            (Fault::RefusesEverything, _) => Ok(EnrolmentRefusal::new("closed", "come back").into()),
            (Fault::ForgetsTheUse, EnrolmentDecision::AlreadyAdmitted(_)) => {
                Ok(EnrolmentRefusal::new(OneTimeTokens::USED, "used").into())
            }
            (Fault::TakesUsedTokens, EnrolmentDecision::Refused(refusal))
                if refusal.code == OneTimeTokens::USED =>
            {
                yes()
            }
            (Fault::TakesUnknownTokens, EnrolmentDecision::Refused(refusal))
                if refusal.code == OneTimeTokens::UNKNOWN =>
            {
                yes()
            }
            (Fault::TakesExpiredTokens, _) => {
                let mut in_time = *applicant;
                in_time.now = SystemTime::UNIX_EPOCH;
                self.right.decide(&in_time).await
            }
            (Fault::TakesAnyType, EnrolmentDecision::Refused(refusal))
                if refusal.code == EnrolmentRefusal::UNSUPPORTED =>
            {
                yes()
            }
            (Fault::WritesByItself, EnrolmentDecision::Admit(admission)) => {
                let note = Transaction::new().put(OWN, "note", Expect::Any, vec![1], None);
                self.store.commit(note).await?;
                Ok(admission.into())
            }
            (Fault::AdmitsWithoutAVersion, EnrolmentDecision::Admit(mut admission)) => {
                let mut write = Transaction::new();
                for one in admission.write.writes() {
                    let fleetcert_store::Action::Put { value, due } = one.action.clone() else { continue };
                    write = write.put(one.collection, one.key.clone(), Expect::Any, value, due);
                }
                admission.write = write;
                Ok(admission.into())
            }
            (_, decision) => Ok(decision),
        }
    }
}

#[async_trait]
impl EnrollerSubject for Fault {
    fn enroller(&self, store: Arc<dyn Store>) -> Arc<dyn Enroller> {
        Arc::new(Broken {
            fault: *self,
            right: OneTimeTokens::new(store.clone()),
            store,
            busy: AtomicBool::new(false),
        })
    }

    async fn proof(&self, engine: &Engine, case: ProofCase, _: &Jwk) -> Option<EnrolmentProof> {
        Some(token(engine, case).await)
    }
}

#[test]
fn each_check_of_enrollers_fails_the_enroller_with_its_fault() {
    for (fault, check) in [
        (Fault::RefusesEverything, "a valid proof admits its key"),
        (Fault::ForgetsTheUse, "the same proof and key get the same device again"),
        (Fault::TakesUsedTokens, "a proof that was used refuses a second key"),
        (Fault::TakesUnknownTokens, "an unknown proof is refused with a code"),
        (Fault::TakesExpiredTokens, "an expired proof is refused with a code"),
        (Fault::TakesAnyType, "a proof of another type is refused with a code"),
        (Fault::WritesByItself, "a decision writes nothing"),
        (Fault::AdmitsWithoutAVersion, "of concurrent keys with one proof one is admitted"),
        (Fault::RefusesWhileBusy, "concurrent uses of one proof by one key make one device"),
        (Fault::AdmitsWhenUnavailable, "an unavailable store admits nothing"),
    ] {
        fails(enroller::check(&fault), check);
    }
}

/// Remembers in itself who was admitted, before the engine has committed.
#[derive(Debug, Default)]
struct Hasty(Mutex<HashMap<String, DeviceId>>);

#[async_trait]
impl Enroller for Hasty {
    async fn decide(&self, applicant: &Applicant<'_>) -> Result<EnrolmentDecision, EngineError> {
        if applicant.proof.kind() != EnrolmentProof::TOKEN {
            return Ok(EnrolmentRefusal::unsupported(applicant.proof, [EnrolmentProof::TOKEN]).into());
        }
        let mut admitted = self.0.lock();
        match admitted.get(applicant.thumbprint.as_str()) {
            Some(device) => Ok(EnrolmentDecision::AlreadyAdmitted(device.clone())),
            None => {
                admitted.insert(applicant.thumbprint.as_str().into(), applicant.device.clone());
                Ok(Admission::new(Transaction::new()).into())
            }
        }
    }
}

#[test]
fn enroller_that_remembers_an_admission_too_early_fails() {
    let outcome = enroller::check(&Tokens(|_| Arc::new(Hasty::default())));
    fails(outcome, "a proof that was used refuses a second key");
}

/// Signed envelopes.
struct Envelopes;

impl AuthenticatorSubject for Envelopes {
    fn authenticator(&self, store: Arc<dyn Store>) -> Arc<dyn DeviceAuthenticator> {
        Arc::new(DeviceKeys::new(store))
    }

    fn request(&self, device: &DeviceId, key: &KeyPair, url: &str, payload: &Value) -> RequestParts {
        let sender = KeyReference::Kid(device.to_string());
        let body = request::sign(url, "bm9uY2U", &sender, payload, key).unwrap();
        let envelope = Some(SignedRequest::parse(&body).unwrap());
        RequestParts { url: url.to_owned(), envelope, body, origin: RequestOrigin::default() }
    }
}

/// Mutual TLS: the "certificate" is the key's thumbprint.
#[derive(Debug, Default)]
struct MutualTls(Mutex<HashMap<Vec<u8>, DeviceId>>);

fn identity(key: &KeyPair) -> TlsClientIdentity {
    TlsClientIdentity::new(key.jwk().thumbprint().as_str().as_bytes().to_vec(), [])
}

#[async_trait]
impl DeviceAuthenticator for MutualTls {
    async fn authenticate(&self, request: RequestParts) -> Result<Identified, AuthenticationError> {
        let identity = request.origin.tls_identity.ok_or(AuthenticationError::Rejected)?;
        let device = self.0.lock().get(identity.leaf()).cloned().ok_or(AuthenticationError::Rejected)?;
        Ok(Identified::new(device, request.body))
    }
}

#[derive(Default)]
struct Certificates(Arc<MutualTls>);

impl AuthenticatorSubject for Certificates {
    fn authenticator(&self, _: Arc<dyn Store>) -> Arc<dyn DeviceAuthenticator> {
        self.0.clone()
    }

    fn introduce(&self, device: &DeviceId, key: &KeyPair) {
        self.0.0.lock().insert(identity(key).leaf().to_vec(), device.clone());
    }

    fn request(&self, _: &DeviceId, key: &KeyPair, url: &str, payload: &Value) -> RequestParts {
        let origin = RequestOrigin { address: None, tls_identity: Some(identity(key)) };
        RequestParts { url: url.to_owned(), envelope: None, body: payload.to_string().into_bytes(), origin }
    }
}

#[test]
fn device_keys_and_an_authenticator_by_tls_identity_conform() {
    authenticator::check(&Envelopes).unwrap();
    authenticator::check(&Certificates::default()).unwrap();
}

/// What an envelope says, unverified.
struct Seen {
    identified: Identified,
    url: String,
}

fn look(request: &RequestParts) -> Option<Seen> {
    let body: Value = serde_json::from_slice(&request.body).ok()?;
    let decode = |member: &str| URL_SAFE_NO_PAD.decode(body[member].as_str()?).ok();
    let header: Value = serde_json::from_slice(&decode("protected")?).ok()?;
    let device = request.envelope.as_ref()?.device()?.clone();
    let identified = Identified::new(device, decode("payload")?);
    Some(Seen { identified, url: header["url"].as_str()?.to_owned() })
}

/// Which fault a broken authenticator has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weakness {
    RejectsEverything,
    IgnoresTheUrl,
    IgnoresTheSignature,
    BelievesThePlainBody,
    BelievesTheName,
    RevealsWhichDevicesExist,
    LeavesTheSuspendedToTheEngine,
    RejectsWhenUnavailable,
    MixesRequestsUp,
}

#[derive(Debug)]
struct Weak {
    weakness: Weakness,
    right: DeviceKeys,
    store: Arc<dyn Store>,
    slot: Mutex<Option<Identified>>,
}

impl Weak {
    async fn record(&self, device: &DeviceId) -> Option<String> {
        let found = self.store.read(Collection::new("device"), device.as_str()).await.ok()??;
        String::from_utf8(found.value).ok()
    }
}

#[async_trait]
impl DeviceAuthenticator for Weak {
    async fn authenticate(&self, mut request: RequestParts) -> Result<Identified, AuthenticationError> {
        let rejected = AuthenticationError::Rejected;
        let Some(Seen { identified: claimed, url }) = look(&request) else {
            let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
            let device = body["device"].as_str().and_then(|id| id.parse().ok());
            return match (self.weakness, device) {
                (Weakness::BelievesThePlainBody, Some(device)) => Ok(Identified::new(device, request.body)),
                _ => Err(rejected),
            };
        };
        let for_this_url = url == request.url;
        if self.weakness == Weakness::IgnoresTheUrl {
            request.url = url;
        }
        let outcome = self.right.authenticate(request).await;
        let is_rejected = matches!(outcome, Err(AuthenticationError::Rejected));
        match self.weakness {
            Weakness::RejectsEverything => Err(rejected),
            Weakness::IgnoresTheSignature if for_this_url => Ok(claimed),
            Weakness::BelievesTheName if for_this_url && claimed.payload == br#"{"addresses":[]}"# => {
                Ok(claimed)
            }
            Weakness::RevealsWhichDevicesExist
                if is_rejected && self.record(&claimed.device).await.is_none() =>
            {
                Err(AuthenticationError::Unavailable("there is no such device".into()))
            }
            Weakness::LeavesTheSuspendedToTheEngine => match self.record(&claimed.device).await {
                Some(record) if record.contains("suspended") => Ok(claimed),
                _ => outcome,
            },
            Weakness::RejectsWhenUnavailable => outcome.map_err(|_| rejected),
            Weakness::MixesRequestsUp => {
                let device = outcome.as_ref().ok().map(|found| found.device.clone());
                *self.slot.lock() = Some(outcome?);
                // It looks the device up once more; others may come in the meantime.
                if let Some(device) = device {
                    self.record(&device).await;
                }
                self.slot.lock().clone().ok_or(rejected)
            }
            _ => outcome,
        }
    }
}

impl AuthenticatorSubject for Weakness {
    fn authenticator(&self, store: Arc<dyn Store>) -> Arc<dyn DeviceAuthenticator> {
        let right = DeviceKeys::new(store.clone());
        Arc::new(Weak { weakness: *self, right, store, slot: Mutex::default() })
    }

    fn request(&self, device: &DeviceId, key: &KeyPair, url: &str, payload: &Value) -> RequestParts {
        Envelopes.request(device, key, url, payload)
    }
}

#[test]
fn each_check_of_authenticators_fails_the_authenticator_with_its_fault() {
    for (weakness, check) in [
        (Weakness::RejectsEverything, "a request comes from its device, with its payload"),
        (Weakness::IgnoresTheUrl, "a request for another URL is rejected"),
        (Weakness::IgnoresTheSignature, "a tampered payload is rejected"),
        (Weakness::BelievesThePlainBody, "a request without any proof is rejected"),
        (Weakness::BelievesTheName, "a key speaks for its own device alone"),
        (Weakness::RevealsWhichDevicesExist, "an unknown device is refused as a wrong key is"),
        (Weakness::LeavesTheSuspendedToTheEngine, "a suspended device is denied, and only to itself"),
        (Weakness::RejectsWhenUnavailable, "an unavailable store identifies nothing"),
        (Weakness::MixesRequestsUp, "concurrent requests are not mixed up"),
    ] {
        fails(authenticator::check(&weakness), check);
    }
}
