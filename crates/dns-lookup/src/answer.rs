//! What a server answered, as values.

mod rcode;
mod record;

use std::net::IpAddr;

use fleetcert_dns::{RecordData, TxtValue};
use fleetcert_names::DomainName;
use hickory_proto::op::Message;
use hickory_proto::rr::Record;

pub use rcode::Rcode;
pub use record::{AnswerData, AnswerRecord, QueryType, Soa};

use crate::caa::CaaRecord;

/// One answer of one server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// How it went.
    pub rcode: Rcode,
    /// The AA bit: the server says that the zone is its own.
    pub authoritative: bool,
    /// The TC bit: the answer did not fit, and `records` is not all.
    pub truncated: bool,
    /// The server speaks EDNS (RFC 6891).
    pub edns: bool,
    /// The answer section, less records whose owner has a name that no part of fleetcert uses.
    pub records: Vec<AnswerRecord>,
    /// The authority section: the SOA of the zone in which something is not, or the servers of a zone further down.
    pub authority: Vec<AnswerRecord>,
    /// The additional section: the addresses of name servers (glue).
    pub additional: Vec<AnswerRecord>,
}

/// The most aliases that are followed, from name to name. Resolvers stop at eight to sixteen.
pub(crate) const MAX_ALIASES: usize = 8;

impl Answer {
    /// The addresses at `name`.
    pub fn addresses(&self, name: &DomainName) -> Vec<IpAddr> {
        at(&self.records, name).filter_map(AnswerData::address).collect()
    }

    /// The addresses that the additional section has for `name`.
    pub fn glue(&self, name: &DomainName) -> Vec<IpAddr> {
        at(&self.additional, name).filter_map(AnswerData::address).collect()
    }

    /// The texts at `name`.
    pub fn texts(&self, name: &DomainName) -> Vec<TxtValue> {
        let text = |data: &AnswerData| match data {
            AnswerData::Record(RecordData::Txt(value)) => Some(value.clone()),
            _ => None,
        };
        at(&self.records, name).filter_map(text).collect()
    }

    /// The name that `name` is an alias of.
    pub fn alias(&self, name: &DomainName) -> Option<&DomainName> {
        at(&self.records, name).find_map(|data| match data {
            AnswerData::Cname(target) => Some(target),
            _ => None,
        })
    }

    /// Where `name` leads by the aliases that stand in this answer; `name` itself without any. It ends where they
    /// go in a circle.
    pub fn end_of_aliases<'a>(&'a self, name: &'a DomainName) -> &'a DomainName {
        let mut end = name;
        for _ in 0..MAX_ALIASES {
            match self.alias(end) {
                Some(target) => end = target,
                None => break,
            }
        }
        end
    }

    /// The start of the zone `name`.
    pub fn soa(&self, name: &DomainName) -> Option<&Soa> {
        at(&self.records, name).find_map(AnswerData::as_soa)
    }

    /// The name servers that the answer section has for the zone `name`, or the authority section: a referral.
    pub fn name_servers(&self, name: &DomainName) -> Vec<DomainName> {
        let server = |data: &AnswerData| match data {
            AnswerData::Ns(server) => Some(server.clone()),
            _ => None,
        };
        let mut servers: Vec<_> =
            at(&self.records, name).chain(at(&self.authority, name)).filter_map(server).collect();
        servers.sort();
        servers.dedup();
        servers
    }

    /// The CAA records at `name`.
    pub fn caa(&self, name: &DomainName) -> Vec<CaaRecord> {
        let caa = |data: &AnswerData| match data {
            AnswerData::Caa(record) => Some(record.clone()),
            _ => None,
        };
        at(&self.records, name).filter_map(caa).collect()
    }

    /// For how many seconds a resolver remembers that there is nothing (RFC 2308 section 5): from the SOA record of
    /// the authority section.
    pub fn negative_ttl(&self) -> Option<u32> {
        self.authority.iter().find_map(|record| Some(record.ttl.min(record.data.as_soa()?.minimum)))
    }

    /// Whether a record of this type stands at `name` whose value is none of ours.
    pub(crate) fn has_foreign(&self, name: &DomainName, query_type: QueryType) -> bool {
        let code: u16 = query_type.to_wire().into();
        at(&self.records, name).any(|data| matches!(data, AnswerData::Other(other) if *other == code))
    }

    pub(crate) fn from_wire(message: &Message) -> Self {
        let ours = |records: &[Record]| records.iter().filter_map(AnswerRecord::from_wire).collect();
        Self {
            rcode: Rcode::from_wire(message.metadata.response_code),
            authoritative: message.metadata.authoritative,
            truncated: message.metadata.truncation,
            edns: message.edns.is_some(),
            records: ours(&message.answers),
            authority: ours(&message.authorities),
            additional: ours(&message.additionals),
        }
    }
}

fn at<'a>(records: &'a [AnswerRecord], name: &DomainName) -> impl Iterator<Item = &'a AnswerData> {
    records.iter().filter(move |record| record.name == *name).map(|record| &record.data)
}
