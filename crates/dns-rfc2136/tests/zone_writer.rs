//! The zone writer on top of the backend, against our own name server.

#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

use std::net::SocketAddr;

use fleetcert_ambient::{Ambient, SystemClock};
use fleetcert_dns::conformance::{Subject, check};
use fleetcert_dns::{BackendErrorKind, DnsBackendExt, RecordType, Ttl, ZoneWriter, ZoneWriterOptions};
use fleetcert_dns_rfc2136::{Rfc2136Backend, Rfc2136Options};
use fleetcert_dns_wire::{Transport, TsigAlgorithm, TsigKey};
use fleetcert_names::DomainName;
use fleetcert_nameserver::{NameServer, NameServerHost, Options, UpdateGrant, ZoneSettings};
use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

fn domain(text: &str) -> DomainName {
    text.parse().unwrap()
}

fn key() -> TsigKey {
    TsigKey::new(domain("ddns"), TsigAlgorithm::HmacSha256, &[7; 32]).unwrap()
}

/// A name server for `fleet.test` that lets our key change what is below `subtree`.
async fn serve(subtree: &str) -> SocketAddr {
    let name = domain("ns1.fleet.test");
    let host = NameServerHost { name, addresses: ["127.0.0.1".parse().unwrap()].into() };
    let types = [RecordType::A, RecordType::Aaaa, RecordType::Txt].into();
    let grants = vec![UpdateGrant { key: key(), subtree: domain(subtree), types }];
    // The suite adds more values at a name than a server allows by default.
    let options = Options { grants, max_values: 200, ..Options::default() };
    let zones = [ZoneSettings::new(domain("fleet.test"), [host])];
    let server = NameServer::new(zones, options, Ambient::system()).unwrap();
    let listener = server.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr();
    tokio::spawn(listener.serve(CancellationToken::new()));
    address
}

fn writer(server: SocketAddr, transport: Transport) -> ZoneWriter<Rfc2136Backend> {
    let options = Rfc2136Options { transport, ..Rfc2136Options::new(server, key()) };
    let backend = Rfc2136Backend::new(options, Ambient::system());
    let (writer, driver) = ZoneWriter::new(backend, ZoneWriterOptions::default(), Ambient::system());
    tokio::spawn(driver);
    writer
}

#[tokio::test]
async fn writer_passes_the_conformance_suite_over_tcp_and_udp() {
    let server = serve("fleet.test").await;
    for transport in [Transport::Tcp, Transport::Udp] {
        let subject = Subject::new(|| writer(server, transport), domain("fleet.test"), &SystemClock);
        check(&subject).await.require_passed().unwrap();
    }
}

#[tokio::test]
async fn forbidden_name_does_not_affect_other_callers() {
    let writer = writer(serve("devices.fleet.test").await, Transport::Tcp);
    let zone = domain("fleet.test");
    let names: Vec<DomainName> =
        (0..20)
            .map(|number| {
                if number == 13 { "a.fleet.test".to_owned() } else { format!("n{number}.devices.fleet.test") }
            })
            .map(|name| domain(&name))
            .collect();
    let value = "1".parse().unwrap();
    let results =
        join_all(names.iter().map(|name| writer.add_txt(&zone, name, &value, Ttl::CHALLENGE))).await;
    let failed: Vec<_> = results
        .iter()
        .enumerate()
        .filter_map(|(number, result)| Some((number, result.as_ref().err()?.kind())))
        .collect();
    assert_eq!(failed, [(13, BackendErrorKind::Refused)]);
    // One alone, the other 19 together, and then twice five halves of what the 13th spoils.
    assert!((2..=12).contains(&writer.backend().updates_sent()), "{}", writer.backend().updates_sent());
    for name in names.iter().filter(|name| name.is_within(&domain("devices.fleet.test"))) {
        assert_eq!(writer.texts(&zone, name).await.unwrap(), [value.clone()].into());
    }
}
