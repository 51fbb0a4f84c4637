//! The device's addresses, and which change of them is reported.

use std::io;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use fleetcert_ambient::Backoff;

/// A source of the device's current addresses: its interfaces, a file, the configuration.
///
/// A `Vec<IpAddr>` is a source of addresses that do not change.
///
/// ```
/// use async_trait::async_trait;
/// use fleetcert_agent::AddressSource;
/// use std::{io, net::{IpAddr, UdpSocket}};
///
/// /// The local address of the way to the control server.
/// struct TowardsTheServer;
///
/// #[async_trait]
/// impl AddressSource for TowardsTheServer {
///     async fn addresses(&self) -> io::Result<Vec<IpAddr>> {
///         let socket = UdpSocket::bind("0.0.0.0:0")?;
///         socket.connect("192.0.2.1:443")?; // sends nothing
///         Ok(vec![socket.local_addr()?.ip()])
///     }
/// }
/// ```
#[async_trait]
pub trait AddressSource: Send + Sync {
    /// Returns the addresses that the device's name should have, in any order. It is called twice a minute.
    ///
    /// # Errors
    /// When they cannot be determined; the addresses that were reported last then stay.
    async fn addresses(&self) -> io::Result<Vec<IpAddr>>;
}

/// Addresses that do not change.
#[async_trait]
impl AddressSource for Vec<IpAddr> {
    async fn addresses(&self) -> io::Result<Vec<IpAddr>> {
        Ok(self.clone())
    }
}

/// Decides which change is reported: one that lasts, and no earlier than the back-off after a failure allows.
#[derive(Debug, Default)]
pub(crate) struct AddressWatch {
    reported: Option<Vec<IpAddr>>,
    seen: Vec<IpAddr>,
    failures: u32,
    not_before: Option<SystemTime>,
}

/// Waits after failed reports.
const BACKOFF: Backoff = Backoff::new(Duration::from_secs(60), Duration::from_secs(3600));

impl AddressWatch {
    /// Takes the addresses at `now`; returns what to report.
    pub(crate) fn see(&mut self, mut addresses: Vec<IpAddr>, now: SystemTime) -> Option<Vec<IpAddr>> {
        addresses.sort_unstable();
        addresses.dedup();
        let lasted = self.reported.is_none() || self.seen == addresses;
        self.seen = addresses;
        let early = self.not_before.is_some_and(|at| now < at);
        (lasted && !early && self.reported.as_ref() != Some(&self.seen)).then(|| self.seen.clone())
    }

    /// Records a report of `addresses`.
    pub(crate) fn reported(&mut self, addresses: Vec<IpAddr>) {
        self.reported = Some(addresses);
        (self.failures, self.not_before) = (0, None);
    }

    /// Records a failed report: the next waits longer after each, and at least as long as the server asks.
    pub(crate) fn failed(&mut self, retry_after: Option<Duration>, now: SystemTime, random: u64) {
        self.failures = self.failures.saturating_add(1);
        let wait = BACKOFF.jittered(self.failures, random).max(retry_after.unwrap_or_default());
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
    fn first_addresses_are_reported_at_once_and_a_change_once_it_lasts() {
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
    fn failed_reports_back_off_to_an_hour_and_obey_the_server() {
        let mut watch = AddressWatch::default();
        let mut now = NOW;
        for minutes in [1, 2, 4, 8, 16, 32, 60, 60] {
            watch.failed(None, now, u64::MAX);
            let wait = Duration::from_secs(60 * minutes);
            assert_eq!(watch.see(one(4), now + wait - Duration::from_secs(1)), None);
            now += wait;
            assert_eq!(watch.see(one(4), now), Some(one(4)));
        }
        watch.failed(Some(Duration::from_secs(7200)), now, 0);
        assert_eq!(watch.see(one(4), now + Duration::from_secs(7199)), None);
        now += Duration::from_secs(7200);
        watch.reported(one(4));
        watch.failed(None, now, 0);
        assert_eq!(watch.see(one(4), now + Duration::from_secs(31)), None, "unchanged");
        watch.see(one(5), now);
        assert_eq!(watch.see(one(5), now + Duration::from_secs(29)), None);
        assert_eq!(
            watch.see(one(5), now + Duration::from_secs(30)),
            Some(one(5)),
            "a success resets the back-off"
        );
    }
}
