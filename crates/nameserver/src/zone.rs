//! A zone: what its settings fix, and the version of its names that is answered now.

mod draft;
mod key;
mod node;
mod serial;
mod tree;

use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use fleetcert_dns::{RecordData, RecordSet, RecordType, Ttl};
use fleetcert_dns_wire::{name, record};
use fleetcert_names::DomainName;
use hickory_proto::rr::rdata::{NS, SOA};
use hickory_proto::rr::{Name, RData, Record, RecordType as WireType};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};

use crate::settings::{Caa, NameServerHost, SettingsError, ZoneSettings};

pub(crate) use draft::{Draft, DraftError};
pub(crate) use key::Key;
pub(crate) use node::Node;
use tree::Tree;

/// What one zone may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) names: usize,
    pub(crate) values: usize,
}

#[derive(Debug)]
pub(crate) struct Zone {
    settings: ZoneSettings,
    limits: Limits,
    apex: Key,
    origin: Name,
    responsible: Name,
    name_servers: Vec<RData>,
    caa: Vec<RData>,
    /// Names whose addresses belong to the settings.
    fixed: BTreeSet<Key>,
    current: ArcSwap<Snapshot>,
    /// Held while the next version is made.
    writer: Mutex<()>,
}

/// One version of a zone. It never changes.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) serial: u32,
    tree: Tree,
}

impl Snapshot {
    /// The node of a name; a name without one does not exist, and neither does any below it.
    pub(crate) fn node(&self, key: &Key) -> Option<&Node> {
        self.tree.find(key.as_slice())
    }
}

impl Zone {
    pub(crate) fn new(settings: ZoneSettings, limits: Limits, serial: u32) -> Result<Self, SettingsError> {
        settings.check()?;
        let responsible =
            settings.responsible().map_err(|_| SettingsError::OriginTooLong(settings.origin.clone()))?;
        let caa = settings.caa.iter().map(|caa| caa_to_wire(caa).ok_or(()));
        let caa = caa.collect::<Result<_, _>>().map_err(|()| SettingsError::Caa(settings.origin.clone()))?;
        let within = settings.name_servers.iter().filter(|host| host.name.is_within(&settings.origin));
        let fixed: Vec<_> =
            within.map(|host| (Key::of(&host.name), address_sets(host, settings.ttl))).collect();
        let apex = Key::of(&settings.origin);
        let zone = Self {
            limits,
            origin: name::to_wire(&settings.origin),
            responsible: name::to_wire(&responsible),
            name_servers: settings.name_servers.iter().map(ns_of).collect(),
            caa,
            fixed: fixed.iter().map(|(key, _)| key.clone()).collect(),
            current: ArcSwap::from_pointee(Snapshot { serial, tree: Tree::with_apex(&apex) }),
            writer: Mutex::new(()),
            apex,
            settings,
        };
        let mut draft = Draft::of(&zone, zone.snapshot().tree.clone());
        for (key, sets) in fixed {
            draft.fix(&key, sets);
        }
        let tree = draft.into_tree();
        zone.current.store(Arc::new(Snapshot { serial, tree }));
        Ok(zone)
    }

    pub(crate) fn origin(&self) -> &DomainName {
        &self.settings.origin
    }

    pub(crate) fn apex(&self) -> &Key {
        &self.apex
    }

    pub(crate) fn is_fixed(&self, key: &Key) -> bool {
        self.fixed.contains(key)
    }

    /// The version that is answered now. Reading takes no lock.
    pub(crate) fn snapshot(&self) -> Guard<Arc<Snapshot>> {
        self.current.load()
    }

    /// Makes the next version: all of what `make` does to the draft, or nothing if it fails. A draft without a
    /// change makes no new version.
    pub(crate) fn change<E>(
        &self,
        unix_time: u32,
        make: impl FnOnce(&mut Draft<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        // A panic in `make` would leave the current version as it was.
        let _writer = self.writer.lock();
        let current = self.snapshot();
        let mut draft = Draft::of(self, current.tree.clone());
        make(&mut draft)?;
        if draft.is_changed() {
            let serial = serial::next(current.serial, unix_time);
            self.current.store(Arc::new(Snapshot { serial, tree: draft.into_tree() }));
        }
        Ok(())
    }

    /// The records of one type at a name, in one version; `owner` is written as the client wrote it.
    pub(crate) fn records(
        &self,
        snapshot: &Snapshot,
        key: &Key,
        owner: &Name,
        wanted: WireType,
    ) -> Vec<Record> {
        let ttl = self.settings.ttl.as_secs();
        let at_apex = |values: &[RData]| match *key == self.apex {
            true => values.iter().map(|data| Record::from_rdata(owner.clone(), ttl, data.clone())).collect(),
            false => Vec::new(),
        };
        match wanted {
            WireType::SOA if *key == self.apex => vec![self.soa(snapshot, ttl, owner)],
            WireType::NS => at_apex(&self.name_servers),
            WireType::CAA => at_apex(&self.caa),
            _ => record::type_from_wire(wanted)
                .and_then(|record_type| snapshot.node(key)?.sets.of(record_type))
                .map_or_else(Vec::new, |set| to_records(set, owner)),
        }
    }

    /// The SOA record of a negative answer: its time to live is how long the miss may be kept (RFC 2308 section 3).
    pub(crate) fn negative_soa(&self, snapshot: &Snapshot) -> Record {
        self.soa(
            snapshot,
            self.settings.negative_ttl.as_secs().min(self.settings.ttl.as_secs()),
            &self.origin,
        )
    }

    /// The addresses of the servers that lie in the zone.
    pub(crate) fn glue(&self, snapshot: &Snapshot) -> Vec<Record> {
        let mut glue = Vec::new();
        for host in
            self.settings.name_servers.iter().filter(|host| host.name.is_within(&self.settings.origin))
        {
            let (key, owner) = (Key::of(&host.name), name::to_wire(&host.name));
            for wanted in [WireType::A, WireType::AAAA] {
                glue.extend(self.records(snapshot, &key, &owner, wanted));
            }
        }
        glue
    }

    fn soa(&self, snapshot: &Snapshot, ttl: u32, owner: &Name) -> Record {
        let primary = match self.name_servers.first() {
            Some(RData::NS(NS(name))) => name.clone(),
            _ => self.origin.clone(),
        };
        let negative = self.settings.negative_ttl.as_secs();
        // Nobody transfers the zone, so the three times matter to nobody; they are those of RIPE-203.
        let soa =
            SOA::new(primary, self.responsible.clone(), snapshot.serial, 86_400, 7_200, 3_600_000, negative);
        Record::from_rdata(owner.clone(), ttl, RData::SOA(soa))
    }
}

fn to_records(set: &RecordSet, owner: &Name) -> Vec<Record> {
    let record = |data| Record::from_rdata(owner.clone(), set.ttl.as_secs(), record::to_wire(data));
    set.values.iter().map(record).collect()
}

fn ns_of(host: &NameServerHost) -> RData {
    RData::NS(NS(name::to_wire(&host.name)))
}

fn address_sets(host: &NameServerHost, ttl: Ttl) -> Vec<(RecordType, RecordSet)> {
    let mut sets: BTreeMap<RecordType, BTreeSet<RecordData>> = BTreeMap::new();
    for address in &host.addresses {
        let data = match *address {
            IpAddr::V4(v4) => RecordData::A(v4),
            IpAddr::V6(v6) => RecordData::Aaaa(v6),
        };
        sets.entry(data.record_type()).or_default().insert(data);
    }
    sets.into_iter().map(|(record_type, values)| (record_type, RecordSet { ttl, values })).collect()
}

/// The codec has no way to make a CAA record of tag and value, so it reads one.
fn caa_to_wire(caa: &Caa) -> Option<RData> {
    let mut rdata = vec![u8::from(caa.critical) << 7, u8::try_from(caa.tag.len()).ok()?];
    rdata.extend(caa.tag.as_bytes());
    rdata.extend(caa.value.as_bytes());
    let mut wire = vec![0]; // the root as owner
    wire.extend(u16::from(WireType::CAA).to_be_bytes());
    wire.extend([0, 1, 0, 0, 0, 0]);
    wire.extend(u16::try_from(rdata.len()).ok()?.to_be_bytes());
    wire.extend(rdata);
    Record::read(&mut BinDecoder::new(&wire)).ok().map(|record| record.data)
}

/// The zones of a server.
#[derive(Debug, Default)]
pub(crate) struct ZoneMap {
    zones: HashMap<Key, Zone>,
}

impl ZoneMap {
    /// False when there is one of the name already.
    pub(crate) fn insert(&mut self, zone: Zone) -> bool {
        self.zones.insert(zone.apex.clone(), zone).is_none()
    }

    pub(crate) fn find(&self, origin: &DomainName) -> Option<&Zone> {
        self.at(&Key::of(origin))
    }

    pub(crate) fn at(&self, apex: &Key) -> Option<&Zone> {
        self.zones.get(apex.as_slice())
    }

    /// The zone that a name lies in: of several the deepest.
    pub(crate) fn enclosing(&self, key: &Key) -> Option<&Zone> {
        key.ancestors().find_map(|apex| self.zones.get(apex))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Zone> {
        self.zones.values()
    }
}
