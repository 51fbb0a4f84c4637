//! One TCP connection (RFC 7766).

use std::sync::Arc;

use fleetcert_ambient::timeout;
use fleetcert_dns_wire::{Transport, frame};
use tokio::io::BufReader;
use tokio::net::TcpStream;

use super::connection_limiter::ConnectionSlot;
use crate::answer::Sender;
use crate::server::Core;

/// Answers one message after another until the client closes the connection, sends garbage, or exceeds a time limit.
pub(super) async fn answer_all(core: Arc<Core>, stream: TcpStream, slot: ConnectionSlot) {
    let limits = &core.options.tcp;
    let clock = core.ambient.clock.as_ref();
    // An answer is one write; no later write would be sent together with it.
    let _ = stream.set_nodelay(true);
    let (reading, mut writing) = stream.into_split();
    let mut reading = BufReader::new(reading);
    let mut time_limit = limits.first_byte;
    let (mut unsigned_left, mut signed_left) = (limits.max_messages, limits.max_signed_messages);
    while unsigned_left > 0 && signed_left > 0 {
        let Ok(Ok(Some(length))) = timeout(clock, time_limit, frame::read_length(&mut reading)).await else {
            break;
        };
        let Ok(Ok(request)) = timeout(clock, limits.read, frame::read_body(&mut reading, length)).await
        else {
            break;
        };
        let Some((answer, sender)) = core.answer_and_sender(&request, Transport::Tcp) else {
            break;
        };
        match sender {
            Sender::Anybody => unsigned_left -= 1,
            Sender::KeyHolder => signed_left -= 1,
        }
        let Ok(Ok(())) = timeout(clock, limits.write, frame::write(&mut writing, &answer)).await else {
            break;
        };
        time_limit = limits.idle;
    }
    drop(slot);
}
