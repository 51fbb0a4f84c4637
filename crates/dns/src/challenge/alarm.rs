//! An alarm with hysteresis.

/// Triggers once when a count rises above a threshold, and is armed again when the count has fallen to half of it. A
/// count that stays near the threshold triggers it once.
///
/// ```
/// let mut alarm = fleetcert_dns::challenge::Alarm::new(100);
/// assert!(!alarm.goes_off_at(100));
/// assert!(alarm.goes_off_at(101));
/// assert!(!alarm.goes_off_at(99) && !alarm.goes_off_at(5000), "it has triggered");
/// assert!(!alarm.goes_off_at(50));
/// assert!(alarm.goes_off_at(101), "it fell to half in between");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    above: usize,
    armed: bool,
}

impl Alarm {
    /// Returns an alarm with the threshold `above`.
    pub fn new(above: usize) -> Self {
        Self { above, armed: true }
    }

    /// Takes the current count. Returns whether the alarm triggers now.
    pub fn goes_off_at(&mut self, count: usize) -> bool {
        if count > self.above {
            return std::mem::replace(&mut self.armed, false);
        }
        self.armed |= count <= self.above / 2;
        false
    }
}
