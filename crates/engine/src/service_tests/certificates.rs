use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use fleetcert_protocol::{CertificateRequest, CsrBytes};
use fleetcert_x509::{KeyKind, KeyPair, csr_for};

use super::{Fixture, grant, name, orders};
use crate::certificates::Certificates;
use crate::{Action, EngineErrorKind};

#[tokio::test(start_paused = true)]
async fn request_above_the_limit_of_its_device_is_refused_without_a_call_to_the_store() {
    let fixture = Fixture::new();
    let parts = fixture.parts.clone();
    let orders = Arc::new(orders::service(&fixture));
    let certificates = Certificates::new(fixture.context(), Arc::new(parts.options), parts.authority, orders);
    let key = KeyPair::generate(KeyKind::P256).unwrap();
    let csr = CsrBytes::new(csr_for(&name().into(), &key).unwrap()).unwrap();
    let request = async || {
        let request = CertificateRequest { csr: csr.clone() };
        certificates.request(&grant(Action::RequestCertificate), &request).await
    };
    for _ in 0..10 {
        request().await.unwrap();
    }
    let calls = fixture.calls.calls.load(SeqCst);
    assert_eq!(request().await.unwrap_err().kind(), EngineErrorKind::RateLimited);
    assert_eq!(fixture.calls.calls.load(SeqCst), calls);
    // The same request again is the same order.
    assert_eq!(fixture.calls.commits.load(SeqCst), 1);
}
