//! Accounts: contacts, external accounts, and keys that sign for themselves.

use fleetcert_acme::{
    AccountKey, AcmeErrorKind, Authority, ExternalAccount, Operation, Registration, RevocationReason,
    TermsOfService,
};
use fleetcert_jose::{Algorithm, Jwk, KeyPair, KeyReference, Signer, UnverifiedJws};
use serde_json::{Value, json};

use crate::script::{Canned, Script};
use crate::setting::{Setting, client};

/// Returns the payload of the last request to a route, which the shown key has signed.
fn signed(setting: &Setting, route: &str) -> (Value, Jwk) {
    let jws = UnverifiedJws::parse(setting.ca.bodies(route).last().unwrap()).unwrap();
    let KeyReference::Jwk(key) = jws.header().key.clone() else { panic!("{jws:?}") };
    let verified = jws.verify(&key).unwrap();
    (serde_json::from_slice(verified.payload()).unwrap(), key)
}

#[tokio::test]
async fn registration_sends_contacts_and_the_external_account() {
    let setting = Setting::new(Script::default()).await;
    setting.ca.set(|script| script.requires_external_account = true);
    let key = AccountKey::generate().unwrap();
    let error = client(&setting.ca).register(key.clone(), TermsOfService::Agreed).await.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (AcmeErrorKind::Account, Operation::Account));

    let registration = Registration {
        contacts: vec!["mailto:ops@example.com".to_owned()],
        external_account: Some(ExternalAccount::new("kid-1", &"A".repeat(43)).unwrap()),
        ..TermsOfService::Agreed.into()
    };
    let account = client(&setting.ca).register(key, registration).await.unwrap();
    assert!(account.account_url().ends_with("/account/1"));
    let (payload, shown) = signed(&setting, "account");
    assert_eq!(payload["termsOfServiceAgreed"], true);
    assert_eq!(payload["contact"], json!(["mailto:ops@example.com"]));
    let binding = payload["externalAccountBinding"].to_string();
    let binding = UnverifiedJws::parse(binding.as_bytes()).unwrap().verify_mac(&[0; 32]).unwrap();
    assert_eq!(serde_json::from_slice::<Jwk>(binding.payload()).unwrap(), shown);
    assert_eq!(shown.spki_der(), account.credentials().key().spki_der());
}

#[tokio::test]
async fn account_without_a_url_is_refused_and_nonces_are_retried() {
    let setting = Setting::new(Script::default()).await;
    let key = AccountKey::generate().unwrap();
    let body = json!({ "status": "valid" }).to_string();
    setting.ca.instead("account", Canned { done: false, status: 200, retry_after: None, body });
    let error = client(&setting.ca).recover(key.clone()).await.unwrap_err();
    assert_eq!(error.kind(), AcmeErrorKind::Protocol);
    setting.ca.set(|script| script.refuses_nonce = Some(|post| post % 3 != 0));
    client(&setting.ca).recover(key).await.unwrap();
    assert_eq!(signed(&setting, "account").0, json!({ "onlyReturnExisting": true }));
}

#[tokio::test]
async fn contacts_are_replaced_and_the_account_is_deactivated() {
    let setting = Setting::new(Script::default()).await;
    setting.account.update_contacts(&["mailto:new@example.com"]).await.unwrap();
    setting.account.deactivate().await.unwrap();
    let payload = |body: &[u8]| {
        let jws = UnverifiedJws::parse(body).unwrap();
        serde_json::from_slice::<Value>(jws.payload_unverified()).unwrap()
    };
    let bodies = setting.ca.bodies("account");
    let [.., contacts, deactivation] = &bodies[..] else { panic!("{bodies:?}") };
    assert_eq!(payload(contacts), json!({ "contact": ["mailto:new@example.com"] }));
    assert_eq!(payload(deactivation), json!({ "status": "deactivated" }));
}

#[tokio::test]
async fn certificate_key_revokes_its_certificate() {
    let setting = Setting::new(Script::default()).await;
    let key = KeyPair::generate(Algorithm::Es384).unwrap();
    let client = client(&setting.ca);
    client.revoke_by_certificate_key(&[7; 9], RevocationReason::KeyCompromise, &key).await.unwrap();
    let (payload, shown) = signed(&setting, "revoke");
    assert_eq!(payload, json!({ "certificate": "BwcHBwcHBwcH", "reason": 1 }));
    assert_eq!(&shown, key.jwk());
    assert_eq!(client.traffic().revocations, 1);
}
