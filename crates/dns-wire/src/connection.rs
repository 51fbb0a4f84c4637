//! A connection that is kept, with many messages under way on it (RFC 7766 section 6.2.1).

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
use in_flight::{InFlight, Waiting};

pub use driver::Driver;

/// A TCP or TLS connection on which many callers have messages under way at the same time. Clones are handles of the
/// same connection.
///
/// A reply is given to the caller whose message has its id, and only if its opcode and question are the message's
/// too. The server may answer in any order. A reply that fits to nothing ends the connection, because nobody knows
/// then what the following ones belong to.
///
/// The [`Driver`] that [`open`](Self::open) returns beside it does the work; somebody must poll it, in most cases by
/// `tokio::spawn`. It ends when the server closes, when a reply does not fit, and when the last handle and caller are
/// gone. **Bounded**: at most `max_in_flight` messages are under way, and who wants to send one more waits in
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
/// let (connection, driver) = Connection::open(server, None, 64, within, &SystemClock).await?;
/// tokio::spawn(driver);
/// let ids = MessageIds::new(&SystemEntropy);
/// for name in ["a.fleet.test", "b.fleet.test"] {
///     let Some(slot) = connection.slot(&ids).await else { break };
///     let query = message::encode(&message::query(slot.id(), &name.parse()?, RecordType::A))?;
///     let reply = slot.exchange(&query, within, &SystemClock).await?;
///     println!("{}", message::decode(&reply)?.response_code);
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Connection {
    line: Arc<Line>,
}

/// The right to have one message under way, with an id that no other message of the connection has.
#[derive(Debug)]
pub struct Slot {
    line: Arc<Line>,
    id: u16,
    room: Option<OwnedSemaphorePermit>,
}

/// What handles and callers share. The driver ends when it is dropped.
struct Line {
    server: SocketAddr,
    tls: Option<Tls>,
    in_flight: Arc<InFlight>,
    to_driver: mpsc::Sender<Vec<u8>>,
    /// Its receiver sees it go. Nothing is ever sent.
    _life: oneshot::Sender<std::convert::Infallible>,
}

impl Connection {
    /// The most messages that one connection has under way, whatever it is asked for.
    pub const MAX_IN_FLIGHT: usize = 1024;

    /// Connects to `server`, by TLS if told how, within `timeout` of the clock's time.
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
            let lines = driver::Lines { messages, end_of_life, in_flight: in_flight.clone() };
            match tls {
                None => connect_tcp(server).await.map(|stream| Driver::new(stream, lines)),
                Some(tls) => tls.connect(server).await.map(|stream| Driver::new(stream, lines)),
            }
        };
        let driver = timeout(clock, limit, connect)
            .await
            .unwrap_or(Err(ExchangeErrorKind::TimedOut.into()))
            .map_err(|failure| error(server, tls, failure))?;
        let line = Line { server, tls: tls.cloned(), in_flight, to_driver, _life: life };
        Ok((Self { line: Arc::new(line) }, driver))
    }

    /// Waits until there is room for one more message. `None` when the connection takes no more: open another then.
    ///
    /// **Cancellation.** Dropping the future gives up the place in the queue.
    pub async fn slot(&self, ids: &MessageIds) -> Option<Slot> {
        let room = self.line.in_flight.room().acquire_owned().await.ok()?;
        let id = self.line.in_flight.reserve(ids)?;
        Some(Slot { line: self.line.clone(), id, room: Some(room) })
    }

    /// Whether it takes messages. It can end at any time.
    pub fn is_open(&self) -> bool {
        self.line.in_flight.is_open()
    }

    /// Takes no more messages. Those under way may still be answered.
    pub fn retire(&self) {
        self.line.in_flight.retire();
    }
}

impl Slot {
    /// The id that the message must have. No other message under way has it.
    pub fn id(&self) -> u16 {
        self.id
    }

    /// Sends the message and waits for its reply, for at most `timeout` of the clock's time. The reply fits as for
    /// [`exchange`](crate::exchange()) and is not decoded.
    ///
    /// **Cancellation.** Nothing happens to the messages of others. The dropped message is sent as a whole or not at
    /// all; its id and its place stay taken until its reply comes, so that the reply is given to nobody else. When 16
    /// in a row are dropped and no reply comes meanwhile, the connection takes no more messages.
    ///
    /// # Errors
    /// [`ExchangeError`]. After `TimedOut`, `BrokenOff` and `ForeignReply` the server may have acted on the message.
    /// After `TimedOut` the connection takes no more messages, because it may be dead.
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
        let room = self.room.take().expect("a slot has its room until it is used");
        // From here on the place is the reply's, even if nobody waits for it.
        if !self.line.in_flight.expect_reply(Waiting { asked, to_caller, _room: room }) {
            return Err(self.error(ExchangeErrorKind::BrokenOff));
        }
        // There is room for as many messages as there are slots, unless the server answers what it has not read.
        if self.line.to_driver.try_send(frame).is_err() {
            self.line.in_flight.retire();
            return Err(self.error(ExchangeErrorKind::BrokenOff));
        }
        let mut patience = Patience { line: &self.line, is_over: true };
        let answered = timeout(clock, limit, reply).await;
        patience.is_over = false;
        match answered {
            Ok(Ok(Ok(reply))) => Ok(reply),
            Ok(Ok(Err(failure))) => Err(self.error(failure)),
            Ok(Err(_)) => Err(self.error(ExchangeErrorKind::BrokenOff)),
            Err(_) => {
                self.line.in_flight.retire();
                Err(self.error(ExchangeErrorKind::TimedOut))
            }
        }
    }

    fn error(&self, failure: impl Into<Failure>) -> ExchangeError {
        error(self.line.server, self.line.tls.as_ref(), failure.into())
    }
}

/// A caller that waits for its reply. One who goes before may have waited for a connection that is dead.
struct Patience<'a> {
    line: &'a Line,
    is_over: bool,
}

impl Drop for Patience<'_> {
    fn drop(&mut self) {
        if self.is_over {
            self.line.in_flight.given_up();
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if self.room.is_some() {
            self.line.in_flight.release(self.id);
        }
    }
}

fn error(server: SocketAddr, tls: Option<&Tls>, failure: Failure) -> ExchangeError {
    ExchangeError::new(server, Transport::Tcp, tls.map(Tls::server_name), failure)
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("server", &self.server).field("tls", &self.tls).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
