//! What goes wrong: one row for each rule of RFC 8555 section 6, and for what an order may be.

use axum::body::Body;
use fleetcert_jose::{Algorithm, FlattenedJws, KeyPair, KeyReference, ProtectedHeader, Signer};
use http::Request;
use serde_json::{Value, json};

use crate::client::{Answer, BASE, Client, TestServer, csr, order_for, path};

/// The answer is this error, with a nonce for the next request.
fn assert_error(what: &str, answer: &Answer, status: u16, error: &str) {
    assert_eq!((answer.status, &*answer.error()), (status, error), "{what}: {answer:?}");
    assert_eq!(answer.json()["status"], status, "{what}");
    assert_eq!(answer.header("replay-nonce").len(), 22, "{what}");
    assert!(answer.header("link").ends_with("rel=\"index\""), "{what}");
}

#[tokio::test]
async fn headers_that_are_refused() {
    type Fault = fn(ProtectedHeader) -> ProtectedHeader;
    let faults: &[(&str, Fault, u16, &str)] = &[
        ("another URL", |header| header.url("https://ca.test/acme/order"), 403, "unauthorized"),
        ("another host", |header| header.url("https://evil.test/acme/new-order"), 403, "unauthorized"),
        ("a query more", |header| header.url("https://ca.test/acme/new-order?"), 403, "unauthorized"),
        ("no URL", |header| ProtectedHeader { url: None, ..header }, 400, "malformed"),
        ("no nonce", |header| ProtectedHeader { nonce: None, ..header }, 400, "badNonce"),
        ("a foreign nonce", |header| header.nonce("AAAAAAAAAAAAAAAAAAAAAA"), 400, "badNonce"),
        ("a nonce that is none", |header| header.nonce("not base64url!"), 400, "malformed"),
        (
            "an unknown account",
            |header| with_kid(header, "https://ca.test/acme/account/AAAAAAAAAAAAAAAAAAAAAA"),
            400,
            "accountDoesNotExist",
        ),
        (
            "a kid elsewhere",
            |header| with_kid(header, "https://evil.test/acme/account/x"),
            400,
            "accountDoesNotExist",
        ),
        ("a kid that is no URL", |header| with_kid(header, "device-7"), 400, "accountDoesNotExist"),
    ];
    let world = TestServer::new();
    let mut client = world.client().await;
    for (what, fault, status, error) in faults {
        let header = fault(client.good_header("/acme/new-order").await);
        let payload = order_for(&["a.fleet.test"]).to_string();
        let answer = client.send_signed("/acme/new-order", &header, payload.as_bytes()).await;
        assert_error(what, &answer, *status, error);
    }
}

fn with_kid(header: ProtectedHeader, kid: &str) -> ProtectedHeader {
    ProtectedHeader { key: KeyReference::Kid(kid.to_owned()), ..header }
}

#[tokio::test]
async fn a_nonce_serves_once() {
    let mut client = TestServer::new().client().await;
    let header = client.good_header("/acme/new-order").await;
    let payload = order_for(&["a.fleet.test"]).to_string();
    let first = client.send_signed("/acme/new-order", &header, payload.as_bytes()).await;
    assert_eq!(first.status, 201);
    let second = client.send_signed("/acme/new-order", &header, payload.as_bytes()).await;
    assert_error("a nonce twice", &second, 400, "badNonce");
}

#[tokio::test]
async fn good_nonces_are_refused_at_the_rate_that_was_set() {
    let world = TestServer::with(|options| options.nonce_rejection_percent = 50);
    let mut client = world.stranger();
    let mut refused = 0;
    for _ in 0..200 {
        let answer = client.post("/acme/new-account", json!({})).await;
        refused += u32::from(answer.status == 400 && answer.error() == "badNonce");
    }
    assert!((70..130).contains(&refused), "{refused}");
}

#[tokio::test]
async fn signatures_that_are_refused() {
    let world = TestServer::new();
    let mut client = world.client().await;
    let other = KeyPair::generate(Algorithm::Es256).unwrap();
    let header = client.good_header("/acme/new-order").await;
    let forged = FlattenedJws::sign(&header, b"{}", &other).unwrap().to_json();
    let answer = client.send_bytes("/acme/new-order", forged).await;
    assert_error("the key of another", &answer, 400, "malformed");

    let header = client.good_header("/acme/new-order").await;
    let mut jws: Value =
        serde_json::from_slice(&FlattenedJws::sign(&header, b"{}", &client.key).unwrap().to_json()).unwrap();
    jws["payload"] = json!("e30K");
    let answer = client.send_bytes("/acme/new-order", jws.to_string().into()).await;
    assert_error("another payload", &answer, 400, "malformed");

    let ed25519 = KeyPair::generate(Algorithm::EdDsa).unwrap();
    let nonce = client.fresh_nonce().await;
    let header = ProtectedHeader::new(&ed25519, KeyReference::Jwk(ed25519.jwk().clone()))
        .url(format!("{BASE}/acme/new-account"))
        .nonce(nonce);
    let signed = FlattenedJws::sign(&header, b"{}", &ed25519).unwrap().to_json();
    let answer = client.send_bytes("/acme/new-account", signed).await;
    assert_error("EdDSA", &answer, 400, "badSignatureAlgorithm");
    assert_eq!(answer.json()["algorithms"], json!(["RS256", "ES256", "ES384"]));
}

#[tokio::test]
async fn bodies_that_are_no_signed_request() {
    use base64::Engine;
    let encode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    let jws = |header: &str| {
        json!({ "protected": encode(header), "payload": "e30", "signature": "AAAA" }).to_string()
    };
    let rows: Vec<(&str, String, u16, &str)> = vec![
        ("nothing", String::new(), 400, "malformed"),
        ("no JSON", "{".to_owned(), 400, "malformed"),
        ("no JWS", "{}".to_owned(), 400, "malformed"),
        ("a header that is no JSON", jws("x"), 400, "malformed"),
        ("none", jws(r#"{"alg":"none","kid":"x"}"#), 400, "badSignatureAlgorithm"),
        ("HS256", jws(r#"{"alg":"HS256","kid":"x"}"#), 400, "badSignatureAlgorithm"),
        ("ES512", jws(r#"{"alg":"ES512","kid":"x"}"#), 400, "badSignatureAlgorithm"),
        ("jwk and kid", jws(&format!(r#"{{"alg":"ES256","kid":"x","jwk":{}}}"#, jwk())), 400, "malformed"),
        ("neither", jws(r#"{"alg":"ES256"}"#), 400, "malformed"),
        (
            "a key we do not know",
            jws(r#"{"alg":"ES256","jwk":{"kty":"EC","crv":"P-521"}}"#),
            400,
            "badPublicKey",
        ),
        ("too long", " ".repeat(50_001), 413, "malformed"),
    ];
    let mut client = TestServer::new().stranger();
    for (what, body, status, error) in rows {
        let answer = client.send_bytes("/acme/new-account", body.into()).await;
        assert_error(what, &answer, status, error);
    }
}

fn jwk() -> String {
    serde_json::to_string(KeyPair::generate(Algorithm::Es256).unwrap().jwk()).unwrap()
}

#[tokio::test]
async fn the_kind_of_key_reference_must_fit_the_resource() {
    let world = TestServer::new();
    let mut client = world.client().await;
    let answer = client.post("/acme/new-account", json!({})).await;
    assert_error("kid at newAccount", &answer, 400, "malformed");
    let mut stranger = world.stranger();
    let answer = stranger.post("/acme/new-order", order_for(&["a.fleet.test"])).await;
    assert_error("jwk at newOrder", &answer, 400, "malformed");
}

#[tokio::test]
async fn requests_that_are_no_acme() {
    let mut client = TestServer::new().client().await;
    let send = async |client: &Client, path: &str, headers: &[(&str, &str)]| {
        let mut request = Request::builder().method("POST").uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        client.send(request.body(Body::from("{}")).unwrap()).await
    };
    let agent = ("user-agent", "test");
    let answer = send(&client, "/acme/new-order", &[agent, ("content-type", "application/json")]).await;
    assert_error("a wrong content type", &answer, 415, "malformed");
    let answer = send(&client, "/acme/new-order", &[("content-type", "application/jose+json")]).await;
    assert_error("no User-Agent", &answer, 400, "malformed");
    let answer = send(&client, "/acme/nowhere", &[agent]).await;
    assert_error("an unknown path", &answer, 404, "malformed");
    let answer = send(&client, "/acme/new-nonce", &[agent]).await;
    assert_error("POST to newNonce", &answer, 405, "malformed");
    let answer = client.request("GET", "/acme/new-order").await;
    assert_eq!((answer.status, &*answer.error()), (405, "malformed"));

    // What is only read is read with an empty payload.
    let order = path(client.order(&["a.fleet.test"]).await.header("location"));
    let answer = client.post(&order, json!({})).await;
    assert_error("a payload for an order", &answer, 400, "malformed");
}

#[tokio::test]
async fn orders_that_are_refused() {
    let world = TestServer::new();
    world.issuer.decide(|decisions| {
        decisions.refused_names = ["x.fleet.test", "y.fleet.test"].map(|name| name.parse().unwrap()).into();
    });
    let mut client = world.client().await;
    let ip = json!({ "identifiers": [{ "type": "ip", "value": "192.0.2.1" }] });
    let many: Vec<String> = (0..101).map(|number| format!("a{number}.fleet.test")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let with = |member: &str, value: &str| {
        let mut order = order_for(&["a.fleet.test"]);
        order[member] = json!(value);
        order
    };
    let rows = [
        ("no names", order_for(&[]), 400, "malformed"),
        ("too many names", order_for(&many), 400, "malformed"),
        ("an address", ip, 400, "unsupportedIdentifier"),
        ("two asterisks", order_for(&["*.*.fleet.test"]), 400, "rejectedIdentifier"),
        ("part of a label", order_for(&["a*.fleet.test"]), 400, "rejectedIdentifier"),
        ("one label", order_for(&["localhost"]), 400, "rejectedIdentifier"),
        ("an underscore", order_for(&["a_b.fleet.test"]), 400, "rejectedIdentifier"),
        ("a dot at the end", order_for(&["a.fleet.test."]), 400, "rejectedIdentifier"),
        ("a name that the issuer refuses", order_for(&["x.fleet.test"]), 400, "rejectedIdentifier"),
        ("a date", with("notAfter", "2030-01-01T00:00:00Z"), 400, "malformed"),
        ("an unknown profile", with("profile", "forever"), 400, "invalidProfile"),
        ("nonsense to replace", with("replaces", "nonsense"), 400, "malformed"),
        ("no identifiers", json!({}), 400, "malformed"),
    ];
    for (what, order, status, error) in rows {
        let answer = client.post("/acme/new-order", order).await;
        assert_error(what, &answer, status, error);
        assert!(answer.json()["subproblems"].is_null(), "{what}");
    }
    let two = client.order(&["x.fleet.test", "a.fleet.test", "y.fleet.test"]).await;
    assert_error("two refused names", &two, 400, "rejectedIdentifier");
    assert_eq!(two.json()["subproblems"][1]["identifier"], json!({ "type": "dns", "value": "y.fleet.test" }));
}

#[tokio::test]
async fn csrs_that_are_refused() {
    use base64::Engine;
    use fleetcert_x509::{KeyKind, csr_for};
    let encode = |bytes: &[u8]| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
    let world = TestServer::new();
    let mut client = world.client().await;
    let order = client.ready_order(&["a.fleet.test"]).await;
    let finalize = client.read(&order).await.path("finalize");

    let pem = rcgen::CertificateParams::new(vec!["a.fleet.test".to_owned()]).unwrap();
    let pem = pem.serialize_request(&rcgen::KeyPair::generate().unwrap()).unwrap().pem().unwrap();
    let account_key = client.key.to_pkcs8_der().unwrap();
    let account_key = fleetcert_x509::KeyPair::from_pkcs8_der(&account_key).unwrap();
    let own_key = csr_for(&"a.fleet.test".parse().unwrap(), &account_key).unwrap();
    let mut tampered = csr(&["a.fleet.test"]);
    let last = tampered.len() - 1;
    tampered[last] ^= 1;
    let rows = [
        ("padding", format!("{}=", encode(b"0")), 400, "malformed"),
        ("no CSR", encode(b"0"), 400, "badCSR"),
        ("PEM", encode(pem.as_bytes()), 400, "badCSR"),
        ("tampered", encode(&tampered), 400, "badCSR"),
        ("the account's key", encode(&own_key), 400, "badCSR"),
        ("another name", encode(&csr(&["b.fleet.test"])), 403, "unauthorized"),
        ("a name more", encode(&csr(&["a.fleet.test", "b.fleet.test"])), 403, "unauthorized"),
    ];
    for (what, csr, status, error) in rows {
        let answer = client.post(&finalize, json!({ "csr": csr })).await;
        assert_error(what, &answer, status, error);
    }
    // None of that has spoilt the order. A P-256 key may sign with SHA-384: the key is read from the SPKI.
    assert_eq!(client.read(&order).await.json()["status"], "ready");
    let p384 = fleetcert_x509::KeyPair::generate(KeyKind::P384).unwrap();
    let good = csr_for(&"a.fleet.test".parse().unwrap(), &p384).unwrap();
    assert_eq!(client.finalize(&order, &good).await.json()["status"], "valid");
    let again = client.post(&finalize, json!({ "csr": encode(&good) })).await;
    assert_error("finalized twice", &again, 403, "orderNotReady");
}

#[tokio::test]
async fn the_objects_of_another_account() {
    let world = TestServer::new();
    let (mut owner, mut thief) = (world.client().await, world.client().await);
    let order = owner.order(&["a.fleet.test"]).await;
    let authorization = path(order.json()["authorizations"][0].as_str().unwrap());
    let challenge = owner.publish(&authorization).await;
    let finalize = order.path("finalize");
    let order = owner.make_ready(&order).await;
    for (what, path) in [("order", &order), ("authorization", &authorization), ("challenge", &challenge)] {
        assert_error(what, &thief.read(path).await, 403, "unauthorized");
    }
    let payload = json!({ "csr": "" });
    assert_error("finalize", &thief.post(&finalize, payload).await, 403, "unauthorized");
    let certificate = owner.finalize(&order, &csr(&["a.fleet.test"])).await.path("certificate");
    assert_error("certificate", &thief.read(&certificate).await, 403, "unauthorized");
    let account = path(owner.kid.as_ref().unwrap());
    assert_error("account", &thief.read(&account).await, 403, "unauthorized");

    for path in ["/acme/order/AAAAAAAAAAAAAAAAAAAAAA", "/acme/certificate/x", "/acme/challenge/%20"] {
        assert_error(path, &owner.read(path).await, 404, "malformed");
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
    #[test]
    fn no_body_panics(body: Vec<u8>, text in "\\PC{0,60}") {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let world = TestServer::new();
            let mut client = world.stranger();
            assert!(client.send_bytes("/acme/new-account", body).await.status >= 400);
            let mut client = world.client().await;
            assert!(client.order(&[&text, "a b"]).await.status >= 400);
        });
    }
}
