//! The name server as a value.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use fleetcert_ambient::Clock;
use fleetcert_dns_wire::tsig::to_seconds;
use fleetcert_names::DomainName;

use crate::Listener;
use crate::options::{Options, UpdateGrant};
use crate::replay::ReplayMemory;
use crate::settings::{SettingsError, ZoneSettings};
use crate::zone::{Limits, Zone, ZoneMap};

/// A name server and its zones. A clone is another handle to the same zones.
///
/// It answers nothing until [`listen`](Self::listen), and spawns nothing. It is a
/// [`DnsBackend`](fleetcert_dns::DnsBackend): a list of changes is made as a whole, and what is answered after it
/// has all of it.
///
/// **Cost.** A zone is a persistent tree of 64 × 64 leaves. A query reads one immutable version of it and takes no
/// lock. A change of one name copies 128 pointers and the pointers of one leaf, 1/4096 of the names: some
/// microseconds at 100,000 names, and no query waits. Writers of one zone wait for each other.
///
/// **Serial numbers** start at the clock's Unix time and follow it, or grow by one, whatever is more (RFC 1982), so
/// they do not fall behind over a restart unless there was more than one change a second on average.
#[derive(Clone, Debug)]
pub struct NameServer {
    core: Arc<Core>,
}

/// What all handles and listeners share.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) zones: ZoneMap,
    pub(crate) options: Options,
    pub(crate) replays: ReplayMemory,
    pub(crate) clock: Arc<dyn Clock>,
}

impl NameServer {
    /// A name server for these zones.
    ///
    /// # Errors
    /// [`SettingsError`] names the zone, the key or the grant that cannot be.
    pub fn new(
        zones: impl IntoIterator<Item = ZoneSettings>,
        options: Options,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SettingsError> {
        let limits = Limits { names: options.max_names, values: options.max_values };
        let serial = unix_time(clock.as_ref());
        let mut map = ZoneMap::default();
        for settings in zones {
            let origin = settings.origin.clone();
            if !map.insert(Zone::new(settings, limits, serial)?) {
                return Err(SettingsError::DuplicateZone(origin));
            }
        }
        check_grants(&options.grants, &map)?;
        Ok(Self { core: Arc::new(Core { zones: map, options, replays: ReplayMemory::default(), clock }) })
    }

    /// Opens a UDP and a TCP socket at the same address. Port 0 stands for a port that is free for both.
    ///
    /// Nothing is answered before [`Listener::serve`].
    ///
    /// # Errors
    /// Those of the sockets; `AddrInUse` also when no port was found that is free for both.
    pub async fn listen(&self, address: SocketAddr) -> io::Result<Listener> {
        Listener::bind(self.core.clone(), address).await
    }

    /// The serial number of a zone's SOA record; `None` for a zone that we do not have.
    pub fn serial(&self, zone: &DomainName) -> Option<u32> {
        self.core.zones.find(zone).map(|zone| zone.snapshot().serial)
    }

    pub(crate) fn core(&self) -> &Core {
        &self.core
    }
}

impl Core {
    /// The low 32 bits of the Unix time: what serial numbers follow.
    pub(crate) fn unix_time(&self) -> u32 {
        unix_time(self.clock.as_ref())
    }
}

fn unix_time(clock: &dyn Clock) -> u32 {
    // Serial numbers are compared modulo 2^32 (RFC 1982), so the low bits are enough.
    (to_seconds(clock.now()) & u64::from(u32::MAX)) as u32
}

fn check_grants(grants: &[UpdateGrant], zones: &ZoneMap) -> Result<(), SettingsError> {
    let mut keys = HashMap::new();
    for UpdateGrant { key, subtree, .. } in grants {
        if keys.insert(key.name(), key).is_some_and(|other| other != key) {
            return Err(SettingsError::DuplicateKey(key.name().clone()));
        }
        if !zones.iter().any(|zone| subtree.is_within(zone.origin())) {
            return Err(SettingsError::GrantOutsideZones(subtree.clone()));
        }
    }
    Ok(())
}
