//! A server with one zone, queried without sockets.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fleetcert_ambient::{Ambient, ManualClock};
use fleetcert_dns::{Addresses, Change, DnsBackend, RecordType, Ttl};
use fleetcert_dns_wire::tsig::{self, ReplyFault};
use fleetcert_dns_wire::{Transport, TsigAlgorithm, TsigKey, message, name};
use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, TXT};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType as WireType};

use crate::{Caa, NameServer, NameServerHost, Options, UpdateGrant, ZoneSettings};

pub(super) const ZONE: &str = "fleet.test";
pub(super) const START: u64 = 1_800_000_000;

#[derive(Debug)]
pub(super) struct Fixture {
    pub(super) server: NameServer,
    pub(super) clock: ManualClock,
    next_id: std::cell::Cell<u16>,
}

impl Fixture {
    /// A zone with an address at `xi8qz`, a text at `_acme-challenge.deep.down`, and grants for three keys.
    pub(super) async fn new() -> Self {
        let clock = ManualClock::starting_at(SystemTime::UNIX_EPOCH + Duration::from_secs(START));
        let all = [RecordType::A, RecordType::Aaaa, RecordType::Txt];
        let grant = |key: &str, subtree: &str, types: &[RecordType]| UpdateGrant {
            key: key_named(key),
            subtree: subtree.parse().unwrap(),
            types: types.iter().copied().collect(),
        };
        let grants = vec![
            grant("all", ZONE, &all),
            grant("texts", ZONE, &[RecordType::Txt]),
            grant("below", "below.fleet.test", &all),
        ];
        let options = Options { grants, max_values: 16, ..Options::default() };
        let ambient = Ambient { clock: Arc::new(clock.clone()), ..Ambient::system() };
        let server = NameServer::new([settings()], options, ambient).unwrap();
        let address = Change::SetAddresses {
            name: "xi8qz.fleet.test".parse().unwrap(),
            addresses: Addresses::new(["10.1.1.4".parse().unwrap()]).unwrap(),
            ttl: Ttl::ADDRESS,
        };
        let text = Change::AddTxt {
            name: "_acme-challenge.deep.down.fleet.test".parse().unwrap(),
            value: "text".parse().unwrap(),
            ttl: Ttl::CHALLENGE,
        };
        server.apply(&ZONE.parse().unwrap(), &[address, text]).await.unwrap();
        Self { server, clock, next_id: 1.into() }
    }

    /// Returns a query of class IN without EDNS.
    pub(super) fn question(&self, name: &str, record_type: WireType) -> Message {
        let id = self.next_id.get();
        self.next_id.set(id.wrapping_add(1));
        let mut query = Message::new(id, MessageType::Query, OpCode::Query);
        query.add_query(Query::query(Name::from_ascii(name).unwrap(), record_type));
        query
    }

    /// Returns an update of the zone.
    pub(super) fn update(&self, prerequisites: Vec<Record>, updates: Vec<Record>) -> Message {
        let mut update = self.question(ZONE, WireType::SOA);
        update.metadata.op_code = OpCode::Update;
        update.answers = prerequisites;
        update.authorities = updates;
        update
    }

    pub(super) fn send(&self, request: &Message, transport: Transport) -> Option<Vec<u8>> {
        self.server.core().answer(&message::encode(request).unwrap(), transport)
    }

    pub(super) fn ask(&self, request: &Message) -> Message {
        message::decode(&self.send(request, Transport::Tcp).unwrap()).unwrap()
    }

    pub(super) fn query(&self, name: &str, record_type: WireType) -> Message {
        self.ask(&self.question(name, record_type))
    }

    /// Sends a signed request, checks the signature of the answer, and returns its response code.
    pub(super) fn ask_signed(&self, request: &Message, key: &TsigKey) -> Result<ResponseCode, ReplyFault> {
        let now = fleetcert_ambient::Clock::now(&self.clock);
        let signed = tsig::sign_request(&message::encode(request).unwrap(), key, now).unwrap();
        let reply = self.server.core().answer(&signed.message, Transport::Tcp).unwrap();
        tsig::verify_reply(&reply, key, &signed.mac, now)?;
        Ok(message::decode(&reply).unwrap().response_code)
    }

    pub(super) fn updated(&self, prerequisites: Vec<Record>, updates: Vec<Record>) -> ResponseCode {
        self.ask_signed(&self.update(prerequisites, updates), &key_named("all")).unwrap()
    }

    pub(super) fn serial(&self) -> u32 {
        self.server.serial(&ZONE.parse().unwrap()).unwrap()
    }
}

pub(super) fn settings() -> ZoneSettings {
    let host = |name: &str, addresses: &[&str]| NameServerHost {
        name: name.parse().unwrap(),
        addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
    };
    let value = "letsencrypt.org; validationmethods=dns-01".to_owned();
    ZoneSettings {
        caa: vec![Caa { critical: false, tag: "issue".to_owned(), value }],
        ..ZoneSettings::new(
            ZONE.parse().unwrap(),
            [host("ns1.fleet.test", &["192.0.2.1", "2001:db8::1"]), host("ns.example.com", &[])],
        )
    }
}

pub(super) fn key_named(name: &str) -> TsigKey {
    TsigKey::new(name.parse().unwrap(), TsigAlgorithm::HmacSha256, &[7; 32]).unwrap()
}

/// Returns a record of an update with `class`, and without data for `None`.
pub(super) fn update_record(
    name: &str,
    class: DNSClass,
    record_type: WireType,
    ttl: u32,
    data: Option<RData>,
) -> Record {
    let name = Name::from_ascii(name).unwrap();
    let mut record = match data {
        Some(data) => Record::from_rdata(name, ttl, data),
        None => Record::update0(name, ttl, record_type),
    };
    record.dns_class = class;
    record
}

pub(super) fn add(name: &str, data: RData) -> Record {
    update_record(name, DNSClass::IN, data.record_type(), 60, Some(data))
}

pub(super) fn a(last: u8) -> RData {
    RData::A(A::new(10, 0, 0, last))
}

pub(super) fn txt(text: &str) -> RData {
    RData::TXT(TXT::from_bytes(vec![text.as_bytes()]))
}

pub(super) fn wire(text: &str) -> Name {
    name::to_wire(&text.parse().unwrap())
}
