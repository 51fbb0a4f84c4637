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
    // Alone when its port is chosen: the system gives a port that is shared to two exchanges, and one of them never
    // sees its reply. From then on it shares the port with the bystander.
    let socket = Socket::new(Domain::for_address(any), Type::DGRAM, None)?;
    socket.bind(&any.into())?;
    #[cfg(unix)]
    socket.set_reuse_port(true)?;
    socket.connect(&server.into())?;
    let port = socket.local_addr()?.as_socket().map_or(0, |local| local.port());
    let bystander = if port == 0 { None } else { sharing((any.ip(), port).into()).ok() };
    let of_tokio = |socket: Socket| {
        socket.set_nonblocking(true)?;
        UdpSocket::from_std(socket.into())
    };
    Ok((of_tokio(socket)?, bystander.map(of_tokio).transpose()?))
}

/// A further socket at the port of another. Only this user's sockets can be.
fn sharing(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None)?;
    #[cfg(unix)]
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// Of 200 shared ports that are chosen anew two are the same more often than not.
    #[tokio::test]
    async fn no_two_exchanges_have_the_same_port() {
        let server = (Ipv4Addr::LOCALHOST, 53).into();
        for _ in 0..10 {
            let pairs: Vec<_> = (0..200).map(|_| sockets(server).unwrap()).collect();
            let ports: HashSet<_> =
                pairs.iter().map(|(socket, _)| socket.local_addr().unwrap().port()).collect();
            assert_eq!(ports.len(), pairs.len());
            assert!(pairs.iter().all(|(_, bystander)| bystander.is_some()) || cfg!(not(unix)));
        }
    }
}
