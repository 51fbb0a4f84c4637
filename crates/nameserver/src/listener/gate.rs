//! How many TCP connections there are, and from where.

use parking_lot::{Mutex, MutexGuard};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::TcpLimits;

/// Counts connections. What it lets in gives its place back when it is dropped.
#[derive(Debug)]
pub(super) struct Gate {
    max: usize,
    max_of_prefix: usize,
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    all: usize,
    of_prefix: HashMap<u64, usize>,
}

/// A place inside.
#[derive(Debug)]
pub(super) struct Pass {
    gate: Arc<Gate>,
    prefix: Option<u64>,
}

impl Gate {
    pub(super) fn new(limits: &TcpLimits) -> Self {
        let inside = Mutex::default();
        Self { max: limits.max_clients, max_of_prefix: limits.max_clients_of_prefix, inside }
    }

    /// A place for a client with this address, if there is one.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Pass> {
        let prefix = prefix_of(address);
        let mut inside = self.lock();
        if inside.all >= self.max {
            return None;
        }
        if let Some(prefix) = prefix {
            let count = inside.of_prefix.get(&prefix).copied().unwrap_or_default();
            if count >= self.max_of_prefix {
                return None;
            }
            inside.of_prefix.insert(prefix, count + 1);
        }
        inside.all += 1;
        Some(Pass { gate: self.clone(), prefix })
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock()
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut inside = self.gate.lock();
        inside.all = inside.all.saturating_sub(1);
        if let Some(prefix) = self.prefix
            && let Some(count) = inside.of_prefix.get_mut(&prefix)
        {
            *count = count.saturating_sub(1);
            if *count == 0 {
                inside.of_prefix.remove(&prefix);
            }
        }
    }
}

/// The /24 or /56 that the address lies in, the two kinds apart; `None` for loopback. An IPv4 address in IPv6
/// form counts as what it is.
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

    fn gate(max_clients: usize, max_clients_of_prefix: usize) -> Arc<Gate> {
        Arc::new(Gate::new(&TcpLimits { max_clients, max_clients_of_prefix, ..TcpLimits::default() }))
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_place_is_given_back() {
        let gate = gate(2, 2);
        let first = gate.admit(address("127.0.0.1")).unwrap();
        let _second = gate.admit(address("192.0.2.1")).unwrap();
        assert!(gate.admit(address("198.51.100.1")).is_none());
        drop(first);
        assert!(gate.admit(address("198.51.100.1")).is_some());
    }

    #[test]
    fn a_prefix_has_its_own_limit() {
        let gate = gate(100, 1);
        let held = gate.admit(address("192.0.2.1")).unwrap();
        assert!(gate.admit(address("192.0.2.200")).is_none());
        assert!(gate.admit(address("::ffff:192.0.2.7")).is_none());
        assert!(gate.admit(address("192.0.3.1")).is_some());
        let _v6 = gate.admit(address("2001:db8:0:100::1")).unwrap();
        assert!(gate.admit(address("2001:db8:0:1ff::9")).is_none());
        assert!(gate.admit(address("2001:db8:0:200::1")).is_some());
        let loopback: Vec<_> = (0..9).map(|_| gate.admit(address("127.0.0.1")).unwrap()).collect();
        drop((held, loopback));
        assert!(gate.admit(address("192.0.2.1")).is_some());
        assert!(gate.lock().of_prefix.len() <= 2);
    }
}
