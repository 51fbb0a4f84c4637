//! One record of an answer.

use std::net::IpAddr;

use fleetcert_dns::RecordData;
use fleetcert_dns_wire::{name, record};
use fleetcert_names::DomainName;
use hickory_proto::rr::{DNSClass, RData, Record};

use crate::caa::CaaRecord;

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum QueryType {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// Texts.
    Txt,
    /// The start of a zone (RFC 1035 section 3.3.13).
    Soa,
    /// The name servers of a zone.
    Ns,
    /// Another name for the same thing.
    Cname,
    /// Which CAs may issue (RFC 8659).
    Caa,
}

/// One record of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerRecord {
    /// The owner name.
    pub name: DomainName,
    /// The time to live in seconds.
    pub ttl: u32,
    /// The value.
    pub data: AnswerData,
}

/// The value of a record in an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AnswerData {
    /// An address or a text.
    Record(RecordData),
    /// The start of a zone.
    Soa(Soa),
    /// A name server of the zone.
    Ns(DomainName),
    /// The owner name is another name for this one.
    Cname(DomainName),
    /// Which CA may issue.
    Caa(CaaRecord),
    /// A record of the type with this number, with a type or a value that no part of fleetcert uses.
    Other(u16),
}

/// What of an SOA record is of use to us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Soa {
    /// The primary server (MNAME); `None` for a name that is none of ours, as the root is.
    pub primary: Option<DomainName>,
    /// The serial number; compare as RFC 1982 says.
    pub serial: u32,
    /// For how many seconds a missing name is remembered (RFC 2308 section 4).
    pub minimum: u32,
}

impl AnswerRecord {
    pub(super) fn from_wire(wire: &Record) -> Option<Self> {
        if wire.dns_class != DNSClass::IN {
            return None;
        }
        let data = AnswerData::from_wire(&wire.data).unwrap_or(AnswerData::Other(wire.record_type().into()));
        Some(Self { name: name::from_wire(&wire.name).ok()?, ttl: wire.ttl, data })
    }
}

impl AnswerData {
    pub(super) fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Record(RecordData::A(v4)) => Some(IpAddr::V4(*v4)),
            Self::Record(RecordData::Aaaa(v6)) => Some(IpAddr::V6(*v6)),
            _ => None,
        }
    }

    pub(super) fn as_soa(&self) -> Option<&Soa> {
        match self {
            Self::Soa(soa) => Some(soa),
            _ => None,
        }
    }

    fn from_wire(data: &RData) -> Option<Self> {
        match data {
            RData::SOA(soa) => Some(Self::Soa(Soa {
                primary: name::from_wire(&soa.mname).ok(),
                serial: soa.serial,
                minimum: soa.minimum,
            })),
            RData::NS(server) => Some(Self::Ns(name::from_wire(server).ok()?)),
            RData::CNAME(target) => Some(Self::Cname(name::from_wire(target).ok()?)),
            RData::CAA(caa) => Some(Self::Caa(CaaRecord::from(caa))),
            other => record::from_wire(other).ok().map(Self::Record),
        }
    }
}

impl QueryType {
    pub(crate) fn to_wire(self) -> hickory_proto::rr::RecordType {
        use hickory_proto::rr::RecordType;
        match self {
            Self::A => RecordType::A,
            Self::Aaaa => RecordType::AAAA,
            Self::Txt => RecordType::TXT,
            Self::Soa => RecordType::SOA,
            Self::Ns => RecordType::NS,
            Self::Cname => RecordType::CNAME,
            Self::Caa => RecordType::CAA,
        }
    }
}
