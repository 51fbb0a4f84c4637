//! The state of one server.

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

/// The state of a server that calls share: its connection, its clock skew, and its window.
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
    /// Maximum wait, even if the clock is set back.
    longest_wait: Duration,
    kept: Mutex<KeptConnection>,
    /// Number of failed connection attempts. A caller that waited for one of them fails with it.
    failures: AtomicU64,
    updates_sent: AtomicU64,
}

#[derive(Debug, Default)]
struct KeptConnection {
    connection: Option<Connection>,
    failure: Option<ExchangeError>,
}

/// The route of an update that is not sent over UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// The shared connection. If it ends, the fate of the update is unknown.
    Shared,
    /// A separate connection, which no other message can end.
    Separate,
}

/// Queries in flight on the connection besides the updates.
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

    /// Returns the number of update messages sent, including repetitions.
    pub(crate) fn updates_sent(&self) -> u64 {
        self.updates_sent.load(Ordering::Relaxed)
    }

    /// Makes one update. If the clocks differ, signs it a second time by the server's clock.
    ///
    /// `end` is the deadline, including the wait for a slot; `within` limits one exchange.
    pub(crate) async fn update(
        &self,
        update: &EncodedUpdate,
        route: Route,
        end: SystemTime,
        within: Duration,
    ) -> Result<(), Failed> {
        let turn = timeout(&*self.ambient.clock, self.left(end), self.pace.slot());
        let slot = turn.await.map_err(|_| Failed::NoSlot)?;
        let within = || within.min(self.left(end));
        let mut made = self.signed_exchange(update, route, within()).await;
        if let Err(Failed::BadTime { server_time }) = made {
            self.learn(server_time);
            made = self.signed_exchange(update, route, within()).await;
            if let Err(Failed::BadTime { server_time }) = made {
                made = Err(Refusal::BadTime { ahead: self.learn(server_time) }.into());
            }
        }
        match &made {
            Err(failed) if failed.may_be_overload() => slot.overloaded(),
            Err(failed) if !failed.is_reply() => {}
            _ => slot.answered(),
        }
        made
    }

    /// Sends one query over the shared connection.
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
        route: Route,
        within: Duration,
    ) -> Result<(), Failed> {
        self.updates_sent.fetch_add(1, Ordering::Relaxed);
        let end = self.ambient.now() + within;
        let (signed, reply) = match self.to_send_separately(update, route)? {
            Some((signed, transport)) => {
                let reply = self.exchange_separately(&signed.message, transport, within).await?;
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
            // Servers without our key refuse without a signature. That may be forged, but it claims no success.
            Err(ReplyFault::Unsigned) => judge(&reply, update.zone()).and(Err(Refusal::Unsigned.into())),
            Err(fault) => Err(Refusal::of_fault(fault).into()),
        }
    }

    /// Returns the update, signed with a separate id, if it does not use the shared connection: as a datagram if that
    /// is configured and it fits, or on a separate connection.
    fn to_send_separately(
        &self,
        update: &EncodedUpdate,
        route: Route,
    ) -> Result<Option<(SignedMessage, Transport)>, Failed> {
        let by_udp = self.transport == Transport::Udp && self.server.tls.is_none();
        if !by_udp && route == Route::Shared {
            return Ok(None);
        }
        let signed = self.sign(update, self.ids.next())?;
        let fits = by_udp && signed.message.len() <= usize::from(UDP_MAX_LEN);
        Ok(match (fits, route) {
            (true, _) => Some((signed, Transport::Udp)),
            (false, Route::Separate) => Some((signed, Transport::Tcp)),
            (false, Route::Shared) => None,
        })
    }

    async fn exchange_separately(
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

    /// Returns a slot on the shared connection.
    async fn slot(&self, end: SystemTime) -> Result<Slot, Failed> {
        loop {
            let connection = timeout(&*self.ambient.clock, self.left(end), self.connection(end))
                .await
                .map_err(|_| Failed::NoSlot)??;
            match timeout(&*self.ambient.clock, self.left(end), connection.slot(&self.ids)).await {
                Ok(Some(slot)) => return Ok(slot),
                Ok(None) => {}
                Err(_) => {
                    // All slots are in use, and no reply arrives: the next call opens another connection.
                    connection.retire();
                    return Err(Failed::NoSlot);
                }
            }
        }
    }

    /// Returns the shared connection, or a new one: one caller connects, and the others wait for its result.
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
                // The driver ends with the last handle, or when the server closes the connection.
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

/// Checks a reply whose signature was verified.
fn judge(reply: &[u8], zone: &DomainName) -> Result<(), Failed> {
    let reply = message::decode(reply).map_err(|_| Refusal::Malformed)?;
    // The exchange has compared id, opcode and zone; it allows the reply to an update to lack the zone.
    if reply.queries.iter().any(|question| *question != zone_question(zone)) {
        return Err(Refusal::Malformed.into());
    }
    Refusal::of_code(reply.metadata.response_code).map_or(Ok(()), |refusal| Err(refusal.into()))
}
