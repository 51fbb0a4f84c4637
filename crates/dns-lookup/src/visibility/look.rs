//! A look at one server in one way.

use std::net::SocketAddr;

use fleetcert_dns::{TxtValue, Verdict};
use fleetcert_names::DomainName;

use crate::answer::MAX_ALIASES;
use crate::{Answer, Asker, LookupError, QueryType, Rcode, Recursion, Transport};

/// What one server shows.
pub(super) enum Seen {
    Verdict(Verdict),
    /// The name is an alias of this one, of which the server shows nothing.
    Alias(DomainName),
}

/// Asks the server for the texts of `name`. When it says that the name is an alias and `may_ask_on`, it is asked for
/// what that leads to.
pub(super) async fn at(
    asker: &Asker,
    server: SocketAddr,
    transport: Transport,
    name: &DomainName,
    value: &TxtValue,
    may_ask_on: bool,
) -> Seen {
    let mut name = name.clone();
    for _ in 0..MAX_ALIASES {
        let answer = match ask(asker, server, transport, &name).await {
            Ok(answer) => answer,
            Err(error) => return Seen::Verdict(Verdict::Failed(error.kind().to_string())),
        };
        if let Some(why) = proves_nothing(&answer) {
            return Seen::Verdict(Verdict::Failed(why));
        }
        if answer.has_foreign(&name, QueryType::Cname) {
            let why = "says that the name is an alias of one that cannot be written here";
            return Seen::Verdict(Verdict::Failed(why.to_owned()));
        }
        let Some(target) = answer.alias(&name) else {
            let seen = answer.rcode == Rcode::NoError && answer.texts(&name).contains(value);
            return Seen::Verdict(if seen { Verdict::Seen } else { Verdict::NotSeen });
        };
        let target = target.clone();
        if !may_ask_on {
            return Seen::Alias(target);
        }
        match ask(asker, server, transport, &target).await {
            Ok(answer) if proves_nothing(&answer).is_none() => name = target,
            _ => return Seen::Alias(target),
        }
    }
    Seen::Verdict(Verdict::Failed("tells of more aliases than a resolver follows".to_owned()))
}

/// Why the answer says nothing about what is in the zone.
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
