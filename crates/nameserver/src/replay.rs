//! Protection against replayed updates.

use parking_lot::Mutex;
use std::collections::{HashSet, VecDeque};

use fleetcert_dns_wire::tsig::{MAX_FUDGE, RequestMac};

/// The MACs of the updates that could still be replayed: a signature is valid for [`MAX_FUDGE`] seconds before and
/// after its time. They are lost with the process, like the zones.
#[derive(Debug, Default)]
pub(crate) struct ReplayMemory {
    seen: Mutex<SeenMacs>,
}

#[derive(Debug, Default)]
struct SeenMacs {
    macs: HashSet<RequestMac>,
    /// MACs with the second of their arrival.
    in_order: VecDeque<(u64, RequestMac)>,
}

/// Maximum remembered MACs. Only the holder of a key can fill the memory.
const CAPACITY: usize = 100_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    First,
    Repeated,
    /// The memory is full, so the update must not be applied.
    NoRoom,
}

impl ReplayMemory {
    /// Remembers a request that was verified at `now`, in Unix seconds.
    pub(crate) fn arrives(&self, mac: &RequestMac, now: u64) -> Arrival {
        let mut seen = self.seen.lock();
        let good_for = 2 * u64::from(MAX_FUDGE);
        while let Some((arrival, _)) = seen.in_order.front()
            && arrival.saturating_add(good_for) < now
            && let Some((_, old)) = seen.in_order.pop_front()
        {
            seen.macs.remove(&old);
        }
        if seen.macs.contains(mac) {
            Arrival::Repeated
        } else if seen.macs.len() >= CAPACITY {
            Arrival::NoRoom
        } else {
            seen.macs.insert(mac.clone());
            seen.in_order.push_back((now, mac.clone()));
            Arrival::First
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleetcert_dns_wire::{TsigAlgorithm, TsigKey, message, tsig};
    use std::time::{Duration, SystemTime};

    fn mac(id: u16) -> RequestMac {
        let key = TsigKey::new("k".parse().unwrap(), TsigAlgorithm::HmacSha256, &[7; 32]).unwrap();
        let query = message::query(id, &"a.test".parse().unwrap(), hickory_proto::rr::RecordType::A);
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        tsig::sign_request(&message::encode(&query).unwrap(), &key, now).unwrap().mac
    }

    #[test]
    fn mac_is_remembered_while_its_signature_is_valid() {
        let memory = ReplayMemory::default();
        assert_eq!(memory.arrives(&mac(1), 1000), Arrival::First);
        assert_eq!(memory.arrives(&mac(1), 1600), Arrival::Repeated);
        assert_eq!(memory.arrives(&mac(2), 1600), Arrival::First);
        assert_eq!(memory.arrives(&mac(1), 1601), Arrival::First);
        assert_eq!(memory.arrives(&mac(2), 0), Arrival::Repeated);
    }
}
