//! Devices that authenticate by a TLS client certificate alone.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use fleetcert_engine::{
    AuthenticationError, DeviceAuthenticator, EngineParts, Identified, RequestParts, TlsClientIdentity,
};
use fleetcert_protocol::{DeviceId, request, route};
use parking_lot::Mutex;
use serde_json::json;

use crate::setting::{Device, POSTS, Setting, posting};

/// Certificates by their octets.
#[derive(Clone, Debug, Default)]
struct KnownCertificates(Arc<Mutex<HashMap<Vec<u8>, DeviceId>>>);

#[async_trait]
impl DeviceAuthenticator for KnownCertificates {
    async fn authenticate(&self, request: RequestParts) -> Result<Identified, AuthenticationError> {
        let rejected = AuthenticationError::Rejected;
        let Some(shown) = request.origin.tls_identity.filter(|_| request.envelope.is_none()) else {
            return Err(rejected);
        };
        let device = self.0.lock().get(shown.leaf()).cloned().ok_or(rejected)?;
        Ok(Identified::new(device, request.body))
    }
}

/// As a listener does that has verified the client's certificate.
fn over_tls(leaf: &[u8], mut request: Request<Body>) -> Request<Body> {
    request.extensions_mut().insert(TlsClientIdentity::new(leaf.to_vec(), [b"the device CA".to_vec()]));
    request
}

fn plain(route: &str, payload: &serde_json::Value) -> Request<Body> {
    posting(route, request::PLAIN_CONTENT_TYPE, payload.to_string().into_bytes())
}

async fn setting() -> (Setting, Device) {
    let certificates = KnownCertificates::default();
    let authenticator = Arc::new(certificates.clone());
    let setting = Setting::with(|parts| EngineParts { authenticator, ..parts });
    let device = setting.enrol().await;
    certificates.0.lock().insert(b"certificate of the device".to_vec(), device.id.clone());
    (setting, device)
}

#[tokio::test]
async fn tls_identity_authenticates_a_payload_without_envelope_and_nonce() {
    let (setting, _) = setting().await;
    let report = json!({ "addresses": ["10.0.0.1"] });
    for changed in [true, false] {
        let request = over_tls(b"certificate of the device", plain(route::ADDRESSES, &report));
        let answer = setting.send(request).await;
        assert_eq!((answer.status, answer.json()), (StatusCode::OK, json!({ "changed": changed })));
    }
    let request = over_tls(b"certificate of the device", plain(route::CERTIFICATE_STATUS, &json!({})));
    assert_eq!(setting.send(request).await.json()["status"], "none");
}

#[tokio::test]
async fn plain_payload_needs_a_known_tls_identity() {
    let (setting, device) = setting().await;
    let report = json!({ "addresses": ["10.0.0.1"] });
    let answer = setting.send(over_tls(b"another certificate", plain(route::ADDRESSES, &report))).await;
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::UNAUTHORIZED, "unauthenticated"));
    for route in POSTS {
        let answer = setting.send(plain(route, &report)).await;
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::BAD_REQUEST, "malformed"));
    }
    // This authenticator takes no envelope.
    let signed = setting.signed(&device, route::ADDRESSES, &report).await;
    assert_eq!(setting.post(route::ADDRESSES, signed).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn default_authenticator_refuses_a_plain_payload() {
    let setting = Setting::new();
    setting.enrol().await;
    let request = over_tls(b"certificate of the device", plain(route::CERTIFICATE_STATUS, &json!({})));
    assert_eq!(setting.send(request).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn private_key_in_a_plain_payload_is_refused() {
    let (setting, _) = setting().await;
    let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQ==\n-----END PRIVATE KEY-----\n";
    for leaf in [&b"certificate of the device"[..], b"another certificate"] {
        let answer = setting.send(over_tls(leaf, plain(route::CERTIFICATE, &json!({ "csr": pem })))).await;
        assert_eq!(answer.problem(), "private_key_sent");
    }
}
