//! The servers that accept updates.

use std::net::SocketAddr;

use fleetcert_dns_wire::Tls;

/// A server, and its TLS authentication if it is reached over TLS.
#[derive(Clone, Debug)]
pub struct Server {
    /// Address and port: usually port 53, and 853 with TLS.
    pub address: SocketAddr,
    /// TLS settings. If given, every message to the server uses TLS, independent of
    /// [`Rfc2136Options::transport`](crate::Rfc2136Options::transport).
    pub tls: Option<Tls>,
}

/// One to eight servers that accept updates for the same zones, the preferred one first.
///
/// Each must be a primary, or forward updates to one. Any other secondary costs an attempt with every message that
/// tries it first.
///
/// ```
/// use fleetcert_dns_rfc2136::Servers;
/// use std::net::SocketAddr;
///
/// let both: [SocketAddr; 2] =
///     ["192.0.2.1:53".parse()?, "[2001:db8::1]:53".parse()?];
/// assert_eq!(Servers::new(both.map(Into::into))?.iter().count(), 2);
/// assert!(Servers::new([]).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Servers(Vec<Server>);

impl Servers {
    /// Maximum number of servers.
    pub const MAX: usize = 8;

    /// Returns these servers.
    ///
    /// # Errors
    /// [`ServersError`] for no server, or for more than [`MAX`](Self::MAX).
    pub fn new(servers: impl IntoIterator<Item = Server>) -> Result<Self, ServersError> {
        let servers: Vec<_> = servers.into_iter().take(Self::MAX + 1).collect();
        if (1..=Self::MAX).contains(&servers.len()) { Ok(Self(servers)) } else { Err(ServersError) }
    }

    /// Returns the servers, the preferred one first.
    pub fn iter(&self) -> std::slice::Iter<'_, Server> {
        self.0.iter()
    }
}

impl From<Server> for Servers {
    fn from(server: Server) -> Self {
        Self(vec![server])
    }
}

impl From<SocketAddr> for Servers {
    fn from(address: SocketAddr) -> Self {
        Server::from(address).into()
    }
}

impl From<SocketAddr> for Server {
    fn from(address: SocketAddr) -> Self {
        Self { address, tls: None }
    }
}

/// The error for no server, or for more than eight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a backend must have one to eight servers")]
pub struct ServersError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_to_eight_servers_are_accepted() {
        let server = || Server::from(SocketAddr::from(([192, 0, 2, 1], 53)));
        assert_eq!(Servers::new([]).unwrap_err(), ServersError);
        assert_eq!(Servers::new(std::iter::repeat_with(server).take(8)).unwrap().iter().len(), 8);
        assert_eq!(Servers::new(std::iter::repeat_with(server)).unwrap_err(), ServersError);
    }
}
