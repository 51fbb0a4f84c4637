//! What a server answered, as values.

use std::fmt;
use std::net::IpAddr;

use fleetcert_dns::{RecordData, TxtValue};
use fleetcert_dns_wire::{name, record};
use fleetcert_names::DomainName;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{DNSClass, RData, Record};

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
}

/// One answer of one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// How it went.
    pub rcode: Rcode,
    /// The AA bit: the server says that the zone is its own.
    pub authoritative: bool,
    /// The TC bit: the answer did not fit, and `records` is not all.
    pub truncated: bool,
    /// The answer section, less records of types and names that no part of fleetcert uses.
    pub records: Vec<AnswerRecord>,
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
}

/// What of an SOA record is of use to us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Soa {
    /// The primary server (MNAME).
    pub primary: DomainName,
    /// The serial number; compare as RFC 1982 says.
    pub serial: u32,
    /// For how many seconds a missing name is remembered (RFC 2308 section 4).
    pub minimum: u32,
}

/// How a query went (RFC 1035 section 4.1.1, RFC 6895 section 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rcode {
    /// The name exists. Without records of the asked type this is called NODATA.
    NoError,
    /// The server did not understand the query.
    FormErr,
    /// The server cannot now.
    ServFail,
    /// There is no such name.
    NxDomain,
    /// The server does not know this kind of query.
    NotImp,
    /// The server does not want to.
    Refused,
    /// Another code.
    Other(u16),
}

impl Answer {
    /// The addresses at `name`.
    pub fn addresses(&self, name: &DomainName) -> Vec<IpAddr> {
        let address = |data: &AnswerData| match data {
            AnswerData::Record(RecordData::A(v4)) => Some(IpAddr::V4(*v4)),
            AnswerData::Record(RecordData::Aaaa(v6)) => Some(IpAddr::V6(*v6)),
            _ => None,
        };
        self.at(name).filter_map(address).collect()
    }

    /// The texts at `name`.
    pub fn texts(&self, name: &DomainName) -> Vec<TxtValue> {
        let text = |data: &AnswerData| match data {
            AnswerData::Record(RecordData::Txt(value)) => Some(value.clone()),
            _ => None,
        };
        self.at(name).filter_map(text).collect()
    }

    /// The name that `name` is an alias of.
    pub fn alias(&self, name: &DomainName) -> Option<&DomainName> {
        self.at(name).find_map(|data| match data {
            AnswerData::Cname(target) => Some(target),
            _ => None,
        })
    }

    /// The start of the zone `name`.
    pub fn soa(&self, name: &DomainName) -> Option<&Soa> {
        self.at(name).find_map(|data| match data {
            AnswerData::Soa(soa) => Some(soa),
            _ => None,
        })
    }

    fn at(&self, name: &DomainName) -> impl Iterator<Item = &AnswerData> {
        self.records.iter().filter(move |record| record.name == *name).map(|record| &record.data)
    }

    pub(crate) fn from_wire(message: &Message) -> Self {
        Self {
            rcode: Rcode::from_wire(message.metadata.response_code),
            authoritative: message.metadata.authoritative,
            truncated: message.metadata.truncation,
            records: message.answers.iter().filter_map(AnswerRecord::from_wire).collect(),
        }
    }
}

impl AnswerRecord {
    fn from_wire(wire: &Record) -> Option<Self> {
        if wire.dns_class != DNSClass::IN {
            return None;
        }
        let data = match &wire.data {
            RData::SOA(soa) => AnswerData::Soa(Soa {
                primary: name::from_wire(&soa.mname).ok()?,
                serial: soa.serial,
                minimum: soa.minimum,
            }),
            RData::NS(server) => AnswerData::Ns(name::from_wire(server).ok()?),
            RData::CNAME(target) => AnswerData::Cname(name::from_wire(target).ok()?),
            other => AnswerData::Record(record::from_wire(other).ok()?),
        };
        Some(Self { name: name::from_wire(&wire.name).ok()?, ttl: wire.ttl, data })
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
        }
    }
}

impl Rcode {
    fn from_wire(code: ResponseCode) -> Self {
        match code {
            ResponseCode::NoError => Self::NoError,
            ResponseCode::FormErr => Self::FormErr,
            ResponseCode::ServFail => Self::ServFail,
            ResponseCode::NXDomain => Self::NxDomain,
            ResponseCode::NotImp => Self::NotImp,
            ResponseCode::Refused => Self::Refused,
            other => Self::Other(other.into()),
        }
    }

    /// Whether the server knows what there is: the name exists, or it says that it does not.
    pub fn is_answer(self) -> bool {
        matches!(self, Self::NoError | Self::NxDomain)
    }
}

impl fmt::Display for Rcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoError => f.write_str("NOERROR"),
            Self::FormErr => f.write_str("FORMERR"),
            Self::ServFail => f.write_str("SERVFAIL"),
            Self::NxDomain => f.write_str("NXDOMAIN"),
            Self::NotImp => f.write_str("NOTIMP"),
            Self::Refused => f.write_str("REFUSED"),
            Self::Other(code) => write!(f, "RCODE {code}"),
        }
    }
}
