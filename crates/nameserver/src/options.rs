//! Options of a name server: its limits and grants.

use std::collections::BTreeSet;
use std::time::Duration;

use fleetcert_dns::RecordType;
use fleetcert_dns_wire::TsigKey;
use fleetcert_names::DomainName;

/// The limits of a name server, and the grants for RFC 2136 updates. By default nobody has a grant, so updates are
/// off.
#[derive(Clone, Debug)]
pub struct Options {
    /// Tasks that read the UDP socket, and so the maximum concurrent queries; at least one. Default: 4.
    pub udp_workers: usize,
    /// Limits of TCP connections.
    pub tcp: TcpLimits,
    /// Rights to send RFC 2136 updates. Default: none.
    pub grants: Vec<UpdateGrant>,
    /// Maximum names of a zone. A change that would add more is rejected.
    pub max_names: usize,
    /// Maximum values of one type at one name. A change that would add more is rejected.
    pub max_values: usize,
}

/// The right to send RFC 2136 updates. One key may have several.
///
/// Deleting all records of a name, independent of their type, takes a grant for all three types.
///
/// ```
/// use fleetcert_dns::RecordType;
/// use fleetcert_dns_wire::TsigKey;
/// use fleetcert_nameserver::{Options, UpdateGrant};
///
/// // An ACME client may change challenge records of one device.
/// let key =
///     TsigKey::parse("hmac-sha256:acme:c2VjcmV0IG9mIHRoZSBkb2NzIQ==")?;
/// let grant = UpdateGrant {
///     key,
///     subtree: "_acme-challenge.xi8qz.fleet.test".parse()?,
///     types: [RecordType::Txt].into(),
/// };
/// let options = Options { grants: vec![grant], ..Options::default() };
/// # let _ = options;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct UpdateGrant {
    /// Key that signs the updates.
    pub key: TsigKey,
    /// Names that may be changed: this one and all below it.
    pub subtree: DomainName,
    /// Types that may be changed.
    pub types: BTreeSet<RecordType>,
}

/// Limits of TCP connections (RFC 7766 section 6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpLimits {
    /// Maximum concurrent connections. Further ones are closed at once.
    pub max_clients: usize,
    /// Maximum concurrent connections from one /24 of IPv4 or /56 of IPv6. Loopback is not counted: strangers cannot
    /// connect from it.
    pub max_clients_of_prefix: usize,
    /// Time limit until the client's first message begins.
    pub first_byte: Duration,
    /// Time limit between two messages.
    pub idle: Duration,
    /// Time limit for a message, from its length to its end.
    pub read: Duration,
    /// Time limit for the client to accept an answer.
    pub write: Duration,
    /// Maximum messages on one connection that are not signed with one of our keys. The connection is closed after the
    /// last answer.
    pub max_messages: usize,
    /// Maximum signed messages on one connection. Higher, as the holder of a key has many updates in flight, which are
    /// lost when the connection closes.
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
