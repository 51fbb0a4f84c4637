//! What goes well.

use fleetcert_x509::{Chain, VerifiedCsr};
use serde_json::json;

use crate::client::{BASE, TestServer, csr, host, path};

#[tokio::test]
async fn the_directory_says_where_everything_is() {
    let world = TestServer::with(|options| options.caa_identities = vec!["ca.test".to_owned()]);
    let directory = world.stranger().request("GET", "/directory").await;
    assert_eq!((directory.status, directory.header("replay-nonce")), (200, ""));
    let directory = directory.json();
    assert_eq!(directory["newOrder"], format!("{BASE}/acme/new-order"));
    assert_eq!(directory["renewalInfo"], format!("{BASE}/acme/renewal-info"));
    assert_eq!(directory["meta"]["profiles"]["classic"], "the usual");
    assert_eq!(directory["meta"]["caaIdentities"][0], "ca.test");
}

#[tokio::test]
async fn a_nonce_comes_by_head_and_by_get() {
    let client = TestServer::new().stranger();
    for (method, status) in [("HEAD", 200), ("GET", 204)] {
        let answer = client.request(method, "/acme/new-nonce").await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("replay-nonce").len(), 22);
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("link"), format!("<{BASE}/directory>;rel=\"index\""));
    }
}

#[tokio::test]
async fn a_wildcard_and_its_base_in_one_certificate() {
    let mut client = TestServer::new().client().await;
    let names = ["*.a.fleet.test", "a.fleet.test"];
    let csr_for = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = rcgen::CertificateParams::new(names).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.serialize_request(&rcgen::KeyPair::generate().unwrap()).unwrap().der().to_vec()
    };
    let order = client.order(&names).await;
    assert_eq!(order.json()["identifiers"][0]["value"], names[0]);
    let authorizations = order.json()["authorizations"].as_array().unwrap().clone();
    let wildcards = {
        let mut wildcards = Vec::new();
        for url in &authorizations {
            let authorization = client.read(&path(url.as_str().unwrap())).await.json();
            assert_eq!(authorization["identifier"]["value"], "a.fleet.test");
            wildcards.push(authorization.get("wildcard").cloned());
        }
        wildcards
    };
    assert_eq!(wildcards, [Some(json!(true)), None]);
    let order = client.make_ready(&order).await;
    for (other, detail) in [(&names[..1], "a.fleet.test"), (&names[1..], "*.a.fleet.test")] {
        let refused = client.finalize(&order, &csr_for(other)).await;
        assert_eq!((refused.status, refused.error()), (403, "unauthorized".to_owned()));
        assert!(refused.json()["detail"].as_str().unwrap().contains(detail), "{refused:?}");
    }
    let answer = client.finalize(&order, &csr_for(&names)).await;
    assert_eq!(answer.json()["status"], "valid", "{answer:?}");
    let chain = Chain::from_pem(&client.read(&answer.path("certificate")).await.body).unwrap();
    assert_eq!(chain.leaf().identifier_set().unwrap(), "a.fleet.test,*.a.fleet.test".parse().unwrap());
}

#[tokio::test]
async fn from_an_order_to_a_certificate() {
    let world = TestServer::new();
    let mut client = world.client().await;
    let order = client.order(&["B.Fleet.Test", "a.fleet.test", "a.fleet.test"]).await;
    let names = ["a.fleet.test", "b.fleet.test"];
    assert_eq!(order.status, 201);
    assert_eq!(order.json()["status"], "pending");
    assert_eq!(order.json()["identifiers"][1]["value"], names[1]);
    assert_eq!(order.json()["expires"], "2027-01-22T08:00:00Z");
    let order = client.make_ready(&order).await;
    assert_eq!(client.read(&order).await.json()["status"], "ready");

    let csr = csr(&names);
    let answer = client.finalize(&order, &csr).await;
    assert_eq!((answer.status, answer.header("location")), (200, &*format!("{BASE}{order}")));
    assert_eq!(answer.json()["status"], "valid");
    let certificate = client.read(&answer.path("certificate")).await;
    assert_eq!(certificate.header("content-type"), "application/pem-certificate-chain");

    let chain = Chain::from_pem(&certificate.body).unwrap();
    let csr = VerifiedCsr::parse(&csr, &fleetcert_x509::CsrPolicy::lets_encrypt()).unwrap();
    assert_eq!(chain.leaf().spki(), csr.spki());
    assert_eq!(chain.leaf().identifiers(), [host(names[0]).into(), host(names[1]).into()]);
    let urls = world.issuer.decisions(|decisions| decisions.account_urls.clone());
    assert_eq!(urls, [client.kid.clone().unwrap(), client.kid.clone().unwrap()]);
}

#[tokio::test]
async fn an_issuance_that_takes_long_is_polled() {
    let world = TestServer::with(|options| options.finalize_wait = std::time::Duration::ZERO);
    let mut client = world.client().await;
    let order = client.ready_order(&["a.fleet.test"]).await;
    let answer = client.finalize(&order, &csr(&["a.fleet.test"])).await;
    assert_eq!((&answer.json()["status"], answer.header("retry-after")), (&json!("processing"), "3"));
    let done = client.until_not(&order, &["processing"]).await;
    assert_eq!((done.json()["status"].as_str(), done.header("retry-after")), (Some("valid"), ""));
}

#[tokio::test]
async fn a_challenge_shows_its_progress() {
    let mut client = TestServer::with(|options| {
        options.challenge_retry_after = Some(std::time::Duration::from_millis(1500));
    })
    .client()
    .await;
    let order = client.order(&["a.fleet.test"]).await;
    let authorization = path(order.json()["authorizations"][0].as_str().unwrap());
    assert_eq!(client.read(&authorization).await.header("retry-after"), "2");
    let challenge = client.publish(&authorization).await;

    let read = client.read(&challenge).await;
    assert_eq!(read.json()["status"], "pending", "a POST-as-GET starts nothing");
    let answer = client.post(&challenge, json!({})).await;
    assert_eq!(answer.json()["status"], "processing");
    let links: Vec<_> = answer.headers.get_all("link").iter().map(|link| link.to_str().unwrap()).collect();
    assert!(links.contains(&&*format!("<{BASE}{authorization}>;rel=\"up\"")), "{links:?}");

    let valid = client.until_not(&challenge, &["processing"]).await.json();
    assert_eq!((valid["status"].as_str(), valid["validated"].is_string()), (Some("valid"), true));
    let again = client.post(&challenge, json!({})).await;
    assert_eq!((again.status, &again.json()["status"]), (200, &json!("valid")));
}

#[tokio::test]
async fn accounts_are_found_changed_and_closed() {
    let world =
        TestServer::with(|options| options.terms_of_service = Some("https://ca.test/terms".to_owned()));
    let mut stranger = world.stranger();
    let none = stranger.post("/acme/new-account", json!({ "onlyReturnExisting": true })).await;
    assert_eq!((none.status, &*none.error()), (400, "accountDoesNotExist"));
    let refused = stranger.post("/acme/new-account", json!({})).await;
    assert_eq!((refused.status, &*refused.error()), (400, "malformed"));

    let mut client = world.client().await;
    let account = client.kid.take().unwrap();
    let found = client.post("/acme/new-account", json!({ "onlyReturnExisting": true })).await;
    assert_eq!((found.status, found.header("location")), (200, &*account));

    client.kid = Some(account.clone());
    let account = path(&account);
    let changed = client.post(&account, json!({ "contact": ["mailto:ops@fleet.test"] })).await;
    assert_eq!(changed.json()["contact"][0], "mailto:ops@fleet.test");
    assert_eq!(client.read(&account).await.json()["key"]["kty"], "EC");

    let closed = client.post(&account, json!({ "status": "deactivated" })).await;
    assert_eq!((closed.status, &closed.json()["status"]), (200, &json!("deactivated")));
    let refused = client.order(&["a.fleet.test"]).await;
    assert_eq!((refused.status, &*refused.error()), (401, "unauthorized"));
}

#[tokio::test]
async fn renewal_information_needs_no_signature() {
    let world = TestServer::new();
    let mut client = world.client().await;
    let chain = Chain::from_pem(&client.issue(&["a.fleet.test"]).await).unwrap();
    let id = chain.leaf().certificate_id().unwrap();
    let answer = client.request("GET", &format!("/acme/renewal-info/{id}")).await;
    assert_eq!((answer.status, answer.header("retry-after")), (200, "21600"));
    assert_eq!(answer.header("replay-nonce"), "");
    assert_eq!(answer.json()["suggestedWindow"]["end"], "1975-01-02T00:00:00Z");
    assert_eq!(answer.json()["explanationURL"], "https://ca.test/why");

    assert_eq!(client.request("GET", "/acme/renewal-info/nonsense").await.status, 400);
    let unknown = client.request("GET", "/acme/renewal-info/aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE").await;
    assert_eq!((unknown.status, &*unknown.error()), (404, "malformed"));
}
