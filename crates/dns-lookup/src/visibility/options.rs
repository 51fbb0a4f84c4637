//! Options of a look.

use std::net::SocketAddr;
use std::time::Duration;

/// Options of a look at authoritative servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LookOptions {
    /// Transports: a server that answers over UDP may be unreachable over TCP, and a CA uses both. Default:
    /// [`Ways::Both`].
    pub ways: Ways,
    /// Address families. Default: [`Families::Both`].
    pub families: Families,
    /// Timeout of one query. Default: 3 seconds.
    pub query_within: Duration,
}

/// The transports over which a server is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ways {
    /// UDP and TCP; both must show the value.
    #[default]
    Both,
    /// UDP. A truncated answer is fetched again over TCP, as a resolver does.
    Udp,
    /// TCP.
    Tcp,
}

/// The address families at which a server is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Families {
    /// IPv4 and IPv6. From a network without IPv6, the IPv6 addresses fail, and their verdicts say so.
    #[default]
    Both,
    /// IPv4. For a network without IPv6; it does not show what a CA sees over IPv6.
    V4,
    /// IPv6.
    V6,
}

impl Default for LookOptions {
    fn default() -> Self {
        Self { ways: Ways::Both, families: Families::Both, query_within: Duration::from_secs(3) }
    }
}

impl Families {
    pub(super) fn include(self, server: &SocketAddr) -> bool {
        match self {
            Self::Both => true,
            Self::V4 => server.is_ipv4(),
            Self::V6 => server.is_ipv6(),
        }
    }
}
