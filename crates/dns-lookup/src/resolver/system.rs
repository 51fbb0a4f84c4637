//! The resolvers that the system is set up with.

use super::{Resolver, ResolverError, Resolvers};

impl Resolvers {
    /// The first eight resolvers that this system is set up with: those of `/etc/resolv.conf`, or what stands for it
    /// on other systems. They are read once, now.
    ///
    /// This is what the crate hickory-resolver is here for. Its lookups are not used, because they choose a server and
    /// a retry by themselves, and here every server must be asked and have its own verdict.
    ///
    /// # Errors
    /// [`ResolverError::System`].
    pub fn of_system() -> Result<Self, ResolverError> {
        let (config, _) = hickory_resolver::system_conf::read_system_conf()
            .map_err(|error| ResolverError::System(Box::new(error)))?;
        let plain = |server: &hickory_resolver::config::NameServerConfig| {
            let port = server.connections.first().map_or(53, |connection| connection.port);
            Resolver::plain((server.ip, port).into())
        };
        Self::new(config.name_servers().iter().take(Self::MAX).map(plain).collect())
    }
}
