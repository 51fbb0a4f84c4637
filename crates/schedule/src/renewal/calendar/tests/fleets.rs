//! Whole fleets over many cycles.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, SystemTime};

use super::super::{Calendar, smear_from};
use crate::{Window, window_without_ari};

const HOUR: u64 = 3600;
const DAY: u64 = 86_400;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 / DAY * DAY + seconds)
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(at(0)).unwrap().as_secs()
}

/// A fleet in which each certificate is renewed at its moment.
struct Fleet {
    calendar: Calendar,
    life: u64,
    seed: u64,
    due: BinaryHeap<Reverse<(SystemTime, u64)>>,
    /// Renewals in each day.
    days: Vec<u32>,
    /// Of all cycles that ended: their number, their length in seconds, and how many were cut short.
    cycles: (u64, u64, u64),
    /// When each certificate was issued, and its window.
    certificates: Vec<(SystemTime, Window)>,
}

impl Fleet {
    fn new(life: u64, unnoticed: u32) -> Self {
        Self {
            calendar: Calendar::new(unnoticed),
            life,
            seed: 1,
            due: BinaryHeap::new(),
            days: Vec::new(),
            cycles: (0, 0, 0),
            certificates: Vec::new(),
        }
    }

    fn random(&mut self) -> u64 {
        // SplitMix64.
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A new device has its first certificate at `now`.
    fn join(&mut self, now: SystemTime) {
        let id = self.certificates.len() as u64;
        self.certificates.push((now, window(now, self.life)));
        self.issued(id, now);
    }

    fn issued(&mut self, id: u64, now: SystemTime) {
        let window = window(now, self.life);
        self.certificates[id as usize] = (now, window);
        let random = self.random();
        let moment = self.calendar.place(window, smear_from(now, window), now, random);
        assert!(now <= moment && moment < window.end());
        assert!(moment >= smear_from(now, window));
        self.due.push(Reverse((moment, id)));
    }

    /// Renews all that is due before `end`.
    fn run_until(&mut self, end: SystemTime) {
        while let Some(Reverse((moment, id))) = self.due.peek().copied().filter(|next| next.0.0 < end) {
            self.due.pop();
            self.calendar.remove(moment);
            let (issued, window) = self.certificates[id as usize];
            let day = (seconds(moment) / DAY) as usize;
            self.days.resize(self.days.len().max(day + 1), 0);
            self.days[day] += 1;
            self.cycles.0 += 1;
            self.cycles.1 += moment.duration_since(issued).unwrap().as_secs();
            self.cycles.2 += u64::from(moment < window.start());
            self.issued(id, moment);
        }
    }

    /// All are revoked at `now`, and have another certificate within a day.
    fn revoke_all(&mut self, now: SystemTime) {
        let mut ids: Vec<_> = self.due.drain().map(|Reverse((moment, id))| (moment, id)).collect();
        ids.sort();
        let n = ids.len() as u64;
        for (i, (moment, id)) in ids.into_iter().enumerate() {
            self.calendar.remove(moment);
            self.issued(id, now + Duration::from_secs(DAY * i as u64 / n));
        }
    }

    /// The fullest of these days in hundredths of their mean, and the emptiest.
    fn peak_and_low(&self, days: std::ops::Range<usize>) -> (u64, u64) {
        let days = &self.days[days];
        let sum: u64 = days.iter().map(|n| u64::from(*n)).sum();
        let of_mean = |n: u32| u64::from(n) * 100 * days.len() as u64 / sum;
        (of_mean(*days.iter().max().unwrap()), of_mean(*days.iter().min().unwrap()))
    }
}

fn window(issued: SystemTime, life: u64) -> Window {
    window_without_ari(issued, issued + Duration::from_secs(life)).unwrap()
}

/// What a cut short cycle costs: the time that certificates were not used for, in hundredths of all cycles.
fn overhead(fleet: &Fleet, cycle_days: u64) -> u64 {
    let (cycles, length, _) = fleet.cycles;
    (cycles * cycle_days * DAY).saturating_sub(length) * 100 / (cycles * cycle_days * DAY)
}

fn issued_in_a_day(devices: u64) -> Fleet {
    let mut fleet = Fleet::new(45 * DAY, 16);
    for i in 0..devices {
        fleet.join(at(i * DAY / devices));
    }
    fleet
}

#[test]
fn ninety_thousand_of_one_day_are_flat_by_the_second_renewal() {
    let mut fleet = issued_in_a_day(90_000);
    fleet.run_until(at(61 * DAY));
    // The first renewals can fill half a cycle only; the second ones begin at day 30.
    assert!(fleet.peak_and_low(15..31).0 <= 110, "{:?}", fleet.days);
    let (peak, low) = fleet.peak_and_low(31..61);
    assert!(peak <= 120 && low >= 75, "{peak} {low}");
    // Half a renewal of each, once.
    let (cycles, length, _) = fleet.cycles;
    let lost = cycles * 30 * DAY - length;
    assert!(lost <= 90_000 * 15 * DAY, "{} days of each", lost / DAY / 90_000);

    // From the third renewal on it stays so, and nothing is early.
    fleet.run_until(at(91 * DAY));
    fleet.cycles = (0, 0, 0);
    fleet.run_until(at(182 * DAY));
    let (peak, low) = fleet.peak_and_low(61..182);
    assert!(peak <= 115 && low >= 75, "{peak} {low}");
    assert_eq!(overhead(&fleet, 30), 0);
    let (cycles, _, early) = fleet.cycles;
    assert!(early * 1000 <= cycles, "{early} of {cycles}");
}

#[test]
fn fleet_that_grows_as_expected_is_not_renewed_early() {
    // 250 devices a day, until they are 15,000; an hour's share of these is 21.
    let mut fleet = Fleet::new(45 * DAY, 21);
    for i in 0..60 * 250 {
        fleet.run_until(at(i * DAY / 250));
        fleet.join(at(i * DAY / 250));
    }
    fleet.run_until(at(180 * DAY));
    let (cycles, _, early) = fleet.cycles;
    assert!(early * 50 <= cycles, "{early} of {cycles}");
    assert_eq!(overhead(&fleet, 30), 0);
    assert!(fleet.peak_and_low(90..180).0 <= 115);
}

#[test]
fn fleet_that_grows_faster_is_renewed_early_once() {
    let mut fleet = Fleet::new(45 * DAY, 1);
    for i in 0..60 * 250 {
        fleet.run_until(at(i * DAY / 250));
        fleet.join(at(i * DAY / 250));
    }
    fleet.run_until(at(90 * DAY));
    let lost = (fleet.cycles.0 * 30 * DAY).saturating_sub(fleet.cycles.1);
    assert!(lost <= 15_000 * 15 * DAY, "{} days of each", lost / DAY / 15_000);
    fleet.cycles = (0, 0, 0);
    fleet.run_until(at(180 * DAY));
    assert_eq!(overhead(&fleet, 30), 0);
    assert!(fleet.peak_and_low(120..180).0 <= 115);
}

#[test]
fn fleet_is_even_by_the_second_renewal_after_a_mass_revocation() {
    let mut fleet = issued_in_a_day(30_000);
    fleet.run_until(at(100 * DAY));
    fleet.revoke_all(at(100 * DAY));
    fleet.run_until(at(220 * DAY));
    let (peak, low) = fleet.peak_and_low(131..161);
    assert!(peak <= 125 && low >= 70, "{peak} {low}");
    assert!(fleet.peak_and_low(161..219).0 <= 115);
}

#[test]
fn certificates_for_six_days_stay_in_their_windows() {
    let mut fleet = Fleet::new(160 * HOUR, 16);
    for i in 0..5_000 {
        fleet.join(at(i * DAY / 5_000));
    }
    fleet.run_until(at(30 * DAY));
    assert_eq!(fleet.cycles.2, 0);
    assert!(fleet.cycles.0 >= 40_000);
}

#[test]
fn small_fleet_is_not_spread() {
    let mut fleet = Fleet::new(45 * DAY, 16);
    for i in 0..200 {
        fleet.join(at(i));
    }
    fleet.run_until(at(200 * DAY));
    assert_eq!(fleet.cycles.2, 0);
}
