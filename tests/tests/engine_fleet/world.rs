//! What happens to the fleet, in order of time.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::time::{Duration, Instant, SystemTime};

use fleetcert_ambient::{Clock, Entropy, SeededEntropy, TokioClock};
use fleetcert_dns::MemoryBackend;
use fleetcert_names::{DomainName, HostName, Label};
use fleetcert_protocol::CertificateRequest;
use fleetcert_testkit::fleet::{Scenario, What};

use crate::ca::SimulatedCa;
use crate::control_server::ControlServer;
use crate::device::Device;
use crate::report::Report;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
/// How often a broken device begins again.
const REINSTALL: Duration = Duration::from_secs(20 * 60);
/// Requests a second of a hostile device, for an hour; one a minute after it.
const STORM: u32 = if cfg!(debug_assertions) { 20 } else { 1000 };

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    ServerKilled,
    ServerStarted,
    Day(u32),
    Incident(u32),
    Born(u32),
    Due(u32, u32),
    Sleep(u32),
    Wake(u32),
    Lose(u32),
    Reinstall(u32),
    Storm(u32, u32),
    /// The certificate that was installed at this time expires, if it is still in use.
    Expiry(u32, SystemTime),
}

struct World {
    scenario: Scenario,
    clock: TokioClock,
    chance: SeededEntropy,
    agenda: BinaryHeap<Reverse<(SystemTime, u64, Event)>>,
    entered: u64,
    ca: SimulatedCa,
    server: ControlServer,
    devices: Vec<Option<Device>>,
    /// Devices that the scenario uses for mischief: they never sleep.
    mischievous: std::ops::Range<u32>,
    revoked: BTreeSet<u32>,
    revoked_at: Option<SystemTime>,
    storm: Vec<CertificateRequest>,
    report: Report,
}

pub(crate) async fn live_through(scenario: Scenario) -> Report {
    #[allow(clippy::disallowed_methods)] // what the run costs on the machine, not in the fleet's time
    let began = Instant::now();
    let clock = TokioClock::starting_at(scenario.start);
    let zone: DomainName = zone_of(&scenario);
    let records = MemoryBackend::new([&zone]);
    let ca = SimulatedCa::new(&scenario, clock, zone.clone(), records.clone());
    let server = ControlServer::new(&scenario, clock, &ca, zone, records.clone());
    let habits = scenario.habits;
    let mischievous = scenario.devices.saturating_sub(habits.reinstall_in_a_loop + habits.hostile);
    let mut world = World {
        clock,
        chance: SeededEntropy::new(scenario.seed),
        agenda: BinaryHeap::new(),
        entered: 0,
        ca,
        server,
        devices: Vec::new(),
        mischievous: mischievous..scenario.devices,
        revoked: BTreeSet::new(),
        revoked_at: None,
        storm: Vec::new(),
        report: Report { days: scenario.days, ..Report::default() },
        scenario,
    };
    world.begin();
    let end = world.scenario.end();
    while let Some(Reverse((at, _, event))) = world.agenda.pop() {
        if at >= end {
            break;
        }
        world.wait_until(at).await;
        world.happen(event).await;
    }
    world.wait_until(end).await;
    world.finish(&records);
    world.report.seconds = began.elapsed().as_secs_f64();
    world.report
}

/// The zone of the first device's name: all of a scenario on the public suffix list have the same.
fn zone_of(scenario: &Scenario) -> DomainName {
    scenario.name_of(0).as_domain().parent().expect("a device's name has a zone")
}

impl World {
    fn begin(&mut self) {
        let start = self.scenario.start;
        self.enter(start, Event::ServerStarted);
        for outage in self.scenario.control_outages.clone() {
            self.enter(start + outage.after, Event::ServerKilled);
            self.enter(start + outage.after + outage.length, Event::ServerStarted);
        }
        for (index, incident) in (0..).zip(self.scenario.incidents.clone()) {
            self.enter(start + incident.after, Event::Incident(index));
        }
        for device in 0..self.scenario.devices {
            let at = start + SECOND + self.below_seconds(HOUR);
            self.enter(at, Event::Born(device));
        }
        let habits = self.scenario.habits;
        let (loops, all) = (self.mischievous.start, self.mischievous.clone());
        for device in all {
            let event = match device - loops < habits.reinstall_in_a_loop {
                true => Event::Reinstall(device),
                false => Event::Storm(device, 0),
            };
            self.enter(start + DAY, event);
        }
        self.enter(start, Event::Day(0));
    }

    fn enter(&mut self, at: SystemTime, event: Event) {
        self.entered += 1;
        self.agenda.push(Reverse((at, self.entered, event)));
    }

    async fn wait_until(&self, at: SystemTime) {
        if let Ok(wait) = at.duration_since(self.clock.now()) {
            self.clock.sleep(wait).await;
        }
    }

    fn below(&self, most: u32) -> u32 {
        u32::try_from(self.chance.random() % u64::from(most.max(1))).expect("below a u32")
    }

    fn below_seconds(&self, most: Duration) -> Duration {
        Duration::from_secs(self.chance.random() % most.as_secs().max(1))
    }

    /// Returns how many of `count` are affected at this rate per million; the fraction is drawn at random.
    fn share(&self, count: u32, per_million: u32) -> u32 {
        let whole = u64::from(count) * u64::from(per_million);
        let extra = u64::from(self.below(1_000_000)) < whole % 1_000_000;
        u32::try_from(whole / 1_000_000 + u64::from(extra)).expect("no more than the count")
    }

    async fn happen(&mut self, event: Event) {
        match event {
            Event::ServerKilled => self.server.kill().await,
            Event::ServerStarted => self.server.start(),
            Event::Day(day) => self.begin_day(day),
            Event::Incident(index) => self.revoke(index),
            Event::Born(device) => self.born(device).await,
            Event::Due(device, generation) => {
                let current = self.devices[device as usize].as_ref();
                if current.is_some_and(|device| device.generation == generation) {
                    self.act(device).await;
                }
            }
            Event::Sleep(device) => self.sleep(device),
            Event::Wake(device) => self.wake(device).await,
            Event::Lose(device) => self.lose(device).await,
            Event::Reinstall(device) => {
                self.lose(device).await;
                self.enter(self.clock.now() + REINSTALL, Event::Reinstall(device));
            }
            Event::Storm(device, second) => self.storm(device, second).await,
            Event::Expiry(device, installed_at) => self.expire(device, installed_at),
        }
    }

    fn begin_day(&mut self, day: u32) {
        let now = self.clock.now();
        self.enter(now + DAY, Event::Day(day + 1));
        let (habits, first) = (self.scenario.habits, self.scenario.devices);
        let count = u32::try_from(self.devices.len()).expect("as many as u32 numbers").max(first);
        for device in 0..self.share(first, self.scenario.growth_per_mille * 1000 / 30) {
            let at = now + self.below_seconds(DAY);
            self.enter(at, Event::Born(count + device));
        }
        for _ in 0..self.share(count, habits.fall_asleep) {
            let (device, at) = (self.below(count), now + self.below_seconds(DAY));
            self.enter(at, Event::Sleep(device));
        }
        for _ in 0..self.share(count, habits.lose_disk) {
            let (device, at) = (self.below(count), now + self.below_seconds(DAY));
            self.enter(at, Event::Lose(device));
        }
    }

    async fn born(&mut self, device: u32) {
        let name: HostName = self.scenario.name_of(device);
        let label: Label = name.as_domain().labels().next().expect("a name has labels").parse().unwrap();
        let now = self.clock.now();
        let Ok((member, name)) = self.server.enrol(&label).await else {
            return self.enter(now + self.below_seconds(HOUR), Event::Born(device));
        };
        self.ca.add_device(device, name.clone());
        let index = device as usize;
        if self.devices.len() <= index {
            self.devices.resize_with(index + 1, || None);
        }
        self.devices[index] = Some(Device::new(member, name, now));
        self.act(device).await;
    }

    /// Lets a device that is on do what its plan says, and enters when it acts next.
    async fn act(&mut self, index: u32) {
        let now = self.clock.now();
        let jitter = self.chance.random();
        let Some(device) = self.devices.get_mut(index as usize).and_then(Option::as_mut) else { return };
        if device.awake_since.is_none() {
            return;
        }
        let was_revoked = self.ca.is_revoked(index);
        let round = device.act(&self.server, now).await;
        self.report.polls += 1;
        device.generation += 1;
        let generation = device.generation;
        // As the agent does: up to a tenth more, so that a fleet spreads.
        let wait = round.wait + round.wait / 10 / 256 * u32::from(jitter as u8);
        let installed = device.installed.filter(|_| round.installed);
        if let (Some(left), Some(_)) = (round.replaced_with_left, installed) {
            let in_its_time = !was_revoked && !self.mischievous.contains(&index);
            let least = &mut self.report.least_left_at_renewal;
            if in_its_time && least.is_none_or(|least| left < least) {
                *least = Some(left);
            }
        }
        if let Some(installed) = installed {
            self.enter(installed.validity.not_after(), Event::Expiry(index, installed.at));
            self.note_replacement(index, now);
        }
        self.enter(now + wait.max(SECOND), Event::Due(index, generation));
    }

    fn note_replacement(&mut self, index: u32, now: SystemTime) {
        let Some(revoked_at) = self.revoked_at else { return };
        let device = self.devices[index as usize].as_ref().expect("it has just acted");
        if self.revoked.remove(&index)
            && !self.mischievous.contains(&index)
            && device.awake_since.is_some_and(|since| since <= revoked_at)
        {
            let took = now.duration_since(revoked_at).unwrap_or_default();
            self.report.longest_revoked = self.report.longest_revoked.max(took);
        }
    }

    fn sleep(&mut self, index: u32) {
        if self.mischievous.contains(&index) {
            return;
        }
        // From a day to eight months, short ones more often.
        let days = f64::from(self.below(790)) / 100.0;
        let Some(device) = self.devices.get_mut(index as usize).and_then(Option::as_mut) else { return };
        if device.awake_since.is_none() || device.installed.is_none() {
            return;
        }
        device.awake_since = None;
        device.generation += 1;
        self.enter(self.clock.now() + DAY.mul_f64(days.exp2()), Event::Wake(index));
    }

    async fn wake(&mut self, index: u32) {
        let now = self.clock.now();
        if let Some(device) = self.devices.get_mut(index as usize).and_then(Option::as_mut) {
            device.wake(now);
        }
        self.act(index).await;
    }

    async fn lose(&mut self, index: u32) {
        let now = self.clock.now();
        if let Some(device) = self.devices.get_mut(index as usize).and_then(Option::as_mut) {
            device.lose_files(now);
        }
        self.act(index).await;
    }

    /// A thousand requests in each second of an hour, then one a minute, each of them for another key.
    async fn storm(&mut self, index: u32, second: u32) {
        let (requests, pause) = if second < 3600 { (STORM, 1) } else { (1, 60) };
        self.enter(self.clock.now() + SECOND * pause, Event::Storm(index, second + pause));
        let Some(device) = self.devices[index as usize].as_ref() else { return };
        if self.storm.is_empty() {
            self.storm = (0..16).map(|_| device.new_request().0).collect();
        }
        for request in 0..requests {
            self.report.hostile.0 += 1;
            let request = &self.storm[request as usize % self.storm.len()];
            let admitted = self.server.request(&device.member, request).await.is_ok();
            self.report.hostile.1 += u64::from(admitted);
        }
    }

    fn revoke(&mut self, index: u32) {
        let now = self.clock.now();
        let Some(incident) = self.scenario.incidents.get(index as usize).copied() else { return };
        for device in 0..u32::try_from(self.devices.len()).expect("as many as u32 numbers") {
            if self.below(1000) < incident.per_mille && self.ca.revoke_last_of(device, now) {
                self.revoked.insert(device);
                self.report.revoked += 1;
            }
        }
        self.revoked_at = Some(now);
    }

    fn expire(&mut self, index: u32, installed_at: SystemTime) {
        let Some(device) = self.devices[index as usize].as_ref() else { return };
        let Some(installed) = device.installed.filter(|installed| installed.at == installed_at) else {
            return;
        };
        // A hostile device orders for keys that it does not keep, and has only itself to blame.
        if device.was_reachable(&installed) && !self.mischievous.contains(&index) {
            self.report.expired_reachable += 1;
        } else {
            self.report.expired_away += 1;
        }
    }

    fn finish(&mut self, records: &MemoryBackend) {
        let now = self.clock.now();
        let settled = |since: Option<SystemTime>| since.is_some_and(|since| since + 2 * DAY < now);
        for (index, device) in (0..).zip(&self.devices) {
            let Some(device) = device.as_ref().filter(|_| !self.mischievous.contains(&index)) else {
                continue;
            };
            if !settled(device.awake_since) || device.lost_files_at.is_some_and(|at| !settled(Some(at))) {
                continue;
            }
            let certified = device.installed.is_some_and(|installed| installed.validity.contains(now));
            self.report.without_certificate += u64::from(!certified);
            self.report.still_revoked += u64::from(self.revoked.contains(&index));
        }
        self.report.devices = self.devices.iter().flatten().count();
        self.report.orders = self.ca.count(|what| matches!(what, What::Order { .. }));
        self.report.certificates = self.ca.count(|what| what == What::Certificate);
        self.report.rate_limited = self.ca.count(|what| what == What::RateLimited);
        self.report.failed_validations = self.ca.count(|what| what == What::Failed);
        self.report.unanswered = self.ca.unanswered();
        self.report.zone_refusals = self.server.zone_refusals();
        self.report.challenge_records_left = records.record_sets();
    }
}
