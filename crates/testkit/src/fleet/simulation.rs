//! The simulation: a fleet, its control server and its CA, in virtual time.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, SystemTime};

use fleetcert_schedule::budget::Limits;

use super::agenda::{Agenda, Event};
use super::ca::Ca;
use super::chance::Chance;
use super::control::Control;
use super::device::{Device, count_expiry};
use super::report::{DayLine, Report};
use super::scenario::{Scenario, Span};

pub(super) const DAY: Duration = Duration::from_secs(86_400);
/// Interval of a device that reinstalls in a loop.
const REINSTALL_INTERVAL: Duration = Duration::from_secs(20 * 60);

/// The progress of a simulation at the end of a day.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// Day, from 1.
    pub day: u32,
    /// Number of days of the scenario.
    pub days: u32,
    /// Report so far.
    pub report: &'a Report,
}

/// Simulates a scenario with this CA, and returns the report.
///
/// The control server schedules with `limits`, which may differ from those of the CA. `progress` is called after each
/// day. All randomness comes from the scenario's seed.
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

pub(super) struct Simulation<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) ca: &'a mut dyn Ca,
    pub(super) control: Control<'a>,
    pub(super) devices: Vec<Device>,
    pub(super) agenda: Agenda,
    pub(super) chance: Chance,
    pub(super) now: SystemTime,
    /// Time of the next poll of the queue, if no event comes before.
    pub(super) look_at: Option<SystemTime>,
    pub(super) report: Report,
    pub(super) day: DayLine,
    /// Misbehaving devices, and when they got certificates.
    pub(super) watched: BTreeMap<u32, VecDeque<SystemTime>>,
    /// Number of devices of the first day that have had a certificate.
    pub(super) of_first_day: u32,
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
            Event::Lose(device) => self.ask_for_a_new_key(device),
            Event::Reinstall(device) => {
                self.ask_for_a_new_key(device);
                self.agenda.enter(self.now + REINSTALL_INTERVAL, Event::Reinstall(device));
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

    pub(super) fn record_day(&mut self, day: u32) {
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

    fn finish(mut self) -> Report {
        self.now = self.scenario.end();
        if self.report.days.len() < self.scenario.days as usize {
            self.record_day(self.scenario.days);
        }
        for device in &mut self.devices {
            count_expiry(device, &mut self.report, self.now);
        }
        self.report.waits.sort();
        self.report.new_orders = self.control.new_orders(self.now);
        self.report
    }
}
