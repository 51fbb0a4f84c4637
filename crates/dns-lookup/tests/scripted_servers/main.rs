//! Servers that answer as they should not, and resolvers that know where servers are.

// What the tests share may fail as loudly as they do.
#![allow(clippy::unwrap_used, clippy::panic)]

mod diagnosis;
mod finding;
mod following;
#[cfg(feature = "https")]
mod https;
mod records;
mod resolvers;
mod server;
mod targets;
mod tls;
mod visibility;

use std::time::Duration;

use fleetcert_ambient::Ambient;
use fleetcert_dns_lookup::{Asker, Finder, Resolvers};
use fleetcert_names::DomainName;

fn domain(text: &str) -> DomainName {
    text.parse().unwrap()
}

fn asker() -> Asker {
    Asker::new(Ambient::system(), Duration::from_secs(2))
}

fn finder(resolvers: impl Into<Resolvers>) -> Finder {
    Finder::new(resolvers, asker())
}
