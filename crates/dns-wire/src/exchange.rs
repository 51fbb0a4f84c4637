//! One message to one server, and its reply.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use fleetcert_ambient::{Clock, timeout as within};
use hickory_proto::op::{Header, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};
use tokio::net::{TcpStream, UdpSocket};

use crate::frame;

/// How a message travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// One datagram each way. The reply may be cut (TC): ask again by TCP then.
    Udp,
    /// A connection of its own for this one message.
    Tcp,
}

/// Sends `message` to `server` and waits for the reply, for at most `timeout` of the clock's time altogether.
///
/// The reply has the message's id, its opcode and its question; nothing else about it is checked, and it is not
/// decoded. Over UDP the socket is connected and its port chosen by the system, and datagrams that do not fit are
/// passed over until the deadline: a forger must hit port and id, so `message` needs a random id. Nothing is sent
/// twice.
///
/// **Cancellation.** Dropping the future closes the socket; whether the server has acted is not known then.
///
/// # Errors
/// [`ExchangeError`]. After `TimedOut` and `BrokenOff` the server may have acted on the message.
///
/// ```no_run
/// use fleetcert_ambient::SystemClock;
/// use fleetcert_dns_wire::{Transport, exchange, message};
/// use hickory_proto::rr::RecordType;
/// use std::time::Duration;
/// # async fn ask(random: u16) -> Result<(), Box<dyn std::error::Error>> {
///
/// let query = message::encode(&message::query(random, &"fleet.test".parse()?, RecordType::SOA))?;
/// let server = "127.0.0.1:5353".parse()?;
/// let reply = exchange(server, &query, Transport::Udp, Duration::from_secs(2), &SystemClock).await?;
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
    let error = |kind, source| ExchangeError { kind, server, transport, source };
    if Asked::of(message).is_none() {
        return Err(error(ExchangeErrorKind::InvalidInput, None));
    }
    let work = async {
        match transport {
            Transport::Udp => by_udp(server, message).await,
            Transport::Tcp => by_tcp(server, message).await,
        }
    };
    match within(clock, timeout, work).await {
        Ok(Ok(reply)) => Ok(reply),
        Ok(Err((kind, source))) => Err(error(kind, source)),
        Err(_) => Err(error(ExchangeErrorKind::TimedOut, None)),
    }
}

type Failure = (ExchangeErrorKind, Option<io::Error>);

fn unreachable(source: io::Error) -> Failure {
    (ExchangeErrorKind::Unreachable, Some(source))
}

fn broken_off(source: io::Error) -> Failure {
    (ExchangeErrorKind::BrokenOff, Some(source))
}

async fn by_udp(server: SocketAddr, message: &[u8]) -> Result<Vec<u8>, Failure> {
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await.map_err(unreachable)?;
    socket.connect(server).await.map_err(unreachable)?;
    socket.send(message).await.map_err(unreachable)?;
    let mut buffer = vec![0; usize::from(u16::MAX)];
    loop {
        let length = socket.recv(&mut buffer).await.map_err(unreachable)?;
        if is_reply_to(message, &buffer[..length]) {
            buffer.truncate(length);
            return Ok(buffer);
        }
    }
}

async fn by_tcp(server: SocketAddr, message: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut stream = TcpStream::connect(server).await.map_err(unreachable)?;
    frame::write(&mut stream, message).await.map_err(broken_off)?;
    match frame::read(&mut stream).await.map_err(broken_off)? {
        Some(reply) if is_reply_to(message, &reply) => Ok(reply),
        Some(_) => Err((ExchangeErrorKind::ForeignReply, None)),
        None => Err(broken_off(io::ErrorKind::UnexpectedEof.into())),
    }
}

/// Whether `reply` is a reply to `request`: QR set, the same id and opcode, and the same question (RFC 5452
/// section 9.1), upper and lower case being equal.
///
/// A reply without any question fits too where servers send such: to an update (RFC 2136 section 3.8) and with
/// an error code.
pub(crate) fn is_reply_to(request: &[u8], reply: &[u8]) -> bool {
    let (Some(asked), Some(answered)) = (Asked::of(request), Asked::of(reply)) else {
        return false;
    };
    let may_lack_question =
        asked.op_code == OpCode::Update || answered.response_code != ResponseCode::NoError;
    answered.message_type == MessageType::Response
        && answered.id == asked.id
        && answered.op_code == asked.op_code
        && (answered.question == asked.question || (answered.question.is_none() && may_lack_question))
}

/// The part of a message that a reply repeats.
struct Asked {
    id: u16,
    message_type: MessageType,
    op_code: OpCode,
    response_code: ResponseCode,
    question: Option<Query>,
}

impl Asked {
    fn of(message: &[u8]) -> Option<Self> {
        let mut decoder = BinDecoder::new(message);
        let header = Header::read(&mut decoder).ok()?;
        let question = match header.counts.queries {
            0 => None,
            1 => Some(Query::read(&mut decoder).ok()?),
            _ => return None,
        };
        let Header { metadata, .. } = header;
        Some(Self {
            id: metadata.id,
            message_type: metadata.message_type,
            op_code: metadata.op_code,
            response_code: metadata.response_code,
            question,
        })
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

/// No reply came, or none that fits.
#[derive(Debug)]
pub struct ExchangeError {
    kind: ExchangeErrorKind,
    server: SocketAddr,
    transport: Transport,
    source: Option<io::Error>,
}

/// Why there is no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExchangeErrorKind {
    /// The deadline has passed.
    TimedOut,
    /// Nobody listens there, or no way leads there.
    Unreachable,
    /// The connection ended before the reply was whole.
    BrokenOff,
    /// The reply on our connection belongs to another question.
    ForeignReply,
    /// What should be sent is no message with at most one question.
    InvalidInput,
}

impl ExchangeError {
    /// Why there is no reply.
    pub fn kind(&self) -> ExchangeErrorKind {
        self.kind
    }

    /// The server that was asked.
    pub fn server(&self) -> SocketAddr {
        self.server
    }

    /// The way it was asked.
    pub fn transport(&self) -> Transport {
        self.transport
    }
}

impl fmt::Display for ExchangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.kind {
            ExchangeErrorKind::TimedOut => "no answer in time",
            ExchangeErrorKind::Unreachable => "not reachable",
            ExchangeErrorKind::BrokenOff => "the connection ended before the answer",
            ExchangeErrorKind::ForeignReply => "the answer belongs to another question",
            ExchangeErrorKind::InvalidInput => "the message cannot be sent",
        };
        write!(f, "{} {}: {why}", self.server, self.transport)
    }
}

impl std::error::Error for ExchangeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests;
