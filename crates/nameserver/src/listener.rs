//! The sockets and their tasks.

mod connection_limiter;
mod tcp;
mod udp;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::server::Core;
use connection_limiter::ConnectionLimiter;

/// Maximum ports tried to find one that is free for UDP and TCP.
const PORT_ATTEMPTS: usize = 16;
/// Back-off after a failure of a socket, so that the loop does not spin while resources are exhausted.
const SOCKET_BACKOFF: Duration = Duration::from_millis(50);

/// A UDP and a TCP socket at one address, open but not served yet.
#[derive(Debug)]
pub struct Listener {
    core: Arc<Core>,
    udp: UdpSocket,
    tcp: TcpListener,
    address: SocketAddr,
}

impl Listener {
    pub(crate) async fn bind(core: Arc<Core>, address: SocketAddr) -> io::Result<Self> {
        let mut attempts = if address.port() == 0 { PORT_ATTEMPTS } else { 1 };
        loop {
            attempts -= 1;
            let tcp = TcpListener::bind(address).await?;
            let address = tcp.local_addr()?;
            match UdpSocket::bind(address).await {
                Ok(udp) => return Ok(Self { core, udp, tcp, address }),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && attempts > 0 => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Returns the address of both sockets with the actual port.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `shutdown` is cancelled, then closes the sockets and drops open connections.
    ///
    /// **Cancellation.** Dropping the future also stops the server. In both cases, an update whose message was read
    /// takes effect as a whole or not at all.
    pub async fn serve(self, shutdown: CancellationToken) {
        let Self { core, udp, tcp, .. } = self;
        let udp = Arc::new(udp);
        let connection_limiter = Arc::new(ConnectionLimiter::new(&core.options.tcp));
        let mut workers = JoinSet::new();
        let mut connections = JoinSet::new();
        for _ in 0..core.options.udp_workers.max(1) {
            workers.spawn(udp::answer_all(core.clone(), udp.clone()));
        }
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                // A worker ends only by a bug. The others continue, and it is restarted.
                Some(ended) = workers.join_next() => {
                    tracing::error!(?ended, "a UDP worker ended");
                    workers.spawn(udp::answer_all(core.clone(), udp.clone()));
                }
                Some(_) = connections.join_next() => {}
                accepted = tcp.accept() => match accepted {
                    Ok((stream, peer)) => if let Some(slot) = connection_limiter.admit(peer.ip()) {
                        connections.spawn(tcp::answer_all(core.clone(), stream, slot));
                    },
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a TCP connection");
                        core.ambient.sleep(SOCKET_BACKOFF).await;
                    }
                },
            }
        }
        workers.shutdown().await;
        connections.shutdown().await;
    }
}

#[cfg(test)]
mod tests;
