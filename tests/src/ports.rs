//! Free loopback ports, for programs that cannot be told to choose one and say which.

use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::thread;
use std::time::Duration;

use crate::{Deadline, Fault};

/// How often the system is asked before it is given up.
const QUESTIONS: usize = 100;
/// How often another port is tried when a stranger took one.
const ATTEMPTS: usize = 3;
/// How long a port may still be held that is needed again.
const HELD: Duration = Duration::from_secs(20);
/// Between two tries to have it.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);

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
        if TAKEN.lock().insert(address.port()) {
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

/// Starts a program again on the port that it had. A client's connection may hold that for seconds: one that asked for the
/// port while nobody listened can have got it as its own, and is connected with itself.
///
/// # Errors
/// The fault of `start`, if it is another one or still comes after twenty seconds.
pub fn with_port_as_before<T>(mut start: impl FnMut() -> Result<T, Fault>) -> Result<T, Fault> {
    let deadline = Deadline::after(HELD);
    loop {
        match start() {
            Err(fault) if !deadline.has_passed() && port_is_taken(&fault.to_string()) => {
                thread::sleep(RETRY_INTERVAL);
            }
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

    #[test]
    fn another_port_is_tried_a_few_times_and_another_fault_is_told() {
        let mut starts = 0;
        let mut start = |faults: usize| {
            starts += 1;
            if starts > faults { Ok(starts) } else { Err(Fault::new("Address already in use")) }
        };
        assert_eq!(with_free_ports(|| start(2)).unwrap(), 3);
        assert!(with_free_ports(|| start(100)).is_err());
        assert_eq!(starts, 6);
        assert!(with_free_ports::<()>(|| Err(Fault::new("no such file"))).is_err());
    }

    #[test]
    fn the_same_port_is_tried_until_it_is_free() {
        let held = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = held.local_addr().unwrap();
        let (mut held, mut refused) = (Some(held), 0);
        let listening = with_port_as_before(|| {
            TcpListener::bind(address).map_err(Fault::while_doing("the port")).inspect_err(|_| {
                refused += 1;
                if refused == ATTEMPTS + 1 {
                    held = None;
                }
            })
        });
        assert_eq!(listening.unwrap().local_addr().unwrap(), address);
        assert_eq!(refused, ATTEMPTS + 1);
        assert!(with_port_as_before::<()>(|| Err(Fault::new("no such file"))).is_err());
    }
}
