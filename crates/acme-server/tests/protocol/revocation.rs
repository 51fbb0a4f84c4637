//! Revocation (RFC 8555 section 7.6).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fleetcert_jose::{FlattenedJws, KeyPair, KeyReference, ProtectedHeader, Signer};
use fleetcert_x509::{Chain, csr_for};
use serde_json::json;

use crate::client::{BASE, TestServer};

const REVOKE: &str = "/acme/revoke-cert";

#[tokio::test]
async fn by_the_account_and_by_nobody_else() {
    let world = TestServer::new();
    let mut client = world.client().await;
    let chain = Chain::from_pem(&client.issue(&["a.fleet.test"]).await).unwrap();
    let certificate = URL_SAFE_NO_PAD.encode(&chain.certificates()[0]);

    let foreign = world.client().await.post(REVOKE, json!({ "certificate": certificate })).await;
    assert_eq!((foreign.status, &*foreign.error()), (403, "unauthorized"));
    let stranger = world.stranger().post(REVOKE, json!({ "certificate": certificate })).await;
    assert_eq!((stranger.status, &*stranger.error()), (403, "unauthorized"));
    let reason = client.post(REVOKE, json!({ "certificate": certificate, "reason": 6 })).await;
    assert_eq!((reason.status, &*reason.error()), (400, "badRevocationReason"));
    let nonsense = client.post(REVOKE, json!({ "certificate": "AAAA" })).await;
    assert_eq!((nonsense.status, &*nonsense.error()), (400, "malformed"));

    assert_eq!(client.post(REVOKE, json!({ "certificate": certificate, "reason": 4 })).await.status, 200);
    let again = client.post(REVOKE, json!({ "certificate": certificate })).await;
    assert_eq!((again.status, &*again.error()), (400, "alreadyRevoked"));

    // Renewal information asks for a renewal at once.
    let id = chain.leaf().certificate_id().unwrap();
    let info = client.request("GET", &format!("/acme/renewal-info/{id}")).await.json();
    assert_eq!(info["suggestedWindow"]["end"], "2027-01-15T07:30:00Z");
}

#[tokio::test]
async fn by_the_key_of_the_certificate() {
    let world = TestServer::new();
    let mut client = world.client().await;
    let order = client.ready_order(&["a.fleet.test"]).await;
    let key = KeyPair::generate(fleetcert_jose::Algorithm::Es256).unwrap();
    let same = fleetcert_x509::KeyPair::from_pkcs8_der(&key.to_pkcs8_der().unwrap()).unwrap();
    let csr = csr_for(&"a.fleet.test".parse().unwrap(), &same).unwrap();
    let certificate = client.finalize(&order, &csr).await.path("certificate");
    let chain = Chain::from_pem(&client.read(&certificate).await.body).unwrap();

    let nonce = client.fresh_nonce().await;
    let header = ProtectedHeader::new(&key, KeyReference::Jwk(key.jwk().clone()))
        .url(format!("{BASE}{REVOKE}"))
        .nonce(nonce);
    let payload = json!({ "certificate": URL_SAFE_NO_PAD.encode(&chain.certificates()[0]), "reason": 1 });
    let signed = FlattenedJws::sign(&header, payload.to_string().as_bytes(), &key).unwrap().to_json();
    assert_eq!(client.send_bytes(REVOKE, signed).await.status, 200);
}
