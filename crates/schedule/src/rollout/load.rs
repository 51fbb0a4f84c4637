//! The load of each day.

use std::time::{Duration, SystemTime};

use super::plan::Rollout;
use super::profile;

/// How many requests the CA gets for a certificate with a fresh authorization: order, authorization, challenge, one
/// poll, finalize, one poll, certificate.
pub(super) const REQUESTS_PER_CERTIFICATE: u64 = 7;

/// How many changes the zone gets for it: the challenge's TXT value is put there and taken away.
pub(super) const TXT_WRITES_PER_CERTIFICATE: u64 = 2;

/// The most days that a plan tells the load of.
pub(super) const LOAD_DAYS: u32 = 400;

/// What happens on one day. It is reckoned by the hour: a renewal comes an hour after its certificate at the soonest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DayLoad {
    /// First certificates of devices of the fleet.
    pub fleet: u64,
    /// First certificates of new devices.
    pub new: u64,
    /// Renewals.
    pub renewals: u64,
}

impl DayLoad {
    /// All certificates.
    pub fn certificates(&self) -> u64 {
        self.fleet.saturating_add(self.new).saturating_add(self.renewals)
    }

    /// Requests to the CA, without the questions for renewal windows.
    pub fn requests(&self) -> u64 {
        self.certificates().saturating_mul(REQUESTS_PER_CERTIFICATE)
    }

    /// Changes of the zone.
    pub fn txt_writes(&self) -> u64 {
        self.certificates().saturating_mul(TXT_WRITES_PER_CERTIFICATE)
    }
}

pub(super) fn of(plan: &Rollout) -> Vec<DayLoad> {
    let hours = hours(plan);
    let mut days = vec![DayLoad::default(); hours.div_ceil(24)];
    let mut renewed = vec![0_u64; hours];
    let (fleet, newcomers) = (Counter::default(), plan.newcomers());
    let (mut fleet, mut new) = (fleet, Counter::default());
    for hour in 0..hours {
        let begins = HOUR * hour as u32;
        // What is had in the very moment at which an hour ends belongs to the next.
        let ends = begins + (HOUR - Duration::from_nanos(1));
        let fleet = fleet.up_to(plan.with_certificate_after(ends).into());
        let new = new.up_to(newcomers.served_by(ends));
        let renewals = renewed[hour];
        let day = &mut days[hour / 24];
        day.fleet = day.fleet.saturating_add(fleet);
        day.new = day.new.saturating_add(new);
        day.renewals = day.renewals.saturating_add(renewals);

        let life = plan.start.checked_add(begins).map_or(Duration::ZERO, |at| life_at(plan, at));
        let (from, until) = profile::ages(life);
        let (early, late) = smeared(plan.fleet.smear, from, until);
        spread(&mut renewed, hour, fleet, early, late);
        spread(&mut renewed, hour, new.saturating_add(renewals), from, until);
    }
    days
}

/// The ages between which a first renewal comes: as much earlier than the window's middle as is to be smeared, and
/// not earlier than the first hour.
fn smeared(smear: Duration, from: Duration, until: Duration) -> (Duration, Duration) {
    let middle = from + (until - from) / 2;
    let early = middle.saturating_sub(smear);
    if early < from { (early.max(HOUR.min(from)), middle) } else { (from, until) }
}

fn life_at(plan: &Rollout, at: SystemTime) -> Duration {
    plan.fleet.profile.life_at(at)
}

/// The rollout, and two cycles for its last device.
fn hours(plan: &Rollout) -> usize {
    let most = DAY * LOAD_DAYS;
    let completion = plan.completion();
    let oldest = |after: Duration| {
        let at = plan.start.checked_add(after);
        at.map_or(Duration::ZERO, |at| profile::ages(life_at(plan, at)).1)
    };
    let mut ends = completion.after.min(most);
    for _ in 0..2 {
        ends = ends.saturating_add(oldest(ends)).min(most);
    }
    let days = (ends.as_secs() / DAY.as_secs() + 1).min(LOAD_DAYS.into());
    days as usize * 24
}

/// Lets those who got certificates in `hour` renew them evenly between two ages.
fn spread(renewed: &mut [u64], hour: usize, certificates: u64, from: Duration, until: Duration) {
    if certificates == 0 {
        return;
    }
    let (from, width) = (from.as_secs(), until.saturating_sub(from).as_secs().max(1));
    let first = (from / 3600).max(1);
    // How many have renewed by the end of an hour, to the nearest: `halves / (2 * width)`. So none is lost between
    // the hours. The quotient is carried on, as a division in each hour is what would take the time.
    let (all, whole) = (u128::from(certificates), 2 * u128::from(width));
    let age = u128::from((first + 1) * 3600 - from);
    let halves = 2 * age * all + u128::from(width);
    let (mut by, mut rest) = (halves / whole, halves % whole);
    let (step, step_rest) = (2 * 3600 * all / whole, 2 * 3600 * all % whole);
    let slots = usize::try_from(first).ok().and_then(|first| renewed.get_mut(hour + first..));
    let mut before = 0;
    for slot in slots.unwrap_or_default() {
        let now = by.min(all) as u64;
        *slot = slot.saturating_add(now - before);
        if now == certificates {
            return;
        }
        before = now;
        (by, rest) = (by + step, rest + step_rest);
        if rest >= whole {
            (by, rest) = (by + 1, rest - whole);
        }
    }
}

/// A sum that is asked for its steps.
#[derive(Default)]
struct Counter(u64);

impl Counter {
    fn up_to(&mut self, sum: u64) -> u64 {
        let step = sum.saturating_sub(self.0);
        self.0 = sum.max(self.0);
        step
    }
}

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
