//! An engine for tests of policies: no CA, a zone in memory.

use std::sync::Arc;

use async_trait::async_trait;
use fleetcert_acme::{
    AcmeError, AcmeErrorKind, Authority, NewOrder, Operation, OrderHandle, RenewalInfo, RevocationReason,
};
use fleetcert_ambient::Ambient;
use fleetcert_dns::MemoryBackend;
use fleetcert_store::Store;
use fleetcert_x509::CertificateId;

use crate::{EngineOptions, EngineParts, NoEvents};

/// Returns the parts of an engine that enrols, authenticates and takes requests, and issues nothing: its CA refuses
/// every order, and its zone, `fleet.test`, is in memory. **For tests.**
///
/// ```
/// use fleetcert_ambient::Ambient;
/// use fleetcert_engine::{AskedLabels, Engine, EngineParts, conformance};
/// use fleetcert_store::MemoryStore;
/// use std::sync::Arc;
///
/// let store = Arc::new(MemoryStore::new());
/// let parts = conformance::parts_without_ca(store, Ambient::system());
/// let labels = Arc::new(AskedLabels::default()); // the policy under test
/// let engine = Engine::new(EngineParts { labels, ..parts });
/// # drop(engine);
/// ```
pub fn parts_without_ca(store: Arc<dyn Store>, ambient: Ambient) -> EngineParts {
    let options = EngineOptions::new("fleet.test".parse().expect("a domain name"));
    let backend = Arc::new(MemoryBackend::new([&options.zone]));
    let parts = EngineParts::new(options, store, Arc::new(NoCa), backend.clone(), backend, ambient);
    EngineParts { events: Arc::new(NoEvents), ..parts }
}

#[derive(Debug)]
struct NoCa;

fn no_ca() -> AcmeError {
    AcmeError::new(AcmeErrorKind::InvalidInput, Operation::NewOrder, "there is no CA in this test")
}

#[async_trait]
impl Authority for NoCa {
    fn account_url(&self) -> &str {
        "https://ca.test/account/1"
    }

    async fn new_order(&self, _: &NewOrder) -> Result<Box<dyn OrderHandle>, AcmeError> {
        Err(no_ca())
    }

    async fn resume(&self, _: &str) -> Result<Box<dyn OrderHandle>, AcmeError> {
        Err(no_ca())
    }

    async fn renewal_info(&self, _: &CertificateId) -> Result<RenewalInfo, AcmeError> {
        Err(no_ca())
    }

    async fn revoke(&self, _: &[u8], _: RevocationReason) -> Result<(), AcmeError> {
        Err(no_ca())
    }
}
