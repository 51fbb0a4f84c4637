//! Options of the backend.

use std::net::SocketAddr;
use std::time::Duration;

use fleetcert_dns_wire::{Transport, TsigKey};

use crate::Servers;

/// Servers, key and limits of an [`Rfc2136Backend`](crate::Rfc2136Backend). `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct Rfc2136Options {
    /// Servers that accept updates, the preferred one first. The next one is tried if a server is unreachable, silent,
    /// failing or not a primary, and stays in use while it answers. A refusal is final: no other server is tried.
    pub servers: Servers,
    /// Key that signs the updates, the same at all servers. Grant it only the names and types that it needs.
    pub key: TsigKey,
    /// Transport of updates to servers without TLS. Default: TCP, on one persistent connection. With UDP, a message
    /// above 1,232 octets still uses TCP.
    pub transport: Transport,
    /// Time limit for one message and its reply, including the connection. Default: 5 seconds.
    pub exchange_within: Duration,
    /// Time limit for one call, including retries. Default: 15 seconds. Within it, a message is sent again if it was
    /// lost, not answered, or answered with SERVFAIL.
    pub call_within: Duration,
    /// Maximum changes in one call. Default: 100.
    pub max_changes: usize,
    /// Maximum updates in flight at one server, 1 to 1,024. Default: 64. The window starts at 16 and adapts to the
    /// server.
    pub max_in_flight: usize,
    /// Whether a list of changes takes effect as a whole or not at all. Default: yes. Then a list that does not fit
    /// into one message of 65,535 octets is [`InvalidInput`](fleetcert_dns::BackendErrorKind::InvalidInput); a
    /// hundred dns-01 values fit, and so do four addresses each of a hundred devices. Otherwise, such a list becomes
    /// several messages, sent at the same time.
    pub atomic: bool,
    /// Sets that are read before they are changed.
    pub read_first: ReadFirst,
}

/// The sets that are read before they are changed. Each costs one query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ReadFirst {
    /// Names where a text above 255 octets is removed. A server removes such a text only in the strings that it has,
    /// and another client may have split it differently. Missing values are still removed, and equal addresses are
    /// still set: the server finds that nothing changes.
    #[default]
    LongTexts,
    /// Names of all texts to remove and all addresses to set; changes without an effect are not sent. Useful if an
    /// update without an effect costs much more than a query, and most changes are such.
    Everything,
}

impl Rfc2136Options {
    /// Returns the defaults for this server and key.
    pub fn new(server: SocketAddr, key: TsigKey) -> Self {
        Self::for_servers(server, key)
    }

    /// Returns the defaults for these servers and this key. See [`Servers`] for several servers, or one with TLS.
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
