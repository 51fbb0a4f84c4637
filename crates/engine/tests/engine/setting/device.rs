//! A device, as far as the engine knows it.

use fleetcert_engine::{Action, Engine, EngineError, Grant, RequestOrigin, RequestParts};
use fleetcert_jose::{Algorithm, KeyPair, KeyReference, Signer};
use fleetcert_names::HostName;
use fleetcert_protocol::request::{self, SignedRequest};
use fleetcert_protocol::{CertificateRequest, CertificateStatus, CsrBytes, DeviceId, EnrolRequest};
use fleetcert_schedule::order_queue::Tenant;
use fleetcert_x509::{Chain, KeyKind, csr_for};

use super::{DAY, DEADLINE, PollInterval};

const URL: &str = "https://control.test/v1/somewhere";

/// A device that has enrolled.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) id: DeviceId,
    pub(crate) name: HostName,
    pub(crate) key: KeyPair,
}

pub(crate) async fn enrol(engine: &Engine) -> Device {
    enrol_of(engine, Tenant::default()).await
}

pub(crate) async fn enrol_of(engine: &Engine, tenant: Tenant) -> Device {
    let key = KeyPair::generate(Algorithm::Es256).unwrap();
    let request = EnrolRequest::new(engine.issue_token_of(tenant, DAY).await.unwrap());
    let answer = engine.enrol(&request, key.jwk(), &RequestOrigin::default()).await.unwrap();
    let enrolled = answer.enrolled().unwrap();
    Device { id: enrolled.device, name: enrolled.name, key }
}

impl Device {
    /// Returns a request that this device signed for `url`, as it arrives at [`URL`].
    pub(crate) fn view(&self, url: &str) -> RequestParts {
        let sender = KeyReference::Kid(self.id.to_string());
        let body = request::sign(url, "bm9uY2U", &sender, &serde_json::json!({}), &self.key).unwrap();
        let envelope = Some(SignedRequest::parse(&body).unwrap());
        RequestParts { url: URL.to_owned(), envelope, body, origin: RequestOrigin::default() }
    }

    pub(crate) async fn grant(&self, engine: &Engine, action: Action) -> Result<Grant, EngineError> {
        let caller = engine.authenticate(self.view(URL)).await?;
        engine.authorize(&caller, action).await
    }

    pub(crate) async fn request(
        &self,
        engine: &Engine,
        csr: &CertificateRequest,
    ) -> Result<CertificateStatus, EngineError> {
        let grant = self.grant(engine, Action::RequestCertificate).await?;
        engine.request_certificate(&grant, csr).await
    }

    pub(crate) async fn status(&self, engine: &Engine) -> CertificateStatus {
        let grant = self.grant(engine, Action::ReadCertificate).await.unwrap();
        engine.certificate_status(&grant).await.unwrap()
    }

    /// Waits until `wanted` holds of the status, and returns it.
    pub(crate) async fn wait(
        &self,
        engine: &Engine,
        wanted: impl Fn(&CertificateStatus) -> bool,
    ) -> CertificateStatus {
        let mut last = CertificateStatus::None;
        let asking = async {
            let mut interval = PollInterval::default();
            loop {
                last = self.status(engine).await;
                if wanted(&last) {
                    return;
                }
                interval.wait().await;
            }
        };
        let in_time = tokio::time::timeout(DEADLINE, asking).await;
        assert!(in_time.is_ok(), "still {last:?}");
        last
    }

    pub(crate) async fn chain(&self, engine: &Engine) -> Chain {
        let issued = |status: &CertificateStatus| matches!(status, CertificateStatus::Issued { .. });
        chain_of(&self.wait(engine, issued).await)
    }
}

pub(crate) fn chain_of(status: &CertificateStatus) -> Chain {
    match status {
        CertificateStatus::Issued { chain, .. } => Chain::from_pem(chain.as_bytes()).unwrap(),
        other => panic!("not issued: {other:?}"),
    }
}

/// Returns a request for this name with a new key.
pub(crate) fn request_for(name: &HostName) -> CertificateRequest {
    request_with(name, &fleetcert_x509::KeyPair::generate(KeyKind::P256).unwrap())
}

pub(crate) fn request_with(name: &HostName, key: &fleetcert_x509::KeyPair) -> CertificateRequest {
    let der = csr_for(&name.clone().into(), key).unwrap();
    CertificateRequest { csr: CsrBytes::new(der).unwrap() }
}
