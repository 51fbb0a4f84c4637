//! An alarm that does not ring all the time.

/// Goes off once when a count rises above a mark, and is armed again when the count has fallen to half of it. So a
/// count that stays near the mark is told once.
///
/// ```
/// let mut alarm = fleetcert_dns::challenge::Alarm::new(100);
/// assert!(!alarm.goes_off_at(100));
/// assert!(alarm.goes_off_at(101));
/// assert!(!alarm.goes_off_at(99) && !alarm.goes_off_at(5000), "it was told");
/// assert!(!alarm.goes_off_at(50));
/// assert!(alarm.goes_off_at(101), "it fell to half meanwhile");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    above: usize,
    armed: bool,
}

impl Alarm {
    /// An alarm above this mark.
    pub fn new(above: usize) -> Self {
        Self { above, armed: true }
    }

    /// Takes note of the count; whether the alarm goes off now.
    pub fn goes_off_at(&mut self, count: usize) -> bool {
        if count > self.above {
            return std::mem::replace(&mut self.armed, false);
        }
        self.armed |= count <= self.above / 2;
        false
    }
}
