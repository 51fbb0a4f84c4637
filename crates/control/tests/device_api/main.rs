//! The device API under replays, forgeries, floods and nonsense.

#![allow(clippy::unwrap_used, clippy::panic)] // a test may

mod bad_signatures;
mod enrolment;
mod mutual_tls;
mod setting;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use fleetcert_engine::DeviceState;
use fleetcert_jose::{Algorithm, FlattenedJws, KeyPair, KeyReference, ProtectedHeader, Signer};
use fleetcert_protocol::{EnrolmentProof, EnrolmentToken, request, route};
use fleetcert_x509::{KeyKind, csr_for};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use setting::*;

#[tokio::test]
async fn recorded_request_is_accepted_once_and_only_at_its_route() {
    let setting = Setting::new();
    let (device, other) = (setting.enrol().await, setting.enrol().await);
    let key = KeyPair::generate(Algorithm::EdDsa).unwrap();
    let mut replays = 0;
    for recorded in 0..POSTS.len() {
        let (route, body) = match recorded {
            0 => (route::ENROL, setting.enrolment(&key).await),
            _ => setting.good(&device).await.swap_remove(recorded - 1),
        };
        let first = setting.post(route, body.clone()).await;
        assert_eq!(first.status, StatusCode::OK, "{route}: {}", first.json());
        // At once, to the same route and to each other; after six minutes, when the nonce has expired too.
        for wait in [0, 360] {
            setting.clock.advance(Duration::from_secs(wait));
            for route in POSTS {
                let again = setting.post(route, body.clone()).await;
                assert_eq!((again.status, again.problem().as_str()), (StatusCode::BAD_REQUEST, "bad_nonce"));
                replays += 1;
            }
        }
    }
    assert_eq!(replays, 32);

    // A new nonce under the old signature does not help, nor the right signature at another route, nor another
    // device's name on it.
    for route in &POSTS[1..] {
        for elsewhere in POSTS.iter().filter(|other| *other != route) {
            let body = setting.signed(&device, route, &json!({})).await;
            let answer = setting.post(elsewhere, body).await;
            let expected = if *elsewhere == route::ENROL { "malformed" } else { "unauthenticated" };
            assert_eq!(answer.problem(), expected, "{route} at {elsewhere}");
        }
        let body = setting.signed(&device, route, &json!({})).await;
        let mut jws: Value = serde_json::from_slice(&body).unwrap();
        let of_other: Value =
            serde_json::from_slice(&setting.signed(&other, route, &json!({})).await).unwrap();
        jws["protected"] = of_other["protected"].clone();
        let answer = setting.post(route, jws.to_string().into_bytes()).await;
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::UNAUTHORIZED, "unauthenticated"));
        let forged = Device { id: other.id.clone(), name: other.name.clone(), key: device_key() };
        let answer = setting.post(route, setting.signed(&forged, route, &json!({})).await).await;
        assert_eq!(answer.problem(), "unauthenticated");
    }
}

#[tokio::test]
async fn request_signed_for_another_base_url_is_refused() {
    let setting = Setting::new();
    let device = setting.enrol().await;
    let sender = KeyReference::Kid(device.id.to_string());
    for base in [
        "https://control.example",
        "http://control.test",
        "https://control.test:8443",
        "https://control.test/",
    ] {
        let url = format!("{base}{}", route::CERTIFICATE_STATUS);
        let body = request::sign(&url, &setting.nonce().await, &sender, &json!({}), &device.key).unwrap();
        let mut request = posting(route::CERTIFICATE_STATUS, request::CONTENT_TYPE, body);
        // Headers do not change which URL is ours.
        request.headers_mut().insert(header::HOST, "control.example".parse().unwrap());
        request.headers_mut().insert("x-forwarded-host", "control.example".parse().unwrap());
        assert_eq!(setting.send(request).await.problem(), "unauthenticated", "{base}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_a_thousand_concurrent_uses_of_a_nonce_succeeds() {
    let setting = Arc::new(Setting::new());
    let device = setting.enrol().await;
    let nonce = setting.nonce().await;
    // The same octets, and as many different ones.
    let mut race = JoinSet::new();
    for index in 0..1000u32 {
        let address = format!("10.0.{}.{}", index % 2 * (index >> 8), index % 2 * (index & 255));
        let body = device.sign(route::ADDRESSES, &nonce, &json!({ "addresses": [address] }));
        let setting = setting.clone();
        race.spawn(async move { setting.post(route::ADDRESSES, body).await });
    }
    let (won, lost): (Vec<_>, Vec<_>) =
        race.join_all().await.into_iter().partition(|answer| answer.status == StatusCode::OK);
    assert_eq!(won.len(), 1);
    assert!(lost.iter().all(|answer| answer.problem() == "bad_nonce"));
}

#[tokio::test]
async fn unknown_device_and_wrong_key_get_the_same_answer() {
    let setting = Setting::new();
    let device = setting.enrol().await;
    let unknown = Device {
        id: "AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap(),
        name: device.name.clone(),
        key: device_key(),
    };
    let forged = Device { id: device.id.clone(), name: device.name.clone(), key: device_key() };
    let other_algorithm = Device {
        id: device.id.clone(),
        name: device.name.clone(),
        key: KeyPair::generate(Algorithm::Es256).unwrap(),
    };
    let mut suspended = setting.enrol().await;
    setting.engine.set_device_state(&suspended.id, DeviceState::Suspended).await.unwrap();
    let answer = setting
        .post(
            route::CERTIFICATE_STATUS,
            setting.signed(&suspended, route::CERTIFICATE_STATUS, &json!({})).await,
        )
        .await;
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::FORBIDDEN, "denied"));
    suspended.key = device_key();

    let mut answers = Vec::new();
    for sender in [&unknown, &forged, &other_algorithm, &suspended] {
        for route in &POSTS[1..] {
            let answer = setting.post(route, setting.signed(sender, route, &json!({})).await).await;
            answers.push((answer.status, answer.retry_after, answer.body));
        }
    }
    assert_eq!(answers[0].0, StatusCode::UNAUTHORIZED);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}

#[tokio::test]
async fn enrolment_is_signed_by_jwk_and_every_other_request_by_kid() {
    let setting = Setting::new();
    let device = setting.enrol().await;
    let payload = json!({ "proof": proof(&setting.engine.issue_token(DAY).await.unwrap()) });
    let by_kid = setting.post(route::ENROL, setting.signed(&device, route::ENROL, &payload).await).await;
    assert_eq!((by_kid.status, by_kid.problem().as_str()), (StatusCode::BAD_REQUEST, "malformed"));
    for route in &POSTS[1..] {
        let sender = KeyReference::Jwk(device.key.jwk().clone());
        let body =
            request::sign(&url(route), &setting.nonce().await, &sender, &json!({}), &device.key).unwrap();
        let by_key = setting.post(route, body).await;
        assert_eq!(by_key.problem(), "unauthenticated", "{route}");
    }
    // The key that is enrolled is the one that signed.
    let (mine, stolen) = (device_key(), device_key());
    let body = setting.enrolment(&mine).await;
    let mut jws: Value = serde_json::from_slice(&body).unwrap();
    let other: Value = serde_json::from_slice(&setting.enrolment(&stolen).await).unwrap();
    jws["protected"] = other["protected"].clone();
    let answer = setting.post(route::ENROL, jws.to_string().into_bytes()).await;
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::UNAUTHORIZED, "unauthenticated"));
}

#[tokio::test]
async fn request_with_a_private_key_is_refused_before_anything_else() {
    let setting = Setting::new();
    let device = setting.enrol().await;
    let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQ==\n-----END PRIVATE KEY-----\n";
    for route in &POSTS[1..] {
        let signed = setting.signed(&device, route, &json!({ "csr": pem })).await;
        let answer = setting.post(route, signed).await;
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::BAD_REQUEST, "private_key_sent"));
        let plain = setting.post(route, pem.into()).await;
        assert_eq!(plain.problem(), "private_key_sent");
    }
    let inside = fleetcert_protocol::request::sign(
        &url(route::ENROL),
        &setting.nonce().await,
        &KeyReference::Jwk(device.key.jwk().clone()),
        &json!({ "proof": { "type": "token", "token": pem } }),
        &device.key,
    );
    assert_eq!(setting.post(route::ENROL, inside.unwrap()).await.problem(), "private_key_sent");
    // It is noticed before the store is asked.
    setting.outage.begin();
    let body = setting.signed(&device, route::CERTIFICATE, &json!({ "csr": pem })).await;
    assert_eq!(setting.post(route::CERTIFICATE, body).await.problem(), "private_key_sent");
}

#[tokio::test]
async fn body_size_content_type_and_method_are_checked() {
    let setting = Setting::new();
    let device = setting.enrol().await;
    for route in POSTS {
        let over = setting.post(route, vec![b'{'; 64 * 1024 + 1]).await;
        assert_eq!((over.status, over.problem().as_str()), (StatusCode::PAYLOAD_TOO_LARGE, "malformed"));
        let at = setting.post(route, vec![b'{'; 64 * 1024]).await;
        assert_eq!((at.status, at.problem().as_str()), (StatusCode::BAD_REQUEST, "malformed"));
        for method in [Method::GET, Method::PUT, Method::DELETE, Method::HEAD, Method::OPTIONS] {
            let request = Request::builder().method(method).uri(route).body(Body::empty()).unwrap();
            let answer = setting.send(request).await;
            assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
        }
    }
    for method in [Method::GET, Method::HEAD] {
        let request = Request::builder().method(method).uri(route::NONCE).body(Body::empty()).unwrap();
        assert_eq!(setting.send(request).await.status, StatusCode::NO_CONTENT);
    }
    let types =
        ["application/json", "application/jose", "text/plain", "", "application/jose+json, text/plain"];
    for content_type in types {
        let body = setting.signed(&device, route::CERTIFICATE_STATUS, &json!({})).await;
        let answer = setting.send(posting(route::CERTIFICATE_STATUS, content_type, body.clone())).await;
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::BAD_REQUEST, "malformed"));
        // The nonce was not spent.
        assert_eq!(setting.post(route::CERTIFICATE_STATUS, body).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn unavailable_store_is_503_without_its_cause() {
    let setting = Setting::new();
    let device = setting.enrol().await;
    let key = device_key();
    let mut requests = vec![(route::ENROL, setting.enrolment(&key).await)];
    requests.extend(setting.good(&device).await);
    setting.outage.begin();
    for (route, body) in requests {
        let answer = setting.post(route, body).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (StatusCode::SERVICE_UNAVAILABLE, "unavailable")
        );
        assert!(answer.retry_after.unwrap().parse::<u64>().unwrap() >= 1);
        assert!(!String::from_utf8(answer.body).unwrap().contains("hunter2"));
    }
    // Nonces do not need it.
    setting.nonce().await;
    setting.outage.end();
    for (route, body) in setting.good(&device).await {
        assert_eq!(setting.post(route, body).await.status, StatusCode::OK, "{route}");
    }
}

#[tokio::test]
async fn refusals_have_their_kind_code_and_status() {
    let setting = Setting::new();
    let device = setting.enrol().await;
    let other = setting.enrol().await;
    let foreign =
        csr_for(&other.name.parse().unwrap(), &fleetcert_x509::KeyPair::generate(KeyKind::P256).unwrap());
    let csr = fleetcert_protocol::CsrBytes::new(foreign.unwrap()).unwrap();
    let body = setting.signed(&device, route::CERTIFICATE, &json!({ "csr": csr })).await;
    let answer = setting.post(route::CERTIFICATE, body).await;
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::BAD_REQUEST, "csr_refused"));
    assert_eq!(answer.json()["code"], "name_not_granted");

    let body =
        setting.signed(&device, route::ADDRESSES, &json!({ "addresses": ["10.0.0.1", "127.0.0.1"] })).await;
    let answer = setting.post(route::ADDRESSES, body).await;
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::BAD_REQUEST, "address_not_allowed"));
    assert_eq!(answer.json()["address"], "127.0.0.1");

    // An enrolled key with another token, a used token with another key, a token that nobody gave out.
    let who = |key: &KeyPair| KeyReference::Jwk(key.jwk().clone());
    let token = setting.engine.issue_token(DAY).await.unwrap();
    let enrol = async |key: &KeyPair, payload: Value| {
        let body = request::sign(&url(route::ENROL), &setting.nonce().await, &who(key), &payload, key);
        let answer = setting.post(route::ENROL, body.unwrap()).await;
        let code = |answer: &Answer| {
            answer.json()["code"].as_str().map(|code| format!(" {code}")).unwrap_or_default()
        };
        match answer.status {
            StatusCode::OK => (answer.status, String::new()),
            status => (status, answer.problem() + &code(&answer)),
        }
    };
    let expected = |status, problem: &str| (status, problem.to_owned());
    assert_eq!(
        enrol(&device.key, json!({ "proof": proof(&token) })).await,
        expected(StatusCode::CONFLICT, "key_in_use")
    );
    let asking = json!({ "proof": proof(&token), "label": "printer" });
    assert_eq!(enrol(&device_key(), asking).await, expected(StatusCode::BAD_REQUEST, "label_not_allowed"));
    let first = device_key();
    for _ in 0..2 {
        assert_eq!(enrol(&first, json!({ "proof": proof(&token) })).await, expected(StatusCode::OK, ""));
    }
    assert_eq!(
        enrol(&device_key(), json!({ "proof": proof(&token) })).await,
        expected(StatusCode::FORBIDDEN, "enrolment_refused token_used")
    );
    let unknown = json!({ "proof": { "type": "token", "token": "A".repeat(43) } });
    assert_eq!(
        enrol(&device_key(), unknown).await,
        expected(StatusCode::FORBIDDEN, "enrolment_refused token_unknown")
    );
}

fn proof(token: &EnrolmentToken) -> Value {
    serde_json::to_value(EnrolmentProof::from(token.clone())).unwrap()
}

/// What a signature covers, by hand: base64url of the header and the payload as they are.
fn by_hand(key: &KeyPair, header: &str, payload: &[u8]) -> Value {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
    let (protected, payload) = (B64.encode(header), B64.encode(payload));
    let signature = key.sign(format!("{protected}.{payload}").as_bytes()).unwrap();
    json!({ "protected": protected, "payload": payload, "signature": B64.encode(signature) })
}

#[tokio::test]
async fn malformed_envelopes_are_client_errors() {
    let setting = Setting::new();
    let device = setting.enrol().await;
    let key = &device.key;
    let target = route::CERTIFICATE_STATUS;
    let (url, kid) = (url(target), device.id.to_string());
    let jwk = serde_json::to_value(key.jwk()).unwrap();

    let mut bodies: Vec<(String, Vec<u8>)> = Vec::new();
    let mut add = |what: &str, body: Vec<u8>| bodies.push((what.to_owned(), body));
    let good = json!({ "alg": "EdDsa", "kid": kid, "nonce": setting.nonce().await, "url": url, "typ": TYP });
    let good = {
        let mut good = good;
        good["alg"] = json!("EdDSA");
        good
    };
    // Made by hand without a fault it is accepted, so each of the following is refused for its one fault.
    let flawless = by_hand(key, &good.to_string(), b"{}");
    assert_eq!(setting.post(target, flawless.to_string().into_bytes()).await.status, StatusCode::OK);

    let changes: [(&str, &str, Value); 14] = [
        ("alg none", "alg", json!("none")),
        ("alg HS256", "alg", json!("HS256")),
        ("alg of another key", "alg", json!("ES256")),
        ("alg in lower case", "alg", json!("eddsa")),
        ("alg a number", "alg", json!(1)),
        ("crit", "crit", json!(["exp"])),
        ("jwk beside kid", "jwk", jwk.clone()),
        ("jku", "jku", json!("https://evil.example/keys")),
        ("x5u", "x5u", json!("https://evil.example/cert")),
        ("b64", "b64", json!(false)),
        ("another typ", "typ", json!("JWT")),
        ("kid a path", "kid", json!("../../etc/passwd")),
        ("kid of 1 MiB would be over the bound, this one is long", "kid", json!("A".repeat(10_000))),
        ("url an object", "url", json!({})),
    ];
    for (what, member, value) in changes {
        let mut header = good.clone();
        header["nonce"] = json!(setting.nonce().await);
        header[member] = value;
        add(what, by_hand(key, &header.to_string(), b"{}").to_string().into_bytes());
    }
    for member in ["alg", "kid", "nonce", "url", "typ"] {
        let mut header = good.clone();
        header["nonce"] = json!(setting.nonce().await);
        header.as_object_mut().unwrap().remove(member);
        add(&format!("no {member}"), by_hand(key, &header.to_string(), b"{}").to_string().into_bytes());
    }
    let mut header = good.clone();
    header["nonce"] = json!(setting.nonce().await);
    let twice = header.to_string().replacen('{', &format!("{{\"kid\":\"{kid}\","), 1);
    add("kid twice", by_hand(key, &twice, b"{}").to_string().into_bytes());
    add("header no JSON", by_hand(key, "hello", b"{}").to_string().into_bytes());
    add("header a list", by_hand(key, "[]", b"{}").to_string().into_bytes());
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    add("header too deep", by_hand(key, &deep, b"{}").to_string().into_bytes());
    for payload in ["", "null", "[]", "hello", "{\"more\":1}", "{\"csr\":\"AAAA\"}", "\u{feff}{}"] {
        let mut header = good.clone();
        header["nonce"] = json!(setting.nonce().await);
        let body = by_hand(key, &header.to_string(), payload.as_bytes());
        add(&format!("payload {payload:?}"), body.to_string().into_bytes());
    }
    let fresh = async || {
        let mut header = good.clone();
        header["nonce"] = json!(setting.nonce().await);
        by_hand(key, &header.to_string(), b"{}")
    };
    for (member, value) in [
        ("signature", json!("")),
        ("signature", json!("AAAA")),
        ("signature", json!("=")),
        ("signature", Value::Null),
        ("payload", json!("e30=")),
        ("payload", json!("e 30")),
        ("protected", json!("")),
        ("header", json!({ "kid": "x" })),
        ("signatures", json!([])),
    ] {
        let mut jws = fresh().await;
        jws[member] = value;
        bodies.push((format!("{member} {}", jws[member]), jws.to_string().into_bytes()));
    }
    for member in ["protected", "payload", "signature"] {
        let mut jws = fresh().await;
        jws.as_object_mut().unwrap().remove(member);
        bodies.push((format!("no {member}"), jws.to_string().into_bytes()));
    }
    let jws = fresh().await;
    let compact = format!(
        "{}.{}.{}",
        jws["protected"].as_str().unwrap(),
        jws["payload"].as_str().unwrap(),
        jws["signature"].as_str().unwrap()
    );
    for (what, body) in [
        ("nothing", Vec::new()),
        ("a zero", vec![0]),
        ("no UTF-8", vec![0xff; 100]),
        ("a list", format!("[{jws}]").into_bytes()),
        ("compact form", compact.into_bytes()),
        ("more behind it", format!("{jws}{jws}").into_bytes()),
        ("cut off", jws.to_string().into_bytes()[..100].to_vec()),
        ("deep", deep.clone().into_bytes()),
    ] {
        bodies.push((what.to_owned(), body));
    }
    for nonce in ["", "x", "bm9uY2U", &"A".repeat(54), &"A".repeat(5_000)] {
        let mut header = good.clone();
        header["nonce"] = json!(nonce);
        let body = by_hand(key, &header.to_string(), b"{}").to_string().into_bytes();
        bodies.push((format!("nonce {nonce:.10}"), body));
    }
    let other = FlattenedJws::sign(
        &ProtectedHeader::new(key, KeyReference::Jwk(key.jwk().clone())).url(&url).nonce("bm9uY2U").typ(TYP),
        b"{}",
        key,
    );
    bodies.push(("jwk in place of kid, and no good nonce".to_owned(), other.unwrap().to_json()));

    assert!(bodies.len() >= 50, "{}", bodies.len());
    for (what, body) in bodies {
        for route in POSTS {
            let answer = setting.post(route, body.clone()).await;
            assert!(answer.status.is_client_error(), "{what} at {route}: {answer:?}");
        }
    }
    // The device still works after all that.
    let answer = setting.post(target, setting.signed(&device, target, &json!({})).await).await;
    assert_eq!(answer.status, StatusCode::OK);
}
