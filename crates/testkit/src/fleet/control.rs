//! The control server of a simulated fleet: what `fleetcert-schedule` decides, wired together.

use std::time::{Duration, SystemTime};

use fleetcert_schedule::breaker::{Admission, Breaker, BreakerRule, Failure};
use fleetcert_schedule::budget::{Account, BucketKey, Limit, Limits, NameSet, OrderKind, Outcome, Refusal};
use fleetcert_schedule::queue::{Lane, Tenant};
use fleetcert_schedule::quota::{CSRS_PER_DEVICE, NameLimit, Quota, is_urgent};
use fleetcert_schedule::scheduler::{Next as Scheduled, Scheduler, SchedulerOptions, Want};
use fleetcert_schedule::{Calendar, Margin, Window, retry_delay, smear_from, window_without_ari};

use crate::limiter;

use super::device::Device;
use super::report::Reason;
use super::scenario::{ACCOUNT, Scenario};

/// The control server: everything that decides.
pub(super) struct Control<'a> {
    scenario: &'a Scenario,
    scheduler: Scheduler<u32>,
    account: Account,
    calendar: Calendar,
    ca: Breaker,
    zone: Breaker,
    /// Of the order that is under way as a probe.
    probe: Option<u32>,
    name_limit: NameLimit,
    /// The last certificates of each device, as seconds from the start and one.
    issued: Vec<[u32; 4]>,
    quota: Quota,
    new_orders: u64,
}

/// What to do now.
pub(super) enum Next {
    Start { device: u32, replaces: bool },
    Wait(Option<SystemTime>),
}

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
/// The names of failing devices are tried in a lane of their own after so many failures.
const FAILING: u32 = 3;
/// What fails because the CA or the zone is away counts as a first failure, always: the breaker holds the rest back.
const NOT_ITS_OWN: u32 = 1;

impl<'a> Control<'a> {
    pub(super) fn new(scenario: &'a Scenario, limits: Limits) -> Self {
        let devices = scenario.devices as usize;
        let options = SchedulerOptions {
            capacity: devices.saturating_mul(2).max(1000),
            bucket_capacity: devices.saturating_mul(8).max(10_000),
            ..SchedulerOptions::new(limits)
        };
        let cycle = scenario.lives.at(scenario.start).as_secs() * 2 / 3 / 3600;
        let in_an_hour = u64::from(scenario.devices) / cycle.max(1);
        Self {
            scenario,
            scheduler: Scheduler::new(options),
            account: Account::new(ACCOUNT).expect("visible ASCII"),
            calendar: Calendar::new(u32::try_from(in_an_hour + in_an_hour / 4).unwrap_or(u32::MAX)),
            ca: Breaker::new(BreakerRule::default()),
            zone: Breaker::new(BreakerRule::default()),
            probe: None,
            name_limit: NameLimit::FOUR_A_WEEK,
            issued: Vec::new(),
            quota: Quota::new(CSRS_PER_DEVICE, devices.max(1000), scenario.seed),
            new_orders: 0,
        }
    }

    pub(super) fn waiting(&self) -> usize {
        self.scheduler.waiting()
    }

    /// Whether a request of this device gets beyond the quota.
    pub(super) fn admits(&mut self, device: u32, now: SystemTime) -> bool {
        self.quota.spend(&device, now).is_allowed()
    }

    /// Takes a request, or says when to ask again.
    pub(super) fn want(
        &mut self,
        device: u32,
        state: &Device,
        reason: Reason,
        now: SystemTime,
    ) -> Result<(), SystemTime> {
        if let Some(until) = self.name_limit.limited_until(self.issued_times(device), now) {
            return Err(until);
        }
        let last = state.certificate.as_ref();
        let last_issued = last.map(|certificate| certificate.issued_at);
        let want = Want {
            names: NameSet::new(&[self.scenario.name_of(device)]).expect("one name"),
            account: self.account.clone(),
            last_issued,
            ari_window: last.and_then(|certificate| certificate.window),
            lane: lane_of(state, reason, now),
            tenant: Tenant(device % self.scenario.tenants.max(1)),
            deadline: last.map_or(now, |certificate| certificate.not_after),
            not_before: None,
        };
        self.scheduler.want(device, &want, now).map_err(|_| now + HOUR)
    }

    fn issued_times(&self, device: u32) -> impl Iterator<Item = SystemTime> + use<> {
        let start = self.scenario.start;
        let times = self.issued.get(device as usize).copied().unwrap_or_default();
        times.into_iter().filter(|at| *at > 0).map(move |at| start + Duration::from_secs(u64::from(at) - 1))
    }

    /// The next order to be sent, or when to ask again.
    pub(super) fn next(&mut self, now: SystemTime) -> Next {
        let admission = self.ca.decide(now).and(self.zone.decide(now));
        if let Admission::Stop { until } = admission {
            return Next::Wait(Some(until));
        }
        if admission == Admission::Probe && self.probe.is_some() {
            return Next::Wait(None);
        }
        match self.scheduler.next(now) {
            Scheduled::Start(start) => {
                if admission == Admission::Probe {
                    self.probe = Some(start.key);
                    self.ca.probe_started(now);
                    self.zone.probe_started(now);
                }
                let replaces = matches!(start.kind, OrderKind::AriWindow { .. });
                self.new_orders += u64::from(start.kind == OrderKind::New);
                Next::Start { device: start.key, replaces }
            }
            Scheduled::Wait { until, .. } => Next::Wait(until),
            Scheduled::Empty => Next::Wait(None),
        }
    }

    /// The CA took the order.
    pub(super) fn placed(&mut self, device: u32, now: SystemTime) {
        self.scheduler.ordered(device, now);
    }

    /// The CA did not answer at all.
    pub(super) fn ca_is_away(&mut self, device: u32, now: SystemTime, random: u64) {
        if self.probe == Some(device) {
            self.probe = None;
            self.ca.probe_failed(Failure::Unreachable, now);
        } else {
            self.ca.failure(Failure::Unreachable, self.scenario.name_of(device).as_str(), now);
        }
        let not_before = now + retry_delay(NOT_ITS_OWN, random);
        self.scheduler.put_back(device, Some(not_before), now);
    }

    /// The order stands at the CA, and the record could not be published. It comes to nothing.
    pub(super) fn zone_is_away(&mut self, device: u32, now: SystemTime, random: u64) {
        if self.probe == Some(device) {
            self.probe = None;
            self.zone.probe_failed(Failure::Unreachable, now);
            self.ca.probe_succeeded();
        } else {
            self.zone.failure(Failure::Unreachable, self.scenario.name_of(device).as_str(), now);
        }
        self.again(device, Vec::new(), NOT_ITS_OWN, now, random);
    }

    /// The CA looked, and did not see the record.
    pub(super) fn validation_failed(&mut self, device: u32, failures: u32, now: SystemTime, random: u64) {
        self.again(device, vec![self.scenario.name_of(device)], failures, now, random);
    }

    fn again(
        &mut self,
        device: u32,
        failed: Vec<fleetcert_names::HostName>,
        failures: u32,
        now: SystemTime,
        random: u64,
    ) {
        if let Some(want) = self.scheduler.finished(device, &Outcome::NotIssued { failed }, now) {
            let lane = if failures >= FAILING { Lane::Failing } else { want.lane };
            let not_before = Some(now + retry_delay(failures, random));
            // There was room for it until now.
            let _ = self.scheduler.want(device, &Want { lane, not_before, ..want }, now);
        }
    }

    /// The CA refused the order for a rate limit.
    pub(super) fn refused(&mut self, device: u32, refused: &limiter::Refused, now: SystemTime) {
        let name = self.scenario.name_of(device);
        let limits = self.scheduler.budgets().limits();
        let key = match refused.limit {
            limiter::Limit::CertificatesPerDomain => {
                BucketKey::CertificatesPerDomain(limits.counted_domain(&name))
            }
            limiter::Limit::CertificatesPerExactSet => {
                BucketKey::CertificatesPerFqdnSet(NameSet::new(&[name]).expect("one name"))
            }
            limiter::Limit::FailedAuthorizations => {
                BucketKey::FailedAuthorizationsPerDomainPerAccount(self.account.clone(), name)
            }
            _ => BucketKey::NewOrdersPerAccount(self.account.clone()),
        };
        let retry_after = refused.retry_after.unwrap_or(DAY);
        let burst = u32::try_from(refused.burst).ok();
        let refusal = Refusal { retry_after, seen: burst.map(|burst| (burst, refused.period)) };
        self.scheduler.refused(device, &key, refusal, now);
    }

    /// The certificate is there. Says when it is to be renewed, and when the CA exempts its renewal.
    pub(super) fn issued(
        &mut self,
        device: u32,
        window: Option<(SystemTime, SystemTime)>,
        validity: (SystemTime, SystemTime),
        now: SystemTime,
        random: u64,
    ) -> (SystemTime, Option<Window>) {
        self.scheduler.finished(device, &Outcome::Done, now);
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
        let margin = self.scenario.margin.unwrap_or(Margin::NONE);
        let wanted = margin.apply(window, validity.0, validity.1, now);
        (self.calendar.place(wanted, smear_from(now, wanted), now, random), named)
    }

    /// A planned renewal has begun, or is void.
    pub(super) fn unplan(&mut self, at: SystemTime) {
        self.calendar.remove(at);
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
        let room = match self.scheduler.budgets().limits().rule_for(&key) {
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

fn lane_of(state: &Device, reason: Reason, now: SystemTime) -> Lane {
    let urgent = state.certificate.as_ref().is_some_and(|certificate| {
        let half_left = certificate.renew_at
            + certificate.not_after.duration_since(certificate.renew_at).unwrap_or_default() / 2;
        certificate.not_after > now
            && is_urgent(certificate.issued_at, certificate.not_after, now)
            && now >= half_left
    });
    match reason {
        _ if state.failures >= FAILING => Lane::Failing,
        Reason::New => Lane::New,
        Reason::Revoked => Lane::Revoked,
        _ if urgent => Lane::Expiring,
        Reason::Renewal | Reason::Return | Reason::Lost => Lane::Routine,
    }
}
