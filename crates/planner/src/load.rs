//! The load of each day.

use std::time::{Duration, SystemTime};

use crate::plan::Rollout;
use crate::profile::renewal_ages;

/// Requests to the CA for one certificate with a new authorization: order, authorization, challenge, one poll, finalize,
/// one poll, certificate.
pub(crate) const REQUESTS_PER_CERTIFICATE: u64 = 7;

/// Changes of the zone for one certificate: the challenge's TXT value is added and removed.
pub(crate) const TXT_WRITES_PER_CERTIFICATE: u64 = 2;

/// Maximum days of the load.
pub(crate) const LOAD_DAYS: u32 = 400;

/// The load of one day, computed by the hour: a renewal comes an hour after its certificate at the earliest.
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
    /// Returns the number of certificates.
    pub fn certificates(&self) -> u64 {
        self.fleet.saturating_add(self.new).saturating_add(self.renewals)
    }

    /// Returns the number of requests to the CA, without polls of renewal windows.
    pub fn requests(&self) -> u64 {
        self.certificates().saturating_mul(REQUESTS_PER_CERTIFICATE)
    }

    /// Returns the number of changes of the zone.
    pub fn txt_writes(&self) -> u64 {
        self.certificates().saturating_mul(TXT_WRITES_PER_CERTIFICATE)
    }
}

pub(crate) fn of(plan: &Rollout) -> Vec<DayLoad> {
    let hours = hours(plan);
    let mut days = vec![DayLoad::default(); hours.div_ceil(24)];
    let mut renewed = vec![0_u64; hours];
    let (fleet, newcomers) = (Counter::default(), plan.newcomers());
    let (mut fleet, mut new) = (fleet, Counter::default());
    for hour in 0..hours {
        let begins = HOUR * hour as u32;
        // A certificate issued exactly at the end of an hour counts in the next.
        let ends = begins + (HOUR - Duration::from_nanos(1));
        let fleet = fleet.up_to(plan.with_certificate_after(ends).into());
        let new = new.up_to(newcomers.served_by(ends));
        let renewals = renewed[hour];
        let day = &mut days[hour / 24];
        day.fleet = day.fleet.saturating_add(fleet);
        day.new = day.new.saturating_add(new);
        day.renewals = day.renewals.saturating_add(renewals);

        let life = plan.start.checked_add(begins).map_or(Duration::ZERO, |at| life_at(plan, at));
        let (from, until) = renewal_ages(life);
        let (early, late) = smeared(plan.fleet.smear, from, until);
        spread(&mut renewed, hour, fleet, early, late);
        spread(&mut renewed, hour, new.saturating_add(renewals), from, until);
    }
    days
}

/// Returns the ages between which a first renewal comes: `smear` earlier than the window's middle, but not before the
/// first hour.
fn smeared(smear: Duration, from: Duration, until: Duration) -> (Duration, Duration) {
    let middle = from + (until - from) / 2;
    let early = middle.saturating_sub(smear);
    if early < from { (early.max(HOUR.min(from)), middle) } else { (from, until) }
}

fn life_at(plan: &Rollout, at: SystemTime) -> Duration {
    plan.fleet.profile.lifetime_at(at)
}

/// Returns the length of the load: the rollout, and two cycles for its last device.
fn hours(plan: &Rollout) -> usize {
    let most = DAY * LOAD_DAYS;
    let completion = plan.completion();
    let oldest = |after: Duration| {
        let at = plan.start.checked_add(after);
        at.map_or(Duration::ZERO, |at| renewal_ages(life_at(plan, at)).1)
    };
    let mut ends = completion.after.min(most);
    for _ in 0..2 {
        ends = ends.saturating_add(oldest(ends)).min(most);
    }
    let days = (ends.as_secs() / DAY.as_secs() + 1).min(LOAD_DAYS.into());
    days as usize * 24
}

/// Renews certificates that were issued in `hour` evenly between two ages.
fn spread(renewed: &mut [u64], hour: usize, certificates: u64, from: Duration, until: Duration) {
    if certificates == 0 {
        return;
    }
    let (from, width) = (from.as_secs(), until.saturating_sub(from).as_secs().max(1));
    let first = (from / 3600).max(1);
    // The certificates renewed by the end of an hour, rounded: `halves / (2 * width)`. So none is lost between the
    // hours. The quotient is carried from hour to hour, because a division in each would dominate the run time.
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

/// Turns a growing sum into its steps.
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
