//! Which zone a name is in.

use std::net::SocketAddr;

use fleetcert_names::DomainName;

use crate::{Asker, LookupError, LookupErrorKind, QueryType, Recursion, Transport};

/// The zone that holds `name`: the nearest name, from `name` upwards, that has an SOA record. Asked of a recursive
/// resolver over TCP, one question for each label.
///
/// **Cancellation.** Nothing is changed; dropping it is safe.
///
/// # Errors
/// [`NoZone`](LookupErrorKind::NoZone) when not even a top-level domain answers; else what the resolver failed
/// with.
pub async fn zone_cut(
    asker: &Asker,
    name: &DomainName,
    resolver: SocketAddr,
) -> Result<DomainName, LookupError> {
    let mut candidate = Some(name.clone());
    while let Some(zone) = candidate {
        let answer = asker.ask(resolver, &zone, QueryType::Soa, Transport::Tcp, Recursion::Desired).await?;
        if !answer.rcode.is_answer() {
            return Err(LookupError::new(LookupErrorKind::Failed(answer.rcode), resolver, &zone));
        }
        if answer.soa(&zone).is_some() {
            return Ok(zone);
        }
        candidate = zone.parent();
    }
    Err(LookupError::new(LookupErrorKind::NoZone, resolver, name))
}
