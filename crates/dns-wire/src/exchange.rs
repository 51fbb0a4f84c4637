//! One message to one server, and its reply.

mod error;
mod udp;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use fleetcert_ambient::{Clock, timeout};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::asked::Asked;
use crate::frame;

pub(crate) use error::Failure;
pub use error::{ExchangeError, ExchangeErrorKind};

/// The transport of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// One datagram each way. The reply may be truncated (TC); then repeat the query over TCP.
    Udp,
    /// A separate connection for this message.
    Tcp,
}

/// Sends `message` to `server` and waits for the reply, for at most `timeout` of the clock's time in all.
///
/// The reply has the message's id, opcode and question; nothing else is checked, and it is not decoded. Over UDP, the
/// socket is connected, the system chooses its port, and datagrams that do not match are ignored until the deadline:
/// an attacker must guess port and id, so `message` needs a random id. A reply from another address or port is not
/// accepted either; if no other one arrives, the error names its source. Nothing is sent twice.
///
/// **Cancellation.** Dropping the future closes the socket; the server may have acted on the message.
///
/// **Cancellation.** Dropping the future closes the socket; whether the server has acted is not known then.
///
/// # Errors
/// [`ExchangeError`]. After `TimedOut` and `BrokenOff`, the server may have acted on the message.
///
/// ```no_run
/// use fleetcert_ambient::SystemClock;
/// use fleetcert_dns_wire::{Transport, exchange, message};
/// use hickory_proto::rr::RecordType;
/// use std::time::Duration;
/// # async fn ask(random: u16) -> Result<(), Box<dyn std::error::Error>> {
///
/// let query = message::query(random, &"fleet.test".parse()?, RecordType::SOA);
/// let query = message::encode(&query)?;
/// let server = "127.0.0.1:5353".parse()?;
/// let limit = Duration::from_secs(2);
/// let udp = Transport::Udp;
/// let reply = exchange(server, &query, udp, limit, &SystemClock).await?;
/// println!("{}", message::decode(&reply)?.response_code);
/// # Ok(()) }
/// ```
pub async fn exchange(
    server: SocketAddr,
    message: &[u8],
    transport: Transport,
    timeout: Duration,
    clock: &dyn Clock,
) -> Result<Vec<u8>, ExchangeError> {
    let elsewhere = udp::Elsewhere::new();
    within(clock, timeout, message, async |asked| match transport {
        Transport::Udp => udp::exchange(server, message, asked, &elsewhere).await,
        Transport::Tcp => on_stream(connect_tcp(server).await?, message, asked).await,
    })
    .await
    .map_err(|failure| match elsewhere.get() {
        Some(from) if failure.kind() == ExchangeErrorKind::TimedOut => Failure::foreign_source(*from),
        _ => failure,
    })
    .map_err(|failure| ExchangeError::new(server, transport, None, failure))
}

/// Runs `work` with the part of `message` that its reply must repeat, for at most `timeout`.
pub(crate) async fn within(
    clock: &dyn Clock,
    limit: Duration,
    message: &[u8],
    work: impl AsyncFnOnce(&Asked) -> Result<Vec<u8>, Failure>,
) -> Result<Vec<u8>, Failure> {
    let asked = Asked::of(message).ok_or(ExchangeErrorKind::InvalidInput)?;
    timeout(clock, limit, work(&asked)).await.unwrap_or(Err(ExchangeErrorKind::TimedOut.into()))
}

pub(crate) async fn connect_tcp(server: SocketAddr) -> Result<TcpStream, Failure> {
    let stream = TcpStream::connect(server).await.map_err(Failure::unreachable)?;
    // A message is one write; no later write would be sent together with it.
    stream.set_nodelay(true).map_err(Failure::unreachable)?;
    Ok(stream)
}

pub(crate) async fn on_stream(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    message: &[u8],
    asked: &Asked,
) -> Result<Vec<u8>, Failure> {
    frame::write(&mut stream, message).await.map_err(Failure::broken_off)?;
    match frame::read(&mut stream).await.map_err(Failure::broken_off)? {
        Some(reply) if asked.is_answered_by(&reply) => Ok(reply),
        Some(_) => Err(ExchangeErrorKind::ForeignReply.into()),
        None => Err(Failure::broken_off(io::ErrorKind::UnexpectedEof.into())),
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        })
    }
}

#[cfg(test)]
mod tests;
