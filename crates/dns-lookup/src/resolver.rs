//! Recursive resolvers, through which servers are found.

#[cfg(feature = "https")]
pub(crate) mod https;
#[cfg(feature = "system-resolvers")]
mod system;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fleetcert_dns_wire::Tls;

/// A recursive resolver and its transport.
#[derive(Clone, Debug)]
pub struct Resolver {
    pub(crate) way: Way,
}

#[derive(Clone, Debug)]
pub(crate) enum Way {
    Plain(SocketAddr),
    Tcp(SocketAddr),
    Tls(SocketAddr, Tls),
    #[cfg(feature = "https")]
    Https(Arc<https::HttpsWay>),
}

impl Resolver {
    /// Returns a resolver over UDP, and over TCP if an answer is truncated or none comes within a third of the timeout.
    pub fn plain(server: SocketAddr) -> Self {
        Self { way: Way::Plain(server) }
    }

    /// Returns a resolver over TCP only.
    pub fn tcp(server: SocketAddr) -> Self {
        Self { way: Way::Tcp(server) }
    }

    /// Returns a resolver over TLS (RFC 7858), usually at port 853. Its certificate must be for the name in `tls`; there is
    /// no option to skip that check.
    ///
    /// ```
    /// use fleetcert_dns_lookup::{Resolver, Tls};
    ///
    /// # fn example(root_pem: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
    /// let tls = Tls::trusting_pem("dns.example", root_pem)?;
    /// let resolver = Resolver::tls("192.0.2.53:853".parse()?, tls);
    /// assert_eq!(resolver.to_string(), "tls://192.0.2.53:853#dns.example");
    /// # Ok(()) }
    /// # let root = rcgen::generate_simple_self_signed(["ca.test".to_owned()]).unwrap();
    /// # example(root.cert.pem().as_bytes()).unwrap();
    /// ```
    pub fn tls(server: SocketAddr, tls: Tls) -> Self {
        Self { way: Way::Tls(server, tls) }
    }
}

/// In the form of the `--resolver` flag of `diagnose`.
impl fmt::Display for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.way {
            Way::Plain(server) => write!(f, "udp://{server}"),
            Way::Tcp(server) => write!(f, "tcp://{server}"),
            Way::Tls(server, tls) => write!(f, "tls://{server}#{}", tls.server_name()),
            #[cfg(feature = "https")]
            Way::Https(way) => write!(f, "{way}"),
        }
    }
}

/// One to eight resolvers. If one fails, the next is asked; the one that answered is asked first from then on, in all
/// clones.
#[derive(Clone, Debug)]
pub struct Resolvers {
    list: Arc<[Resolver]>,
    /// Index of the resolver that is asked first.
    first: Arc<AtomicUsize>,
}

impl Resolvers {
    /// Maximum resolvers in a list.
    pub const MAX: usize = 8;

    /// Returns these resolvers, in this order.
    ///
    /// # Errors
    /// [`ResolverError::Count`] for none or more than [`MAX`](Self::MAX).
    pub fn new(resolvers: Vec<Resolver>) -> Result<Self, ResolverError> {
        if resolvers.is_empty() || resolvers.len() > Self::MAX {
            return Err(ResolverError::Count);
        }
        Ok(Self { list: resolvers.into(), first: Arc::default() })
    }

    /// Returns all of them with their indices, beginning with the one that answered last.
    pub(crate) fn in_turn(&self) -> impl Iterator<Item = (usize, &Resolver)> {
        let first = self.first.load(Ordering::Relaxed);
        let count = self.list.len();
        (0..count).map(move |step| (first + step) % count).map(|index| (index, &self.list[index]))
    }

    pub(crate) fn answered(&self, index: usize) {
        self.first.store(index, Ordering::Relaxed);
    }
}

impl From<Resolver> for Resolvers {
    fn from(resolver: Resolver) -> Self {
        Self { list: [resolver].into(), first: Arc::default() }
    }
}

/// A [plain](Resolver::plain) resolver.
impl From<SocketAddr> for Resolvers {
    fn from(server: SocketAddr) -> Self {
        Resolver::plain(server).into()
    }
}

impl fmt::Display for Resolvers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, resolver) in self.list.iter().enumerate() {
            let gap = if index == 0 { "" } else { ", " };
            write!(f, "{gap}{resolver}")?;
        }
        Ok(())
    }
}

/// The resolvers cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResolverError {
    /// None, or more than [`Resolvers::MAX`].
    #[error("there are 1 to 8 resolvers")]
    Count,
    /// The URL is not an HTTPS URL with a host.
    #[error("the resolver's URL is not an https:// URL with a host")]
    Url,
    /// The system's resolver configuration cannot be read, or names no resolver.
    #[error("the system's resolvers cannot be read: {0}")]
    System(Box<dyn std::error::Error + Send + Sync>),
}
