//! The suite for enrollers.
//!
//! ```
//! use async_trait::async_trait;
//! use fleetcert_ambient::SystemEntropy;
//! use fleetcert_engine::conformance::enroller::{self, EnrollerSubject, ProofCase};
//! use fleetcert_engine::{Engine, Enroller, OneTimeTokens};
//! use fleetcert_jose::Jwk;
//! use fleetcert_protocol::{EnrolmentProof, EnrolmentToken};
//! use fleetcert_store::Store;
//! use std::{sync::Arc, time::Duration};
//!
//! struct Tokens;
//!
//! #[async_trait]
//! impl EnrollerSubject for Tokens {
//!     fn enroller(&self, store: Arc<dyn Store>) -> Arc<dyn Enroller> {
//!         Arc::new(OneTimeTokens::new(store))
//!     }
//!
//!     async fn proof(
//!         &self,
//!         engine: &Engine,
//!         case: ProofCase,
//!         _key: &Jwk, // for proofs that are bound to a key
//!     ) -> Option<EnrolmentProof> {
//!         let minute = Duration::from_secs(60);
//!         let token = match case {
//!             ProofCase::Valid => engine.issue_token(minute).await.unwrap(),
//!             ProofCase::Expired => engine.issue_token(Duration::ZERO).await.unwrap(),
//!             ProofCase::Unknown => EnrolmentToken::generate(&SystemEntropy),
//!         };
//!         Some(token.into())
//!     }
//! }
//!
//! enroller::check(&Tokens).unwrap();
//! ```

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use fleetcert_ambient::{Ambient, ManualClock, SystemEntropy};
use fleetcert_jose::{Algorithm, Jwk, KeyPair, Signer};
use fleetcert_protocol::{DeviceClaims, DeviceId, EnrolRequest, Enrolled, EnrolmentAnswer, EnrolmentProof};
use fleetcert_store::{MemoryStore, Store};

use super::meeting::{Meeting, Member};
use super::store_watch::{MeetsAt, StoreWatch};
use super::{BrokenPromise, Outcome, block_on, parts_without_ca, require, run};
use crate::records::DEVICES;
use crate::{
    Applicant, Engine, EngineError, EngineErrorKind, EngineParts, Enroller, EnrolmentDecision,
    EnrolmentRefusal, RequestOrigin,
};

/// An enroller under test, with a source of proofs for it.
#[async_trait]
pub trait EnrollerSubject: Send + Sync {
    /// Makes the enroller over an empty store.
    fn enroller(&self, store: Arc<dyn Store>) -> Arc<dyn Enroller>;

    /// Makes a proof for `key`; a [`Valid`](ProofCase::Valid) one must admit it at once, without a further decision.
    /// Keep what the enroller needs in the engine's store, or in `self`. Returns `None` for a case that this kind of
    /// proof does not have.
    async fn proof(&self, engine: &Engine, case: ProofCase, key: &Jwk) -> Option<EnrolmentProof>;
}

/// Which proof a check needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProofCase {
    /// Admits one key.
    Valid,
    /// Well formed, and made by nobody that the enroller trusts.
    Unknown,
    /// Was valid, and its time has passed.
    Expired,
}

/// Threads that use one proof at the same time.
const THREADS: usize = 4;
/// Proofs that are used so.
const ROUNDS: usize = 5;
/// Time of the suite's clock, which stands still, since 1970.
const TIME: Duration = Duration::from_secs(1_800_000_000);

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + TIME
}

/// Runs every check.
///
/// # Errors
/// The first promise that the enroller does not keep.
pub fn check(subject: &dyn EnrollerSubject) -> Result<(), BrokenPromise> {
    run("a valid proof admits its key", admits(subject))?;
    run("the same proof and key get the same device again", lost_answer(subject))?;
    run("a proof that was used refuses a second key", second_key(subject))?;
    run("an unknown proof is refused with a code", refuses(subject, ProofCase::Unknown))?;
    run("an expired proof is refused with a code", refuses(subject, ProofCase::Expired))?;
    run("a proof of another type is refused with a code", another_type(subject))?;
    run("a decision writes nothing", no_writes(subject))?;
    run("of concurrent keys with one proof one is admitted", one_of_several_keys(subject))?;
    run("concurrent uses of one proof by one key make one device", one_key_many_times(subject))?;
    run("an unavailable store admits nothing", unavailable_store(subject))
}

/// An engine with the enroller under test, which has a handle of its own on the store.
struct Setup {
    engine: Engine,
    enroller: Arc<dyn Enroller>,
    store: Arc<MemoryStore>,
    engines_store: Arc<StoreWatch>,
    enrollers_store: Arc<StoreWatch>,
}

impl Setup {
    fn new(subject: &dyn EnrollerSubject) -> Self {
        let store = Arc::new(MemoryStore::new());
        // The engine's handle meets at commits, so that all threads have decided on what the store held before the first.
        let (handle, engines_store) = StoreWatch::on(&store, MeetsAt::EachCommit);
        let (enrollers_handle, enrollers_store) = StoreWatch::on(&store, MeetsAt::EachCall);
        let enroller = subject.enroller(enrollers_handle);
        let clock = Arc::new(ManualClock::starting_at(now()));
        let ambient = Ambient { clock, entropy: Arc::new(SystemEntropy) };
        let parts = parts_without_ca(handle, ambient);
        let engine = Engine::new(EngineParts { enroller: enroller.clone(), ..parts });
        Self { engine, enroller, store, engines_store, enrollers_store }
    }

    async fn valid(&self, subject: &dyn EnrollerSubject, key: &Jwk) -> Result<EnrolmentProof, &'static str> {
        let proof = subject.proof(&self.engine, ProofCase::Valid, key).await;
        proof.ok_or("there is no valid proof to test with")
    }

    async fn enrol(&self, proof: &EnrolmentProof, key: &Jwk) -> Result<Enrolled, EngineError> {
        let request = EnrolRequest::new(proof.clone());
        match self.engine.enrol(&request, key, &RequestOrigin::default()).await? {
            EnrolmentAnswer::Enrolled(enrolled) => Ok(enrolled),
            _ => Err(EngineError::new(EngineErrorKind::Denied, "the proof left the decision pending")),
        }
    }

    async fn devices(&self) -> Result<usize, EngineError> {
        Ok(self.store.page(DEVICES, None, 2 * THREADS).await?.len())
    }
}

fn new_key() -> Result<Jwk, fleetcert_jose::JoseError> {
    Ok(KeyPair::generate(Algorithm::EdDsa)?.jwk().clone())
}

/// The refusal is one, and has a code that a program can compare.
fn require_refusal(outcome: &Result<Enrolled, EngineError>) -> Outcome {
    let Err(error) = outcome else { return Err("it was admitted".into()) };
    require(error.kind() == EngineErrorKind::EnrolmentRefused, format!("it failed otherwise: {error}"))?;
    let code = error.code().unwrap_or_default();
    let allowed = |octet: u8| matches!(octet, b'a'..=b'z' | b'0'..=b'9' | b'_');
    let well_formed = (1..=64).contains(&code.len()) && code.bytes().all(allowed);
    require(
        well_formed,
        format!("the code {code:?} is not 1 to 64 lower-case letters, digits and underscores"),
    )
}

async fn admits(subject: &dyn EnrollerSubject) -> Outcome {
    let (setup, key) = (Setup::new(subject), new_key()?);
    let proof = setup.valid(subject, &key).await?;
    setup.enrol(&proof, &key).await?;
    require(setup.devices().await? == 1, "there is not exactly one device")
}

async fn lost_answer(subject: &dyn EnrollerSubject) -> Outcome {
    let (setup, key) = (Setup::new(subject), new_key()?);
    let proof = setup.valid(subject, &key).await?;
    let first = setup.enrol(&proof, &key).await?;
    let again = setup.enrol(&proof, &key).await?;
    require(first == again, "the second answer names another device")?;
    require(setup.devices().await? == 1, "there is more than one device")
}

async fn second_key(subject: &dyn EnrollerSubject) -> Outcome {
    let (setup, key) = (Setup::new(subject), new_key()?);
    let proof = setup.valid(subject, &key).await?;
    setup.enrol(&proof, &key).await?;
    require_refusal(&setup.enrol(&proof, &new_key()?).await)?;
    require(setup.devices().await? == 1, "there is more than one device")
}

async fn refuses(subject: &dyn EnrollerSubject, case: ProofCase) -> Outcome {
    let (setup, key) = (Setup::new(subject), new_key()?);
    let Some(proof) = subject.proof(&setup.engine, case, &key).await else { return Ok(()) };
    require_refusal(&setup.enrol(&proof, &key).await)?;
    require(setup.devices().await? == 0, "there is a device")
}

async fn another_type(subject: &dyn EnrollerSubject) -> Outcome {
    let (setup, key) = (Setup::new(subject), new_key()?);
    let proof = EnrolmentProof::new("conformance-no-such-type", &serde_json::json!({ "token": "x" }))?;
    let outcome = setup.enrol(&proof, &key).await;
    require_refusal(&outcome)?;
    let code = outcome.as_ref().err().and_then(EngineError::code);
    let expected = EnrolmentRefusal::UNSUPPORTED;
    require(code == Some(expected), format!("its code is {code:?}, not {expected}"))
}

async fn no_writes(subject: &dyn EnrollerSubject) -> Outcome {
    let (setup, key) = (Setup::new(subject), new_key()?);
    let proof = setup.valid(subject, &key).await?;
    let before = setup.enrollers_store.writes();
    let device = DeviceId::generate(&SystemEntropy);
    let applicant = Applicant {
        proof: &proof,
        key: &key,
        thumbprint: &key.thumbprint(),
        known_as: None,
        origin: &RequestOrigin::default(),
        claims: &DeviceClaims::default(),
        label: None,
        device: &device,
        now: now(),
    };
    for _ in 0..2 {
        let decision = setup.enroller.decide(&applicant).await?;
        let admitted = matches!(decision, EnrolmentDecision::Admit(_));
        require(admitted, "a decision that was not committed changed the next one")?;
    }
    require(setup.enrollers_store.writes() == before, "it wrote to its store")
}

/// Enrols on several OS threads at once, each with a key of `keys`. They take each step together.
fn enrol_at_once(setup: &Setup, proof: &EnrolmentProof, keys: &[Jwk]) -> Vec<Result<Enrolled, EngineError>> {
    let meeting = Arc::new(Meeting::of(keys.len()));
    setup.engines_store.meet(&meeting);
    setup.enrollers_store.meet(&meeting);
    let enrol = |key| {
        let _member = Member(&meeting);
        meeting.wait();
        block_on(setup.enrol(proof, key))
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = keys.iter().map(|key| scope.spawn(|| enrol(key))).collect();
        let panicked = |_| Err(EngineError::new(EngineErrorKind::Corrupt, "the enroller panicked"));
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(panicked)).collect()
    })
}

async fn one_of_several_keys(subject: &dyn EnrollerSubject) -> Outcome {
    for _ in 0..ROUNDS {
        let setup = Setup::new(subject);
        let keys = (0..THREADS).map(|_| new_key()).collect::<Result<Vec<_>, _>>()?;
        let proof = setup.valid(subject, &keys[0]).await?;
        let outcomes = enrol_at_once(&setup, &proof, &keys);
        let admitted = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        require(admitted == 1, format!("{admitted} of {THREADS} keys were admitted"))?;
        outcomes.iter().filter(|outcome| outcome.is_err()).try_for_each(require_refusal)?;
        require(setup.devices().await? == 1, "there is not exactly one device")?;
    }
    Ok(())
}

async fn one_key_many_times(subject: &dyn EnrollerSubject) -> Outcome {
    for _ in 0..ROUNDS {
        let (setup, key) = (Setup::new(subject), new_key()?);
        let proof = setup.valid(subject, &key).await?;
        let outcomes = enrol_at_once(&setup, &proof, &vec![key; THREADS]);
        let enrolled = outcomes.into_iter().collect::<Result<Vec<_>, _>>()?;
        let same = enrolled.iter().all(|one| *one == enrolled[0]);
        require(same, "the answers name several devices")?;
        require(setup.devices().await? == 1, "there is more than one device")?;
    }
    Ok(())
}

/// Only the enroller's handle fails: an enroller that takes no answer for a yes would admit.
async fn unavailable_store(subject: &dyn EnrollerSubject) -> Outcome {
    let (setup, key) = (Setup::new(subject), new_key()?);
    let proof = setup.valid(subject, &key).await?;
    let before = setup.enrollers_store.calls();
    setup.enrollers_store.set_unavailable(true);
    let outcome = setup.enrol(&proof, &key).await;
    if setup.enrollers_store.calls() == before {
        return Ok(()); // it decides without a store
    }
    let Err(error) = outcome else { return Err("it was admitted".into()) };
    let kind = error.kind();
    require(kind == EngineErrorKind::Unavailable, format!("the error is not Unavailable: {error}"))?;
    setup.enrollers_store.set_unavailable(false);
    setup.enrol(&proof, &key).await?;
    Ok(())
}
