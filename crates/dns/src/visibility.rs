//! Whether a value is to be seen everywhere yet.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use fleetcert_names::DomainName;

use crate::{BackendError, TxtValue};

/// Sees what the authoritative servers of a zone answer.
///
/// A CA asks whichever of them it likes, so a value is published when all of them show it.
#[async_trait]
pub trait Visibility: Send + Sync + fmt::Debug {
    /// Asks every authoritative server once for the TXT values of `name`.
    ///
    /// **Effect.** None. With `_acme-challenge.a TXT "1"` on one of two servers, a look for `"1"` gives one verdict
    /// [`Seen`](Verdict::Seen) and one [`NotSeen`](Verdict::NotSeen).
    ///
    /// **Idempotence, concurrency, cancellation.** A look changes nothing: it can be repeated, run beside others and
    /// dropped at will.
    ///
    /// # Errors
    /// When the servers of the zone cannot be found at all. A server that fails is a verdict, not an error.
    async fn look(
        &self,
        zone: &DomainName,
        name: &DomainName,
        value: &TxtValue,
    ) -> Result<Sighting, BackendError>;
}

/// What one look at all servers gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// One verdict for each server and way of asking; empty when nobody was asked.
    pub servers: Vec<ServerVerdict>,
}

/// What one server said, asked in one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerVerdict {
    /// The server and the way, as a person reads it: `127.0.0.1:5353 udp`.
    pub server: String,
    /// What it said.
    pub verdict: Verdict,
}

/// Whether the value was there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The value is among the answers.
    Seen,
    /// The server answers, without the value.
    NotSeen,
    /// The server does not answer as it should; the sentence says how.
    Failed(String),
}

/// How many servers must show a value before it counts as published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Quorum {
    /// Every server, asked in every way. What a CA needs.
    #[default]
    All,
    /// More than half of the verdicts. For zones with a server that is known to be dead.
    Majority,
    /// One is enough. For networks that hide the other servers.
    AtLeastOne,
    /// None is asked: what the backend takes counts as published. For networks from which no authoritative server can
    /// be reached, with a service that answers when its servers have the change.
    TrustBackend,
}

impl Sighting {
    /// The sighting where none of the servers was asked.
    pub(crate) fn of_nobody() -> Self {
        Self { servers: Vec::new() }
    }

    /// The servers that show the value.
    pub fn seen_at(&self) -> impl Iterator<Item = &str> {
        let seen = self.servers.iter().filter(|server| server.verdict == Verdict::Seen);
        seen.map(|server| server.server.as_str())
    }

    /// Whether enough servers show the value. Nothing seen at all is enough only where nobody is to be asked.
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

    async fn knows_no_zone(visibility: impl Visibility) {
        let zone: DomainName = "fleet.test".parse().unwrap();
        assert!(visibility.look(&zone, &zone, &"1".parse().unwrap()).await.is_err());
    }

    #[tokio::test]
    async fn pointers_look_as_what_they_point_to() {
        let nothing = crate::MemoryBackend::new([]);
        knows_no_zone(&nothing).await;
        knows_no_zone(Box::new(nothing.clone()) as Box<dyn Visibility>).await;
        knows_no_zone(Arc::new(nothing) as Arc<dyn Visibility>).await;
    }

    #[test]
    fn quorums() {
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
