//! What devices do by themselves, and what befalls them.

use std::time::{Duration, SystemTime};

use super::agenda::Event;
use super::device::{Device, count_expiry};
use super::report::Reason;
use super::simulation::{DAY, Simulation};

/// The control server asks for each renewal window so often (Let's Encrypt's `Retry-After`).
const ARI_POLL: Duration = Duration::from_secs(6 * 3600);

impl Simulation<'_> {
    /// Writes the day before down and asks chance for the new one.
    pub(super) fn day_begins(&mut self, day: u32) {
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
        // From a day to eight months, short ones more often.
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

    /// A device without its key needs a certificate for another.
    pub(super) fn ask_anew(&mut self, device: u32) {
        let current = &self.devices[device as usize];
        if current.awake_since.is_some() && current.certificate.is_some() {
            self.ask(device, Reason::Lost);
        }
    }

    /// A thousand requests in each second of an hour, then one a minute.
    pub(super) fn storm(&mut self, device: u32, second: u32) {
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

    pub(super) fn incident(&mut self, index: u32) {
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

    pub(super) fn learns_of_revocation(&mut self, device: u32, generation: u32) {
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
}
