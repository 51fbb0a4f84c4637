//! One server, as we have come to know it.

mod failed;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use fleetcert_ambient::{Ambient, timeout};
use fleetcert_dns_wire::message::{self, UDP_MAX_LEN};
use fleetcert_dns_wire::tsig::{self, ReplyFault, SignedMessage};
use fleetcert_dns_wire::{Connection, ExchangeError, MessageIds, Slot, Transport, TsigKey, exchange};
use fleetcert_names::DomainName;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;
use tokio::sync::Mutex;

use crate::pace::Pace;
use crate::skew::Skew;
use crate::update::{EncodedUpdate, zone_question};
use crate::{Refusal, Rfc2136Options, Server};

pub(crate) use failed::Failed;

/// What is kept of a server from call to call: its connection, how far its clock is from ours, what it bears.
#[derive(Debug)]
pub(crate) struct Primary {
    server: Server,
    transport: Transport,
    key: TsigKey,
    ambient: Ambient,
    ids: MessageIds,
    skew: Skew,
    pace: Pace,
    max_in_flight: usize,
    /// No wait is longer, also when the clock is set back in it.
    longest_wait: Duration,
    kept: Mutex<Kept>,
    /// How often connecting has failed: who waited while it did fails with it.
    failures: AtomicU64,
    updates_sent: AtomicU64,
}

#[derive(Debug, Default)]
struct Kept {
    connection: Option<Connection>,
    failure: Option<ExchangeError>,
}

/// How an update gets to the server where it is not sent by UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Travel {
    /// On the kept connection. When that ends, its fate is not known.
    WithOthers,
    /// On a connection of its own, which ends for no reason but its own.
    Alone,
}

/// Room on the connection for queries beside the updates.
const QUERIES_IN_FLIGHT: usize = 64;

impl Primary {
    pub(crate) fn new(server: Server, options: &Rfc2136Options, ambient: Ambient) -> Self {
        Self {
            server,
            transport: options.transport,
            key: options.key.clone(),
            ids: MessageIds::new(&*ambient.entropy),
            ambient,
            skew: Skew::default(),
            pace: Pace::new(options.max_in_flight),
            max_in_flight: options.max_in_flight,
            longest_wait: options.call_within,
            kept: Mutex::default(),
            failures: AtomicU64::new(0),
            updates_sent: AtomicU64::new(0),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// How many update messages went out, repetitions among them.
    pub(crate) fn updates_sent(&self) -> u64 {
        self.updates_sent.load(Ordering::Relaxed)
    }

    /// Makes one update. When the clocks are apart, it is signed a second time by the server's.
    ///
    /// `end` is when it must be over, the wait for its turn included; `within` is for one exchange.
    pub(crate) async fn update(
        &self,
        update: &EncodedUpdate,
        travel: Travel,
        end: SystemTime,
        within: Duration,
    ) -> Result<(), Failed> {
        let turn = timeout(&*self.ambient.clock, self.left(end), self.pace.place());
        let place = turn.await.map_err(|_| Failed::NoTurn)?;
        let within = || within.min(self.left(end));
        let mut made = self.signed_exchange(update, travel, within()).await;
        if let Err(Failed::BadTime { server_time }) = made {
            self.learn(server_time);
            made = self.signed_exchange(update, travel, within()).await;
            if let Err(Failed::BadTime { server_time }) = made {
                made = Err(Refusal::BadTime { ahead: self.learn(server_time) }.into());
            }
        }
        match &made {
            Err(failed) if failed.is_too_much() => place.too_much(),
            Err(failed) if !failed.is_reply() => {}
            _ => place.answered(),
        }
        made
    }

    /// Asks one question over the kept connection.
    pub(crate) async fn query(
        &self,
        name: &DomainName,
        record_type: RecordType,
        within: Duration,
    ) -> Result<Message, Failed> {
        let end = self.ambient.now() + within;
        let slot = self.slot(end).await?;
        let query = message::query(slot.id(), name, record_type);
        let octets = message::encode(&query).expect("one name fits into a message");
        let reply = slot.exchange(&octets, self.left(end).min(within), &*self.ambient.clock).await?;
        let reply = message::decode(&reply).map_err(|_| Refusal::Malformed)?;
        match Refusal::of_code(reply.metadata.response_code) {
            Some(refusal) if reply.metadata.response_code != ResponseCode::NXDomain => Err(refusal.into()),
            _ if !reply.metadata.authoritative => Err(Refusal::NoAuthority.into()),
            _ if reply.metadata.truncation => Err(Refusal::Cut.into()),
            _ => Ok(reply),
        }
    }

    async fn signed_exchange(
        &self,
        update: &EncodedUpdate,
        travel: Travel,
        within: Duration,
    ) -> Result<(), Failed> {
        self.updates_sent.fetch_add(1, Ordering::Relaxed);
        let end = self.ambient.now() + within;
        let (signed, reply) = match self.to_go_alone(update, travel)? {
            Some((signed, transport)) => {
                let reply = self.exchange_alone(&signed.message, transport, within).await?;
                (signed, reply)
            }
            None => {
                let slot = self.slot(end).await?;
                let signed = self.sign(update, slot.id())?;
                let left = self.left(end).min(within);
                let reply = slot.exchange(&signed.message, left, &*self.ambient.clock).await?;
                (signed, reply)
            }
        };
        let now = self.skew.at_server(self.ambient.now());
        match tsig::verify_reply(&reply, &self.key, &signed.mac, now) {
            Ok(()) => judge(&reply, update.zone()),
            Err(ReplyFault::BadTime { server_time }) => Err(Failed::BadTime { server_time }),
            // Servers without a key for us refuse without a signature. That may be forged, but it claims no
            // success.
            Err(ReplyFault::Unsigned) => judge(&reply, update.zone()).and(Err(Refusal::Unsigned.into())),
            Err(fault) => Err(Refusal::of_fault(fault).into()),
        }
    }

    /// The update signed with an id of its own, if it does not go over the kept connection: as a datagram where that
    /// is wanted and it fits, or on a connection of its own.
    fn to_go_alone(
        &self,
        update: &EncodedUpdate,
        travel: Travel,
    ) -> Result<Option<(SignedMessage, Transport)>, Failed> {
        let by_udp = self.transport == Transport::Udp && self.server.tls.is_none();
        if !by_udp && travel == Travel::WithOthers {
            return Ok(None);
        }
        let signed = self.sign(update, self.ids.next())?;
        let fits = by_udp && signed.message.len() <= usize::from(UDP_MAX_LEN);
        Ok(match (fits, travel) {
            (true, _) => Some((signed, Transport::Udp)),
            (false, Travel::Alone) => Some((signed, Transport::Tcp)),
            (false, Travel::WithOthers) => None,
        })
    }

    async fn exchange_alone(
        &self,
        message: &[u8],
        transport: Transport,
        within: Duration,
    ) -> Result<Vec<u8>, ExchangeError> {
        let Server { address, tls } = &self.server;
        match tls {
            Some(tls) => tls.exchange(*address, message, within, &*self.ambient.clock).await,
            None => exchange(*address, message, transport, within, &*self.ambient.clock).await,
        }
    }

    fn sign(&self, update: &EncodedUpdate, id: u16) -> Result<SignedMessage, Failed> {
        let now = self.skew.at_server(self.ambient.now());
        tsig::sign_request(&update.with_id(id), &self.key, now).map_err(|_| Failed::TooLong)
    }

    /// A place on the kept connection.
    async fn slot(&self, end: SystemTime) -> Result<Slot, Failed> {
        loop {
            let connection = timeout(&*self.ambient.clock, self.left(end), self.connection(end))
                .await
                .map_err(|_| Failed::NoTurn)??;
            match timeout(&*self.ambient.clock, self.left(end), connection.slot(&self.ids)).await {
                Ok(Some(slot)) => return Ok(slot),
                Ok(None) => {}
                Err(_) => {
                    // All that it bears is under way, and nothing comes back: the next call has another one.
                    connection.retire();
                    return Err(Failed::NoTurn);
                }
            }
        }
    }

    /// The kept connection, or a new one: one caller connects, and the others wait for what comes of it.
    async fn connection(&self, end: SystemTime) -> Result<Connection, ExchangeError> {
        let failures = self.failures.load(Ordering::Acquire);
        let mut kept = self.kept.lock().await;
        if let Some(connection) = kept.connection.as_ref().filter(|connection| connection.is_open()) {
            return Ok(connection.clone());
        }
        if let Some(failure) = &kept.failure
            && failures != self.failures.load(Ordering::Acquire)
        {
            return Err(failure.clone());
        }
        kept.connection = None;
        let room = self.max_in_flight.saturating_add(QUERIES_IN_FLIGHT);
        let Server { address, tls } = &self.server;
        match Connection::open(*address, tls.as_ref(), room, self.left(end), &*self.ambient.clock).await {
            Ok((connection, driver)) => {
                // It ends with the last handle: with us, or when the server closes.
                tokio::spawn(driver);
                tracing::debug!(server = %address, "connected to the DNS server");
                kept.connection = Some(connection.clone());
                Ok(connection)
            }
            Err(failure) => {
                self.failures.fetch_add(1, Ordering::Release);
                kept.failure = Some(failure.clone());
                Err(failure)
            }
        }
    }

    fn left(&self, end: SystemTime) -> Duration {
        end.duration_since(self.ambient.now()).unwrap_or_default().min(self.longest_wait)
    }

    fn learn(&self, server_time: SystemTime) -> i64 {
        let ahead = self.skew.learn(self.ambient.now(), server_time);
        tracing::warn!(server = %self.address(), ahead, "the clock of the DNS server is apart from ours");
        ahead
    }
}

/// What a reply says whose signature is already seen to.
fn judge(reply: &[u8], zone: &DomainName) -> Result<(), Failed> {
    let reply = message::decode(reply).map_err(|_| Refusal::Malformed)?;
    // The exchange has compared id, opcode and zone already; it lets an update's reply lack the zone.
    if reply.queries.iter().any(|question| *question != zone_question(zone)) {
        return Err(Refusal::Malformed.into());
    }
    Refusal::of_code(reply.metadata.response_code).map_or(Ok(()), |refusal| Err(refusal.into()))
}
