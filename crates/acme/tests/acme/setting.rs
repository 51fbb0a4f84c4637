//! A CA, a zone, an account and a driver between them.

use std::sync::Arc;
use std::time::Duration;

use fleetcert_acme::order::OrderState;
use fleetcert_acme::{
    Account, AccountKey, Client, ClientOptions, Driver, DriverOptions, Job, Journal, JournalError, NewOrder,
    Outcome, Step, TermsOfService,
};
use fleetcert_ambient::Ambient;
use fleetcert_dns::MemoryBackend;
use fleetcert_dns::challenge::{ChallengeOptions, Challenges};
use fleetcert_names::{DomainName, IdentifierSet};
use fleetcert_x509::{CsrPolicy, KeyKind, KeyPair, NameGrant, Roots, VerifiedCsr, csr_for};
use parking_lot::Mutex;

use crate::script::Script;
use crate::scripted_ca::ScriptedCa;

pub(crate) struct Setting {
    pub(crate) ca: ScriptedCa,
    pub(crate) zone: MemoryBackend,
    pub(crate) account: Account,
    pub(crate) driver: Driver,
    pub(crate) steps: Mutex<Vec<Step>>,
    zone_name: DomainName,
    csr: VerifiedCsr,
    roots: Roots,
    pub(crate) lifetime: Option<Duration>,
}

impl Setting {
    pub(crate) async fn new(script: Script) -> Self {
        Self::with_csr(script, csr_for(&identifiers(), &KeyPair::generate(KeyKind::P256).unwrap()).unwrap())
            .await
    }

    /// With the CSR of a client that orders a wildcard and its base.
    pub(crate) async fn with_wildcard(script: Script) -> Self {
        let names = wildcard().iter().map(ToString::to_string).collect::<Vec<_>>();
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(names).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        let csr = params.serialize_request(&key).unwrap().der().to_vec();
        Self::with_csr(script, csr).await
    }

    async fn with_csr(script: Script, csr: Vec<u8>) -> Self {
        let zone_name: DomainName = "fleet.test".parse().unwrap();
        let zone = MemoryBackend::new([&zone_name]);
        let ca = ScriptedCa::start(script, &zone).await;
        let account =
            client(&ca).register(AccountKey::generate().unwrap(), TermsOfService::Agreed).await.unwrap();
        let granted = NameGrant::subtree(zone_name.clone()).and_optional(&wildcard());
        let csr = VerifiedCsr::parse(&csr, &CsrPolicy::lets_encrypt().with_grant(granted)).unwrap();
        let ambient = Ambient::system();
        let backend = Arc::new(zone.clone());
        let challenges =
            Challenges::new(backend.clone(), backend, Ambient::system(), ChallengeOptions::default());
        let options = DriverOptions {
            patience: Duration::from_secs(5),
            first_look: Duration::from_millis(1),
            first_poll: Duration::from_millis(10),
            longest_poll: Duration::from_millis(50),
            ..DriverOptions::default()
        };
        let driver = Driver { authority: Arc::new(account.clone()), challenges, ambient, options };
        let roots = Roots::from_pem(ca.root_pem.as_bytes()).unwrap();
        Self { ca, zone, account, driver, steps: Mutex::default(), zone_name, csr, roots, lifetime: None }
    }

    pub(crate) async fn drive(
        &self,
        state: OrderState,
        journal: &dyn Journal,
    ) -> Result<Outcome, JournalError> {
        let job =
            Job { zone: &self.zone_name, csr: &self.csr, roots: Some(&self.roots), lifetime: self.lifetime };
        let observer = |step: &Step| self.steps.lock().push(step.clone());
        self.driver.drive(&job, state, journal, &observer).await
    }
}

pub(crate) fn client(ca: &ScriptedCa) -> Client {
    let options = ClientOptions {
        roots_pem: Some(ca.root_pem.clone().into_bytes()),
        user_agent: "acme-test/1".into(),
        request_timeout: Duration::from_secs(5),
    };
    Client::new(&ca.directory_url, &options, Ambient::system()).unwrap()
}

/// A wildcard and its base, which share a challenge name.
pub(crate) fn wildcard() -> IdentifierSet {
    "a.fleet.test,*.a.fleet.test".parse().unwrap()
}

pub(crate) fn identifiers() -> IdentifierSet {
    "a.fleet.test,b.fleet.test".parse().unwrap()
}

pub(crate) fn wanted() -> OrderState {
    OrderState::Wanted { order: NewOrder::new(identifiers()) }
}

pub(crate) fn issued(outcome: Outcome) -> OrderState {
    match outcome {
        Outcome::Issued { state, .. } => state,
        other => panic!("not issued: {other:?}"),
    }
}
