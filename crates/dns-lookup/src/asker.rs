//! One question to one server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fleetcert_ambient::{Clock, Entropy, SystemClock, SystemEntropy};
use fleetcert_dns_wire::{Transport, exchange, message};
use fleetcert_names::DomainName;

use crate::{Answer, LookupError, LookupErrorKind, QueryType};

/// Asks servers, with a deadline for each question.
#[derive(Clone, Debug)]
pub struct Asker {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    within: Duration,
}

/// Whether the server is to ask others (the RD bit): a resolver yes, an authoritative server no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recursion {
    /// The server is a resolver.
    Desired,
    /// The server is to say what it has itself.
    NotDesired,
}

impl Asker {
    /// Questions take at most `within` each. `entropy` gives their ids.
    pub fn new(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>, within: Duration) -> Self {
        Self { clock, entropy, within }
    }

    /// Asks once. What the server says, even that there is no such name, is an answer. An answer by UDP that is
    /// [`truncated`](Answer::truncated) is for the caller to ask for again by TCP.
    ///
    /// **Cancellation.** Nothing is changed; dropping it is safe.
    ///
    /// # Errors
    /// [`LookupError`], of the kinds `TimedOut`, `Unreachable` and `BadAnswer`.
    pub async fn ask(
        &self,
        server: SocketAddr,
        name: &DomainName,
        query_type: QueryType,
        transport: Transport,
        recursion: Recursion,
    ) -> Result<Answer, LookupError> {
        let mut query = message::query(self.random_id(), name, query_type.to_wire());
        query.metadata.recursion_desired = recursion == Recursion::Desired;
        let octets = message::encode(&query).expect("one name fits into a message");
        let reply = exchange(server, &octets, transport, self.within, &*self.clock)
            .await
            .map_err(|error| LookupError::of_exchange(name, error))?;
        match message::decode(&reply) {
            Ok(reply) => Ok(Answer::from_wire(&reply)),
            Err(_) => Err(LookupError::new(LookupErrorKind::BadAnswer, server, name)),
        }
    }

    pub(crate) fn now(&self) -> SystemTime {
        self.clock.now()
    }

    fn random_id(&self) -> u16 {
        let mut id = [0; 2];
        self.entropy.fill(&mut id);
        u16::from_be_bytes(id)
    }
}

/// Asks an authoritative server once, with the machine's clock and five seconds of patience. Programs that pass in
/// their clock use an [`Asker`].
///
/// **Cancellation.** Nothing is changed; dropping it is safe.
///
/// # Errors
/// [`LookupError`], of the kinds `TimedOut`, `Unreachable` and `BadAnswer`.
pub async fn lookup(
    server: SocketAddr,
    name: &DomainName,
    query_type: QueryType,
    transport: Transport,
) -> Result<Answer, LookupError> {
    let asker = Asker::new(Arc::new(SystemClock), Arc::new(SystemEntropy), Duration::from_secs(5));
    asker.ask(server, name, query_type, transport, Recursion::NotDesired).await
}
