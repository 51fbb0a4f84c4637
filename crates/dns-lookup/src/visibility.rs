//! Whether every authoritative server shows a value.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fleetcert_ambient::{Clock, Entropy};
use fleetcert_dns::{
    BackendError, BackendErrorKind, Operation, ServerVerdict, Sighting, TxtValue, Verdict, Visibility,
};
use fleetcert_names::DomainName;
use futures_util::FutureExt;
use futures_util::future::join_all;

use crate::nameservers::Found;
use crate::servers::Source;
use crate::{Answer, Asker, LookupError, LookupErrorKind, QueryType, Rcode, Recursion, Servers, Transport};

/// Sees what the authoritative servers of a zone answer, by asking each of them.
///
/// Every server is asked in every way that the options name, all at the same time, and each answer is a verdict of
/// its own. An answer without the AA bit is a failure: such a server answers from a cache or knows nothing.
#[derive(Debug)]
pub struct AuthoritativeVisibility {
    servers: Servers,
    transports: Vec<Transport>,
    asker: Asker,
    found: Found,
}

/// How servers are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LookOptions {
    /// In which ways: a server that is right over UDP may be unreachable over TCP, and a CA uses both. Default:
    /// [`Ways::Both`].
    pub ways: Ways,
    /// How long one question may take. Default: 3 seconds.
    pub query_within: Duration,
}

/// In which ways a server is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ways {
    /// Over UDP, and over TCP; both must be right.
    #[default]
    Both,
    /// Over UDP. An answer that does not fit is asked for again over TCP, as a resolver does.
    Udp,
    /// Over TCP.
    Tcp,
}

impl Default for LookOptions {
    fn default() -> Self {
        Self { ways: Ways::Both, query_within: Duration::from_secs(3) }
    }
}

impl AuthoritativeVisibility {
    /// A look at `servers`. Nothing is asked before the first look.
    pub fn new(
        servers: Servers,
        options: LookOptions,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        let transports = match options.ways {
            Ways::Both => vec![Transport::Udp, Transport::Tcp],
            Ways::Udp => vec![Transport::Udp],
            Ways::Tcp => vec![Transport::Tcp],
        };
        let asker = Asker::new(clock, entropy, options.query_within);
        Self { servers, transports, asker, found: Found::default() }
    }

    async fn addresses(&self, zone: &DomainName) -> Result<Vec<SocketAddr>, LookupError> {
        match &self.servers.source {
            Source::Given(servers) => Ok(servers.clone()),
            Source::FoundBy { resolver, port } => {
                self.found.servers(&self.asker, zone, *resolver, *port).await
            }
        }
    }

    async fn verdict(
        &self,
        server: SocketAddr,
        transport: Transport,
        name: &DomainName,
        value: &TxtValue,
    ) -> ServerVerdict {
        let verdict = match self.ask(server, transport, name).await {
            Ok(answer) => judge(&answer, name, value),
            Err(error) => Verdict::Failed(error.kind().to_string()),
        };
        ServerVerdict { server: format!("{server} {transport}"), verdict }
    }

    async fn ask(
        &self,
        server: SocketAddr,
        transport: Transport,
        name: &DomainName,
    ) -> Result<Answer, LookupError> {
        let asked = Recursion::NotDesired;
        let answer = self.asker.ask(server, name, QueryType::Txt, transport, asked).await?;
        if answer.truncated && transport == Transport::Udp {
            return self.asker.ask(server, name, QueryType::Txt, Transport::Tcp, asked).await;
        }
        Ok(answer)
    }
}

fn judge(answer: &Answer, name: &DomainName, value: &TxtValue) -> Verdict {
    if !answer.rcode.is_answer() {
        return Verdict::Failed(format!("answers {}", answer.rcode));
    }
    if !answer.authoritative {
        return Verdict::Failed("answers without authority".to_owned());
    }
    if let Some(target) = answer.alias(name) {
        return Verdict::Failed(format!("says that the name is an alias of {target}"));
    }
    let seen = answer.rcode == Rcode::NoError && answer.texts(name).contains(value);
    if seen { Verdict::Seen } else { Verdict::NotSeen }
}

#[async_trait]
impl Visibility for AuthoritativeVisibility {
    async fn look(
        &self,
        zone: &DomainName,
        name: &DomainName,
        value: &TxtValue,
    ) -> Result<Sighting, BackendError> {
        if !name.is_within(zone) {
            let why = format!("{name} is outside the zone");
            return Err(BackendError::new(BackendErrorKind::NotInZone, Operation::Look, zone, why));
        }
        let servers = self.addresses(zone).await.map_err(|error| not_found(zone, error))?;
        let mut questions = Vec::with_capacity(servers.len() * self.transports.len());
        for server in servers {
            for transport in &self.transports {
                questions.push(self.verdict(server, *transport, name, value).boxed());
            }
        }
        Ok(Sighting { servers: join_all(questions).await })
    }
}

fn not_found(zone: &DomainName, error: LookupError) -> BackendError {
    let kind = match error.kind() {
        LookupErrorKind::NoZone => BackendErrorKind::NotInZone,
        LookupErrorKind::Failed(Rcode::Refused) => BackendErrorKind::Refused,
        _ => BackendErrorKind::Unavailable,
    };
    let server = error.server();
    BackendError::new(kind, Operation::Look, zone, error).at_server(server)
}
