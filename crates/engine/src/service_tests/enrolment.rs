use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fleetcert_jose::{Algorithm, KeyPair, Signer};
use fleetcert_protocol::{EnrolRequest, EnrolmentAnswer, EnrolmentProof};
use fleetcert_store::{Store, Transaction};
use serde_json::json;

use super::Fixture;
use crate::enrolment::Enrolment;
use crate::records::DEVICES;
use crate::{
    Admission, Applicant, EngineError, EngineErrorKind, Enroller, EnrolmentDecision, PendingEnrolment,
    RequestOrigin,
};

/// Decides each case alike.
#[derive(Debug)]
struct Decides(fn() -> EnrolmentDecision);

#[async_trait]
impl Enroller for Decides {
    async fn decide(&self, _: &Applicant<'_>) -> Result<EnrolmentDecision, EngineError> {
        Ok(self.0())
    }
}

/// Enrols a new key.
async fn enrol(fixture: &Fixture, decide: fn() -> EnrolmentDecision) -> Result<EnrolmentAnswer, EngineError> {
    let (zone, labels) = (fixture.parts.options.zone.clone(), fixture.parts.labels.clone());
    let enrolment = Enrolment::new(fixture.context(), zone, Arc::new(Decides(decide)), labels);
    let request = EnrolRequest::new(EnrolmentProof::new("approval", &json!({})).unwrap());
    let key = KeyPair::generate(Algorithm::EdDsa).unwrap();
    enrolment.enrol(&request, key.jwk(), &RequestOrigin::default()).await
}

#[tokio::test(start_paused = true)]
async fn pending_decision_makes_no_device() {
    let fixture = Fixture::new();
    let pending = || PendingEnrolment::new("awaiting_approval", Duration::from_secs(90)).into();
    let answer = enrol(&fixture, pending).await.unwrap();
    assert!(matches!(answer, EnrolmentAnswer::Pending(pending) if pending.retry_after == 90));
    assert!(fixture.store.page(DEVICES, None, 9).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn assigned_label_is_given_to_one_device_alone() {
    let fixture = Fixture::new();
    let admit = || Admission::new(Transaction::new()).with_label("printer".parse().unwrap()).into();
    let first = enrol(&fixture, admit).await.unwrap().enrolled().unwrap();
    assert_eq!(first.name.as_str(), "printer.fleet.test");
    assert_eq!(enrol(&fixture, admit).await.unwrap_err().kind(), EngineErrorKind::LabelTaken);
    assert_eq!(fixture.store.page(DEVICES, None, 9).await.unwrap().len(), 1);
}
