//! Free loopback ports, for programs that cannot be told to choose one and say which.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::{Mutex, PoisonError};

use crate::Fault;

/// How often the system is asked before it is given up.
const QUESTIONS: usize = 100;
/// How often another port is tried when a stranger took one.
const ATTEMPTS: usize = 3;

/// Ports that this process gave away and will not give again, as the taker may not listen yet.
static TAKEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// A loopback address whose port is free for UDP and for TCP, chosen by the system.
///
/// Between this call and the moment at which the taker listens, a stranger can take the port. Who starts a
/// program tries again then: [`with_free_ports`].
pub fn free_address() -> Result<SocketAddr, Fault> {
    for _ in 0..QUESTIONS {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Fault::while_doing("free port"))?;
        let address = listener.local_addr().map_err(Fault::while_doing("free port"))?;
        if UdpSocket::bind(address).is_err() {
            continue;
        }
        if TAKEN.lock().unwrap_or_else(PoisonError::into_inner).insert(address.port()) {
            return Ok(address);
        }
    }
    Err(Fault::new(format!("the system gave no port free for UDP and TCP in {QUESTIONS} attempts")))
}

/// Tries again, with other ports if `start` takes new ones, when a stranger was quicker.
///
/// # Errors
/// The fault of `start`, if it is another one or comes every time.
pub fn with_free_ports<T>(mut start: impl FnMut() -> Result<T, Fault>) -> Result<T, Fault> {
    let mut attempt = 1;
    loop {
        match start() {
            Err(fault) if attempt < ATTEMPTS && port_is_taken(&fault.to_string()) => attempt += 1,
            other => return other,
        }
    }
}

fn port_is_taken(log: &str) -> bool {
    let log = log.to_ascii_lowercase();
    log.contains("address in use") || log.contains("address already in use")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_port_is_given_twice() {
        let ports: BTreeSet<_> = (0..50).map(|_| free_address().unwrap().port()).collect();
        assert_eq!(ports.len(), 50);
    }
}
