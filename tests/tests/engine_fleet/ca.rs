//! The CA: the test CA's limiter and ledger behind the engine's own seam, without HTTP.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use fleetcert_acme::{
    AcmeError, AcmeErrorKind, Authority, AuthorizationStatus, Dns01, NewOrder, Operation, OrderHandle,
    OrderStatus, Reading, RenewalInfo, RevocationReason,
};
use fleetcert_ambient::{Clock, TokioClock};
use fleetcert_dns::{DnsBackend, MemoryBackend, RecordData, RecordType, TxtValue};
use fleetcert_names::{DomainName, HostName, Identifier};
use fleetcert_testkit::fleet::{ACCOUNT, Books, Ca as _, DeviceOrder, Scenario, What};
use fleetcert_x509::{CertificateId, Chain, CsrPolicy, VerifiedCsr};
use parking_lot::Mutex;

use crate::signer::Signer;

/// How long the CA takes to look at a challenge record.
const VALIDATION: Duration = Duration::from_secs(4);
/// How often Let's Encrypt wants to be asked for a renewal window.
const HOUR: Duration = Duration::from_secs(3600);
const RENEWAL_INFO_POLL: Duration = Duration::from_secs(6 * 3600);
/// An order that nobody finalizes ends after this time.
const ORDER_LIFE: Duration = Duration::from_secs(7 * 86_400);

/// Clones are the same CA.
#[derive(Clone)]
pub(crate) struct SimulatedCa(Arc<CaParts>);

struct CaParts {
    scenario: Scenario,
    clock: TokioClock,
    zone: DomainName,
    records: MemoryBackend,
    state: Mutex<CaState>,
}

struct CaState {
    books: Books,
    signer: Signer,
    orders: HashMap<String, PlacedOrder>,
    devices: HashMap<HostName, u32>,
    last: HashMap<u32, Certificate>,
    /// Which device the last certificates belong to.
    owners: HashMap<CertificateId, u32>,
    next_order: u64,
    unanswered: u64,
}

struct Certificate {
    id: CertificateId,
    not_after: SystemTime,
    revoked: bool,
}

struct PlacedOrder {
    device: u32,
    name: HostName,
    replaces: bool,
    value: TxtValue,
    expires: SystemTime,
    status: OrderStatus,
    validated_at: Option<SystemTime>,
    chain: Option<String>,
}

impl std::fmt::Debug for SimulatedCa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SimulatedCa")
    }
}

impl SimulatedCa {
    pub(crate) fn new(
        scenario: &Scenario,
        clock: TokioClock,
        zone: DomainName,
        records: MemoryBackend,
    ) -> Self {
        Self(Arc::new(CaParts {
            scenario: scenario.clone(),
            clock,
            zone,
            records,
            state: Mutex::new(CaState {
                books: Books::new(scenario.ca_limits(), scenario, ACCOUNT, true),
                signer: Signer::new(),
                orders: HashMap::new(),
                devices: HashMap::new(),
                last: HashMap::new(),
                owners: HashMap::new(),
                next_order: 0,
                unanswered: 0,
            }),
        }))
    }

    pub(crate) fn root_pem(&self) -> String {
        self.0.state.lock().signer.root_pem().to_owned()
    }

    pub(crate) fn add_device(&self, device: u32, name: HostName) {
        self.0.state.lock().devices.insert(name, device);
    }

    /// Revokes the last certificate of a device; returns whether there was a valid one.
    pub(crate) fn revoke_last_of(&self, device: u32, now: SystemTime) -> bool {
        let mut state = self.0.state.lock();
        let Some(certificate) = state.last.get_mut(&device).filter(|last| last.not_after > now) else {
            return false;
        };
        certificate.revoked = true;
        state.books.revoke(device, now);
        true
    }

    pub(crate) fn is_revoked(&self, device: u32) -> bool {
        self.0.state.lock().last.get(&device).is_some_and(|last| last.revoked)
    }

    /// How many requests fell into an outage.
    pub(crate) fn unanswered(&self) -> u64 {
        self.0.state.lock().unanswered
    }

    /// Counts a kind of entry in the CA's own ledger.
    pub(crate) fn count(&self, matches: impl Fn(What) -> bool) -> u64 {
        self.0.state.lock().books.ledger().iter().filter(|entry| matches(entry.what)).count() as u64
    }

    fn answers(&self, operation: Operation) -> Result<SystemTime, AcmeError> {
        let now = self.0.clock.now();
        let scenario = &self.0.scenario;
        if scenario.ca_outages.iter().any(|outage| outage.contains(scenario.start, now)) {
            self.0.state.lock().unanswered += 1;
            return Err(AcmeError::new(AcmeErrorKind::Unreachable, operation, "connection refused"));
        }
        Ok(now)
    }

    /// Lets the time that has passed do its work on an order.
    async fn advance(&self, url: &str, now: SystemTime) -> Result<(), AcmeError> {
        let looks_for = {
            let state = self.0.state.lock();
            let order = state.orders.get(url).ok_or_else(gone)?;
            let due = order.validated_at.is_some_and(|at| at <= now) && order.status == OrderStatus::Pending;
            due.then(|| (order.name.challenge_name(), order.value.clone()))
        };
        if let Some((name, value)) = looks_for {
            let found = self.0.records.read(&self.0.zone, &name, RecordType::Txt).await.unwrap();
            let wanted = RecordData::Txt(value);
            let seen = found.is_some_and(|set| set.values.contains(&wanted));
            let mut state = self.0.state.lock();
            let CaState { books, orders, .. } = &mut *state;
            let order = orders.get_mut(url).ok_or_else(gone)?;
            order.status = if seen { OrderStatus::Ready } else { OrderStatus::Invalid };
            if !seen {
                let order = DeviceOrder { device: order.device, name: &order.name, replaces: order.replaces };
                let _ = books.complete(&order, false, now);
            }
        }
        let mut state = self.0.state.lock();
        let order = state.orders.get_mut(url).ok_or_else(gone)?;
        if order.expires <= now && !matches!(order.status, OrderStatus::Valid) {
            order.status = OrderStatus::Invalid;
        }
        Ok(())
    }
}

fn gone() -> AcmeError {
    AcmeError::new(AcmeErrorKind::NotFound, Operation::ReadOrder, "no such order")
}

#[async_trait]
impl Authority for SimulatedCa {
    fn account_url(&self) -> &str {
        ACCOUNT
    }

    async fn new_order(&self, order: &NewOrder) -> Result<Box<dyn OrderHandle>, AcmeError> {
        let now = self.answers(Operation::NewOrder)?;
        let [identifier] = order.identifiers.as_slice() else { panic!("devices order one name") };
        let name = identifier.base();
        let url = {
            let mut state = self.0.state.lock();
            let CaState { books, devices, last, orders, next_order, .. } = &mut *state;
            let device = devices[name];
            let replaces = order
                .replaces
                .as_ref()
                .is_some_and(|id| last.get(&device).is_some_and(|certificate| certificate.id == *id));
            let placed = DeviceOrder { device, name, replaces };
            if let Err(refused) = books.place(&placed, now) {
                return Err(AcmeError::new(
                    AcmeErrorKind::RateLimited,
                    Operation::NewOrder,
                    format!("{refused:?}"),
                ));
            }
            *next_order += 1;
            let url = format!("{ACCOUNT}/order/{next_order}");
            let placed = PlacedOrder {
                device,
                name: name.clone(),
                replaces,
                value: TxtValue::new(format!("token-{next_order}").as_bytes()).unwrap(),
                expires: now + ORDER_LIFE,
                status: OrderStatus::Pending,
                validated_at: None,
                chain: None,
            };
            orders.insert(url.clone(), placed);
            url
        };
        self.resume(&url).await
    }

    async fn resume(&self, order_url: &str) -> Result<Box<dyn OrderHandle>, AcmeError> {
        let now = self.answers(Operation::ReadOrder)?;
        self.advance(order_url, now).await?;
        let reading = self.reading(order_url)?;
        Ok(Box::new(Handle { ca: self.clone(), url: order_url.to_owned(), reading }))
    }

    async fn renewal_info(&self, id: &CertificateId) -> Result<RenewalInfo, AcmeError> {
        let now = self.answers(Operation::RenewalInfo)?;
        let state = self.0.state.lock();
        let device = state.owners.get(id).ok_or_else(gone)?;
        let window = match state.last.get(device) {
            // Boulder: from an hour to half an hour before it is asked.
            Some(last) if last.revoked => (now - HOUR, now - HOUR / 2),
            _ => state.books.window(*device).ok_or_else(gone)?,
        };
        Ok(RenewalInfo {
            start: window.0,
            end: window.1,
            explanation_url: None,
            poll_after: RENEWAL_INFO_POLL,
        })
    }

    async fn revoke(&self, _: &[u8], _: RevocationReason) -> Result<(), AcmeError> {
        unimplemented!("the incident revokes at the CA's side")
    }
}

impl SimulatedCa {
    fn reading(&self, url: &str) -> Result<Reading, AcmeError> {
        let state = self.0.state.lock();
        let order = state.orders.get(url).ok_or_else(gone)?;
        Ok(Reading { status: order.status, retry_after: None, problem: None })
    }
}

#[derive(Debug)]
struct Handle {
    ca: SimulatedCa,
    url: String,
    reading: Reading,
}

#[async_trait]
impl OrderHandle for Handle {
    fn url(&self) -> &str {
        &self.url
    }

    fn reading(&self) -> &Reading {
        &self.reading
    }

    async fn challenges(&mut self) -> Result<Vec<Dns01>, AcmeError> {
        self.ca.answers(Operation::ReadChallenges)?;
        let state = self.ca.0.state.lock();
        let order = state.orders.get(&self.url).ok_or_else(gone)?;
        let status = match order.status {
            OrderStatus::Pending => AuthorizationStatus::Pending,
            OrderStatus::Invalid => AuthorizationStatus::Dead,
            _ => AuthorizationStatus::Valid,
        };
        let value = (status == AuthorizationStatus::Pending).then(|| order.value.clone());
        Ok(vec![Dns01 { identifier: order.name.clone().into(), value, status, problem: None }])
    }

    async fn answer(&mut self, _: &Identifier) -> Result<(), AcmeError> {
        let now = self.ca.answers(Operation::Answer)?;
        let mut state = self.ca.0.state.lock();
        let order = state.orders.get_mut(&self.url).ok_or_else(gone)?;
        order.validated_at.get_or_insert(now + VALIDATION);
        Ok(())
    }

    async fn refresh(&mut self) -> Result<(), AcmeError> {
        let now = self.ca.answers(Operation::ReadOrder)?;
        self.ca.advance(&self.url, now).await?;
        self.reading = self.ca.reading(&self.url)?;
        Ok(())
    }

    async fn finalize(&mut self, csr_der: &[u8]) -> Result<(), AcmeError> {
        let now = self.ca.answers(Operation::Finalize)?;
        {
            let mut state = self.ca.0.state.lock();
            let CaState { books, signer, orders, last, owners, .. } = &mut *state;
            let order = orders.get_mut(&self.url).ok_or_else(gone)?;
            assert_eq!(order.status, OrderStatus::Ready, "the engine finalizes what is ready");
            let csr = VerifiedCsr::parse(csr_der, &CsrPolicy::lets_encrypt()).unwrap();
            let placed = DeviceOrder { device: order.device, name: &order.name, replaces: order.replaces };
            let validity = books.complete(&placed, true, now).unwrap();
            let chain = signer.sign(csr.spki(), [order.name.as_str()], validity);
            let leaf = Chain::from_pem(chain.as_bytes()).unwrap();
            let id = leaf.leaf().certificate_id().unwrap();
            owners.insert(id.clone(), order.device);
            let certificate = Certificate { id, not_after: validity.not_after(), revoked: false };
            if let Some(before) = last.insert(order.device, certificate) {
                owners.remove(&before.id);
            }
            order.chain = Some(chain);
            order.status = OrderStatus::Valid;
        }
        self.reading = self.ca.reading(&self.url)?;
        Ok(())
    }

    async fn certificate(&mut self) -> Result<Vec<u8>, AcmeError> {
        self.ca.answers(Operation::Download)?;
        let mut state = self.ca.0.state.lock();
        let order = state.orders.get_mut(&self.url).ok_or_else(gone)?;
        Ok(order.chain.clone().expect("the engine downloads what is valid").into_bytes())
    }
}
