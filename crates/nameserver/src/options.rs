//! What a name server may spend, and who may update it.

use std::collections::BTreeSet;
use std::time::Duration;

use fleetcert_dns::RecordType;
use fleetcert_dns_wire::TsigKey;
use fleetcert_names::DomainName;

/// What a name server may spend on strangers, and who may send it RFC 2136 updates. The default grants nobody
/// anything, so updates are off.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many tasks read the UDP socket, and so how many queries are answered at the same time; at least one.
    pub udp_workers: usize,
    /// The limits of TCP.
    pub tcp: TcpLimits,
    /// Who may update what.
    pub grants: Vec<UpdateGrant>,
    /// The most names of one zone. A change that would add more is refused.
    pub max_names: usize,
    /// The most values of one type at one name. A change that would add more is refused.
    pub max_values: usize,
}

/// The right to send RFC 2136 updates. One key may have several.
///
/// To delete all records of a name, whatever their type, takes a right to all three types there.
#[derive(Clone, Debug)]
pub struct UpdateGrant {
    /// The key that signs.
    pub key: TsigKey,
    /// The names that may be changed: this one and all below it.
    pub subtree: DomainName,
    /// The types that may be changed.
    pub types: BTreeSet<RecordType>,
}

/// Limits of TCP connections (RFC 7766 section 6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpLimits {
    /// Connections at the same time. One more is closed at once.
    pub max_clients: usize,
    /// Connections at the same time from one /24 of IPv4 or /56 of IPv6. Loopback is not counted: no stranger
    /// comes from there.
    pub max_clients_of_prefix: usize,
    /// How long a client may take until its first message begins.
    pub first_byte: Duration,
    /// How long a client may be silent between two messages.
    pub idle: Duration,
    /// How long a message may take from its length to its end.
    pub read: Duration,
    /// How long a client may take to accept an answer.
    pub write: Duration,
    /// Messages on one connection that are not signed with a key of ours. After the last answer it is closed.
    pub max_messages: usize,
    /// Messages on one connection that are. A key's holder has many updates under way, and what is under way when
    /// we close is lost on him.
    pub max_signed_messages: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            udp_workers: 4,
            tcp: TcpLimits::default(),
            grants: Vec::new(),
            max_names: 4_000_000,
            max_values: 64,
        }
    }
}

impl Default for TcpLimits {
    fn default() -> Self {
        Self {
            max_clients: 512,
            max_clients_of_prefix: 16,
            first_byte: Duration::from_secs(2),
            idle: Duration::from_secs(10),
            read: Duration::from_secs(2),
            write: Duration::from_millis(500),
            max_messages: 100,
            max_signed_messages: 100_000,
        }
    }
}
