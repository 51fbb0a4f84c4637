//! Which servers are asked.

use std::collections::BTreeSet;
use std::net::SocketAddr;

/// The authoritative servers of zones: given, or where to find them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Servers {
    pub(crate) source: Source,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Given(Vec<SocketAddr>),
    FoundBy { resolver: SocketAddr, port: u16 },
}

impl Servers {
    /// The most servers that are asked about one name.
    pub const MAX: usize = 32;

    /// These servers, for every zone. Each is asked once, however often it is named.
    ///
    /// # Errors
    /// [`ServersError`] for none or more than [`MAX`](Self::MAX).
    pub fn given(servers: Vec<SocketAddr>) -> Result<Self, ServersError> {
        let servers: BTreeSet<_> = servers.into_iter().collect();
        if servers.is_empty() || servers.len() > Self::MAX {
            return Err(ServersError);
        }
        Ok(Self { source: Source::Given(servers.into_iter().collect()) })
    }

    /// The servers that the NS records of the zone name, found through this recursive resolver: every address of
    /// each, at port 53. Beyond [`MAX`](Self::MAX) addresses the rest is not asked.
    pub fn found_by(resolver: SocketAddr) -> Self {
        Self { source: Source::FoundBy { resolver, port: 53 } }
    }

    /// The same, with another port for the servers that are found. For laboratories.
    pub fn at_port(self, port: u16) -> Self {
        match self.source {
            Source::FoundBy { resolver, .. } => Self { source: Source::FoundBy { resolver, port } },
            Source::Given(_) => self,
        }
    }
}

/// No server to ask, or more than [`Servers::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a zone has 1 to 32 authoritative servers")]
pub struct ServersError;
