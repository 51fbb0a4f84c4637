//! How servers are asked.

use std::net::SocketAddr;
use std::time::Duration;

/// How servers are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LookOptions {
    /// In which ways: a server that is right over UDP may be unreachable over TCP, and a CA uses both. Default:
    /// [`Ways::Both`].
    pub ways: Ways,
    /// At which addresses. Default: [`Families::Both`].
    pub families: Families,
    /// How long one question may take. Default: 3 seconds.
    pub query_within: Duration,
}

/// In which ways a server is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ways {
    /// Over UDP, and over TCP; both must be right.
    #[default]
    Both,
    /// Over UDP. An answer that does not fit is asked for again over TCP, as a resolver does.
    Udp,
    /// Over TCP.
    Tcp,
}

/// At which of its addresses a server is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Families {
    /// At all of them. From a network without IPv6, the IPv6 addresses fail, and their verdicts say so.
    #[default]
    Both,
    /// At IPv4 addresses. For a network without IPv6; what a CA sees over IPv6 is not seen then.
    V4,
    /// At IPv6 addresses.
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
