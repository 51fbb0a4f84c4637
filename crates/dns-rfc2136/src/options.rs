//! Which servers, with which key, how.

use std::net::SocketAddr;
use std::time::Duration;

use fleetcert_dns_wire::{Transport, TsigKey};

use crate::Servers;

/// How an [`Rfc2136Backend`](crate::Rfc2136Backend) speaks to its servers. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct Rfc2136Options {
    /// The servers that take updates, the preferred one first. Another is tried when one is out of reach, silent,
    /// unable or no primary, and is kept as long as it answers; what one server refuses is not asked of another.
    pub servers: Servers,
    /// The key that signs the updates, the same at all servers. Give it no more than the names and types that it
    /// needs.
    pub key: TsigKey,
    /// How updates are sent to servers without TLS. Default: TCP, on one connection that is kept. With UDP, a message
    /// above 1,232 octets goes over TCP all the same.
    pub transport: Transport,
    /// How long one message and its reply may take, connecting included. Default: 5 seconds.
    pub exchange_within: Duration,
    /// How long one call may take, with all that it repeats. Default: 15 seconds. Within it, a message is sent again
    /// that was lost, not answered, or answered with SERVFAIL.
    pub call_within: Duration,
    /// The most changes in one call. Default: 100.
    pub max_changes: usize,
    /// The most updates under way at one server, 1 to 1,024. Default: 64. It begins with 16 and finds out what the
    /// server bears.
    pub max_in_flight: usize,
    /// Whether a list of changes is made as a whole or not at all. Default: yes. Then a list that does not fit into
    /// one message of 65,535 octets is [`InvalidInput`](fleetcert_dns::BackendErrorKind::InvalidInput); a hundred
    /// dns-01 values, or four addresses each of a hundred devices, do fit. Without, such a list becomes several
    /// messages, sent at the same time.
    pub atomic: bool,
    /// What is read before it is changed.
    pub read_first: ReadFirst,
}

/// What is read before it is changed. Each name is a query more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ReadFirst {
    /// Names where a text above 255 octets is removed. Such a text is cut into strings, a server removes it only in
    /// the strings that it has, and whoever added it may have cut it otherwise than we do. What is not there is
    /// removed all the same, and addresses are set that are set already: the server sees that nothing changes.
    #[default]
    LongTexts,
    /// Names of all texts to be removed and of all addresses to be set, and what would change nothing is not sent.
    /// Worth it where an update that changes nothing costs much more than a query, and most changes are such.
    Everything,
}

impl Rfc2136Options {
    /// The defaults, for this server and key.
    pub fn new(server: SocketAddr, key: TsigKey) -> Self {
        Self::for_servers(server, key)
    }

    /// The defaults, for these servers and this key. [`Servers`] is made of several, or of one with TLS.
    pub fn for_servers(servers: impl Into<Servers>, key: TsigKey) -> Self {
        Self {
            servers: servers.into(),
            key,
            transport: Transport::Tcp,
            exchange_within: Duration::from_secs(5),
            call_within: Duration::from_secs(15),
            max_changes: 100,
            max_in_flight: 64,
            atomic: true,
            read_first: ReadFirst::default(),
        }
    }
}
