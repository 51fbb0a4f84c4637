//! The conformance suite of DNS backends on a real server: PowerDNS, over TCP and UDP, directly and through the zone writer.

use fleetcert_dns_wire::Transport;
use fleetcert_tests::conformance::{Way, conformance};
use fleetcert_tests::powerdns::PowerDns;

async fn conforms(way: Way, transport: Transport) -> Result<(), Box<dyn std::error::Error>> {
    let server = PowerDns::start("fleet.test")?;
    conformance(&server, way, transport).await?.require_passed()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tcp() -> Result<(), Box<dyn std::error::Error>> {
    conforms(Way::Direct, Transport::Tcp).await
}

#[tokio::test(flavor = "multi_thread")]
async fn over_udp() -> Result<(), Box<dyn std::error::Error>> {
    conforms(Way::Direct, Transport::Udp).await
}

#[tokio::test(flavor = "multi_thread")]
async fn through_the_zone_writer_over_tcp() -> Result<(), Box<dyn std::error::Error>> {
    conforms(Way::Writer, Transport::Tcp).await
}

#[tokio::test(flavor = "multi_thread")]
async fn through_the_zone_writer_over_udp() -> Result<(), Box<dyn std::error::Error>> {
    conforms(Way::Writer, Transport::Udp).await
}
