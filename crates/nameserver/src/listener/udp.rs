//! A worker of the UDP socket.

use std::sync::Arc;

use fleetcert_dns_wire::Transport;
use tokio::net::UdpSocket;

use super::SOCKET_BACKOFF;
use crate::server::Core;

/// Buffer of a datagram, in octets. Longer requests are cut and then rejected as malformed.
const BUFFER_LEN: usize = 4096;

/// Reads and answers one datagram after another. The only queue is the socket's own; the system drops datagrams when
/// it is full.
pub(super) async fn answer_all(core: Arc<Core>, socket: Arc<UdpSocket>) {
    let mut buffer = vec![0; BUFFER_LEN];
    loop {
        let (length, client) = match socket.recv_from(&mut buffer).await {
            Ok(received) => received,
            Err(error) => {
                tracing::warn!(%error, "cannot read a datagram");
                core.ambient.sleep(SOCKET_BACKOFF).await;
                continue;
            }
        };
        // Nobody can receive at port 0, so a datagram from there is forged.
        if client.port() == 0 {
            continue;
        }
        if let Some(answer) = core.answer(&buffer[..length], Transport::Udp) {
            // A client that did not get the answer asks again.
            let _ = socket.send_to(&answer, client).await;
        }
    }
}
