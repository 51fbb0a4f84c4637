//! The CA of a simulated fleet over ACME: HTTPS, DNS, signatures, certificates.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fleetcert_acme::{
    Account, AccountKey, Authority, AuthorizationStatus, Client, ClientOptions, NewOrder, OrderHandle,
    OrderStatus, TermsOfService,
};
use fleetcert_ambient::{Ambient, ManualClock, SystemEntropy};
use fleetcert_dns::{Change, DnsBackend, Ttl};
use fleetcert_names::DomainName;
use fleetcert_nameserver::{NameServer, NameServerHost, Options, ZoneSettings};
use fleetcert_testkit::fleet::{Ca, DeviceOrder, Entry, Scenario, ValidationFailed, What};
use fleetcert_testkit::limiter::{CaLimits, Refused};
use fleetcert_testkit::{Profile, TestCa, TestCaOptions};
use fleetcert_x509::{CertificateId, Chain, KeyKind, KeyPair, Validity, csr_for};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

/// Name of the only profile.
const PROFILE: &str = "tlsserver";

/// A test CA whose clock stops while the simulation waits for it.
pub(crate) struct OverAcme {
    runtime: Runtime,
    clock: ManualClock,
    ca: TestCa,
    account: Account,
    zone: DomainName,
    server: NameServer,
    key: KeyPair,
    open: HashMap<u32, Box<dyn OrderHandle>>,
    last: HashMap<u32, CertificateId>,
    stop: CancellationToken,
}

impl OverAcme {
    pub(crate) fn start(limits: CaLimits, scenario: &Scenario) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let clock = ManualClock::starting_at(scenario.start);
        let zone: DomainName = "fleet.example".parse().unwrap();
        let stop = CancellationToken::new();
        let (ca, server, account) = runtime.block_on(async {
            let host = NameServerHost {
                name: "ns1.fleet.example".parse().unwrap(),
                addresses: ["127.0.0.1".parse().unwrap()].into(),
            };
            let settings = ZoneSettings::new(zone.clone(), [host]);
            let server = NameServer::new([settings], Options::default(), Ambient::system()).unwrap();
            let listener = server.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
            let mut options = TestCaOptions::new(listener.local_addr());
            options.rate_limits = Some(limits);
            options.acme.reuse_orders = false;
            let life = scenario.profile.lifetime_at(scenario.start);
            assert_eq!(scenario.profile.lifetime_at(scenario.end()), life, "the test CA has one lifetime");
            let profile = Profile { description: "of the scenario".to_owned(), life };
            options.profiles = [(PROFILE.to_owned(), profile)].into();
            let (ca, service) =
                TestCa::start(options, Arc::new(clock.clone()), Arc::new(SystemEntropy)).await.unwrap();
            tokio::spawn(listener.serve(stop.clone()));
            tokio::spawn(service.serve(stop.clone()));
            let options =
                ClientOptions { roots_pem: Some(ca.listener_root_pem().into()), ..ClientOptions::default() };
            let client = Client::new(ca.directory_url(), &options, Ambient::system()).unwrap();
            let key = AccountKey::generate().unwrap();
            let account = client.register(key, TermsOfService::Agreed).await.unwrap();
            (ca, server, account)
        });
        Self {
            runtime,
            clock,
            ca,
            account,
            zone,
            server,
            key: KeyPair::generate(KeyKind::P256).unwrap(),
            open: HashMap::new(),
            last: HashMap::new(),
            stop,
        }
    }

    /// What the CA wrote down itself, in order of time and device.
    pub(crate) fn ledger(&self) -> Vec<Entry> {
        let device = |name: &str| name[1..8].parse::<u32>().unwrap();
        let ledger = self.ca.ledger();
        let orders = ledger.orders().into_iter().map(|order| Entry {
            at: order.at,
            device: device(order.identifiers.canonical()),
            what: What::Order { replaces: order.replaces.is_some() },
        });
        let certificates = ledger.certificates().into_iter().map(|certificate| Entry {
            at: certificate.at,
            device: device(certificate.chain.leaf().identifiers()[0].as_str()),
            what: What::Certificate,
        });
        let mut entries: Vec<_> = orders.chain(certificates).collect();
        entries.sort_by_key(|entry| (entry.at, entry.device));
        entries
    }

    pub(crate) fn rate_limited(&self) -> u64 {
        self.ca.ledger().rate_limited().values().sum()
    }

    fn at(&self, now: SystemTime) {
        use fleetcert_ambient::Clock;
        self.clock.advance(now.duration_since(self.clock.now()).unwrap_or_default());
    }
}

impl Drop for OverAcme {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Ca for OverAcme {
    fn place(&mut self, order: &DeviceOrder<'_>, now: SystemTime) -> Result<(), Refused> {
        self.at(now);
        let replaces = if order.replaces { self.last.get(&order.device).cloned() } else { None };
        let wanted = NewOrder {
            replaces,
            profile: Some(PROFILE.to_owned()),
            ..NewOrder::new(order.name.clone().into())
        };
        let placed = self.runtime.block_on(self.account.new_order(&wanted)).unwrap();
        self.open.insert(order.device, placed);
        Ok(())
    }

    fn complete(
        &mut self,
        order: &DeviceOrder<'_>,
        seen: bool,
        now: SystemTime,
    ) -> Result<Validity, ValidationFailed> {
        assert!(seen, "no validation fails in this scenario");
        self.at(now);
        let mut handle = self.open.remove(&order.device).unwrap();
        let csr = csr_for(&order.name.clone().into(), &self.key).unwrap();
        let chain = self.runtime.block_on(async {
            for challenge in handle.challenges().await.unwrap() {
                if challenge.status != AuthorizationStatus::Pending {
                    continue;
                }
                let name = challenge.identifier.challenge_name();
                let value = challenge.value.unwrap();
                let add = Change::AddTxt { name: name.clone(), value: value.clone(), ttl: Ttl::CHALLENGE };
                self.server.apply(&self.zone, &[add]).await.unwrap();
                handle.answer(&challenge.identifier).await.unwrap();
                until(&mut *handle, OrderStatus::Ready).await;
                self.server.apply(&self.zone, &[Change::RemoveTxt { name, value }]).await.unwrap();
            }
            handle.finalize(&csr).await.unwrap();
            until(&mut *handle, OrderStatus::Valid).await;
            Chain::from_pem(&handle.certificate().await.unwrap()).unwrap()
        });
        let leaf = chain.leaf();
        self.last.insert(order.device, leaf.certificate_id().unwrap());
        Ok(Validity::new(leaf.not_before(), leaf.not_after()))
    }

    fn revoke(&mut self, device: u32, now: SystemTime) {
        const HOUR: Duration = Duration::from_secs(3600);
        if let Some(id) = self.last.get(&device) {
            self.ca.set_renewal_window(id.clone(), now - HOUR, now - HOUR / 2);
        }
    }

    fn window(&self, device: u32) -> Option<(SystemTime, SystemTime)> {
        let id = self.last.get(&device)?;
        let info = self.runtime.block_on(self.account.renewal_info(id)).unwrap();
        Some((info.start, info.end))
    }
}

/// Polls in real time, because the CA's clock has stopped.
async fn until(order: &mut dyn OrderHandle, status: OrderStatus) {
    for _ in 0..30_000 {
        if order.status() == status {
            return;
        }
        assert_ne!(order.status(), OrderStatus::Invalid, "{:?}", order.reading());
        tokio::time::sleep(Duration::from_millis(1)).await;
        order.refresh().await.unwrap();
    }
    panic!("the order does not become {status:?}");
}
