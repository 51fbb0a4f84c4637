//! The control server of a simulated fleet, on the decisions of `fleetcert-schedule`.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use fleetcert_names::IdentifierSet;
use fleetcert_schedule::breaker::{Admission, Breaker, BreakerRule, Failure};
use fleetcert_schedule::budget::{
    Account, BucketKey, Budgets, Charges, HELD_TOKEN_RETRY, Limit, Limits, OrderKind, Outcome, Refusal,
    Reservation,
};
use fleetcert_schedule::order_queue::{
    Candidate, NextOrder, OrderQueue, OrderQueueOptions, Predecessor, Reserve, Tenant, WaitingOrder, lane_of,
    pool_of,
};
use fleetcert_schedule::quota::{CSRS_PER_DEVICE, NameLimit, Quota};
use fleetcert_schedule::{Margin, RenewalPlanner, Window, WindowChange, retry_delay, window_without_ari};

use crate::limiter;

use super::device::{Certificate, Device};
use super::scenario::{ACCOUNT, Scenario};

/// The simulated control server.
pub(super) struct Control<'a> {
    scenario: &'a Scenario,
    queue: OrderQueue<u32>,
    budgets: Budgets,
    reserve: Reserve,
    /// Orders that wait or are in flight, by device.
    orders: HashMap<u32, FleetOrder>,
    account: Account,
    renewals: RenewalPlanner,
    ca: Breaker,
    zone: Breaker,
    /// Device whose order is in flight as a probe.
    probe: Option<u32>,
    name_limit: NameLimit,
    /// Last certificates of each device, in seconds from the start, plus one.
    issued: Vec<[u32; 4]>,
    quota: Quota,
    new_orders: u64,
}

/// An order, as the control server knows it.
struct FleetOrder {
    predecessor: Option<Predecessor>,
    last_issued: Option<SystemTime>,
    /// Renewal window that the CA named for the predecessor.
    window: Option<(SystemTime, SystemTime)>,
    /// Failures in a row.
    failures: u32,
    tenant: Tenant,
    since: SystemTime,
    /// Tokens that it holds while it is in flight.
    reservation: Option<Reservation>,
}

/// The next step.
pub(super) enum Next {
    Start { device: u32, replaces: bool },
    Wait(Option<SystemTime>),
}

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
/// Failures for the retry delay after a fault of the CA or the zone: always one, because the breaker holds the rest.
const FOREIGN_FAILURES: u32 = 1;

impl<'a> Control<'a> {
    pub(super) fn new(scenario: &'a Scenario, limits: Limits) -> Self {
        let devices = scenario.devices as usize;
        let options = OrderQueueOptions {
            capacity: devices.saturating_mul(2).max(1000),
            ..OrderQueueOptions::default()
        };
        let cycle = scenario.profile.lifetime_at(scenario.start).as_secs() * 2 / 3 / 3600;
        let in_an_hour = u64::from(scenario.devices) / cycle.max(1);
        let unnoticed = u32::try_from(in_an_hour + in_an_hour / 4).unwrap_or(u32::MAX);
        Self {
            scenario,
            queue: OrderQueue::new(&options),
            budgets: Budgets::new(limits, devices.saturating_mul(8).max(10_000)),
            reserve: Reserve::default(),
            orders: HashMap::new(),
            account: Account::new(ACCOUNT).expect("visible ASCII"),
            renewals: RenewalPlanner::new(scenario.margin.unwrap_or(Margin::NONE), Some(unnoticed)),
            ca: Breaker::new(BreakerRule::default()),
            zone: Breaker::new(BreakerRule::default()),
            probe: None,
            name_limit: NameLimit::default(),
            issued: Vec::new(),
            quota: Quota::new(CSRS_PER_DEVICE, devices.max(1000), scenario.seed),
            new_orders: 0,
        }
    }

    pub(super) fn waiting(&self) -> usize {
        self.queue.waiting()
    }

    /// Returns whether the quota admits a request of this device.
    pub(super) fn admits(&mut self, device: u32, now: SystemTime) -> bool {
        self.quota.spend(&device, now).is_allowed()
    }

    /// Accepts a request, or returns when to ask again.
    pub(super) fn want(&mut self, device: u32, state: &Device, now: SystemTime) -> Result<(), SystemTime> {
        if let Some(until) = self.name_limit.limited_until(self.issued_times(device), now) {
            return Err(until);
        }
        let order = FleetOrder {
            predecessor: state.certificate.as_ref().map(Certificate::as_predecessor),
            last_issued: state.certificate.as_ref().map(|certificate| certificate.issued_at),
            window: state
                .certificate
                .and_then(|certificate| certificate.window)
                .map(|window| (window.start(), window.end())),
            failures: state.failures,
            tenant: Tenant(device % self.scenario.tenants.max(1)),
            since: now,
            reservation: None,
        };
        self.put(device, order, now, now).ok_or(now + HOUR)
    }

    /// Puts an order into the queue; `None` when there is no room.
    fn put(&mut self, device: u32, order: FleetOrder, due: SystemTime, now: SystemTime) -> Option<()> {
        let (_, charges) = self.charges(device, &order, now);
        let waiting = WaitingOrder {
            name: device,
            version: (),
            is_placed: false,
            lane: lane_of(order.failures, order.predecessor.as_ref(), now),
            expiring_from: order.predecessor.as_ref().map(Predecessor::expiring_from),
            pool: pool_of(&charges),
            tenant: order.tenant,
            deadline: order.predecessor.map_or(order.since, |predecessor| predecessor.not_after),
            since: order.since,
            due,
        };
        self.queue.put(waiting, now).ok()?;
        self.orders.insert(device, order);
        Some(())
    }

    fn charges(&self, device: u32, order: &FleetOrder, now: SystemTime) -> (OrderKind, Charges) {
        let kind = OrderKind::at(order.window, order.last_issued, now);
        let names = IdentifierSet::from(self.scenario.name_of(device));
        (kind, Charges::order(self.budgets.limits(), kind, &self.account, &names))
    }

    fn issued_times(&self, device: u32) -> impl Iterator<Item = SystemTime> + use<> {
        let start = self.scenario.start;
        let times = self.issued.get(device as usize).copied().unwrap_or_default();
        times.into_iter().filter(|at| *at > 0).map(move |at| start + Duration::from_secs(u64::from(at) - 1))
    }

    /// Returns the next order to send, or when to ask again.
    pub(super) fn next(&mut self, now: SystemTime) -> Next {
        let admission = self.ca.decide(now).and(self.zone.decide(now));
        if let Admission::Stop { until } = admission {
            return Next::Wait(Some(until));
        }
        if admission == Admission::Probe && self.probe.is_some() {
            return Next::Wait(None);
        }
        loop {
            let candidate = match self.queue.next(now) {
                NextOrder::Candidate(candidate) => candidate,
                NextOrder::Wait { until, .. } => return Next::Wait(until),
                NextOrder::Empty => return Next::Wait(None),
            };
            let Some(kind) = self.admit(&candidate, now) else { continue };
            let device = candidate.name;
            if admission == Admission::Probe {
                self.probe = Some(device);
                self.ca.probe_started(now);
                self.zone.probe_started(now);
            }
            let replaces = matches!(kind, OrderKind::AriWindow { .. });
            self.new_orders += u64::from(kind == OrderKind::New);
            return Next::Start { device, replaces };
        }
    }

    /// Reserves the tokens of a candidate and starts it, or gives the queue the verdict why not.
    fn admit(&mut self, candidate: &Candidate<u32>, now: SystemTime) -> Option<OrderKind> {
        let device = candidate.name;
        let Some(order) = self.orders.get(&device) else {
            self.queue.forget(&device);
            return None;
        };
        let (kind, charges) = self.charges(device, order, now);
        let lane = lane_of(order.failures, order.predecessor.as_ref(), now);
        if !self.queue.confirm(candidate, lane, pool_of(&charges)) {
            return None;
        }
        let leave = self.reserve.leave_of(lane);
        if let Some(denial) = self.budgets.shared_denial(&charges, leave, now) {
            let starting = self.queue.starting(candidate.pool);
            self.queue.close(candidate, &denial, starting, now);
            return None;
        }
        match self.budgets.reserve_leaving(&charges, leave, now) {
            Ok(reservation) => {
                self.queue.start(candidate);
                self.queue.reserved(&device);
                if let Some(order) = self.orders.get_mut(&device) {
                    order.reservation = Some(reservation);
                }
                Some(kind)
            }
            Err(denied) => {
                self.queue.hold(&device, denied.retry_at().unwrap_or(now + HELD_TOKEN_RETRY));
                None
            }
        }
    }

    /// Records that the CA accepted the order.
    pub(super) fn placed(&mut self, device: u32, now: SystemTime) {
        if let Some(reservation) = self.orders.get_mut(&device).and_then(|order| order.reservation.as_mut()) {
            self.budgets.ordered(reservation, now);
        }
    }

    /// Releases the tokens of an order of which the CA spent none. The order waits again until `due`.
    fn release(&mut self, device: u32, due: SystemTime, now: SystemTime) {
        if let Some(reservation) = self.orders.get_mut(&device).and_then(|order| order.reservation.take()) {
            self.budgets.release(reservation, now);
        }
        self.queue.end(&device, Some(due), now);
        self.queue.reopen_pools();
    }

    /// Ends an order that the CA accepted.
    fn finish(&mut self, device: u32, outcome: &Outcome, now: SystemTime) -> Option<FleetOrder> {
        let mut order = self.orders.remove(&device)?;
        if let Some(reservation) = order.reservation.take() {
            self.budgets.commit(reservation, outcome, now);
        }
        self.queue.end(&device, None, now);
        if *outcome != Outcome::Done {
            self.queue.reopen_pools();
        }
        Some(order)
    }

    /// Records that the CA did not answer.
    pub(super) fn ca_is_away(&mut self, device: u32, now: SystemTime, random: u64) {
        if self.probe == Some(device) {
            self.probe = None;
            self.ca.probe_failed(Failure::Unreachable, now);
        } else {
            self.ca.failure(Failure::Unreachable, self.scenario.name_of(device).as_str(), now);
        }
        self.release(device, now + retry_delay(FOREIGN_FAILURES, random), now);
    }

    /// Records that the record of a placed order could not be published. The order fails.
    pub(super) fn zone_is_away(&mut self, device: u32, now: SystemTime, random: u64) {
        if self.probe == Some(device) {
            self.probe = None;
            self.zone.probe_failed(Failure::Unreachable, now);
            self.ca.probe_succeeded();
        } else {
            self.zone.failure(Failure::Unreachable, self.scenario.name_of(device).as_str(), now);
        }
        if let Some(order) = self.finish(device, &Outcome::NotIssued { failed: Vec::new() }, now) {
            self.retry(device, order, FOREIGN_FAILURES, now, random);
        }
    }

    /// Records a failed validation.
    pub(super) fn validation_failed(&mut self, device: u32, failures: u32, now: SystemTime, random: u64) {
        let failed = vec![self.scenario.name_of(device)];
        if let Some(order) = self.finish(device, &Outcome::NotIssued { failed }, now) {
            self.retry(device, FleetOrder { failures, ..order }, failures, now, random);
        }
    }

    fn retry(&mut self, device: u32, order: FleetOrder, failures: u32, now: SystemTime, random: u64) {
        let room = self.put(device, order, now + retry_delay(failures, random), now);
        debug_assert!(room.is_some(), "the queue has room for twice the devices");
    }

    /// Records that the CA refused the order for a rate limit.
    pub(super) fn refused(&mut self, device: u32, refused: &limiter::Refused, now: SystemTime) {
        let name = self.scenario.name_of(device);
        let limits = self.budgets.limits();
        let key = match refused.limit {
            limiter::Limit::CertificatesPerDomain => {
                BucketKey::CertificatesPerDomain(limits.counted_domain(&name))
            }
            limiter::Limit::CertificatesPerExactSet => {
                BucketKey::CertificatesPerFqdnSet(IdentifierSet::from(name))
            }
            limiter::Limit::FailedAuthorizations => {
                BucketKey::FailedAuthorizationsPerDomainPerAccount(self.account.clone(), name)
            }
            _ => BucketKey::NewOrdersPerAccount(self.account.clone()),
        };
        let retry_after = refused.retry_after.unwrap_or(DAY);
        let burst = u32::try_from(refused.burst).ok();
        let refusal = Refusal { retry_after, seen: burst.map(|burst| (burst, refused.period)) };
        if let Some(reservation) = self.orders.get_mut(&device).and_then(|order| order.reservation.take()) {
            self.budgets.release(reservation, now);
        }
        // Without room for the correction, the order itself keeps the time.
        let corrected = self.budgets.correct(&key, refusal, now).is_some();
        let due = if corrected { now } else { now + retry_after };
        self.release(device, due, now);
    }

    /// Records a certificate. Returns its renewal time, and the window in which the CA exempts its renewal.
    pub(super) fn issued(
        &mut self,
        device: u32,
        window: Option<(SystemTime, SystemTime)>,
        validity: (SystemTime, SystemTime),
        now: SystemTime,
        random: u64,
    ) -> (SystemTime, Option<Window>) {
        self.finish(device, &Outcome::Done, now);
        if self.probe == Some(device) {
            self.probe = None;
            self.ca.probe_succeeded();
            self.zone.probe_succeeded();
        } else {
            let name = self.scenario.name_of(device);
            self.ca.success(name.as_str(), now);
            self.zone.success(name.as_str(), now);
        }
        self.note_issued(device, now);
        let named = window.and_then(|(start, end)| Window::new(start, end));
        let Some(window) = named.or_else(|| window_without_ari(validity.0, validity.1)) else {
            return (validity.1, None);
        };
        let (not_before, not_after) = validity;
        let change = WindowChange { window, is_first: true, not_before, not_after, planned: None };
        (self.renewals.plan(&change, now, random), named)
    }

    /// Removes a planned renewal that has begun or is void.
    pub(super) fn unplan(&mut self, at: SystemTime) {
        self.renewals.replace(Some(at), None);
    }

    fn note_issued(&mut self, device: u32, now: SystemTime) {
        let index = device as usize;
        if self.issued.len() <= index {
            self.issued.resize(index + 1, [0; 4]);
        }
        let seconds = now.duration_since(self.scenario.start).unwrap_or_default().as_secs();
        let times = &mut self.issued[index];
        times.rotate_left(1);
        times[3] = u32::try_from(seconds).unwrap_or(u32::MAX).saturating_add(1);
    }

    /// How many new orders the account's limit had room for until `now`, and how many were sent.
    pub(super) fn new_orders(&self, now: SystemTime) -> (u64, u64) {
        use fleetcert_schedule::budget::Rule;
        let key = BucketKey::NewOrdersPerAccount(self.account.clone());
        let room = match self.budgets.limits().rule_for(&key) {
            Rule::Limited(limit) => {
                room_of(&limit, now.duration_since(self.scenario.start).unwrap_or_default())
            }
            Rule::Unlimited | Rule::Unknown => u64::MAX,
        };
        (room, self.new_orders)
    }
}

fn room_of(limit: &Limit, time: Duration) -> u64 {
    let refilled = time.as_nanos() / limit.emission_interval().as_nanos().max(1);
    u64::from(limit.burst()).saturating_add(u64::try_from(refilled).unwrap_or(u64::MAX))
}
