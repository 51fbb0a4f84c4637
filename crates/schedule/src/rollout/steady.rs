//! A fleet in its stride.

use std::time::Duration;

use super::load::{REQUESTS_PER_CERTIFICATE, TXT_WRITES_PER_CERTIFICATE};
use super::profile::cycle_of;

/// What a fleet costs when every device has a certificate and the renewals are spread evenly.
///
/// Rates are of floating point, for people to read; nothing is decided by them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SteadyState {
    devices: u32,
    cycle: Duration,
}

impl SteadyState {
    /// Of so many devices with certificates of this life, each renewed in the middle of its window.
    pub fn new(devices: u32, life: Duration) -> Self {
        Self { devices, cycle: cycle_of(life) }
    }

    /// The time from one certificate of a device to the next.
    pub fn cycle(&self) -> Duration {
        self.cycle
    }

    /// How many renewals come in `time`.
    pub fn renewals_in(&self, time: Duration) -> f64 {
        if self.cycle.is_zero() {
            return 0.0;
        }
        f64::from(self.devices) * time.div_duration_f64(self.cycle)
    }

    /// How many requests to the CA these are.
    pub fn requests_in(&self, time: Duration) -> f64 {
        self.renewals_in(time) * REQUESTS_PER_CERTIFICATE as f64
    }

    /// How many changes of the zone.
    pub fn txt_writes_in(&self, time: Duration) -> f64 {
        self.renewals_in(time) * TXT_WRITES_PER_CERTIFICATE as f64
    }

    /// How many questions for renewal windows come on top, at one in six hours for each certificate, as Let's
    /// Encrypt's servers ask for.
    pub fn window_polls_in(&self, time: Duration) -> f64 {
        f64::from(self.devices) * time.div_duration_f64(BETWEEN_POLLS)
    }

    /// How many of the certificates that Let's Encrypt issues for one exact set of names (five in a week) the
    /// renewals of one device take in `time`.
    pub fn of_one_set_in(&self, time: Duration) -> f64 {
        if self.cycle.is_zero() { 0.0 } else { time.div_duration_f64(self.cycle) }
    }
}

const BETWEEN_POLLS: Duration = Duration::from_secs(6 * 3600);
