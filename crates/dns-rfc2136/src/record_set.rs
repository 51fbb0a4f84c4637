//! Record sets in answers.

use std::collections::BTreeSet;

use fleetcert_dns::{RecordSet, RecordType, Ttl};
use fleetcert_dns_wire::{name, record};
use fleetcert_names::DomainName;
use hickory_proto::op::Message;
use hickory_proto::rr::{DNSClass, Record};

/// Returns the records of the name in the answer.
pub(crate) fn owned_by<'m>(answer: &'m Message, name: &DomainName) -> impl Iterator<Item = &'m Record> {
    let owner = name::to_wire(name);
    answer.answers.iter().filter(move |record| record.name == owner && record.dns_class == DNSClass::IN)
}

/// Returns the values of this type; `None` if there are none.
pub(crate) fn record_set(answer: &Message, name: &DomainName, record_type: RecordType) -> Option<RecordSet> {
    let mut seconds = u32::MAX;
    let mut values = BTreeSet::new();
    for record in owned_by(answer, name) {
        // A text that our changes cannot make, such as an empty one, is not one of our values.
        if let Ok(data) = record::from_wire(&record.data)
            && data.record_type() == record_type
        {
            seconds = seconds.min(record.ttl);
            values.insert(data);
        }
    }
    // RFC 2181 section 8: a TTL with the highest bit set counts as zero.
    let ttl = Ttl::from_secs(seconds).unwrap_or(Ttl::ZERO);
    if values.is_empty() { None } else { Some(RecordSet { ttl, values }) }
}
