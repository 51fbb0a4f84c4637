//! Which servers are asked.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use crate::Resolvers;

/// The authoritative servers of zones: given, or where to find them.
#[derive(Clone, Debug)]
pub struct Servers {
    pub(crate) source: Source,
}

#[derive(Clone, Debug)]
pub(crate) enum Source {
    Given(Vec<SocketAddr>),
    FoundBy { resolvers: Resolvers, port: u16 },
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

    /// The servers that the NS records of the zone name, found through these recursive resolvers: every address of
    /// each, at port 53. Beyond [`MAX`](Self::MAX) addresses the rest is not asked.
    pub fn found_by(resolvers: impl Into<Resolvers>) -> Self {
        Self { source: Source::FoundBy { resolvers: resolvers.into(), port: 53 } }
    }

    pub(crate) fn given_addresses(&self) -> Vec<SocketAddr> {
        match &self.source {
            Source::Given(servers) => servers.clone(),
            Source::FoundBy { .. } => Vec::new(),
        }
    }

    /// The same, with another port for the servers that are found. For laboratories.
    #[must_use]
    pub fn at_port(self, port: u16) -> Self {
        match self.source {
            Source::FoundBy { resolvers, .. } => Self { source: Source::FoundBy { resolvers, port } },
            Source::Given(_) => self,
        }
    }
}

/// No server to ask, or more than [`Servers::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a zone has 1 to 32 authoritative servers")]
pub struct ServersError;
