//! One question, asked until there is an answer or an end.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use fleetcert_ambient::{Clock, Entropy};
use fleetcert_dns_wire::{ExchangeError, ExchangeErrorKind, Transport, exchange, message, name};
use fleetcert_names::DomainName;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{RData, RecordType};

/// Whom to ask, and how patiently.
#[derive(Clone, Debug)]
pub(crate) struct LookupSettings {
    pub(crate) server: SocketAddr,
    pub(crate) timeout: Duration,
    pub(crate) tries: u32,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
}

/// Asks as the resolvers of a CA do: UDP first, TCP when the answer is cut, letters in random case.
#[derive(Debug)]
pub(crate) struct Lookup {
    settings: LookupSettings,
}

/// Maximum number of aliases that are followed.
const MAX_ALIASES: usize = 8;
/// Where the question's name begins.
const NAME_AT: usize = message::HEADER_LEN;

impl Lookup {
    pub(crate) fn new(settings: LookupSettings) -> Self {
        Self { settings }
    }

    /// All records of the type in the answer, those behind aliases too; none for NODATA.
    pub(crate) async fn ask(
        &self,
        name: &DomainName,
        record_type: RecordType,
    ) -> Result<Vec<RData>, LookupFailure> {
        let fail = |reason| LookupFailure { name: name.clone(), record_type, reason };
        let mut asked = name.clone();
        for _ in 0..=MAX_ALIASES {
            let reply = self.exchange(&asked, record_type).await.map_err(fail)?;
            let found: Vec<RData> = reply
                .answers
                .iter()
                .filter(|record| record.record_type() == record_type)
                .map(|record| record.data.clone())
                .collect();
            match end_of_aliases(&reply, &asked) {
                Some(target) if found.is_empty() => asked = target,
                _ => return Ok(found),
            }
        }
        Err(fail(Reason::TooManyAliases))
    }

    async fn exchange(&self, name: &DomainName, record_type: RecordType) -> Result<Message, Reason> {
        let mut transport = Transport::Udp;
        let mut tries = self.settings.tries.max(1);
        loop {
            match self.try_once(name, record_type, transport).await {
                Ok(reply) if reply.metadata.truncation && transport == Transport::Udp => {
                    transport = Transport::Tcp;
                }
                Ok(reply) if reply.metadata.truncation => return Err(Reason::BadReply),
                Ok(reply) => {
                    return match reply.metadata.response_code {
                        ResponseCode::NoError => Ok(reply),
                        code => Err(Reason::Code(code)),
                    };
                }
                Err(Reason::TimedOut) if tries > 1 => tries -= 1,
                Err(reason) => return Err(reason),
            }
        }
    }

    async fn try_once(
        &self,
        name: &DomainName,
        record_type: RecordType,
        transport: Transport,
    ) -> Result<Message, Reason> {
        let LookupSettings { server, timeout, clock, .. } = &self.settings;
        let (query, length) = self.query(name, record_type)?;
        let reply = exchange(*server, &query, transport, *timeout, &**clock)
            .await
            .map_err(|error| Reason::of(&error))?;
        // A server that does not send the letters back as they came could be a forger who guessed.
        let question = NAME_AT..NAME_AT + length;
        let has_question = reply.get(4..6).is_some_and(|count| count == [0, 1]);
        if has_question && reply.get(question.clone()) != query.get(question) {
            return Err(Reason::CaseNotKept);
        }
        message::decode(&reply).map_err(|_| Reason::BadReply)
    }

    /// The query, with the length of its name on the wire.
    fn query(&self, name: &DomainName, record_type: RecordType) -> Result<(Vec<u8>, usize), Reason> {
        let mut id = [0; 2];
        self.settings.entropy.fill(&mut id);
        let mut query = message::query(u16::from_be_bytes(id), name, record_type);
        query.metadata.recursion_desired = true;
        let mut query = message::encode(&query).map_err(|_| Reason::BadReply)?;
        // Each label has its length before it, and the root ends the name.
        let length = name.as_str().len() + 2;
        let mut coins = vec![0; length];
        self.settings.entropy.fill(&mut coins);
        for (octet, coin) in query.iter_mut().skip(NAME_AT).zip(coins) {
            // No length octet is a letter: lengths end at 63, letters begin at 65.
            if coin & 1 == 1 {
                octet.make_ascii_uppercase();
            }
        }
        Ok((query, length))
    }
}

/// Where the chain of aliases that begins at `name` leads within this answer; `None` when there is none.
fn end_of_aliases(reply: &Message, name: &DomainName) -> Option<DomainName> {
    let mut end = None;
    for _ in 0..=MAX_ALIASES {
        let owner = name::to_wire(end.as_ref().unwrap_or(name));
        let target = reply.answers.iter().find_map(|record| match &record.data {
            RData::CNAME(target) if record.name == owner => name::from_wire(target).ok(),
            _ => None,
        });
        match target {
            Some(target) => end = Some(target),
            None => break,
        }
    }
    end
}

/// A question without an answer.
#[derive(Debug)]
pub(crate) struct LookupFailure {
    name: DomainName,
    record_type: RecordType,
    reason: Reason,
}

#[derive(Debug)]
enum Reason {
    Code(ResponseCode),
    TimedOut,
    Unreachable,
    BadReply,
    CaseNotKept,
    TooManyAliases,
}

impl Reason {
    fn of(error: &ExchangeError) -> Self {
        match error.kind() {
            ExchangeErrorKind::TimedOut => Self::TimedOut,
            ExchangeErrorKind::Unreachable => Self::Unreachable,
            _ => Self::BadReply,
        }
    }
}

impl LookupFailure {
    pub(crate) fn is_no_such_name(&self) -> bool {
        matches!(self.reason, Reason::Code(ResponseCode::NXDomain))
    }

    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self.reason, Reason::Code(ResponseCode::Refused))
    }
}

impl fmt::Display for LookupFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, record_type, reason } = self;
        let at = format_args!("looking up {record_type} for {name}");
        match reason {
            Reason::Code(ResponseCode::NXDomain) => {
                write!(f, "DNS problem: NXDOMAIN {at} - check that a DNS record exists for this domain")
            }
            Reason::Code(ResponseCode::ServFail) => {
                write!(f, "DNS problem: SERVFAIL {at} - the domain's nameservers may be malfunctioning")
            }
            Reason::Code(ResponseCode::Refused) => write!(f, "DNS problem: REFUSED {at}"),
            Reason::Code(code) => write!(f, "DNS problem: {code} {at}"),
            Reason::TimedOut => write!(f, "DNS problem: query timed out {at}"),
            Reason::Unreachable => write!(f, "DNS problem: networking error {at}"),
            Reason::BadReply => write!(f, "DNS problem: the answer was broken {at}"),
            Reason::CaseNotKept => write!(f, "DNS problem: the case of the question was not kept {at}"),
            Reason::TooManyAliases => write!(f, "DNS problem: too many CNAMEs {at}"),
        }
    }
}
