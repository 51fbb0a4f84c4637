//! Enrolment over HTTP with other enrollers than tokens.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::extract::ConnectInfo;
use axum::http::StatusCode;
use fleetcert_engine::{
    Admission, Applicant, ByProofKind, EngineError, EngineParts, Enroller, EnrolmentDecision,
    EnrolmentRefusal, OneTimeTokens, PendingEnrolment,
};
use fleetcert_jose::{KeyPair, Signer};
use fleetcert_protocol::{DeviceClaims, EnrolRequest, EnrolmentAnswer, EnrolmentProof, request, route};
use fleetcert_store::{Collection, Expect, MemoryStore, Store, Transaction};
use serde_json::json;

use crate::setting::{Setting, device_key, posting};

const WAITING: Collection = Collection::new("test-waiting");

/// An operator's approval: what the device said waits in the store until the operator approves its key.
#[derive(Debug)]
struct Approval(Arc<dyn Store>);

#[async_trait]
impl Enroller for Approval {
    async fn decide(&self, applicant: &Applicant<'_>) -> Result<EnrolmentDecision, EngineError> {
        if let Some(device) = applicant.known_as {
            return Ok(EnrolmentDecision::AlreadyAdmitted(device.clone()));
        }
        let key = applicant.thumbprint.as_str();
        let Some(found) = self.0.read(WAITING, key).await? else {
            let entry = json!({
                "serial": applicant.claims.get("serial"),
                "address": applicant.origin.address,
                "approved": false,
            });
            let write =
                Transaction::new().put(WAITING, key, Expect::Absent, entry.to_string().into_bytes(), None);
            return Ok(PendingEnrolment::new("awaiting_approval", Duration::from_secs(90))
                .with_write(write)
                .into());
        };
        let entry: serde_json::Value = serde_json::from_slice(&found.value).unwrap();
        Ok(match entry["approved"].as_bool() {
            Some(true) => {
                let write = Transaction::new().check(WAITING, key, Expect::Version(found.version));
                Admission::new(write).with_label("printer".parse().unwrap()).into()
            }
            _ => PendingEnrolment::new("awaiting_approval", Duration::from_secs(90)).into(),
        })
    }
}

fn with_approval(parts: EngineParts) -> EngineParts {
    let enroller = ByProofKind::new()
        .with("approval", Arc::new(Approval(parts.store.clone())))
        .with(EnrolmentProof::TOKEN, Arc::new(OneTimeTokens::new(parts.store.clone())));
    EngineParts { enroller: Arc::new(enroller), ..parts }
}

fn wish() -> EnrolRequest {
    let proof = EnrolmentProof::new("approval", &json!({})).unwrap();
    EnrolRequest::new(proof).with_claims(DeviceClaims::new([("serial", "A-1007")]).unwrap())
}

async fn entry(store: &MemoryStore, key: &KeyPair) -> (serde_json::Value, fleetcert_store::Version) {
    let found = store.read(WAITING, key.jwk().thumbprint().as_str()).await.unwrap().unwrap();
    (serde_json::from_slice(&found.value).unwrap(), found.version)
}

#[tokio::test]
async fn pending_enrolment_is_202_until_it_is_decided() {
    let setting = Setting::with(with_approval);
    let key = device_key();
    let send = async || {
        let mut request =
            posting(route::ENROL, request::CONTENT_TYPE, setting.enrolment_with(wish(), &key).await);
        request.extensions_mut().insert(ConnectInfo::<SocketAddr>("192.0.2.7:1".parse().unwrap()));
        setting.send(request).await
    };
    for _ in 0..2 {
        let answer = send().await;
        assert_eq!((answer.status, answer.retry_after.as_deref()), (StatusCode::ACCEPTED, Some("90")));
        let expected = json!({ "status": "pending", "code": "awaiting_approval", "retry_after": 90 });
        assert_eq!(answer.json(), expected);
    }
    // The operator sees what the device says of itself, and where it asked from.
    let (mut waiting, version) = entry(&setting.store, &key).await;
    let address: IpAddr = "192.0.2.7".parse().unwrap();
    assert_eq!(waiting, json!({ "serial": "A-1007", "address": address, "approved": false }));

    waiting["approved"] = true.into();
    let thumbprint = key.jwk().thumbprint();
    let value = waiting.to_string().into_bytes();
    let approve = Transaction::new().put(WAITING, thumbprint.as_str(), Expect::Version(version), value, None);
    setting.store.commit(approve).await.unwrap();
    let mut names = Vec::new();
    for _ in 0..2 {
        let answer = send().await;
        assert_eq!(answer.status, StatusCode::OK);
        let answer: EnrolmentAnswer = serde_json::from_slice(&answer.body).unwrap();
        names.push(answer.enrolled().unwrap());
    }
    assert_eq!(names[0], names[1], "an answer that was lost is given again");
    assert_eq!(names[0].name.as_str(), "printer.fleet.test", "the label that the enroller assigned");
}

#[tokio::test]
async fn proof_of_an_unknown_type_is_refused_with_the_supported_ones() {
    for (setting, supported) in
        [(Setting::new(), "supported: token"), (Setting::with(with_approval), "supported: approval, token")]
    {
        let proof = EnrolmentProof::new("voucher", &json!({ "voucher": "hunter2" })).unwrap();
        let body = setting.enrolment_with(EnrolRequest::new(proof), &device_key()).await;
        let answer = setting.post(route::ENROL, body).await;
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::FORBIDDEN, "enrolment_refused"));
        assert_eq!(answer.json()["code"], EnrolmentRefusal::UNSUPPORTED);
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(supported) && !detail.contains("hunter2"), "{detail}");
    }
}

#[tokio::test]
async fn malformed_token_proof_is_refused_with_a_code() {
    let setting = Setting::new();
    for members in [json!({}), json!({ "token": "x" }), json!({ "token": "A".repeat(43), "more": 1 })] {
        let proof = EnrolmentProof::new(EnrolmentProof::TOKEN, &members).unwrap();
        let body = setting.enrolment_with(EnrolRequest::new(proof), &device_key()).await;
        let answer = setting.post(route::ENROL, body).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{members}");
        assert_eq!(answer.json()["code"], EnrolmentRefusal::MALFORMED, "{members}");
    }
}
