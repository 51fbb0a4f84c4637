//! Questions to our own name server, and what it shows.

// What the tests share may fail as loudly as they do.
#![allow(clippy::unwrap_used)]

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use fleetcert_ambient::Ambient;
use fleetcert_dns::challenge::{ChallengeOptions, ChallengeRecord, Challenges};
use fleetcert_dns::{Addresses, Change, DnsBackend, Quorum, Ttl, Visibility};
use fleetcert_dns_lookup::{
    AuthoritativeVisibility, LookOptions, QueryType, Rcode, Servers, Transport, lookup,
};
use fleetcert_names::DomainName;
use fleetcert_nameserver::{NameServer, NameServerHost, Options, ZoneSettings};
use tokio_util::sync::CancellationToken;

fn domain(text: &str) -> DomainName {
    text.parse().unwrap()
}

fn zone() -> DomainName {
    domain("fleet.test")
}

/// A name server for `fleet.test`. It lives as long as the test's runtime.
async fn serve() -> (NameServer, SocketAddr) {
    let addresses = ["127.0.0.1".parse().unwrap()].into();
    let host = NameServerHost { name: domain("ns1.fleet.test"), addresses };
    let settings = ZoneSettings::new(zone(), [host]);
    let server = NameServer::new([settings], Options::default(), Ambient::system()).unwrap();
    let listener = server.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr();
    tokio::spawn(listener.serve(CancellationToken::new()));
    (server, address)
}

fn visibility(servers: &[SocketAddr]) -> AuthoritativeVisibility {
    let servers = Servers::given(servers.to_vec()).unwrap();
    AuthoritativeVisibility::new(servers, LookOptions::default(), Ambient::system())
}

#[tokio::test]
async fn every_type_is_asked_for_by_udp_and_tcp() {
    let (server, address) = serve().await;
    let name = domain("a.fleet.test");
    let addresses: Vec<IpAddr> = vec!["10.1.1.4".parse().unwrap(), "fd00::4".parse().unwrap()];
    let set = Addresses::new(addresses.clone()).unwrap();
    let changes = [
        Change::SetAddresses { name: name.clone(), addresses: set, ttl: Ttl::ADDRESS },
        Change::AddTxt { name: name.clone(), value: "text".parse().unwrap(), ttl: Ttl::CHALLENGE },
    ];
    server.apply(&zone(), &changes).await.unwrap();
    for transport in [Transport::Udp, Transport::Tcp] {
        let ask = async |name: &str, kind| lookup(address, &domain(name), kind, transport).await.unwrap();
        let answer = ask("A.Fleet.Test", QueryType::A).await;
        assert_eq!((answer.rcode, answer.authoritative, answer.truncated), (Rcode::NoError, true, false));
        assert_eq!(answer.addresses(&name), addresses[..1]);
        assert_eq!(answer.records[0].ttl, 60);
        assert_eq!(ask("a.fleet.test", QueryType::Aaaa).await.addresses(&name), addresses[1..]);
        assert_eq!(ask("a.fleet.test", QueryType::Txt).await.texts(&name), ["text".parse().unwrap()]);
        let start = ask("fleet.test", QueryType::Soa).await;
        assert_eq!(start.soa(&zone()).unwrap().primary, Some(domain("ns1.fleet.test")));
        assert_eq!(Some(start.soa(&zone()).unwrap().serial), server.serial(&zone()));

        let nothing = ask("fleet.test", QueryType::Txt).await;
        assert_eq!((nothing.rcode, nothing.records.len()), (Rcode::NoError, 0));
        assert_eq!(ask("b.fleet.test", QueryType::A).await.rcode, Rcode::NxDomain);
        let foreign = ask("a.elsewhere.test", QueryType::A).await;
        assert_eq!((foreign.rcode, foreign.authoritative), (Rcode::Refused, false));
    }
}

#[tokio::test]
async fn a_challenge_lives_and_is_seen_on_the_server() {
    let (server, address) = serve().await;
    let seen = Arc::new(visibility(&[address]));
    let all = Challenges::new(
        Arc::new(server.clone()),
        seen.clone(),
        Ambient::system(),
        ChallengeOptions::default(),
    );
    // More values at one name than fit into a datagram.
    let records: Vec<_> = (0..40)
        .map(|number| ChallengeRecord {
            zone: zone(),
            name: domain("_acme-challenge.a.fleet.test"),
            value: format!("{number:043}").parse().unwrap(),
            owner: format!("order {number}").parse().unwrap(),
            expires: std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(u32::MAX.into()),
        })
        .collect();
    let look = async || seen.look(&zone(), &records[7].name, &records[7].value).await.unwrap();
    assert_eq!(look().await.to_string(), format!("{address} udp: not there, {address} tcp: not there"));
    let published = all.publish(records.clone()).await.unwrap();
    assert_eq!(published.wait_until_visible().await.unwrap().len(), 40);
    assert_eq!(look().await.to_string(), format!("{address} udp: seen, {address} tcp: seen"));
    let cut = lookup(address, &records[0].name, QueryType::Txt, Transport::Udp).await.unwrap();
    assert!(cut.truncated);
    published.withdraw().await.unwrap();
    assert!(!look().await.satisfies(Quorum::AtLeastOne));
}
