//! When a certificate is renewed, by its lifetime.

use std::time::{Duration, SystemTime};

use fleetcert_schedule::window_without_ari;

/// Returns the age at which a certificate of this lifetime is renewed: the middle of its window.
pub(crate) fn cycle_of(lifetime: Duration) -> Duration {
    let (from, until) = renewal_ages(lifetime);
    from + (until - from) / 2
}

/// Returns the ages between which a certificate of this lifetime is renewed: those of [`window_without_ari`].
pub(crate) fn renewal_ages(lifetime: Duration) -> (Duration, Duration) {
    let epoch = SystemTime::UNIX_EPOCH;
    let age = |at: SystemTime| at.duration_since(epoch).unwrap_or_default();
    let window = epoch.checked_add(lifetime).and_then(|end| window_without_ari(epoch, end));
    window.map_or((lifetime, lifetime), |window| (age(window.start()), age(window.end())))
}
