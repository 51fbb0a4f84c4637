//! The simulation: a fleet, its control server and its CA, in virtual time.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, SystemTime};

use fleetcert_schedule::budget::Limits;

use super::agenda::{Agenda, Event};
use super::ca::{Ca, Order};
use super::chance::Chance;
use super::control::{Control, Next};
use super::device::{Certificate, Device, Wanted};
use super::report::{DayLine, Reason, Report};
use super::scenario::{Scenario, Span};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);
/// The control server asks for each renewal window so often (Let's Encrypt's `Retry-After`).
const ARI_POLL: Duration = Duration::from_secs(6 * 3600);

/// Where a simulation stands at the end of a day.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// The day, from 1.
    pub day: u32,
    /// Of so many.
    pub days: u32,
    /// What was counted until now.
    pub report: &'a Report,
}

/// Lets a scenario happen to a fleet, before this CA, and tells what came of it.
///
/// The control server schedules with `limits`, which need not be those of the CA. `progress` is called after each
/// day. Nothing is random but what comes from the scenario's seed.
pub fn simulate(
    scenario: &Scenario,
    limits: Limits,
    ca: &mut dyn Ca,
    mut progress: impl FnMut(Progress<'_>),
) -> Report {
    let mut simulation = Simulation {
        scenario,
        ca,
        control: Control::new(scenario, limits),
        devices: Vec::new(),
        agenda: Agenda::default(),
        chance: Chance::new(scenario.seed),
        now: scenario.start,
        look_at: None,
        report: Report::default(),
        day: DayLine::default(),
        watched: BTreeMap::new(),
        of_first_day: 0,
    };
    simulation.begin();
    while let Some((at, event)) = simulation.agenda.next() {
        if at >= scenario.end() {
            break;
        }
        simulation.now = at;
        simulation.happen(event);
        if let Event::Day(day @ 1..) = event {
            progress(Progress { day, days: scenario.days, report: &simulation.report });
        }
    }
    simulation.finish()
}

struct Simulation<'a> {
    scenario: &'a Scenario,
    ca: &'a mut dyn Ca,
    control: Control<'a>,
    devices: Vec<Device>,
    agenda: Agenda,
    chance: Chance,
    now: SystemTime,
    /// When the scheduler is asked next, if nothing happens before.
    look_at: Option<SystemTime>,
    report: Report,
    day: DayLine,
    /// The devices that ask too often, and when they got certificates.
    watched: BTreeMap<u32, VecDeque<SystemTime>>,
    /// How many devices of the first day have had a certificate.
    of_first_day: u32,
}

impl Simulation<'_> {
    fn begin(&mut self) {
        let scenario = self.scenario;
        for device in 0..scenario.devices {
            self.agenda.enter(scenario.start, Event::Born(device));
        }
        self.agenda.enter(scenario.start, Event::Day(0));
        for (index, incident) in (0..).zip(&scenario.incidents) {
            self.agenda.enter(scenario.start + incident.after, Event::Incident(index));
        }
        let habits = scenario.habits;
        let first_bad = scenario.devices.saturating_sub(habits.reinstall_in_a_loop + habits.hostile);
        let loops = first_bad..(first_bad + habits.reinstall_in_a_loop).min(scenario.devices);
        let hostile = loops.end..scenario.devices;
        for device in loops {
            self.watched.insert(device, VecDeque::new());
            self.agenda.enter(scenario.start + DAY, Event::Reinstall(device));
        }
        for device in hostile.filter(|_| habits.hostile > 0) {
            self.watched.insert(device, VecDeque::new());
            self.agenda.enter(scenario.start + DAY, Event::Storm(device, 0));
        }
        if let Some(returning) = scenario.returning {
            for device in 0..returning.devices.min(scenario.devices) {
                self.agenda.enter(scenario.start + returning.after, Event::Wake(device));
            }
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Day(day) => self.day_begins(day),
            Event::Born(device) => self.born(device),
            Event::Due(device, generation) => {
                let current = &self.devices[device as usize];
                if current.generation == generation && current.awake_since.is_some() {
                    self.ask(device, current.reason());
                }
            }
            Event::Sleep(device) => self.sleeps(device),
            Event::Wake(device) => self.wakes(device),
            Event::Lose(device) => self.ask_anew(device),
            Event::Reinstall(device) => {
                self.ask_anew(device);
                self.agenda.enter(self.now + 20 * MINUTE, Event::Reinstall(device));
            }
            Event::Storm(device, second) => self.storm(device, second),
            Event::Incident(index) => self.incident(index),
            Event::Revoked(device, generation) => self.learns_of_revocation(device, generation),
            Event::Complete(device) => self.complete(device),
            Event::Look => {
                self.look_at = None;
            }
        }
        self.start_orders();
    }

    /// Writes the day before down and asks chance for the new one.
    fn day_begins(&mut self, day: u32) {
        if day > 0 {
            self.write_down(day);
        }
        self.agenda.enter(self.now + DAY, Event::Day(day + 1));
        let scenario = self.scenario;
        let habits = scenario.habits;
        let now = u32::try_from(self.devices.len()).unwrap_or(u32::MAX);
        let count = if day == 0 { scenario.devices } else { now };
        // Of a thousand in 30 days is of three million in a hundred days: rounded to millionths in one day.
        let born = self.chance.share(scenario.devices, scenario.growth_per_mille * 1000 / 30);
        for device in 0..born {
            let at = self.sometime_today();
            self.agenda.enter(at, Event::Born(count + device));
        }
        for _ in 0..self.chance.share(now, habits.fall_asleep) {
            let device = self.chance.below(now);
            let at = self.sometime_today();
            self.agenda.enter(at, Event::Sleep(device));
        }
        for _ in 0..self.chance.share(now, habits.lose_disk) {
            let device = self.chance.below(now);
            let at = self.sometime_today();
            self.agenda.enter(at, Event::Lose(device));
        }
        self.report.zone_changes += u64::from(self.chance.share(now, habits.move_away));
    }

    fn sometime_today(&self) -> SystemTime {
        self.now + self.chance.seconds(Duration::ZERO, DAY)
    }

    fn write_down(&mut self, day: u32) {
        let now = self.now;
        let holds =
            |device: &&Device| device.certificate.is_some_and(|certificate| certificate.not_after > now);
        let certified = self.devices.iter().filter(holds).count();
        let (from, to) = (DAY * (day - 1), DAY * day);
        let touches = |span: &Span| span.after < to && span.after + span.length > from;
        let scenario = self.scenario;
        let mut outages =
            scenario.ca_outages.iter().chain(&scenario.zone_outages).chain(&scenario.control_outages);
        let line = DayLine {
            waiting: u32::try_from(self.control.waiting()).unwrap_or(u32::MAX),
            certified: u32::try_from(certified).unwrap_or(u32::MAX),
            outage: outages.any(touches),
            ..std::mem::take(&mut self.day)
        };
        self.report.devices = u32::try_from(self.devices.len()).unwrap_or(u32::MAX);
        self.report.certified = line.certified;
        self.report.days.push(line);
    }

    fn born(&mut self, device: u32) {
        let index = device as usize;
        if self.devices.len() <= index {
            self.devices.resize_with(index + 1, || Device::new(self.now));
        }
        self.devices[index].awake_since = Some(self.now);
        self.report.zone_changes += 1;
        self.ask(device, Reason::New);
    }

    fn sleeps(&mut self, device: u32) {
        if self.watched.contains_key(&device) {
            return;
        }
        let now = self.now;
        let current = &mut self.devices[device as usize];
        if current.awake_since.is_none() || current.certificate.is_none() {
            return;
        }
        count_expiry(current, &mut self.report, now);
        current.awake_since = None;
        // From a day to eight months, short ones more often.
        let days = f64::from(self.chance.below(790)) / 100.0;
        self.agenda.enter(now + DAY.mul_f64(days.exp2()), Event::Wake(device));
    }

    fn wakes(&mut self, device: u32) {
        let now = self.now;
        let current = &mut self.devices[device as usize];
        if current.awake_since.is_some() {
            return;
        }
        count_expiry(current, &mut self.report, now);
        current.awake_since = Some(now);
        self.report.zone_changes += 1;
        if current.certificate.is_some_and(|certificate| certificate.renew_at <= now) {
            let reason = current.reason();
            self.ask(device, reason);
        }
    }

    /// A device without its key needs a certificate for another.
    fn ask_anew(&mut self, device: u32) {
        let current = &self.devices[device as usize];
        if current.awake_since.is_some() && current.certificate.is_some() {
            self.ask(device, Reason::Lost);
        }
    }

    /// A thousand requests in each second of an hour, then one a minute.
    fn storm(&mut self, device: u32, second: u32) {
        let stormy = second < 3600;
        let (requests, pause) = if stormy { (1000, 1) } else { (1, 60) };
        for _ in 0..requests {
            self.report.hostile.0 += 1;
            if self.control.admits(device, self.now) {
                self.report.hostile.1 += 1;
                self.ask_anew(device);
            }
        }
        self.agenda.enter(self.now + Duration::from_secs(pause.into()), Event::Storm(device, second + pause));
    }

    fn incident(&mut self, index: u32) {
        let Some(incident) = self.scenario.incidents.get(index as usize) else { return };
        for (device, current) in (0..).zip(&mut self.devices) {
            let Some(certificate) = &mut current.certificate else { continue };
            if self.chance.below(1000) < incident.per_mille && certificate.not_after > self.now {
                certificate.revoked_at = Some(self.now);
                self.ca.revoke(device, self.now);
                let heard = self.now + self.chance.seconds(Duration::ZERO, ARI_POLL);
                self.agenda.enter(heard, Event::Revoked(device, current.generation));
            }
        }
    }

    fn learns_of_revocation(&mut self, device: u32, generation: u32) {
        let current = &mut self.devices[device as usize];
        let Some(certificate) = &mut current.certificate else { return };
        if current.generation != generation {
            return;
        }
        self.control.unplan(certificate.renew_at);
        // The window has passed: now.
        certificate.window = None;
        certificate.renew_at = certificate.renew_at.min(self.now);
        if current.awake_since.is_some() {
            self.ask(device, Reason::Revoked);
        }
    }

    /// A device asks for a certificate.
    fn ask(&mut self, device: u32, reason: Reason) {
        let now = self.now;
        if let Some(back) = away(&self.scenario.control_outages, self.scenario.start, now) {
            // It tries again when the control server is back, within ten minutes.
            let generation = self.devices[device as usize].generation;
            let at = back + self.chance.seconds(Duration::ZERO, 10 * MINUTE);
            let again = match reason {
                Reason::New => Event::Born(device),
                Reason::Lost => Event::Lose(device),
                _ => Event::Due(device, generation),
            };
            return self.agenda.enter(at, again);
        }
        let current = &mut self.devices[device as usize];
        if current.wanted.is_some() {
            return;
        }
        if let Err(until) = self.control.want(device, current, reason, now) {
            // Its owner is told when to come back; a device that only renews does.
            if !self.watched.contains_key(&device) {
                self.agenda.enter(until, Event::Due(device, current.generation));
            }
            return;
        }
        current.wanted = Some(Wanted { since: now, reason });
    }

    /// Starts what may start now.
    fn start_orders(&mut self) {
        let (scenario, now) = (self.scenario, self.now);
        let wait = match away(&scenario.control_outages, scenario.start, now) {
            Some(back) => Some(back),
            None => loop {
                match self.control.next(now) {
                    Next::Start { device, replaces } => self.place(device, replaces),
                    Next::Wait(until) => break until,
                }
            },
        };
        if let Some(until) = wait
            && self.look_at.is_none_or(|at| at > until)
        {
            self.look_at = Some(until);
            self.agenda.enter(until, Event::Look);
        }
    }

    fn place(&mut self, device: u32, replaces: bool) {
        let (scenario, now) = (self.scenario, self.now);
        let random = self.chance.number();
        if away(&scenario.ca_outages, scenario.start, now).is_some() {
            self.report.unanswered += 1;
            return self.control.ca_is_away(device, now, random);
        }
        let name = scenario.name_of(device);
        match self.ca.place(&Order { device, name: &name, replaces }, now) {
            Ok(()) => {
                self.report.orders += 1;
                self.control.placed(device, now);
                let (least, most) = scenario.order_takes;
                self.agenda.enter(now + self.chance.seconds(least, most), Event::Complete(device));
            }
            Err(refused) => {
                self.report.rate_limited += 1;
                self.control.refused(device, &refused, now);
            }
        }
    }

    fn complete(&mut self, device: u32) {
        let (scenario, now) = (self.scenario, self.now);
        let away_until = away(&scenario.ca_outages, scenario.start, now)
            .or_else(|| away(&scenario.control_outages, scenario.start, now));
        if let Some(back) = away_until {
            // The order stands where it stood; it is read again at its URL.
            let at = back + self.chance.seconds(Duration::ZERO, MINUTE);
            return self.agenda.enter(at, Event::Complete(device));
        }
        let random = self.chance.number();
        if away(&scenario.zone_outages, scenario.start, now).is_some() {
            // Nobody sees the record, so the CA is not asked to look.
            self.report.without_zone += 1;
            return self.control.zone_is_away(device, now, random);
        }
        let name = scenario.name_of(device);
        let order = Order { device, name: &name, replaces: false };
        match self.ca.complete(&order, true, now) {
            Ok(validity) => self.issued(device, validity.not_before(), validity.not_after(), random),
            Err(_) => {
                self.report.failed_validations += 1;
                let failures = self.failed(device);
                self.control.validation_failed(device, failures, now, random);
            }
        }
    }

    /// One more failure in a row of a device.
    fn failed(&mut self, device: u32) -> u32 {
        let failures = &mut self.devices[device as usize].failures;
        *failures = failures.saturating_add(1);
        *failures
    }

    fn issued(&mut self, device: u32, not_before: SystemTime, not_after: SystemTime, random: u64) {
        let now = self.now;
        let current = &mut self.devices[device as usize];
        let Some(wanted) = current.wanted.take() else { return };
        count_expiry(current, &mut self.report, now);
        self.report.issued += 1;
        self.report.zone_changes += 2;
        self.report.waits.add(wanted.reason, now.duration_since(wanted.since).unwrap_or_default());
        if let Some(old) = current.certificate {
            self.control.unplan(old.renew_at);
            let left = old.not_after.duration_since(now).unwrap_or_default();
            match (wanted.reason, old.revoked_at) {
                (Reason::Renewal, _) => {
                    let least = self.report.least_left_at_renewal.get_or_insert(left);
                    *least = left.min(*least);
                }
                (_, Some(revoked_at)) if current.was_there(&old) => {
                    let took = now.duration_since(revoked_at).unwrap_or_default();
                    self.report.worst_wait_after_incident = self.report.worst_wait_after_incident.max(took);
                }
                _ => {}
            }
            self.report.replaced_after_incident += u64::from(old.revoked_at.is_some());
        } else {
            self.report.first += 1;
        }
        match wanted.reason {
            Reason::New => self.day.first += 1,
            Reason::Renewal => self.day.renewals += 1,
            _ => self.day.others += 1,
        }
        let is_first = current.certificate.is_none();
        let window = self.ca.window(device);
        let (renew_at, window) = self.control.issued(device, window, (not_before, not_after), now, random);
        current.certificate =
            Some(Certificate { issued_at: now, not_after, renew_at, window, revoked_at: None });
        current.generation += 1;
        current.expiry_counted = false;
        current.failures = 0;
        self.agenda.enter(renew_at, Event::Due(device, current.generation));
        if is_first {
            self.first_certificate(device);
        }
        if let Some(times) = self.watched.get_mut(&device) {
            times.push_back(now);
            while times.front().is_some_and(|first| *first + 7 * DAY <= now) {
                times.pop_front();
            }
            let count = u32::try_from(times.len()).unwrap_or(u32::MAX);
            self.report.most_for_one_name_in_a_week = self.report.most_for_one_name_in_a_week.max(count);
        }
    }

    fn first_certificate(&mut self, device: u32) {
        let scenario = self.scenario;
        if device < scenario.devices {
            self.of_first_day += 1;
            for (percent, reached) in [10, 50, 90, 100].into_iter().zip(&mut self.report.rollout) {
                let enough = u64::from(scenario.devices) * percent <= u64::from(self.of_first_day) * 100;
                if enough && reached.is_none() {
                    *reached = Some(self.now);
                }
            }
        }
        if scenario.returning.is_some_and(|returning| device < returning.devices) {
            self.devices[device as usize].awake_since = None;
        }
    }

    fn finish(mut self) -> Report {
        self.now = self.scenario.end();
        if self.report.days.len() < self.scenario.days as usize {
            self.write_down(self.scenario.days);
        }
        for device in &mut self.devices {
            count_expiry(device, &mut self.report, self.now);
        }
        self.report.waits.sort();
        self.report.new_orders = self.control.new_orders(self.now);
        self.report
    }
}

/// Counts a certificate that has expired, once, when its device's state is about to change.
fn count_expiry(device: &mut Device, report: &mut Report, now: SystemTime) {
    let Some(certificate) = device.certificate.filter(|certificate| certificate.not_after <= now) else {
        return;
    };
    if device.expiry_counted {
        return;
    }
    device.expiry_counted = true;
    if device.was_there(&certificate) {
        report.expired_reachable += 1;
    } else {
        report.expired_away += 1;
    }
}

/// When the outage ends that there is at `now`.
fn away(outages: &[Span], start: SystemTime, now: SystemTime) -> Option<SystemTime> {
    let span = outages.iter().find(|span| span.contains(start, now))?;
    Some(start + span.after + span.length)
}
