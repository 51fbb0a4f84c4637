//! One worker of the UDP socket.

use std::sync::Arc;

use fleetcert_dns_wire::Transport;
use tokio::net::UdpSocket;

use super::REST_AFTER_ERROR;
use crate::server::Core;

/// Longer than any request that we take: a longer one is cut, and is no message then.
const BUFFER_LEN: usize = 4096;

/// Reads one datagram, answers it, reads the next. There is no queue but the socket's own: what comes when that is
/// full is dropped by the system.
pub(super) async fn answer_all(core: Arc<Core>, socket: Arc<UdpSocket>) {
    let mut buffer = vec![0; BUFFER_LEN];
    loop {
        let (length, client) = match socket.recv_from(&mut buffer).await {
            Ok(received) => received,
            Err(error) => {
                tracing::warn!(%error, "a datagram could not be read");
                core.clock.sleep(REST_AFTER_ERROR).await;
                continue;
            }
        };
        // Nobody can receive at port 0, so nobody sends from there.
        if client.port() == 0 {
            continue;
        }
        if let Some(answer) = core.answer(&buffer[..length], Transport::Udp) {
            // Who cannot be reached asks again.
            let _ = socket.send_to(&answer, client).await;
        }
    }
}
