//! The answer of a server, as values.

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
    /// Response code.
    pub rcode: Rcode,
    /// AA bit: the server is authoritative for the zone.
    pub authoritative: bool,
    /// TC bit: the answer did not fit, and `records` is incomplete.
    pub truncated: bool,
    /// Whether the server speaks EDNS (RFC 6891).
    pub edns: bool,
    /// Answer section, without records whose owner has a name that no part of fleetcert uses.
    pub records: Vec<AnswerRecord>,
    /// Authority section: the SOA of the zone in which the name or type does not exist, or the servers of a delegated zone.
    pub authority: Vec<AnswerRecord>,
    /// Additional section: the addresses of name servers (glue).
    pub additional: Vec<AnswerRecord>,
}

/// Maximum aliases followed in a row. Resolvers stop at eight to sixteen.
pub(crate) const MAX_ALIASES: usize = 8;

impl Answer {
    /// Returns the addresses at `name`.
    pub fn addresses(&self, name: &DomainName) -> Vec<IpAddr> {
        at(&self.records, name).filter_map(AnswerData::address).collect()
    }

    /// Returns the addresses of `name` in the additional section.
    pub fn glue(&self, name: &DomainName) -> Vec<IpAddr> {
        at(&self.additional, name).filter_map(AnswerData::address).collect()
    }

    /// Returns the TXT values at `name`.
    pub fn texts(&self, name: &DomainName) -> Vec<TxtValue> {
        let text = |data: &AnswerData| match data {
            AnswerData::Record(RecordData::Txt(value)) => Some(value.clone()),
            _ => None,
        };
        at(&self.records, name).filter_map(text).collect()
    }

    /// Returns the name that `name` is an alias of.
    pub fn alias(&self, name: &DomainName) -> Option<&DomainName> {
        at(&self.records, name).find_map(|data| match data {
            AnswerData::Cname(target) => Some(target),
            _ => None,
        })
    }

    /// Returns the name to which the aliases in this answer lead from `name`; `name` itself without any. It stops where
    /// they form a loop.
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

    /// Returns the SOA record of the zone `name`.
    pub fn soa(&self, name: &DomainName) -> Option<&Soa> {
        at(&self.records, name).find_map(AnswerData::as_soa)
    }

    /// Returns the name servers of the zone `name`, from the answer section or from the authority section (a referral).
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

    /// Returns the CAA records at `name`.
    pub fn caa(&self, name: &DomainName) -> Vec<CaaRecord> {
        let caa = |data: &AnswerData| match data {
            AnswerData::Caa(record) => Some(record.clone()),
            _ => None,
        };
        at(&self.records, name).filter_map(caa).collect()
    }

    /// Returns the seconds for which a resolver caches that there is no such record (RFC 2308 section 5), from the SOA
    /// record in the authority section.
    pub fn negative_ttl(&self) -> Option<u32> {
        self.authority.iter().find_map(|record| Some(record.ttl.min(record.data.as_soa()?.minimum)))
    }

    /// Returns whether there is a record of this type at `name` whose value no part of fleetcert uses.
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
