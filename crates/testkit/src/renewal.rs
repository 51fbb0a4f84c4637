//! Renewal windows: computed as Boulder does it, or set by hand.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use fleetcert_x509::{CertificateId, Validity};
use serde::Deserialize;
use time::OffsetDateTime;

const SHORT: Duration = Duration::from_secs(10 * 86_400);

/// The window that Boulder suggests: around two thirds of the validity, or its half if that is shorter than ten
/// days, one percent to each side.
pub(crate) fn boulder_window(validity: Validity) -> (SystemTime, SystemTime) {
    // The validity includes its last second.
    let whole = validity.not_after().duration_since(validity.not_before()).unwrap_or_default()
        + Duration::from_secs(1);
    let left = if whole < SHORT { whole / 2 } else { whole / 3 };
    let margin = whole / 100;
    let centre = validity.not_before() + (whole - left);
    (centre - margin, centre + margin)
}

/// As much of an answer as a window needs.
#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "suggestedWindow")]
    window: Window,
}

#[derive(Deserialize)]
struct Window {
    #[serde(with = "time::serde::rfc3339")]
    start: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    end: OffsetDateTime,
}

/// The answers that were set by hand, as Pebble's `set-renewal-info` does it: any text, even one that is no JSON.
#[derive(Debug, Default)]
pub(crate) struct SetByHand {
    answers: Mutex<HashMap<CertificateId, String>>,
}

/// Maximum number of answers.
const MAX_ANSWERS: usize = 100_000;

impl SetByHand {
    /// Sets the answer; an empty text takes it back. `false` when there is no room.
    pub(crate) fn set(&self, certificate: CertificateId, answer: String) -> bool {
        let mut answers = self.lock();
        if answer.is_empty() {
            answers.remove(&certificate);
            return true;
        }
        if answers.len() >= MAX_ANSWERS && !answers.contains_key(&certificate) {
            return false;
        }
        answers.insert(certificate, answer);
        true
    }

    pub(crate) fn get(&self, certificate: &CertificateId) -> Option<String> {
        self.lock().get(certificate).cloned()
    }

    /// The window of the certificate: the one that was set, which is none when the answer is not readable, or the
    /// one of its validity.
    pub(crate) fn window(
        &self,
        certificate: &CertificateId,
        validity: Validity,
    ) -> Option<(SystemTime, SystemTime)> {
        match self.get(certificate) {
            None => Some(boulder_window(validity)),
            Some(answer) => {
                let Window { start, end } = serde_json::from_str::<Answer>(&answer).ok()?.window;
                Some((start.into(), end.into()))
            }
        }
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, HashMap<CertificateId, String>> {
        self.answers.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn window(life: Duration) -> (Duration, Duration) {
        let issued = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let (start, end) = boulder_window(Validity::new(issued, issued + life - Duration::from_secs(1)));
        let centre = start + end.duration_since(start).unwrap() / 2;
        (centre.duration_since(issued).unwrap(), end.duration_since(start).unwrap())
    }

    #[test]
    fn as_boulder_computes_it() {
        let hours = |hours: f64| Duration::from_secs_f64(hours * 3600.0);
        assert_eq!(window(hours(90.0 * 24.0)), (hours(60.0 * 24.0), hours(43.2)));
        assert_eq!(window(hours(45.0 * 24.0)), (hours(30.0 * 24.0), hours(21.6)));
        assert_eq!(window(hours(160.0)), (hours(80.0), hours(3.2)));
    }

    proptest! {
        #[test]
        fn the_window_lies_within_the_validity(seconds in 60u64..40_000_000) {
            let issued = SystemTime::UNIX_EPOCH;
            let (start, end) = boulder_window(Validity::new(issued, issued + Duration::from_secs(seconds)));
            prop_assert!(issued < start && start < end && end < issued + Duration::from_secs(seconds));
        }
    }
}
