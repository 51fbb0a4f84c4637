//! The limit on wrong signatures.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode};
use fleetcert_control::ClientAddress;
use fleetcert_protocol::{request, route};
use serde_json::json;

use crate::setting::{Device, Setting, device_key, posting};

fn from(peer: &str, mut request: Request<Body>) -> Request<Body> {
    request.extensions_mut().insert(ConnectInfo::<SocketAddr>(peer.parse().unwrap()));
    request
}

async fn signed(setting: &Setting, device: &Device) -> Request<Body> {
    let body = setting.signed(device, route::CERTIFICATE_STATUS, &json!({})).await;
    posting(route::CERTIFICATE_STATUS, request::CONTENT_TYPE, body)
}

/// With another key.
fn forged(device: &Device) -> Device {
    Device { id: device.id.clone(), name: device.name.clone(), key: device_key() }
}

#[tokio::test]
async fn address_over_the_limit_waits_and_others_do_not() {
    let setting = Setting::new();
    let device = setting.enrol().await;
    let forged = forged(&device);
    for number in 0..20 {
        // Another port each time.
        let peer = format!("192.0.2.1:{}", 1000 + number);
        let answer = setting.send(from(&peer, signed(&setting, &forged).await)).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
    for device in [&forged, &device] {
        let answer = setting.send(from("192.0.2.1:7", signed(&setting, device).await)).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (StatusCode::TOO_MANY_REQUESTS, "rate_limited")
        );
        assert_eq!(answer.retry_after.as_deref(), Some("3"));
    }
    // The device is not locked out at another address, and good requests are not counted.
    for _ in 0..30 {
        let answer = setting.send(from("192.0.2.2:7", signed(&setting, &device).await)).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    }
    setting.clock.advance(Duration::from_secs(3));
    let answer = setting.send(from("192.0.2.1:7", signed(&setting, &device).await)).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn limit_spares_nonces_and_needs_a_known_address() {
    let setting = Setting::new();
    let device = setting.enrol().await;
    let forged = forged(&device);
    for _ in 0..50 {
        assert_eq!(setting.send(signed(&setting, &forged).await).await.status, StatusCode::UNAUTHORIZED);
    }
    for _ in 0..20 {
        setting.send(from("[2001:db8::1]:7", signed(&setting, &forged).await)).await;
    }
    let answer = setting.send(from("[2001:db8::2]:7", signed(&setting, &device).await)).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "of the same network");
    let nonce = Request::builder().uri(route::NONCE).body(Body::empty()).unwrap();
    assert_eq!(setting.send(from("[2001:db8::2]:7", nonce)).await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn limit_counts_the_client_address_and_not_the_proxy() {
    let setting = Setting::new();
    let device = setting.enrol().await;
    let forged = forged(&device);
    let behind_proxy = |client: &str, mut request: Request<Body>| {
        request.extensions_mut().insert(ClientAddress(client.parse().unwrap()));
        from("192.0.2.250:7", request)
    };
    for _ in 0..20 {
        setting.send(behind_proxy("198.51.100.1", signed(&setting, &forged).await)).await;
    }
    let answer = setting.send(behind_proxy("198.51.100.1", signed(&setting, &device).await)).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    let answer = setting.send(behind_proxy("198.51.100.2", signed(&setting, &device).await)).await;
    assert_eq!(answer.status, StatusCode::OK);
}
