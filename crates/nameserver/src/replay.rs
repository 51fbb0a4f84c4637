//! Which signed updates have come already.

use parking_lot::Mutex;
use std::collections::{HashSet, VecDeque};

use fleetcert_dns_wire::tsig::{MAX_FUDGE, RequestMac};

/// The codes of the updates that could still be sent again: a signature is good for [`MAX_FUDGE`] seconds on
/// either side of its time. The memory does not outlive the process; neither do the zones.
#[derive(Debug, Default)]
pub(crate) struct ReplayMemory {
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    codes: HashSet<RequestMac>,
    /// With the second of arrival.
    in_order: VecDeque<(u64, RequestMac)>,
}

/// Only who holds a key can fill the memory.
const CAPACITY: usize = 100_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    First,
    Repeated,
    /// There is no room to remember it, so it must not be acted on.
    NoRoom,
}

impl ReplayMemory {
    /// Remembers a request that has been verified at `now`, in Unix seconds.
    pub(crate) fn arrives(&self, code: &RequestMac, now: u64) -> Arrival {
        let mut seen = self.seen.lock();
        let good_for = 2 * u64::from(MAX_FUDGE);
        while let Some((arrival, _)) = seen.in_order.front()
            && arrival.saturating_add(good_for) < now
            && let Some((_, old)) = seen.in_order.pop_front()
        {
            seen.codes.remove(&old);
        }
        if seen.codes.contains(code) {
            Arrival::Repeated
        } else if seen.codes.len() >= CAPACITY {
            Arrival::NoRoom
        } else {
            seen.codes.insert(code.clone());
            seen.in_order.push_back((now, code.clone()));
            Arrival::First
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleetcert_dns_wire::{TsigAlgorithm, TsigKey, message, tsig};
    use std::time::{Duration, SystemTime};

    fn code(id: u16) -> RequestMac {
        let key = TsigKey::new("k".parse().unwrap(), TsigAlgorithm::HmacSha256, &[7; 32]).unwrap();
        let query = message::query(id, &"a.test".parse().unwrap(), hickory_proto::rr::RecordType::A);
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        tsig::sign_request(&message::encode(&query).unwrap(), &key, now).unwrap().mac
    }

    #[test]
    fn a_code_is_remembered_as_long_as_it_is_good() {
        let memory = ReplayMemory::default();
        assert_eq!(memory.arrives(&code(1), 1000), Arrival::First);
        assert_eq!(memory.arrives(&code(1), 1600), Arrival::Repeated);
        assert_eq!(memory.arrives(&code(2), 1600), Arrival::First);
        assert_eq!(memory.arrives(&code(1), 1601), Arrival::First);
        assert_eq!(memory.arrives(&code(2), 0), Arrival::Repeated);
    }
}
