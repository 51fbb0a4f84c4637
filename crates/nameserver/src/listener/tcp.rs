//! One TCP connection (RFC 7766).

use std::sync::Arc;

use fleetcert_ambient::timeout;
use fleetcert_dns_wire::{Transport, frame};
use tokio::io::BufReader;
use tokio::net::TcpStream;

use super::gate::Pass;
use crate::answer::Sender;
use crate::server::Core;

/// Answers message after message until the client closes, errs, or takes too long at anything.
pub(super) async fn answer_all(core: Arc<Core>, stream: TcpStream, pass: Pass) {
    let limits = &core.options.tcp;
    let clock = core.clock.as_ref();
    // An answer is one write, and nothing follows that it could wait for.
    let _ = stream.set_nodelay(true);
    let (reading, mut writing) = stream.into_split();
    let mut reading = BufReader::new(reading);
    let mut patience = limits.first_byte;
    let (mut unsigned_left, mut signed_left) = (limits.max_messages, limits.max_signed_messages);
    while unsigned_left > 0 && signed_left > 0 {
        let Ok(Ok(Some(length))) = timeout(clock, patience, frame::read_length(&mut reading)).await else {
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
        patience = limits.idle;
    }
    drop(pass);
}
