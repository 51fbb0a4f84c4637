//! The backend.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use fleetcert_ambient::{Clock, Entropy};
use fleetcert_dns::{
    BackendError, BackendErrorKind, Capabilities, Change, DnsBackend, Operation, RecordData, RecordSet,
    RecordType, Ttl,
};
use fleetcert_dns_wire::message::{self, UDP_MAX_LEN};
use fleetcert_dns_wire::tsig::{self, ReplyFault, SignedMessage};
use fleetcert_dns_wire::{ExchangeErrorKind, Transport, exchange, name, record};
use fleetcert_names::DomainName;
use futures_util::{FutureExt, StreamExt, stream};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::TXT;
use hickory_proto::rr::{DNSClass, RData, Record};

use crate::skew::Skew;
use crate::update::{ForeignCuts, messages, zone_question};
use crate::{Refusal, Rfc2136Options};

/// Changes zones of one server by signed updates, and reads them by ordinary queries over TCP.
///
/// Every message has a connection of its own. A removal of texts is preceded by a query for each of the names,
/// because a server removes a text only in the strings in which it has it.
#[derive(Debug)]
pub struct Rfc2136Backend {
    options: Rfc2136Options,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    skew: Skew,
}

/// How many names are read at the same time before a removal.
const READS_AT_ONCE: usize = 8;

impl Rfc2136Backend {
    /// A backend for this server. `entropy` gives the ids of messages. Nothing is sent before the first call.
    pub fn new(options: Rfc2136Options, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { options, clock, entropy, skew: Skew::default() }
    }
}

#[async_trait]
impl DnsBackend for Rfc2136Backend {
    async fn apply(&self, zone: &DomainName, changes: &[Change]) -> Result<(), BackendError> {
        let call = Call { backend: self, operation: Operation::Apply, zone };
        if changes.len() > self.options.max_changes {
            let most = self.options.max_changes;
            let why = format!("{} changes in one call, and at most {most} are allowed", changes.len());
            return Err(call.error(BackendErrorKind::InvalidInput, why));
        }
        for change in changes {
            call.require_within(change.name())?;
        }
        if changes.is_empty() {
            return Ok(());
        }
        let cuts = call.foreign_cuts(changes).await?;
        let messages = messages(zone, changes, &cuts).unwrap_or_default();
        if messages.is_empty() || (self.options.atomic && messages.len() > 1) {
            let why = "the changes do not fit into one message of 65,535 octets";
            return Err(call.error(BackendErrorKind::InvalidInput, why));
        }
        for message in messages {
            call.update(message).await?;
        }
        Ok(())
    }

    async fn read(
        &self,
        zone: &DomainName,
        name: &DomainName,
        record_type: RecordType,
    ) -> Result<Option<RecordSet>, BackendError> {
        let call = Call { backend: self, operation: Operation::Read, zone };
        call.require_within(name)?;
        let answer = call.query(name, record_type).await?;
        if let Some(refusal) = Refusal::of_code(answer.metadata.response_code)
            && answer.metadata.response_code != ResponseCode::NXDomain
        {
            return Err(call.refused(refusal));
        }
        if !answer.metadata.authoritative {
            return Err(call.error(BackendErrorKind::NotInZone, "the server answers without authority"));
        }
        if answer.metadata.truncation {
            return Err(call.error(BackendErrorKind::Unavailable, "the answer over TCP is cut"));
        }
        Ok(record_set(&answer, name, record_type))
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            atomic: self.options.atomic,
            max_changes: self.options.max_changes,
            ..Capabilities::ALL
        }
    }
}

/// One call of the backend, with what its errors tell.
#[derive(Clone, Copy)]
struct Call<'a> {
    backend: &'a Rfc2136Backend,
    operation: Operation,
    zone: &'a DomainName,
}

impl Call<'_> {
    fn require_within(&self, name: &DomainName) -> Result<(), BackendError> {
        if name.is_within(self.zone) {
            return Ok(());
        }
        Err(self.error(BackendErrorKind::NotInZone, format!("{name} is outside the zone")))
    }

    /// Sends the update until the server has read its signature: once, or twice when the clocks are apart.
    async fn update(&self, mut message: Message) -> Result<(), BackendError> {
        if let Some(server_time) = self.attempt(&mut message).await? {
            self.backend.learn(server_time);
            if let Some(server_time) = self.attempt(&mut message).await? {
                return Err(self.refused(Refusal::BadTime { ahead: self.backend.learn(server_time) }));
            }
        }
        Ok(())
    }

    /// One try, with an id and a signature of its own. `Some` is the server's time when it finds ours too far away.
    async fn attempt(&self, message: &mut Message) -> Result<Option<SystemTime>, BackendError> {
        let Rfc2136Backend { options, clock, skew, .. } = self.backend;
        message.metadata.id = self.backend.random_id();
        let too_long =
            |_| self.error(BackendErrorKind::InvalidInput, "the update has no room for its signature");
        let octets =
            message::encode(message).map_err(|error| self.error(BackendErrorKind::InvalidInput, error))?;
        let signed =
            tsig::sign_request(&octets, &options.key, skew.at_server(clock.now())).map_err(too_long)?;
        let reply = self.send(&signed.message, self.backend.transport_for(&signed)).await?;

        let now = skew.at_server(clock.now());
        let error = match tsig::verify_reply(&reply, &options.key, &signed.mac, now) {
            Ok(()) => return self.judge(&reply).map(|()| None),
            Err(ReplyFault::BadTime { server_time }) => return Ok(Some(server_time)),
            // Servers without a key for us refuse without a signature. That may be forged, but it claims no
            // success.
            Err(ReplyFault::Unsigned) => {
                self.judge(&reply).err().unwrap_or_else(|| self.refused(Refusal::Unsigned))
            }
            Err(fault) => self.refused(Refusal::of_fault(fault)),
        };
        Err(error)
    }

    /// What a reply says whose signature is already seen to.
    fn judge(&self, reply: &[u8]) -> Result<(), BackendError> {
        let reply = message::decode(reply).map_err(|_| self.refused(Refusal::Malformed))?;
        // The exchange has compared id, opcode and zone already; it lets an update's reply lack the zone.
        if reply.queries.iter().any(|zone| *zone != zone_question(self.zone)) {
            return Err(self.refused(Refusal::Malformed));
        }
        Refusal::of_code(reply.metadata.response_code).map_or(Ok(()), |refusal| Err(self.refused(refusal)))
    }

    /// Texts of the removals that the server has in other strings than ours.
    async fn foreign_cuts(&self, changes: &[Change]) -> Result<ForeignCuts, BackendError> {
        let names: BTreeSet<_> = changes.iter().filter_map(removed_at).collect();
        let queries: Vec<_> =
            names.into_iter().map(|name| self.query(name, RecordType::Txt).boxed()).collect();
        let mut answers = stream::iter(queries).buffer_unordered(READS_AT_ONCE);
        let mut cuts = ForeignCuts::new();
        while let Some(answer) = answers.next().await {
            for record in &answer?.answers {
                if let Some((name, text)) = foreign_cut(record)
                    && let Ok(RecordData::Txt(value)) = record::from_wire(&record.data)
                {
                    cuts.entry((name, value)).or_default().push(text.clone());
                }
            }
        }
        Ok(cuts)
    }

    async fn query(&self, name: &DomainName, record_type: RecordType) -> Result<Message, BackendError> {
        let query = message::query(self.backend.random_id(), name, record::type_to_wire(record_type));
        let octets = message::encode(&query).expect("one name fits into a message");
        let reply = self.send(&octets, Transport::Tcp).await?;
        message::decode(&reply).map_err(|_| self.refused(Refusal::Malformed))
    }

    async fn send(&self, octets: &[u8], transport: Transport) -> Result<Vec<u8>, BackendError> {
        let Rfc2136Options { server, exchange_within, .. } = self.backend.options;
        exchange(server, octets, transport, exchange_within, &*self.backend.clock).await.map_err(|error| {
            let kind = match error.kind() {
                ExchangeErrorKind::InvalidInput => BackendErrorKind::InvalidInput,
                _ => BackendErrorKind::Unavailable,
            };
            self.error(kind, error)
        })
    }

    fn refused(&self, refusal: Refusal) -> BackendError {
        self.error(refusal.kind(), refusal)
    }

    fn error(
        &self,
        kind: BackendErrorKind,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> BackendError {
        BackendError::new(kind, self.operation, self.zone, source).at_server(self.backend.options.server)
    }
}

impl Rfc2136Backend {
    fn learn(&self, server_time: SystemTime) -> i64 {
        let ahead = self.skew.learn(self.clock.now(), server_time);
        tracing::warn!(server = %self.options.server, ahead, "the clock of the DNS server is apart from ours");
        ahead
    }

    fn transport_for(&self, signed: &SignedMessage) -> Transport {
        let fits = signed.message.len() <= usize::from(UDP_MAX_LEN);
        if fits { self.options.transport } else { Transport::Tcp }
    }

    fn random_id(&self) -> u16 {
        let mut id = [0; 2];
        self.entropy.fill(&mut id);
        u16::from_be_bytes(id)
    }
}

fn record_set(answer: &Message, name: &DomainName, record_type: RecordType) -> Option<RecordSet> {
    let owner = name::to_wire(name);
    let of_set = |record: &&Record| record.name == owner && record.dns_class == DNSClass::IN;
    let mut seconds = u32::MAX;
    let mut values = BTreeSet::new();
    for record in answer.answers.iter().filter(of_set) {
        // A text that no change of ours can make, such as an empty one, is none of our values.
        if let Ok(data) = record::from_wire(&record.data)
            && data.record_type() == record_type
        {
            seconds = seconds.min(record.ttl);
            values.insert(data);
        }
    }
    // RFC 2181 section 8: a time to live with the highest bit is zero.
    let ttl = Ttl::from_secs(seconds).or_else(|_| Ttl::from_secs(0)).ok()?;
    if values.is_empty() { None } else { Some(RecordSet { ttl, values }) }
}

fn removed_at(change: &Change) -> Option<&DomainName> {
    match change {
        Change::RemoveTxt { name, .. } => Some(name),
        Change::AddTxt { .. } | Change::SetAddresses { .. } => None,
    }
}

/// The text of the record and its owner, if it is cut into other strings than we would.
fn foreign_cut(record: &Record) -> Option<(DomainName, &TXT)> {
    let RData::TXT(text) = &record.data else { return None };
    let octets = text.txt_data.concat();
    let ours = octets.chunks(255).eq(text.txt_data.iter().map(|string| &string[..]));
    if ours { None } else { Some((name::from_wire(&record.name).ok()?, text)) }
}
