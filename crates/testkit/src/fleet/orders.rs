//! An order, from the request to the certificate.

use std::time::{Duration, SystemTime};

use super::agenda::Event;
use super::ca::DeviceOrder;
use super::control::Next;
use super::device::{Certificate, Wanted, count_expiry};
use super::report::Reason;
use super::scenario::Span;
use super::simulation::{DAY, Simulation};

const MINUTE: Duration = Duration::from_secs(60);

impl Simulation<'_> {
    /// Requests a certificate for a device.
    pub(super) fn ask(&mut self, device: u32, reason: Reason) {
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
        if let Err(until) = self.control.want(device, current, now) {
            // A device that only renews returns at that time.
            if !self.watched.contains_key(&device) {
                self.agenda.enter(until, Event::Due(device, current.generation));
            }
            return;
        }
        current.wanted = Some(Wanted { since: now, reason });
    }

    /// Starts the orders that may start now.
    pub(super) fn start_orders(&mut self) {
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
        match self.ca.place(&DeviceOrder { device, name: &name, replaces }, now) {
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

    pub(super) fn complete(&mut self, device: u32) {
        let (scenario, now) = (self.scenario, self.now);
        let away_until = away(&scenario.ca_outages, scenario.start, now)
            .or_else(|| away(&scenario.control_outages, scenario.start, now));
        if let Some(back) = away_until {
            // The order is unchanged, and is read again at its URL.
            let at = back + self.chance.seconds(Duration::ZERO, MINUTE);
            return self.agenda.enter(at, Event::Complete(device));
        }
        let random = self.chance.number();
        if away(&scenario.zone_outages, scenario.start, now).is_some() {
            // The record is not visible, so the challenge is not answered.
            self.report.without_zone += 1;
            return self.control.zone_is_away(device, now, random);
        }
        let name = scenario.name_of(device);
        let order = DeviceOrder { device, name: &name, replaces: false };
        match self.ca.complete(&order, true, now) {
            Ok(validity) => self.issued(device, validity.not_before(), validity.not_after(), random),
            Err(_) => {
                self.report.failed_validations += 1;
                let failures = self.failed(device);
                self.control.validation_failed(device, failures, now, random);
            }
        }
    }

    /// Counts one more failure in a row of a device.
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
}

/// Returns the end of the outage at `now`.
fn away(outages: &[Span], start: SystemTime, now: SystemTime) -> Option<SystemTime> {
    let span = outages.iter().find(|span| span.contains(start, now))?;
    Some(start + span.after + span.length)
}
