//! The sockets, and the loops that serve them.

mod gate;
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
use gate::Gate;

/// How often a port is looked for that is free for UDP and TCP.
const PORT_TRIES: usize = 16;
/// How long a loop rests after a socket failed, so that it does not spin while the machine is out of something.
const REST_AFTER_ERROR: Duration = Duration::from_millis(50);

/// A UDP and a TCP socket at one address, open and not served yet.
#[derive(Debug)]
pub struct Listener {
    core: Arc<Core>,
    udp: UdpSocket,
    tcp: TcpListener,
    address: SocketAddr,
}

impl Listener {
    pub(crate) async fn bind(core: Arc<Core>, address: SocketAddr) -> io::Result<Self> {
        let mut tries = if address.port() == 0 { PORT_TRIES } else { 1 };
        loop {
            tries -= 1;
            let tcp = TcpListener::bind(address).await?;
            let address = tcp.local_addr()?;
            match UdpSocket::bind(address).await {
                Ok(udp) => return Ok(Self { core, udp, tcp, address }),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries > 0 => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The address of both sockets, with the port that was found.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `shutdown` is cancelled; then the sockets are closed and open connections are dropped.
    ///
    /// **Cancellation.** Dropping the future ends everything as well. An update whose message was read is made as
    /// a whole or not at all in either case.
    pub async fn serve(self, shutdown: CancellationToken) {
        let Self { core, udp, tcp, .. } = self;
        let udp = Arc::new(udp);
        let gate = Arc::new(Gate::new(&core.options.tcp));
        let mut workers = JoinSet::new();
        let mut connections = JoinSet::new();
        for _ in 0..core.options.udp_workers.max(1) {
            workers.spawn(udp::answer_all(core.clone(), udp.clone()));
        }
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                // A worker ends only by a fault of ours. The others go on, and it is made anew.
                Some(ended) = workers.join_next() => {
                    tracing::error!(?ended, "a UDP worker has ended");
                    workers.spawn(udp::answer_all(core.clone(), udp.clone()));
                }
                Some(_) = connections.join_next() => {}
                accepted = tcp.accept() => match accepted {
                    Ok((stream, peer)) => if let Some(pass) = gate.admit(peer.ip()) {
                        connections.spawn(tcp::answer_all(core.clone(), stream, pass));
                    },
                    Err(error) => {
                        tracing::warn!(%error, "a TCP connection could not be taken");
                        core.clock.sleep(REST_AFTER_ERROR).await;
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
