//! Check of the serials: whether every server has the same version of the zone.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use fleetcert_ambient::timeout;
use fleetcert_names::DomainName;

use super::ask::{self, Probe};
use super::servers::NO_SOA;
use super::{Check, Diagnose, Finding, Seen, Status};
use crate::QueryType;

const SETTLE_INTERVAL: Duration = Duration::from_millis(500);

impl Diagnose {
    /// Compares the serials; waits for zone transfers in progress.
    pub(super) async fn serials(&self, probes: &[Probe]) -> Finding {
        let mut serials = serials(probes, &self.zone);
        let Some(newest) = serials.values().copied().reduce(later) else {
            return Finding::not_run(Check::Serial, NO_SOA);
        };
        let is_behind =
            |serials: &BTreeMap<SocketAddr, u32>| serials.values().any(|serial| behind(newest, *serial) > 0);
        let settle = async {
            while is_behind(&serials) {
                self.ambient.sleep(SETTLE_INTERVAL).await;
                let ways = ask::working(probes, &self.zone);
                let again = ask::all(&self.asker, &self.zone, QueryType::Soa, ways).await;
                serials.extend(self::serials(&again, &self.zone));
            }
        };
        let settled = timeout(&*self.ambient.clock, self.options.settle_within, settle).await.is_ok();
        let line = |(server, serial): (&SocketAddr, &u32)| match behind(newest, *serial) {
            0 => Seen::new(server.to_string(), Status::Ok, serial.to_string()),
            behind => Seen::new(server.to_string(), Status::Problem, format!("{serial}, behind by {behind}")),
        };
        let seen = serials.iter().map(line).collect();
        if settled {
            return Finding::new(Check::Serial, Status::Ok, "every server has the same version of the zone")
                .with_seen(seen);
        }
        Finding::new(Check::Serial, Status::Problem, "servers have an old version of the zone (stale secondaries)")
            .with_seen(seen)
            .remedy(
                "have the primary tell these secondaries of changes (NOTIFY) and let them transfer the zone; look into \
                 their logs for refused transfers",
            )
    }
}

fn serials(probes: &[Probe], zone: &DomainName) -> BTreeMap<SocketAddr, u32> {
    probes.iter().filter_map(|probe| Some((probe.server, probe.soa(zone)?.serial))).collect()
}

/// Returns the later one by the arithmetic of RFC 1982.
fn later(one: u32, other: u32) -> u32 {
    if behind(other, one) > 0 { other } else { one }
}

/// Returns by how much `serial` is behind `newest`; zero for the same or a later one.
fn behind(newest: u32, serial: u32) -> u32 {
    let distance = newest.wrapping_sub(serial);
    if distance < 1 << 31 { distance } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serials_are_compared_as_rfc_1982_says() {
        for (newest, serial, expected) in
            [(7, 5, 2), (5, 7, 0), (7, 7, 0), (1, u32::MAX, 2), (u32::MAX, 1, 0), (0, 1 << 31, 0)]
        {
            assert_eq!(behind(newest, serial), expected);
        }
        assert_eq!(later(u32::MAX, 1), 1);
        assert_eq!(later(7, 5), 7);
    }
}
