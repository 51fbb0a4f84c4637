//! Which server, with which key, how.

use std::net::SocketAddr;
use std::time::Duration;

use fleetcert_dns_wire::{Transport, TsigKey};

/// How an [`Rfc2136Backend`](crate::Rfc2136Backend) speaks to its server. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct Rfc2136Options {
    /// The server that takes updates: the zone's primary.
    pub server: SocketAddr,
    /// The key that signs the updates. Give it no more than the names and types that it needs.
    pub key: TsigKey,
    /// How updates are sent. Default: TCP. With UDP, a message above 1,232 octets goes over TCP all the same.
    pub transport: Transport,
    /// How long one message and its reply may take. Default: 5 seconds.
    pub exchange_within: Duration,
    /// The most changes in one call. Default: 100.
    pub max_changes: usize,
    /// Whether a list of changes is made as a whole or not at all. Default: yes. Then a list that does not fit into
    /// one message of 65,535 octets is [`InvalidInput`](fleetcert_dns::BackendErrorKind::InvalidInput); a hundred
    /// dns-01 values, or four addresses each of a hundred devices, do fit. Without, such a list becomes several
    /// messages, one after the other.
    pub atomic: bool,
}

impl Rfc2136Options {
    /// The defaults, for this server and key.
    pub fn new(server: SocketAddr, key: TsigKey) -> Self {
        Self {
            server,
            key,
            transport: Transport::Tcp,
            exchange_within: Duration::from_secs(5),
            max_changes: 100,
            atomic: true,
        }
    }
}
