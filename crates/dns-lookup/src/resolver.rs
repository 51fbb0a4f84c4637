//! The recursive resolvers through which servers are found.

#[cfg(feature = "https")]
pub(crate) mod https;
#[cfg(feature = "system-resolvers")]
mod system;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fleetcert_dns_wire::Tls;

/// A recursive resolver, and the way to it.
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
    /// Over UDP; and over TCP when an answer is cut, or when nothing comes by UDP within a third of the time.
    pub fn plain(server: SocketAddr) -> Self {
        Self { way: Way::Plain(server) }
    }

    /// Over TCP only.
    pub fn tcp(server: SocketAddr) -> Self {
        Self { way: Way::Tcp(server) }
    }

    /// DNS over TLS (RFC 7858), at port 853 as a rule. The server must prove that it has the name that `tls` says;
    /// there is no way to go without.
    ///
    /// ```
    /// use fleetcert_dns_lookup::{Resolver, Tls};
    ///
    /// # fn example(root_pem: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
    /// let resolver = Resolver::tls("192.0.2.53:853".parse()?, Tls::trusting_pem("dns.example", root_pem)?);
    /// assert_eq!(resolver.to_string(), "tls://192.0.2.53:853#dns.example");
    /// # Ok(()) }
    /// # let root = rcgen::generate_simple_self_signed(["ca.test".to_owned()]).unwrap();
    /// # example(root.cert.pem().as_bytes()).unwrap();
    /// ```
    pub fn tls(server: SocketAddr, tls: Tls) -> Self {
        Self { way: Way::Tls(server, tls) }
    }
}

/// As the program's `--resolver` takes it.
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

/// One to eight resolvers. When one fails, the next is asked; the one that answered is asked first from then on.
/// Clones share which one that is.
#[derive(Clone, Debug)]
pub struct Resolvers {
    list: Arc<[Resolver]>,
    /// Where to begin: an index into the list.
    first: Arc<AtomicUsize>,
}

impl Resolvers {
    /// The most resolvers of one list.
    pub const MAX: usize = 8;

    /// These resolvers, in this order.
    ///
    /// # Errors
    /// [`ResolverError::Count`] for none or more than [`MAX`](Self::MAX).
    pub fn new(resolvers: Vec<Resolver>) -> Result<Self, ResolverError> {
        if resolvers.is_empty() || resolvers.len() > Self::MAX {
            return Err(ResolverError::Count);
        }
        Ok(Self { list: resolvers.into(), first: Arc::default() })
    }

    /// All of them, beginning with the one that answered last, each with its index.
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

/// Resolvers that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResolverError {
    /// None, or more than [`Resolvers::MAX`].
    #[error("there are 1 to 8 resolvers")]
    Count,
    /// The URL is not one of HTTPS with a host.
    #[error("the resolver's URL is not an https:// URL with a host")]
    Url,
    /// What the system has about its resolvers cannot be read, or names none.
    #[error("the system's resolvers cannot be read: {0}")]
    System(Box<dyn std::error::Error + Send + Sync>),
}
