//! Where the device is to be found.

use std::io;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;

/// Knows the device's addresses now: from its interfaces, from a file, from the one who configures it.
#[async_trait]
pub trait AddressSource: Send + Sync {
    /// The addresses that the device's name should have; the order has no meaning. Asked about twice a minute.
    ///
    /// # Errors
    /// When they cannot be told now; those reported last then stand.
    async fn addresses(&self) -> io::Result<Vec<IpAddr>>;
}

/// Addresses that do not change.
#[async_trait]
impl AddressSource for Vec<IpAddr> {
    async fn addresses(&self) -> io::Result<Vec<IpAddr>> {
        Ok(self.clone())
    }
}

/// Decides which change is worth a report: one that lasted, and not more often than the server wants to hear.
#[derive(Debug, Default)]
pub(crate) struct AddressWatch {
    reported: Option<Vec<IpAddr>>,
    seen: Vec<IpAddr>,
    not_before: Option<SystemTime>,
}

impl AddressWatch {
    /// Takes what was seen at `now`; gives what is to be reported.
    pub(crate) fn see(&mut self, mut addresses: Vec<IpAddr>, now: SystemTime) -> Option<Vec<IpAddr>> {
        addresses.sort_unstable();
        addresses.dedup();
        let lasted = self.reported.is_none() || self.seen == addresses;
        self.seen = addresses;
        let early = self.not_before.is_some_and(|at| now < at);
        (lasted && !early && self.reported.as_ref() != Some(&self.seen)).then(|| self.seen.clone())
    }

    /// `addresses` have been reported.
    pub(crate) fn reported(&mut self, addresses: Vec<IpAddr>) {
        self.reported = Some(addresses);
        self.not_before = None;
    }

    /// The report failed: none before `wait` has passed.
    pub(crate) fn failed(&mut self, wait: Duration, now: SystemTime) {
        self.not_before = now.checked_add(wait);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn one(last: u8) -> Vec<IpAddr> {
        vec![IpAddr::from([10, 1, 1, last])]
    }

    #[test]
    fn the_first_is_reported_at_once_and_a_change_when_it_lasts() {
        let mut watch = AddressWatch::default();
        assert_eq!(watch.see(one(4), NOW), Some(one(4)));
        watch.reported(one(4));
        assert_eq!(watch.see(one(4), NOW), None);
        assert_eq!(watch.see(one(5), NOW), None);
        assert_eq!(watch.see(one(5), NOW), Some(one(5)));
    }

    #[test]
    fn flapping_and_reordering_are_not_reported() {
        let mut watch = AddressWatch::default();
        watch.reported(one(4));
        for round in 0..10 {
            assert_eq!(watch.see(one(5 + round % 2), NOW), None);
        }
        let both = || [one(4), one(5)].concat();
        watch.reported(both());
        assert_eq!(watch.see([one(5), one(4), one(5)].concat(), NOW), None);
        assert_eq!(watch.see([one(5), one(4)].concat(), NOW), None);
    }

    #[test]
    fn after_a_failure_it_waits() {
        let mut watch = AddressWatch::default();
        watch.failed(Duration::from_secs(60), NOW);
        assert_eq!(watch.see(one(4), NOW + Duration::from_secs(59)), None);
        assert_eq!(watch.see(one(4), NOW + Duration::from_secs(60)), Some(one(4)));
    }
}
