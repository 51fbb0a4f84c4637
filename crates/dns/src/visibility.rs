//! Visibility of a value at the authoritative servers.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use fleetcert_names::DomainName;

use crate::{BackendError, TxtValue};

/// A view of what the authoritative servers of a zone answer.
///
/// A CA may ask any of them, so a value is published when all of them show it.
#[async_trait]
pub trait Visibility: Send + Sync + fmt::Debug {
    /// Asks every authoritative server once for the TXT values of `name`.
    ///
    /// **Effect.** None. With `_acme-challenge.a TXT "1"` on one of two servers, a look for `"1"` returns one verdict
    /// [`Seen`](Verdict::Seen) and one [`NotSeen`](Verdict::NotSeen).
    ///
    /// **Idempotence, concurrency, cancellation.** A look changes nothing: it can be repeated, run concurrently and
    /// dropped freely.
    ///
    /// # Errors
    /// If the servers of the zone cannot be found. A server that fails is a verdict, not an error.
    async fn look(
        &self,
        zone: &DomainName,
        name: &DomainName,
        value: &TxtValue,
    ) -> Result<Sighting, BackendError>;
}

/// The verdicts of one look at all servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Verdicts, one for each server and transport; empty if no server was asked.
    pub servers: Vec<ServerVerdict>,
}

/// The verdict of one server, asked over one transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerVerdict {
    /// Server and transport for people: `127.0.0.1:5353 udp`.
    pub server: String,
    /// Verdict.
    pub verdict: Verdict,
}

/// Whether a server shows the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The value is among the answers.
    Seen,
    /// The server answers, without the value.
    NotSeen,
    /// The server failed; the sentence says how.
    Failed(String),
}

/// The servers that must show a value before it counts as published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Quorum {
    /// Every server over every transport, as a CA needs.
    #[default]
    All,
    /// More than half of the verdicts. For zones with a server that is known to be dead.
    Majority,
    /// One verdict. For networks that hide the other servers.
    AtLeastOne,
    /// No server is asked: changes that the backend accepts count as published. For networks that cannot reach the
    /// authoritative servers, with a service that answers once its servers have the change.
    TrustBackend,
}

impl Sighting {
    /// Returns the sighting without any server.
    pub(crate) fn of_nobody() -> Self {
        Self { servers: Vec::new() }
    }

    /// Returns the servers that show the value.
    pub fn seen_at(&self) -> impl Iterator<Item = &str> {
        let seen = self.servers.iter().filter(|server| server.verdict == Verdict::Seen);
        seen.map(|server| server.server.as_str())
    }

    /// Returns whether enough servers show the value. An empty sighting satisfies only [`Quorum::TrustBackend`].
    pub fn satisfies(&self, quorum: Quorum) -> bool {
        let seen = self.seen_at().count();
        match quorum {
            Quorum::All => seen > 0 && seen == self.servers.len(),
            Quorum::Majority => seen * 2 > self.servers.len(),
            Quorum::AtLeastOne => seen > 0,
            Quorum::TrustBackend => true,
        }
    }
}

impl fmt::Display for Sighting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.servers.is_empty() {
            return f.write_str("no server was asked");
        }
        for (index, ServerVerdict { server, verdict }) in self.servers.iter().enumerate() {
            let gap = if index == 0 { "" } else { ", " };
            match verdict {
                Verdict::Seen => write!(f, "{gap}{server}: seen")?,
                Verdict::NotSeen => write!(f, "{gap}{server}: not there")?,
                Verdict::Failed(why) => write!(f, "{gap}{server}: {why}")?,
            }
        }
        Ok(())
    }
}

macro_rules! forwarded {
    ($($pointer:ty),*) => {$(
        // A method that the trait gets later must not fall back to its default behind a pointer.
        #[deny(clippy::missing_trait_methods)]
        #[async_trait]
        impl<V: Visibility + ?Sized> Visibility for $pointer {
            async fn look(
                &self,
                zone: &DomainName,
                name: &DomainName,
                value: &TxtValue,
            ) -> Result<Sighting, BackendError> {
                (**self).look(zone, name, value).await
            }
        }
    )*};
}
forwarded!(Arc<V>, Box<V>, &V);

// The trait must stay usable as `dyn`.
const _: Option<&dyn Visibility> = None;

#[cfg(test)]
mod tests {
    use super::*;

    fn sighting(verdicts: &[Verdict]) -> Sighting {
        let server = |verdict: &Verdict| ServerVerdict { server: "s".into(), verdict: verdict.clone() };
        Sighting { servers: verdicts.iter().map(server).collect() }
    }

    async fn assert_fails_without_the_zone(visibility: impl Visibility) {
        let zone: DomainName = "fleet.test".parse().unwrap();
        assert!(visibility.look(&zone, &zone, &"1".parse().unwrap()).await.is_err());
    }

    #[tokio::test]
    async fn pointers_forward_the_look() {
        let nothing = crate::MemoryBackend::new([]);
        assert_fails_without_the_zone(&nothing).await;
        assert_fails_without_the_zone(Box::new(nothing.clone()) as Box<dyn Visibility>).await;
        assert_fails_without_the_zone(Arc::new(nothing) as Arc<dyn Visibility>).await;
    }

    #[test]
    fn each_quorum_needs_its_verdicts() {
        use Verdict::{Failed, NotSeen, Seen};
        let dead = || Failed("no answer".into());
        for (verdicts, all, majority, one) in [
            (vec![], false, false, false),
            (vec![Seen, Seen], true, true, true),
            (vec![Seen, NotSeen], false, false, true),
            (vec![Seen, Seen, dead()], false, true, true),
            (vec![dead(), NotSeen], false, false, false),
        ] {
            let sighting = sighting(&verdicts);
            assert_eq!(sighting.satisfies(Quorum::All), all, "{sighting}");
            assert_eq!(sighting.satisfies(Quorum::Majority), majority, "{sighting}");
            assert_eq!(sighting.satisfies(Quorum::AtLeastOne), one, "{sighting}");
            assert!(sighting.satisfies(Quorum::TrustBackend), "{sighting}");
            assert_eq!(sighting.seen_at().count() > 0, one, "{sighting}");
        }
        assert_eq!(Sighting::of_nobody().to_string(), "no server was asked");
    }
}
