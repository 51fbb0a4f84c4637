//! Refusals, and answers that do not follow RFC 8555.

use std::time::Duration;

use fleetcert_acme::{
    AccountKey, AcmeErrorKind, Authority, Client, ClientOptions, Credentials, NewOrder, Operation,
    ProblemKind, TermsOfService,
};
use fleetcert_ambient::Ambient;

use crate::script::{Canned, Script};
use crate::setting::{Setting, client, identifiers};

fn canned(status: u16, retry_after: Option<&'static str>, body: &str) -> Canned {
    Canned { done: false, status, retry_after, body: body.into() }
}

#[tokio::test]
async fn wait_that_the_ca_asks_for_is_a_value() {
    let setting = Setting::new(Script::default()).await;
    let limited = r#"{"type":"urn:ietf:params:acme:error:rateLimited","detail":"too many new orders (300)"}"#;
    setting.ca.instead("new-order", canned(429, Some("36"), limited));
    let error = setting.account.new_order(&NewOrder::new(identifiers())).await.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (AcmeErrorKind::RateLimited, Operation::NewOrder));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(36)));
    assert_eq!(error.problem().unwrap().kind, ProblemKind::RateLimited);
    assert!(error.to_string().contains("too many new orders (300)"), "{error}");

    setting.ca.instead("new-order", canned(503, Some("Fri, 31 Dec 9999 23:59:59 GMT"), "<html>busy</html>"));
    let error = setting.account.new_order(&NewOrder::new(identifiers())).await.unwrap_err();
    assert_eq!(error.kind(), AcmeErrorKind::Unavailable);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(30 * 86_400)));
    assert_eq!(error.problem(), None);
}

#[tokio::test]
async fn refused_profile_is_answered_with_the_profiles_that_the_ca_offers() {
    let setting = Setting::new(Script::default()).await;
    let refusal = r#"{"type":"urn:ietf:params:acme:error:invalidProfile","detail":"no such profile"}"#;
    setting.ca.instead("new-order", canned(400, None, refusal));
    let error = setting.account.new_order(&NewOrder::new(identifiers())).await.unwrap_err();
    assert_eq!(error.kind(), AcmeErrorKind::Refused);
    assert!(error.to_string().contains("no such profile; the CA offers: short"), "{error}");
}

#[tokio::test]
async fn unreachable_ca_is_named_with_its_port_and_the_cause() {
    let text = async |url: &str, roots_pem: Option<Vec<u8>>| {
        let request_timeout = Duration::from_millis(500);
        let options = ClientOptions { roots_pem, request_timeout, ..ClientOptions::default() };
        let client = Client::new(url, &options, Ambient::system()).unwrap();
        let error = client.profiles().await.unwrap_err();
        assert_eq!(error.kind(), AcmeErrorKind::Unreachable);
        error.to_string()
    };
    let of = |address: std::net::SocketAddr| format!("https://localhost:{}/dir", address.port());

    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = of(silent.local_addr().unwrap());
    let found = text(&url, None).await;
    assert!(found.ends_with(&format!("no answer from {url}: timed out after 0.5 s")), "{found}");
    drop(silent);
    let found = text(&url, None).await;
    assert!(found.contains(&format!("cannot connect to {url}: ")), "{found}");

    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap().pem();
    let certificates = fleetcert_https::Certificates::empty();
    certificates.replace_pem(certificate.as_bytes(), key.serialize_pem().as_bytes()).unwrap();
    let server = fleetcert_https::Server::bind("127.0.0.1:0".parse().unwrap(), certificates).await.unwrap();
    let url = of(server.local_addr());
    let stop = tokio_util::sync::CancellationToken::new();
    let serving = tokio::spawn(server.serve(axum::Router::new(), Default::default(), stop.clone()));
    let found = text(&url, Some(certificate.into_bytes())).await;
    let remedy = format!("cannot connect to {url}: its certificate is marked as a CA; make one with");
    assert!(found.contains(&remedy), "{found}");
    stop.cancel();
    serving.await.unwrap();
}

#[tokio::test]
async fn other_answers_to_new_order_are_protocol_errors() {
    let setting = Setting::new(Script::default()).await;
    for body in ["<html>", "{}", "[]", r#"{"status":"odd"}"#, ""] {
        setting.ca.instead("new-order", canned(201, None, body));
        let error = setting.account.new_order(&NewOrder::new(identifiers())).await.unwrap_err();
        assert_eq!(error.kind(), AcmeErrorKind::Protocol, "{body}");
    }
    setting.ca.instead("new-order", canned(302, None, ""));
    let error = setting.account.new_order(&NewOrder::new(identifiers())).await.unwrap_err();
    assert_eq!(error.kind(), AcmeErrorKind::Protocol, "no redirect is followed");
    assert_eq!(setting.ca.orders(), 0);
}

#[tokio::test]
async fn answer_of_more_than_a_mebibyte_is_refused() {
    let setting = Setting::new(Script::default()).await;
    setting.ca.instead("new-order", canned(201, None, &" ".repeat((1 << 20) + 1)));
    let error = setting.account.new_order(&NewOrder::new(identifiers())).await.unwrap_err();
    assert_eq!(error.kind(), AcmeErrorKind::Protocol);
    assert!(error.to_string().contains("too large"), "{error}");
}

#[tokio::test]
async fn url_of_another_origin_is_not_requested() {
    let setting = Setting::new(Script { foreign_challenge: true, ..Script::default() }).await;
    let mut order = setting.account.new_order(&NewOrder::new(identifiers())).await.unwrap();
    order.challenges().await.unwrap();
    let error = order.answer(&identifiers().as_slice()[0]).await.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (AcmeErrorKind::Protocol, Operation::Answer));
    assert!(error.to_string().contains("https://other.test"), "{error}");

    let elsewhere = setting.account.resume("https://other.test/order/1").await.unwrap_err();
    assert_eq!(elsewhere.kind(), AcmeErrorKind::Protocol);
    let stolen = Credentials::new(AccountKey::generate().unwrap(), "https://other.test/account/1".into());
    assert_eq!(client(&setting.ca).account(stolen).unwrap_err().kind(), AcmeErrorKind::Protocol);

    let directory = r#"{"newNonce":"https://other.test/n","newAccount":"https://other.test/a","newOrder":"https://other.test/o"}"#;
    setting.ca.instead("dir", canned(200, None, directory));
    let error = client(&setting.ca).terms_of_service().await.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (AcmeErrorKind::Protocol, Operation::Directory));
}

#[tokio::test]
async fn unknown_account_is_not_recovered_and_a_stored_one_needs_no_request() {
    let setting = Setting::new(Script::default()).await;
    let ca = client(&setting.ca);
    assert_eq!(ca.terms_of_service().await.unwrap().as_deref(), Some("https://ca.test/tos"));
    assert_eq!(ca.profiles().await.unwrap(), ["short"]);

    let key = AccountKey::generate().unwrap();
    let unknown = r#"{"type":"urn:ietf:params:acme:error:accountDoesNotExist"}"#;
    setting.ca.instead("account", canned(400, None, unknown));
    let error = ca.recover(key.clone()).await.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (AcmeErrorKind::Account, Operation::Account));

    let account = ca.register(key.clone(), TermsOfService::Agreed).await.unwrap();
    let again = ca.recover(key).await.unwrap();
    assert_eq!(account.account_url(), again.account_url());

    // Restored from its credentials, it orders without another request.
    let stored = serde_json::to_string(account.credentials()).unwrap();
    let restored = client(&setting.ca).account(serde_json::from_str(&stored).unwrap()).unwrap();
    restored.new_order(&NewOrder::new(identifiers())).await.unwrap();
    assert_eq!(restored.client().traffic().account, 0);
}

#[tokio::test]
async fn ca_that_refuses_connections_is_unreachable() {
    let options = ClientOptions { request_timeout: Duration::from_secs(5), ..ClientOptions::default() };
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/dir", listener.local_addr().unwrap());
    drop(listener);
    let ca = Client::new(&url, &options, Ambient::system()).unwrap();
    let error = ca.profiles().await.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (AcmeErrorKind::Unreachable, Operation::Directory));
    assert!(error.retry_after().is_some());

    for url in ["http://ca.test/dir", "no url", ""] {
        let error = Client::new(url, &options, Ambient::system()).unwrap_err();
        assert_eq!(error.kind(), AcmeErrorKind::InvalidInput, "{url}");
    }
}
