//! An exchange of one datagram each way.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::OnceLock;

use socket2::{Domain, Socket, Type};
use tokio::net::UdpSocket;

use super::Failure;
use crate::asked::Asked;

/// Source of a reply that would have matched, had the server sent it.
pub(super) type Elsewhere = OnceLock<SocketAddr>;

/// Sends the message from a separate port and waits for a matching reply. Ignores other datagrams.
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

/// Notes the source of replies from elsewhere without trusting them. Reads only header and question.
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

/// Returns a socket that receives only from the server, so that an attacker must guess its port, and that learns when
/// the port is closed; and, where the system allows it, one at the same port that receives from everyone else.
fn sockets(server: SocketAddr) -> io::Result<(UdpSocket, Option<UdpSocket>)> {
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    // Not shared when its port is chosen: the system gives a shared port to two exchanges, and one of them never
    // sees its reply. From then on it shares the port with the other socket.
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

/// Returns another socket at the same port. Only sockets of the same user can share it.
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

    /// With 200 shared ports chosen at random, two would be equal more often than not.
    #[tokio::test]
    async fn concurrent_exchanges_use_different_ports() {
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
