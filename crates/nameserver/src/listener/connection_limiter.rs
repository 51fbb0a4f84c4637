//! The limits of TCP connections, in all and by source.

use parking_lot::{Mutex, MutexGuard};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::TcpLimits;

/// Limits concurrent connections. A connection gives its slot back when the slot is dropped.
#[derive(Debug)]
pub(super) struct ConnectionLimiter {
    max: usize,
    max_of_prefix: usize,
    counts: Mutex<ConnectionCounts>,
}

#[derive(Debug, Default)]
struct ConnectionCounts {
    all: usize,
    of_prefix: HashMap<u64, usize>,
}

/// The right to one connection.
#[derive(Debug)]
pub(super) struct ConnectionSlot {
    limiter: Arc<ConnectionLimiter>,
    prefix: Option<u64>,
}

impl ConnectionLimiter {
    pub(super) fn new(limits: &TcpLimits) -> Self {
        let counts = Mutex::default();
        Self { max: limits.max_clients, max_of_prefix: limits.max_clients_of_prefix, counts }
    }

    /// Returns a slot for a client with this address, unless a limit is reached.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Option<ConnectionSlot> {
        let prefix = prefix_of(address);
        let mut counts = self.lock();
        if counts.all >= self.max {
            return None;
        }
        if let Some(prefix) = prefix {
            let count = counts.of_prefix.get(&prefix).copied().unwrap_or_default();
            if count >= self.max_of_prefix {
                return None;
            }
            counts.of_prefix.insert(prefix, count + 1);
        }
        counts.all += 1;
        Some(ConnectionSlot { limiter: self.clone(), prefix })
    }

    fn lock(&self) -> MutexGuard<'_, ConnectionCounts> {
        self.counts.lock()
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        let mut counts = self.limiter.lock();
        counts.all = counts.all.saturating_sub(1);
        if let Some(prefix) = self.prefix
            && let Some(count) = counts.of_prefix.get_mut(&prefix)
        {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.of_prefix.remove(&prefix);
            }
        }
    }
}

/// Returns the /24 or /56 of the address, the two kinds apart; `None` for loopback. An IPv4-mapped IPv6 address counts
/// as IPv4.
fn prefix_of(address: IpAddr) -> Option<u64> {
    match address.to_canonical() {
        address if address.is_loopback() => None,
        IpAddr::V4(v4) => Some(u64::from(v4.to_bits() >> 8)),
        IpAddr::V6(v6) => Some(u64::try_from(v6.to_bits() >> 72).unwrap_or(u64::MAX) | 1 << 63),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(max_clients: usize, max_clients_of_prefix: usize) -> Arc<ConnectionLimiter> {
        Arc::new(ConnectionLimiter::new(&TcpLimits {
            max_clients,
            max_clients_of_prefix,
            ..TcpLimits::default()
        }))
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn dropped_slot_is_given_back() {
        let limiter = limiter(2, 2);
        let first = limiter.admit(address("127.0.0.1")).unwrap();
        let _second = limiter.admit(address("192.0.2.1")).unwrap();
        assert!(limiter.admit(address("198.51.100.1")).is_none());
        drop(first);
        assert!(limiter.admit(address("198.51.100.1")).is_some());
    }

    #[test]
    fn prefix_has_its_own_limit() {
        let limiter = limiter(100, 1);
        let held = limiter.admit(address("192.0.2.1")).unwrap();
        assert!(limiter.admit(address("192.0.2.200")).is_none());
        assert!(limiter.admit(address("::ffff:192.0.2.7")).is_none());
        assert!(limiter.admit(address("192.0.3.1")).is_some());
        let _v6 = limiter.admit(address("2001:db8:0:100::1")).unwrap();
        assert!(limiter.admit(address("2001:db8:0:1ff::9")).is_none());
        assert!(limiter.admit(address("2001:db8:0:200::1")).is_some());
        let loopback: Vec<_> = (0..9).map(|_| limiter.admit(address("127.0.0.1")).unwrap()).collect();
        drop((held, loopback));
        assert!(limiter.admit(address("192.0.2.1")).is_some());
        assert!(limiter.lock().of_prefix.len() <= 2);
    }
}
