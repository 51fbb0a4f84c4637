//! The conformance suite of DNS backends on real servers by RFC 2136: over TCP and UDP, directly and through the zone
//! writer.
#![cfg(any(feature = "bind", feature = "knot", feature = "powerdns"))]

use fleetcert_dns_wire::Transport;
use fleetcert_tests::conformance::{Way, conformance};
use fleetcert_tests::name_server::NameServer;

type Outcome = Result<(), Box<dyn std::error::Error>>;

async fn conforms(server: &NameServer, way: Way, transport: Transport) -> Outcome {
    conformance(server, way, transport).await?.require_passed()?;
    Ok(())
}

macro_rules! on_server {
    ($feature:literal, $room:ident, $server:ty) => {
        #[cfg(feature = $feature)]
        mod $room {
            use super::*;

            #[tokio::test(flavor = "multi_thread")]
            async fn over_tcp() -> Outcome {
                let server = <$server>::start("fleet.test")?;
                conforms(&server, Way::Direct, Transport::Tcp).await
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn over_udp() -> Outcome {
                let server = <$server>::start("fleet.test")?;
                conforms(&server, Way::Direct, Transport::Udp).await
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn through_the_zone_writer_over_tcp() -> Outcome {
                let server = <$server>::start("fleet.test")?;
                conforms(&server, Way::Writer, Transport::Tcp).await
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn through_the_zone_writer_over_udp() -> Outcome {
                let server = <$server>::start("fleet.test")?;
                conforms(&server, Way::Writer, Transport::Udp).await
            }
        }
    };
}

on_server!("bind", bind, fleetcert_tests::bind::Bind);
on_server!("knot", knot, fleetcert_tests::knot::Knot);
on_server!("powerdns", powerdns, fleetcert_tests::powerdns::PowerDns);
