//! A zone: its fixed settings, and the current version of its names.

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
pub(crate) use key::NameKey;
pub(crate) use node::Node;
use tree::Tree;

/// The limits of a zone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ZoneLimits {
    pub(crate) names: usize,
    pub(crate) values: usize,
}

#[derive(Debug)]
pub(crate) struct Zone {
    settings: ZoneSettings,
    limits: ZoneLimits,
    apex: NameKey,
    origin: Name,
    responsible: Name,
    name_servers: Vec<RData>,
    caa: Vec<RData>,
    /// Names whose addresses come from the settings.
    fixed: BTreeSet<NameKey>,
    current: ArcSwap<Snapshot>,
    /// Lock of the writer that makes the next version.
    writer: Mutex<()>,
}

/// One immutable version of a zone.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) serial: u32,
    tree: Tree,
}

impl Snapshot {
    /// Returns the node of a name. Without a node, neither the name nor any name below it exists.
    pub(crate) fn node(&self, key: &NameKey) -> Option<&Node> {
        self.tree.find(key.as_slice())
    }
}

impl Zone {
    pub(crate) fn new(
        settings: ZoneSettings,
        limits: ZoneLimits,
        serial: u32,
    ) -> Result<Self, SettingsError> {
        settings.check()?;
        let responsible =
            settings.responsible().map_err(|_| SettingsError::OriginTooLong(settings.origin.clone()))?;
        let caa = settings.caa.iter().map(|caa| caa_to_wire(caa).ok_or(()));
        let caa = caa.collect::<Result<_, _>>().map_err(|()| SettingsError::Caa(settings.origin.clone()))?;
        let within = settings.name_servers.iter().filter(|host| host.name.is_within(&settings.origin));
        let fixed: Vec<_> =
            within.map(|host| (NameKey::of(&host.name), address_sets(host, settings.ttl))).collect();
        let apex = NameKey::of(&settings.origin);
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

    pub(crate) fn apex(&self) -> &NameKey {
        &self.apex
    }

    pub(crate) fn is_fixed(&self, key: &NameKey) -> bool {
        self.fixed.contains(key)
    }

    /// Returns the current version without taking a lock.
    pub(crate) fn snapshot(&self) -> Guard<Arc<Snapshot>> {
        self.current.load()
    }

    /// Makes the next version: all changes that `make` does to the draft, or none if it fails. A draft without changes
    /// makes no new version.
    pub(crate) fn change<E>(
        &self,
        unix_time: u32,
        make: impl FnOnce(&mut Draft<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        // If `make` panics, the current version stays.
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

    /// Returns the records of one type at a name, in one version, with `owner` spelled as in the query.
    pub(crate) fn records(
        &self,
        snapshot: &Snapshot,
        key: &NameKey,
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

    /// Returns the SOA record of a negative answer. Its TTL limits the caching of the absence (RFC 2308 section 3).
    pub(crate) fn negative_soa(&self, snapshot: &Snapshot) -> Record {
        self.soa(
            snapshot,
            self.settings.negative_ttl.as_secs().min(self.settings.ttl.as_secs()),
            &self.origin,
        )
    }

    /// Returns the addresses of the servers inside the zone.
    pub(crate) fn glue(&self, snapshot: &Snapshot) -> Vec<Record> {
        let mut glue = Vec::new();
        for host in
            self.settings.name_servers.iter().filter(|host| host.name.is_within(&self.settings.origin))
        {
            let (key, owner) = (NameKey::of(&host.name), name::to_wire(&host.name));
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
        // Without zone transfers, the three times are unused; they are those of RIPE-203.
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

/// Encodes a CAA record. The codec cannot make one from tag and value, so this parses its wire form.
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
    zones: HashMap<NameKey, Zone>,
}

impl ZoneMap {
    /// Inserts a zone. Returns false if there is already one with its name.
    pub(crate) fn insert(&mut self, zone: Zone) -> bool {
        self.zones.insert(zone.apex.clone(), zone).is_none()
    }

    pub(crate) fn find(&self, origin: &DomainName) -> Option<&Zone> {
        self.at(&NameKey::of(origin))
    }

    pub(crate) fn at(&self, apex: &NameKey) -> Option<&Zone> {
        self.zones.get(apex.as_slice())
    }

    /// Returns the zone that contains a name: the deepest, if there are several.
    pub(crate) fn enclosing(&self, key: &NameKey) -> Option<&Zone> {
        key.ancestors().find_map(|apex| self.zones.get(apex))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Zone> {
        self.zones.values()
    }
}
