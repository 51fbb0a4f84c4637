//! How long certificates live, now and by what the CA has announced.

use std::time::{Duration, SystemTime};

use crate::window_without_ari;

/// A kind of certificate that the CA offers, as far as planning needs it: how long it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Profile {
    /// Let's Encrypt's `classic`: 90 days; 64 days from 10 February 2027; 45 days from 16 February 2028.
    Classic,
    /// Let's Encrypt's `tlsserver`: 45 days.
    TlsServer,
    /// Let's Encrypt's `shortlived`: 160 hours.
    ShortLived,
    /// Any other, of a life that does not change.
    Fixed(Duration),
}

/// A life of certificates, and from when on the CA gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// The first day, at 00:00 UTC; the Unix epoch when it has always been so.
    pub from: SystemTime,
    /// From `notBefore` to `notAfter`.
    pub life: Duration,
}

impl Profile {
    /// Its lives, the oldest first. The dates are those that Let's Encrypt announced on 2 December 2025.
    pub(crate) fn lives(&self) -> Vec<Life> {
        let life = |from, life| Life { from: SystemTime::UNIX_EPOCH + Duration::from_secs(from), life };
        match self {
            Self::Classic => {
                vec![life(0, DAY * 90), life(FEB_10_2027, DAY * 64), life(FEB_16_2028, DAY * 45)]
            }
            Self::TlsServer => vec![life(0, DAY * 45)],
            Self::ShortLived => vec![life(0, HOUR * 160)],
            Self::Fixed(fixed) => vec![life(0, *fixed)],
        }
    }

    /// How long a certificate lives that is issued at `at`.
    pub(crate) fn life_at(&self, at: SystemTime) -> Duration {
        let lives = self.lives();
        let known = lives.iter().rev().find(|life| life.from <= at).or(lives.first());
        known.map_or(Duration::ZERO, |known| known.life)
    }

    /// How long after its issuance a certificate that is issued at `at` is renewed: the middle of
    /// [`window_without_ari`].
    pub(crate) fn cycle_at(&self, at: SystemTime) -> Duration {
        cycle_of(self.life_at(at))
    }
}

/// The middle of the window in which a certificate of this life is renewed, from its issuance on.
pub(super) fn cycle_of(life: Duration) -> Duration {
    let (from, until) = ages(life);
    from + (until - from) / 2
}

/// The ages between which a certificate of this life is renewed.
pub(super) fn ages(life: Duration) -> (Duration, Duration) {
    let epoch = SystemTime::UNIX_EPOCH;
    let age = |at: SystemTime| at.duration_since(epoch).unwrap_or_default();
    let window = epoch.checked_add(life).and_then(|end| window_without_ari(epoch, end));
    window.map_or((life, life), |window| (age(window.start()), age(window.end())))
}

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
const FEB_10_2027: u64 = 1_802_217_600;
const FEB_16_2028: u64 = 1_834_272_000;
