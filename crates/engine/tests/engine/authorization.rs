//! Authorization: a device changes its own name alone.

use std::sync::Arc;

use async_trait::async_trait;
use fleetcert_dns::{DnsBackend, RecordType};
use fleetcert_engine::{
    Action, AuthenticationError, Authorizer, Caller, Denial, DeviceAuthenticator, DeviceState, Engine,
    EngineErrorKind, EngineParts, Identified, RequestParts,
};
use fleetcert_jose::{Algorithm, KeyPair};
use fleetcert_protocol::{AddressReport, CertificateStatus};
use fleetcert_store::MemoryStore;

use crate::setting::{
    Device, Running, ShiftedClock, enrol, parts_without_ca, refused, request_for, until, zone,
};

fn parts() -> EngineParts {
    parts_without_ca(Arc::new(MemoryStore::new()), ShiftedClock::in_virtual_time())
}

const ACTIONS: [Action; 3] = [Action::ReportAddresses, Action::RequestCertificate, Action::ReadCertificate];

fn report(last: u8) -> AddressReport {
    AddressReport::new([[10, 0, 0, last].into()]).unwrap()
}

#[tokio::test(start_paused = true)]
async fn each_of_twenty_devices_gets_its_own_name_and_none_of_the_others() {
    let parts = parts();
    let backend = parts.backend.clone();
    let running = Running::start(parts);
    let engine = &running.engine;
    let mut devices = Vec::new();
    for _ in 0..20 {
        devices.push(enrol(engine).await);
    }
    let (mut accepted, mut refusals) = (0, 0);
    for device in &devices {
        // Its own name comes last: while an order is in flight, the gate still decides first.
        let own = std::iter::once(device);
        let others = devices.iter().filter(|other| other.id != device.id);
        for named in others.chain(own) {
            let outcome = device.request(engine, &request_for(&named.name)).await;
            if named.id == device.id {
                // There is no CA, so the order fails soon.
                assert_ne!(outcome.unwrap(), CertificateStatus::None);
                accepted += 1;
            } else {
                assert_eq!(refused(outcome, EngineErrorKind::CsrRefused).code(), Some("name_not_granted"));
                refusals += 1;
            }
        }
    }
    assert_eq!((accepted, refusals), (20, 380));

    for (index, device) in devices.iter().enumerate() {
        let grant = device.grant(engine, Action::ReportAddresses).await.unwrap();
        assert_eq!((grant.device(), grant.name()), (&device.id, &device.name));
        engine.report_addresses(&grant, &report(index as u8)).await.unwrap();
    }
    for (index, device) in devices.iter().enumerate() {
        until("the address is in the zone", async || {
            let set = backend.read(&zone(), device.name.as_domain(), RecordType::A).await.unwrap();
            set.is_some_and(|set| format!("{:?}", set.values) == format!("{{A(10.0.0.{index})}}"))
        })
        .await;
    }
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn request_signed_with_another_key_is_unauthenticated() {
    let engine = Engine::new(parts());
    let (one, other) = (enrol(&engine).await, enrol(&engine).await);
    let url = "https://control.test/v1/somewhere";
    let stolen = Device { id: other.id.clone(), name: other.name.clone(), key: one.key };
    let no_such = Device {
        id: "AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap(),
        name: other.name.clone(),
        key: KeyPair::generate(Algorithm::EdDsa).unwrap(),
    };
    let mut texts = Vec::new();
    for view in [stolen.view(url), no_such.view(url), other.view("https://control.test/v1/elsewhere")] {
        texts.push(refused(engine.authenticate(view).await, EngineErrorKind::Unauthenticated).to_string());
    }
    assert!(texts.iter().all(|text| *text == texts[0]), "{texts:?}");
    engine.authenticate(other.view(url)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn grant_is_for_one_action() {
    let engine = Engine::new(parts());
    let device = enrol(&engine).await;
    let csr = request_for(&device.name);
    for action in ACTIONS {
        let grant = device.grant(&engine, action).await.unwrap();
        let outcomes = [
            (Action::ReportAddresses, engine.report_addresses(&grant, &report(1)).await.err()),
            (Action::RequestCertificate, engine.request_certificate(&grant, &csr).await.err()),
            (Action::ReadCertificate, engine.certificate_status(&grant).await.err()),
        ];
        for (asked, error) in outcomes {
            match error {
                None => assert_eq!(asked, action),
                Some(error) => {
                    assert_eq!(error.kind(), EngineErrorKind::Denied);
                    assert_ne!(asked, action);
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn suspended_device_is_denied_until_it_is_active_again() {
    let engine = Engine::new(parts());
    let device = enrol(&engine).await;
    engine.set_device_state(&device.id, DeviceState::Suspended).await.unwrap();
    for action in ACTIONS {
        refused(device.grant(&engine, action).await, EngineErrorKind::Denied);
    }
    // A stranger does not learn that the device is suspended.
    let thief = Device { key: KeyPair::generate(Algorithm::Es256).unwrap(), ..enrol(&engine).await };
    let thief = Device { id: device.id.clone(), ..thief };
    refused(thief.grant(&engine, Action::ReadCertificate).await, EngineErrorKind::Unauthenticated);
    engine.set_device_state(&device.id, DeviceState::Active).await.unwrap();
    device.grant(&engine, Action::ReadCertificate).await.unwrap();
    let nobody = "AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap();
    let missing = engine.set_device_state(&nobody, DeviceState::Suspended).await;
    refused(missing, EngineErrorKind::NotFound);
}

/// An authenticator that is unavailable.
#[derive(Debug)]
struct Unavailable;

#[async_trait]
impl DeviceAuthenticator for Unavailable {
    async fn authenticate(&self, _: RequestParts) -> Result<Identified, AuthenticationError> {
        Err(AuthenticationError::Unavailable("the directory of devices does not answer".into()))
    }
}

/// An authenticator that takes each caller for one device, which is not enrolled.
#[derive(Debug)]
struct Mistaken;

#[async_trait]
impl DeviceAuthenticator for Mistaken {
    async fn authenticate(&self, _: RequestParts) -> Result<Identified, AuthenticationError> {
        Ok(Identified::new("AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap(), Vec::new()))
    }
}

/// Lets devices read, and change nothing.
#[derive(Debug)]
struct ReadOnly;

#[async_trait]
impl Authorizer for ReadOnly {
    async fn decide(&self, _: &Caller, action: Action) -> Result<(), Denial> {
        match action {
            Action::ReadCertificate => Ok(()),
            _ => Err(Denial("the fleet is closed for the holidays".into())),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn policy_that_cannot_decide_allows_nothing() {
    let parts = parts();
    let device = enrol(&Engine::new(parts.clone())).await;
    let unavailable = Engine::new(EngineParts { authenticator: Arc::new(Unavailable), ..parts.clone() });
    let mistaken = Engine::new(EngineParts { authenticator: Arc::new(Mistaken), ..parts.clone() });
    let read_only = Engine::new(EngineParts { authorizer: Arc::new(ReadOnly), ..parts });
    for action in ACTIONS {
        let error = refused(device.grant(&unavailable, action).await, EngineErrorKind::Unavailable);
        assert!(error.retry_after().is_some());
        refused(device.grant(&mistaken, action).await, EngineErrorKind::Unauthenticated);
        match device.grant(&read_only, action).await {
            Ok(_) => assert_eq!(action, Action::ReadCertificate),
            Err(error) => assert!(error.to_string().contains("holidays"), "{error}"),
        }
    }
}
