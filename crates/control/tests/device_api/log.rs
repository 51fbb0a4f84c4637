//! What the API leaves in the log.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::http::StatusCode;
use fleetcert_protocol::route;
use parking_lot::Mutex;
use serde_json::json;

use crate::setting::{Setting, device_key};

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
    setting.store.down.store(true, Ordering::SeqCst);
    for (route, body) in requests {
        assert_eq!(setting.post(route, body).await.status, StatusCode::SERVICE_UNAVAILABLE);
        let lines = log.lines();
        assert_eq!(lines.len(), 1, "{route}: {lines:?}");
        assert!(lines[0].contains("ERROR") && lines[0].contains("hunter2"), "the cause: {}", lines[0]);
    }
    setting.store.down.store(false, Ordering::SeqCst);

    let refused = setting.signed(&device, route::ADDRESSES, &json!({ "addresses": ["127.0.0.1"] })).await;
    assert_eq!(setting.post(route::ADDRESSES, refused).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(log.lines(), Vec::<String>::new());
}
