//! The conformance suite of DNS backends on a real server: BIND 9, over TCP and UDP.

use std::sync::Arc;

use fleetcert_ambient::{SystemClock, SystemEntropy};
use fleetcert_dns::conformance::{Subject, check};
use fleetcert_dns_rfc2136::{Rfc2136Backend, Rfc2136Options};
use fleetcert_dns_wire::{Transport, TsigKey};
use fleetcert_tests::bind::Bind;

async fn conforms(transport: Transport) -> Result<(), Box<dyn std::error::Error>> {
    let bind = Bind::start("fleet.test")?;
    let key = TsigKey::parse(&std::fs::read_to_string(bind.key_file())?)?;
    let options = Rfc2136Options { transport, ..Rfc2136Options::new(bind.address(), key) };
    let backend = || Rfc2136Backend::new(options.clone(), Arc::new(SystemClock), Arc::new(SystemEntropy));
    let subject = Subject::new(backend, bind.zone().parse()?, &SystemClock);
    // Every call has a connection of its own, and BIND lets ten wait. It keeps 100 records of a type at a name
    // (`max-records-per-type`).
    let report = check(&Subject { calls_at_once: 50, more_than_a_page: 100, ..subject }).await;
    report.require_passed()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tcp() -> Result<(), Box<dyn std::error::Error>> {
    conforms(Transport::Tcp).await
}

#[tokio::test(flavor = "multi_thread")]
async fn over_udp() -> Result<(), Box<dyn std::error::Error>> {
    conforms(Transport::Udp).await
}
