//! One datagram each way.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::OnceLock;

use socket2::{Domain, Socket, Type};
use tokio::net::UdpSocket;

use super::Failure;
use crate::asked::Asked;

/// Where a reply came from that would have fitted, had the server sent it.
pub(super) type Elsewhere = OnceLock<SocketAddr>;

/// Sends the message from a port of its own, and waits for a reply that fits. What does not fit is passed over.
pub(super) async fn exchange(
    server: SocketAddr,
    message: &[u8],
    asked: &Asked,
    elsewhere: &Elsewhere,
) -> Result<Vec<u8>, Failure> {
    let (socket, bystander) = sockets(server).map_err(Failure::unreachable)?;
    socket.send(message).await.map_err(Failure::unreachable)?;
    tokio::select! {
        reply = reply(&socket, asked) => reply,
        never = watch(bystander, asked, elsewhere) => match never {},
    }
}

async fn reply(socket: &UdpSocket, asked: &Asked) -> Result<Vec<u8>, Failure> {
    let mut buffer = vec![0; usize::from(u16::MAX)];
    loop {
        let length = socket.recv(&mut buffer).await.map_err(Failure::unreachable)?;
        if asked.is_answered_by(&buffer[..length]) {
            buffer.truncate(length);
            return Ok(buffer);
        }
    }
}

/// Takes notice of replies from elsewhere, and believes none. A header and a question are all that it reads.
async fn watch(
    bystander: Option<UdpSocket>,
    asked: &Asked,
    elsewhere: &Elsewhere,
) -> std::convert::Infallible {
    let mut buffer = [0; 512];
    if let Some(bystander) = bystander {
        while let Ok((length, from)) = bystander.recv_from(&mut buffer).await {
            if asked.is_answered_by(&buffer[..length]) {
                let _ = elsewhere.set(from);
            }
        }
    }
    std::future::pending().await
}

/// A socket that hears the server only, as a forger must hit its port, and that learns when nobody is there; and one
/// at the same port that hears everybody else, where the system can have both.
fn sockets(server: SocketAddr) -> io::Result<(UdpSocket, Option<UdpSocket>)> {
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = bound(any)?;
    let port = socket.local_addr()?.as_socket().map_or(0, |local| local.port());
    socket.connect(&server.into())?;
    let bystander = if port == 0 { None } else { bound((any.ip(), port).into()).ok() };
    let of_tokio = |socket: Socket| UdpSocket::from_std(socket.into());
    Ok((of_tokio(socket)?, bystander.map(of_tokio).transpose()?))
}

fn bound(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None)?;
    // Only this user's sockets can share the port.
    #[cfg(unix)]
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}
