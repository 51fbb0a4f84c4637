//! A query to one server over one transport.

use std::net::SocketAddr;

use fleetcert_dns::{TxtValue, Verdict};
use fleetcert_names::DomainName;

use crate::answer::MAX_ALIASES;
use crate::{Answer, Asker, LookupError, QueryType, Rcode, Recursion, Transport};

/// What one server shows.
pub(super) enum Observation {
    Verdict(Verdict),
    /// The name is an alias of this one, about which the server has no answer.
    Alias(DomainName),
}

/// Asks the server for the TXT values of `name`. If it answers that the name is an alias, it is asked for the target too
/// when `may_ask_on` is set.
pub(super) async fn at(
    asker: &Asker,
    server: SocketAddr,
    transport: Transport,
    name: &DomainName,
    value: &TxtValue,
    may_ask_on: bool,
) -> Observation {
    let mut name = name.clone();
    for _ in 0..MAX_ALIASES {
        let answer = match ask(asker, server, transport, &name).await {
            Ok(answer) => answer,
            Err(error) => return Observation::Verdict(Verdict::Failed(error.kind().to_string())),
        };
        if let Some(why) = proves_nothing(&answer) {
            return Observation::Verdict(Verdict::Failed(why));
        }
        if answer.has_foreign(&name, QueryType::Cname) {
            let why = "says that the name is an alias of one that cannot be written here";
            return Observation::Verdict(Verdict::Failed(why.to_owned()));
        }
        let Some(target) = answer.alias(&name) else {
            let seen = answer.rcode == Rcode::NoError && answer.texts(&name).contains(value);
            return Observation::Verdict(if seen { Verdict::Seen } else { Verdict::NotSeen });
        };
        let target = target.clone();
        if !may_ask_on {
            return Observation::Alias(target);
        }
        match ask(asker, server, transport, &target).await {
            Ok(answer) if proves_nothing(&answer).is_none() => name = target,
            _ => return Observation::Alias(target),
        }
    }
    Observation::Verdict(Verdict::Failed("tells of more aliases than a resolver follows".to_owned()))
}

/// Returns why the answer proves nothing about the zone.
fn proves_nothing(answer: &Answer) -> Option<String> {
    if !answer.rcode.is_answer() {
        return Some(format!("answers {}", answer.rcode));
    }
    (!answer.authoritative).then(|| "answers without authority".to_owned())
}

async fn ask(
    asker: &Asker,
    server: SocketAddr,
    transport: Transport,
    name: &DomainName,
) -> Result<Answer, LookupError> {
    let asked = Recursion::NotDesired;
    let answer = asker.ask(server, name, QueryType::Txt, transport, asked).await?;
    if answer.truncated && transport == Transport::Udp {
        return asker.ask(server, name, QueryType::Txt, Transport::Tcp, asked).await;
    }
    Ok(answer)
}
