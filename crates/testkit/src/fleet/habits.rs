//! Device behaviour and random events.

use std::time::{Duration, SystemTime};

use super::agenda::Event;
use super::device::{Device, count_expiry};
use super::report::Reason;
use super::simulation::{DAY, Simulation};

/// Interval at which the control server polls each renewal window (Let's Encrypt's `Retry-After`).
const ARI_POLL: Duration = Duration::from_secs(6 * 3600);

impl Simulation<'_> {
    /// Records the day before and draws the random events of the new one.
    pub(super) fn day_begins(&mut self, day: u32) {
        if day > 0 {
            self.record_day(day);
        }
        self.agenda.enter(self.now + DAY, Event::Day(day + 1));
        let scenario = self.scenario;
        let habits = scenario.habits;
        let now = u32::try_from(self.devices.len()).unwrap_or(u32::MAX);
        let count = if day == 0 { scenario.devices } else { now };
        // Per mille in 30 days, as millionths in one day.
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

    pub(super) fn born(&mut self, device: u32) {
        let index = device as usize;
        if self.devices.len() <= index {
            self.devices.resize_with(index + 1, || Device::new(self.now));
        }
        self.devices[index].awake_since = Some(self.now);
        self.report.zone_changes += 1;
        self.ask(device, Reason::New);
    }

    pub(super) fn sleeps(&mut self, device: u32) {
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
        // From a day to eight months; short times are more likely.
        let days = f64::from(self.chance.below(790)) / 100.0;
        self.agenda.enter(now + DAY.mul_f64(days.exp2()), Event::Wake(device));
    }

    pub(super) fn wakes(&mut self, device: u32) {
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

    /// Requests a certificate for a new key of a device that lost its own.
    pub(super) fn ask_for_a_new_key(&mut self, device: u32) {
        let current = &self.devices[device as usize];
        if current.awake_since.is_some() && current.certificate.is_some() {
            self.ask(device, Reason::Lost);
        }
    }

    /// Sends a thousand requests in each second of an hour, then one a minute.
    pub(super) fn storm(&mut self, device: u32, second: u32) {
        let stormy = second < 3600;
        let (requests, pause) = if stormy { (1000, 1) } else { (1, 60) };
        for _ in 0..requests {
            self.report.hostile.0 += 1;
            if self.control.admits(device, self.now) {
                self.report.hostile.1 += 1;
                self.ask_for_a_new_key(device);
            }
        }
        self.agenda.enter(self.now + Duration::from_secs(pause.into()), Event::Storm(device, second + pause));
    }

    pub(super) fn incident(&mut self, index: u32) {
        let Some(incident) = self.scenario.incidents.get(index as usize) else { return };
        for (device, current) in (0..).zip(&mut self.devices) {
            let Some(certificate) = &mut current.certificate else { continue };
            if self.chance.below(1000) < incident.per_mille && certificate.not_after > self.now {
                certificate.revoked_at = Some(self.now);
                self.ca.revoke(device, self.now);
                let learned_at = self.now + self.chance.seconds(Duration::ZERO, ARI_POLL);
                self.agenda.enter(learned_at, Event::Revoked(device, current.generation));
            }
        }
    }

    pub(super) fn learns_of_revocation(&mut self, device: u32, generation: u32) {
        let current = &mut self.devices[device as usize];
        let Some(certificate) = &mut current.certificate else { return };
        if current.generation != generation {
            return;
        }
        self.control.unplan(certificate.renew_at);
        // The window is over, so the renewal is due now.
        certificate.window = None;
        certificate.renew_at = certificate.renew_at.min(self.now);
        if current.awake_since.is_some() {
            self.ask(device, Reason::Revoked);
        }
    }
}
