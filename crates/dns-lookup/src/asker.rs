//! Queries: one question to one server, or to resolvers in turn.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use fleetcert_ambient::{Ambient, Clock};
use fleetcert_dns_wire::{Transport, exchange, message};
use fleetcert_names::DomainName;
use hickory_proto::op::Message;

use crate::resolver::Way;
use crate::{Answer, LookupError, LookupErrorKind, QueryType, Resolver, Resolvers};

/// Sends queries to servers, each with a deadline.
#[derive(Clone, Debug)]
pub struct Asker {
    ambient: Ambient,
    within: Duration,
}

/// The RD bit: whether the server should resolve the name by asking others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recursion {
    /// Set: the server is a resolver.
    Desired,
    /// Not set: the server is authoritative and answers from its own zones.
    NotDesired,
}

impl Asker {
    /// Returns an asker whose queries take at most `within` each.
    pub fn new(ambient: Ambient, within: Duration) -> Self {
        Self { ambient, within }
    }

    /// Sends one query. Every response is an answer, also one that says that there is no such name. If an answer over UDP
    /// is [`truncated`](Answer::truncated), the caller asks again over TCP.
    ///
    /// **Cancellation.** Nothing is changed; dropping it is safe.
    ///
    /// # Errors
    /// [`LookupError`], of the kinds `TimedOut`, `Unreachable`, `NoRoute` and `BadAnswer`.
    pub async fn ask(
        &self,
        server: SocketAddr,
        name: &DomainName,
        query_type: QueryType,
        transport: Transport,
        recursion: Recursion,
    ) -> Result<Answer, LookupError> {
        let query = self.query(name, query_type, recursion);
        self.exchange(server, name, &query, transport, self.within).await
    }

    /// Asks the resolvers in turn until one answers: with records, without any, or that there is no such name.
    ///
    /// **Cancellation.** Nothing is changed; dropping it is safe.
    ///
    /// # Errors
    /// [`LookupError`] of the last one, with the errors of the others before it.
    pub async fn resolve(
        &self,
        resolvers: &Resolvers,
        name: &DomainName,
        query_type: QueryType,
    ) -> Result<Answer, LookupError> {
        let mut failures = Vec::new();
        for (index, resolver) in resolvers.in_turn() {
            let error = match self.ask_resolver(resolver, name, query_type).await {
                Ok(answer) if answer.rcode.is_answer() => {
                    resolvers.answered(index);
                    return Ok(answer);
                }
                Ok(answer) => LookupError::new(LookupErrorKind::Failed(answer.rcode), resolver, name),
                Err(error) => error,
            };
            failures.push(error);
        }
        let last = failures.pop().expect("a list of resolvers has at least one");
        Err(last.after(failures))
    }

    async fn ask_resolver(
        &self,
        resolver: &Resolver,
        name: &DomainName,
        query_type: QueryType,
    ) -> Result<Answer, LookupError> {
        let query = self.query(name, query_type, Recursion::Desired);
        match &resolver.way {
            Way::Plain(server) => {
                let third = self.within / 3;
                match self.exchange(*server, name, &query, Transport::Udp, third).await {
                    Ok(answer) if !answer.truncated => Ok(answer),
                    Err(error) if error.kind() != LookupErrorKind::TimedOut => Err(error),
                    _ => self.exchange(*server, name, &query, Transport::Tcp, self.within - third).await,
                }
            }
            Way::Tcp(server) => self.exchange(*server, name, &query, Transport::Tcp, self.within).await,
            Way::Tls(server, tls) => {
                let reply = tls.exchange(*server, &encoded(&query), self.within, &*self.ambient.clock).await;
                let reply = reply.map_err(|error| LookupError::of_exchange(name, error))?;
                let error = |_| LookupError::new(LookupErrorKind::BadAnswer, resolver, name);
                message::decode(&reply).map(|reply| Answer::from_wire(&reply)).map_err(error)
            }
            #[cfg(feature = "https")]
            Way::Https(way) => {
                let error = |kind| LookupError::new(kind, resolver, name);
                let reply = way.exchange(name, encoded(&query));
                let reply = fleetcert_ambient::timeout(&*self.ambient.clock, self.within, reply)
                    .await
                    .map_err(|_| error(LookupErrorKind::TimedOut))??;
                read(&query, &reply).ok_or_else(|| error(LookupErrorKind::BadAnswer))
            }
        }
    }

    async fn exchange(
        &self,
        server: SocketAddr,
        name: &DomainName,
        query: &Message,
        transport: Transport,
        within: Duration,
    ) -> Result<Answer, LookupError> {
        let reply = exchange(server, &encoded(query), transport, within, &*self.ambient.clock)
            .await
            .map_err(|error| LookupError::of_exchange(name, error))?;
        let error =
            || LookupError::new(LookupErrorKind::BadAnswer, format_args!("{server} {transport}"), name);
        message::decode(&reply).map(|reply| Answer::from_wire(&reply)).map_err(|_| error())
    }

    fn query(&self, name: &DomainName, query_type: QueryType, recursion: Recursion) -> Message {
        let mut query = message::query(self.random_id(), name, query_type.to_wire());
        query.metadata.recursion_desired = recursion == Recursion::Desired;
        query
    }

    pub(crate) fn now(&self) -> SystemTime {
        self.ambient.now()
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.ambient.clock
    }

    fn random_id(&self) -> u16 {
        let mut id = [0; 2];
        self.ambient.entropy.fill(&mut id);
        u16::from_be_bytes(id)
    }
}

fn encoded(query: &Message) -> Vec<u8> {
    message::encode(query).expect("one name fits into a message")
}

/// Asks an authoritative server once, with the system clock and a timeout of five seconds. Programs that pass in their
/// clock use an [`Asker`].
///
/// **Cancellation.** Nothing is changed; dropping it is safe.
///
/// # Errors
/// [`LookupError`], of the kinds `TimedOut`, `Unreachable`, `NoRoute` and `BadAnswer`.
pub async fn lookup(
    server: SocketAddr,
    name: &DomainName,
    query_type: QueryType,
    transport: Transport,
) -> Result<Answer, LookupError> {
    let asker = Asker::new(Ambient::system(), Duration::from_secs(5));
    asker.ask(server, name, query_type, transport, Recursion::NotDesired).await
}

/// Parses the octets as an answer to this query.
#[cfg(feature = "https")]
fn read(query: &Message, reply: &[u8]) -> Option<Answer> {
    use hickory_proto::op::{MessageType, OpCode};
    let reply = message::decode(reply).ok()?;
    let head = &reply.metadata;
    let fits = head.message_type == MessageType::Response
        && head.op_code == OpCode::Query
        && head.id == query.metadata.id
        && reply.queries == query.queries;
    fits.then(|| Answer::from_wire(&reply))
}
