//! The name server.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use fleetcert_ambient::Ambient;
use fleetcert_dns_wire::tsig::to_seconds;
use fleetcert_names::DomainName;

use crate::Listener;
use crate::options::{Options, UpdateGrant};
use crate::replay::ReplayMemory;
use crate::settings::{SettingsError, ZoneSettings};
use crate::zone::{Zone, ZoneLimits, ZoneMap};

/// A name server and its zones. A clone is another handle to the same zones.
///
/// It answers nothing before [`listen`](Self::listen), and spawns nothing. It is a
/// [`DnsBackend`](fleetcert_dns::DnsBackend): a list of changes takes effect as a whole, and later answers contain all
/// of it.
///
/// **Cost.** A zone is a persistent tree of 64 × 64 leaves. A query reads one immutable version of it without a lock.
/// A change of one name copies 128 pointers and the pointers of one leaf, 1/4096 of the names: some microseconds at
/// 100,000 names, while queries do not wait. Writers of one zone wait for each other.
///
/// **Serial numbers** start at the clock's Unix time. Each change sets the serial to the Unix time or to one more than
/// before, whichever is greater (RFC 1982). So it does not decrease over a restart, unless there was more than one
/// change a second on average.
///
/// ```
/// use fleetcert_ambient::Ambient;
/// use fleetcert_nameserver::{NameServer, NameServerHost, Options, ZoneSettings};
///
/// let host = NameServerHost {
///     name: "ns1.fleet.test".parse()?,
///     addresses: ["192.0.2.53".parse()?].into(),
/// };
/// let zone = ZoneSettings::new("fleet.test".parse()?, [host]);
/// let server = NameServer::new([zone], Options::default(), Ambient::system())?;
/// assert!(server.serial(&"fleet.test".parse()?).is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct NameServer {
    core: Arc<Core>,
}

/// The state that all handles and listeners share.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) zones: ZoneMap,
    pub(crate) options: Options,
    pub(crate) replays: ReplayMemory,
    pub(crate) ambient: Ambient,
}

impl NameServer {
    /// Returns a name server for these zones.
    ///
    /// # Errors
    /// [`SettingsError`] with the zone, the key or the grant that is invalid.
    pub fn new(
        zones: impl IntoIterator<Item = ZoneSettings>,
        options: Options,
        ambient: Ambient,
    ) -> Result<Self, SettingsError> {
        let limits = ZoneLimits { names: options.max_names, values: options.max_values };
        let serial = unix_time(&ambient);
        let mut map = ZoneMap::default();
        for settings in zones {
            let origin = settings.origin.clone();
            if !map.insert(Zone::new(settings, limits, serial)?) {
                return Err(SettingsError::DuplicateZone(origin));
            }
        }
        check_grants(&options.grants, &map)?;
        Ok(Self { core: Arc::new(Core { zones: map, options, replays: ReplayMemory::default(), ambient }) })
    }

    /// Opens a UDP and a TCP socket at the same address. Port 0 takes a port that is free for both.
    ///
    /// Nothing is answered before [`Listener::serve`].
    ///
    /// # Errors
    /// Errors of the sockets; `AddrInUse` also if no port is free for both.
    pub async fn listen(&self, address: SocketAddr) -> io::Result<Listener> {
        Listener::bind(self.core.clone(), address).await
    }

    /// Returns the serial number of a zone's SOA record; `None` if the server does not have the zone.
    pub fn serial(&self, zone: &DomainName) -> Option<u32> {
        self.core.zones.find(zone).map(|zone| zone.snapshot().serial)
    }

    pub(crate) fn core(&self) -> &Core {
        &self.core
    }
}

impl Core {
    /// Returns the low 32 bits of the Unix time, from which serial numbers are made.
    pub(crate) fn unix_time(&self) -> u32 {
        unix_time(&self.ambient)
    }
}

fn unix_time(ambient: &Ambient) -> u32 {
    // Serial numbers are compared modulo 2^32 (RFC 1982): the low bits are enough.
    (to_seconds(ambient.now()) & u64::from(u32::MAX)) as u32
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
