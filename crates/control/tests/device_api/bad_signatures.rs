//! Who signs wrongly again and again is told to wait.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode};
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
async fn an_address_is_heard_again_when_its_time_has_come_and_others_meanwhile() {
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
    // The device is not locked out elsewhere, and good requests are not counted.
    for _ in 0..30 {
        let answer = setting.send(from("192.0.2.2:7", signed(&setting, &device).await)).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    }
    setting.clock.advance(Duration::from_secs(3));
    let answer = setting.send(from("192.0.2.1:7", signed(&setting, &device).await)).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn a_nonce_is_given_all_the_same_and_without_a_peer_nobody_is_counted() {
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
