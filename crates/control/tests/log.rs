//! The log of the device API. In a program of its own: tests beside it would decide with it which lines are written.

#![allow(clippy::unwrap_used, clippy::panic)] // a test may

#[allow(dead_code)] // the other tests use all of it
#[path = "device_api/setting.rs"]
mod setting;

use std::io;
use std::sync::Arc;

use axum::http::StatusCode;
use fleetcert_protocol::route;
use parking_lot::Mutex;
use serde_json::json;

use setting::{Setting, device_key};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn lines(&self) -> Vec<String> {
        String::from_utf8(std::mem::take(&mut *self.0.lock())).unwrap().lines().map(str::to_owned).collect()
    }
}

#[tokio::test]
async fn each_5xx_leaves_one_line_with_its_cause_and_a_4xx_none() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let setting = Setting::new();
    let device = setting.enrol().await;
    let mut requests = setting.good(&device).await;
    requests.push((route::ENROL, setting.enrolment(&device_key()).await));
    log.lines();
    setting.outage.begin();
    for (route, body) in requests {
        assert_eq!(setting.post(route, body).await.status, StatusCode::SERVICE_UNAVAILABLE);
        let lines = log.lines();
        assert_eq!(lines.len(), 1, "{route}: {lines:?}");
        assert!(lines[0].contains("ERROR") && lines[0].contains("hunter2"), "the cause: {}", lines[0]);
    }
    setting.outage.end();

    let refused = setting.signed(&device, route::ADDRESSES, &json!({ "addresses": ["127.0.0.1"] })).await;
    assert_eq!(setting.post(route::ADDRESSES, refused).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(log.lines(), Vec::<String>::new());
}
