//! A persistent connection with many messages in flight (RFC 7766 section 6.2.1).

mod driver;
mod in_flight;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use fleetcert_ambient::{Clock, timeout};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use crate::asked::Asked;
use crate::exchange::{Failure, connect_tcp};
use crate::{ExchangeError, ExchangeErrorKind, MessageIds, Tls, Transport};
use in_flight::{InFlight, WaitingReply};

pub use driver::Driver;

/// A TCP or TLS connection on which many callers have messages in flight at the same time. Clones are handles of the
/// same connection.
///
/// A reply goes to the caller whose message has its id, if opcode and question also match. The server may answer in
/// any order. A reply that matches no message ends the connection, because the later replies can no longer be
/// trusted.
///
/// The [`Driver`] that [`open`](Self::open) also returns does the work: spawn it. It ends when the server closes the
/// connection, when a reply does not match, or when the last handle and caller are dropped. **Bounds.** At most
/// `max_in_flight` messages are in flight; further callers wait in [`slot`](Self::slot).
/// [`slot`](Self::slot).
///
/// ```no_run
/// use fleetcert_ambient::{SystemClock, SystemEntropy};
/// use fleetcert_dns_wire::{Connection, MessageIds, message};
/// use hickory_proto::rr::RecordType;
/// use std::time::Duration;
/// # async fn ask() -> Result<(), Box<dyn std::error::Error>> {
///
/// let within = Duration::from_secs(2);
/// let server = "127.0.0.1:5353".parse()?;
/// let (connection, driver) =
///     Connection::open(server, None, 64, within, &SystemClock).await?;
/// tokio::spawn(driver);
/// let ids = MessageIds::new(&SystemEntropy);
/// for name in ["a.fleet.test", "b.fleet.test"] {
///     let Some(slot) = connection.slot(&ids).await else { break };
///     let query = message::query(slot.id(), &name.parse()?, RecordType::A);
///     let query = message::encode(&query)?;
///     let reply = slot.exchange(&query, within, &SystemClock).await?;
///     println!("{}", message::decode(&reply)?.response_code);
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Connection {
    state: Arc<ConnectionState>,
}

/// The right to have one message in flight, with an id that is unique on the connection.
#[derive(Debug)]
pub struct Slot {
    state: Arc<ConnectionState>,
    id: u16,
    room: Option<OwnedSemaphorePermit>,
}

/// The state that handles and callers share. The driver ends when it is dropped.
struct ConnectionState {
    server: SocketAddr,
    tls: Option<Tls>,
    in_flight: Arc<InFlight>,
    to_driver: mpsc::Sender<Vec<u8>>,
    /// Closed when this state is dropped. Nothing is ever sent.
    _life: oneshot::Sender<std::convert::Infallible>,
}

impl Connection {
    /// Upper limit of `max_in_flight`.
    pub const MAX_IN_FLIGHT: usize = 1024;

    /// Connects to `server`, over TLS if `tls` is given, within `timeout` of the clock's time.
    ///
    /// **Cancellation.** Dropping the future closes the socket.
    ///
    /// # Errors
    /// [`ExchangeError`]: `TimedOut`, `Unreachable`, and those of TLS.
    pub async fn open(
        server: SocketAddr,
        tls: Option<&Tls>,
        max_in_flight: usize,
        limit: Duration,
        clock: &dyn Clock,
    ) -> Result<(Self, Driver), ExchangeError> {
        let room = max_in_flight.clamp(1, Self::MAX_IN_FLIGHT);
        let in_flight = Arc::new(InFlight::new(room));
        let (to_driver, messages) = mpsc::channel(room);
        let (life, end_of_life) = oneshot::channel();
        let connect = async {
            let lines = driver::DriverChannels { messages, end_of_life, in_flight: in_flight.clone() };
            match tls {
                None => connect_tcp(server).await.map(|stream| Driver::new(stream, lines)),
                Some(tls) => tls.connect(server).await.map(|stream| Driver::new(stream, lines)),
            }
        };
        let driver = timeout(clock, limit, connect)
            .await
            .unwrap_or(Err(ExchangeErrorKind::TimedOut.into()))
            .map_err(|failure| error(server, tls, failure))?;
        let state = ConnectionState { server, tls: tls.cloned(), in_flight, to_driver, _life: life };
        Ok((Self { state: Arc::new(state) }, driver))
    }

    /// Waits for a free slot. Returns `None` if the connection accepts no more messages: open another one then.
    ///
    /// **Cancellation.** Dropping the future leaves the queue.
    pub async fn slot(&self, ids: &MessageIds) -> Option<Slot> {
        let room = self.state.in_flight.room().acquire_owned().await.ok()?;
        let id = self.state.in_flight.reserve(ids)?;
        Some(Slot { state: self.state.clone(), id, room: Some(room) })
    }

    /// Returns whether the connection accepts messages. It can end at any time.
    pub fn is_open(&self) -> bool {
        self.state.in_flight.is_open()
    }

    /// Stops accepting messages. Those in flight may still be answered.
    pub fn retire(&self) {
        self.state.in_flight.retire();
    }
}

impl Slot {
    /// Returns the id that the message must have. No other message in flight has it.
    pub fn id(&self) -> u16 {
        self.id
    }

    /// Sends the message and waits for its reply, for at most `timeout` of the clock's time. The reply matches as for
    /// [`exchange`](crate::exchange()) and is not decoded.
    ///
    /// **Cancellation.** Other messages are not affected. The dropped message is sent as a whole or not at all; its
    /// id and its slot stay in use until its reply arrives, so that no other caller gets the reply. After 16 dropped
    /// calls in a row without any reply, the connection accepts no more messages.
    ///
    /// # Errors
    /// [`ExchangeError`]. After `TimedOut`, `BrokenOff` and `ForeignReply`, the server may have acted on the message.
    /// After `TimedOut`, the connection accepts no more messages, because it may be dead.
    pub async fn exchange(
        mut self,
        message: &[u8],
        limit: Duration,
        clock: &dyn Clock,
    ) -> Result<Vec<u8>, ExchangeError> {
        let asked = Asked::of(message).filter(|asked| asked.id() == self.id);
        let (Some(asked), Some(frame)) = (asked, crate::frame::of(message)) else {
            return Err(self.error(ExchangeErrorKind::InvalidInput));
        };
        let (to_caller, reply) = oneshot::channel();
        let room = self.room.take().expect("a slot has its permit until it is used");
        // From here on, the slot belongs to the reply, even if no caller waits for it.
        if !self.state.in_flight.expect_reply(WaitingReply { asked, to_caller, _room: room }) {
            return Err(self.error(ExchangeErrorKind::BrokenOff));
        }
        // The channel has space for one message per slot, unless the server answers messages that it has not read.
        if self.state.to_driver.try_send(frame).is_err() {
            self.state.in_flight.retire();
            return Err(self.error(ExchangeErrorKind::BrokenOff));
        }
        let mut waiting = WaitingCaller { state: &self.state, is_over: true };
        let answered = timeout(clock, limit, reply).await;
        waiting.is_over = false;
        match answered {
            Ok(Ok(Ok(reply))) => Ok(reply),
            Ok(Ok(Err(failure))) => Err(self.error(failure)),
            Ok(Err(_)) => Err(self.error(ExchangeErrorKind::BrokenOff)),
            Err(_) => {
                self.state.in_flight.retire();
                Err(self.error(ExchangeErrorKind::TimedOut))
            }
        }
    }

    fn error(&self, failure: impl Into<Failure>) -> ExchangeError {
        error(self.state.server, self.state.tls.as_ref(), failure.into())
    }
}

/// A waiting caller. If it is dropped before its reply, the connection may be dead.
struct WaitingCaller<'a> {
    state: &'a ConnectionState,
    is_over: bool,
}

impl Drop for WaitingCaller<'_> {
    fn drop(&mut self) {
        if self.is_over {
            self.state.in_flight.given_up();
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if self.room.is_some() {
            self.state.in_flight.release(self.id);
        }
    }
}

fn error(server: SocketAddr, tls: Option<&Tls>, failure: Failure) -> ExchangeError {
    ExchangeError::new(server, Transport::Tcp, tls.map(Tls::server_name), failure)
}

impl fmt::Debug for ConnectionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionState")
            .field("server", &self.server)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
