//! The servers that are asked.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use crate::Resolvers;

/// The authoritative servers of zones: given, or found through resolvers.
#[derive(Clone, Debug)]
pub struct Servers {
    pub(crate) source: ServerSource,
}

#[derive(Clone, Debug)]
pub(crate) enum ServerSource {
    Given(Vec<SocketAddr>),
    FoundBy { resolvers: Resolvers, port: u16 },
}

impl Servers {
    /// Maximum servers that are asked about one name.
    pub const MAX: usize = 32;

    /// Returns these servers, for every zone. A server that is named twice is asked once.
    ///
    /// # Errors
    /// [`ServersError`] for none or more than [`MAX`](Self::MAX).
    pub fn given(servers: Vec<SocketAddr>) -> Result<Self, ServersError> {
        let servers: BTreeSet<_> = servers.into_iter().collect();
        if servers.is_empty() || servers.len() > Self::MAX {
            return Err(ServersError);
        }
        Ok(Self { source: ServerSource::Given(servers.into_iter().collect()) })
    }

    /// Returns the servers in the NS records of the zone, found through these recursive resolvers: every address of each,
    /// at port 53, up to [`MAX`](Self::MAX) addresses.
    pub fn found_by(resolvers: impl Into<Resolvers>) -> Self {
        Self { source: ServerSource::FoundBy { resolvers: resolvers.into(), port: 53 } }
    }

    pub(crate) fn given_addresses(&self) -> Vec<SocketAddr> {
        match &self.source {
            ServerSource::Given(servers) => servers.clone(),
            ServerSource::FoundBy { .. } => Vec::new(),
        }
    }

    /// Sets the port of the servers that are found. Default: 53. For test networks.
    #[must_use]
    pub fn at_port(self, port: u16) -> Self {
        match self.source {
            ServerSource::FoundBy { resolvers, .. } => {
                Self { source: ServerSource::FoundBy { resolvers, port } }
            }
            ServerSource::Given(_) => self,
        }
    }
}

/// No server to ask, or more than [`Servers::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a zone has 1 to 32 authoritative servers")]
pub struct ServersError;
