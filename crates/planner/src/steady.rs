//! The steady state of a fleet.

use std::time::Duration;

use crate::load::{REQUESTS_PER_CERTIFICATE, TXT_WRITES_PER_CERTIFICATE};
use crate::profile::cycle_of;

/// The load of a fleet in which every device has a certificate and the renewals are spread evenly.
///
/// Rates are floating-point numbers, for display only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SteadyState {
    devices: u32,
    cycle: Duration,
}

impl SteadyState {
    /// Returns the steady state of `devices` with certificates of this lifetime, each renewed in the middle of its window.
    pub fn new(devices: u32, lifetime: Duration) -> Self {
        Self { devices, cycle: cycle_of(lifetime) }
    }

    /// Returns the time from one certificate of a device to the next.
    pub fn cycle(&self) -> Duration {
        self.cycle
    }

    /// Returns the renewals in `time`.
    pub fn renewals_in(&self, time: Duration) -> f64 {
        if self.cycle.is_zero() {
            return 0.0;
        }
        f64::from(self.devices) * time.div_duration_f64(self.cycle)
    }

    /// Returns the requests to the CA for them.
    pub fn requests_in(&self, time: Duration) -> f64 {
        self.renewals_in(time) * REQUESTS_PER_CERTIFICATE as f64
    }

    /// Returns the changes of the zone for them.
    pub fn txt_writes_in(&self, time: Duration) -> f64 {
        self.renewals_in(time) * TXT_WRITES_PER_CERTIFICATE as f64
    }

    /// Returns the polls of renewal windows in `time`, one in six hours for each certificate, the interval that Let's
    /// Encrypt's servers ask for.
    pub fn window_polls_in(&self, time: Duration) -> f64 {
        f64::from(self.devices) * time.div_duration_f64(POLL_INTERVAL)
    }

    /// Returns how many of the certificates of one exact set of names (at Let's Encrypt five in a week) the renewals of
    /// one device use in `time`.
    pub fn of_one_set_in(&self, time: Duration) -> f64 {
        if self.cycle.is_zero() { 0.0 } else { time.div_duration_f64(self.cycle) }
    }
}

const POLL_INTERVAL: Duration = Duration::from_secs(6 * 3600);
