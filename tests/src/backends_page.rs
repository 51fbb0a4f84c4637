//! The table in `docs/backends.md`: what the conformance suite finds on each backend that can run here.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use fleetcert_ambient::{Ambient, SystemClock};
use fleetcert_dns::conformance::{Matrix, Report, Subject, check};
use fleetcert_dns::{DnsBackend, MemoryBackend};
use fleetcert_dns_http::powerdns::{PowerDnsBackend, PowerDnsOptions};
use fleetcert_dns_http::{HttpClient, HttpOptions};
use fleetcert_dns_wire::Transport;
use fleetcert_names::DomainName;
use fleetcert_nameserver::{NameServer, NameServerHost, Options, ZoneSettings};

use crate::Fault;
use crate::bind::Bind;
use crate::conformance::{Way, conformance};
use crate::knot::Knot;
use crate::powerdns::PowerDns;

const BEGIN: &str = "<!-- conformance: begin -->\n";
const END: &str = "<!-- conformance: end -->\n";
const ZONE: &str = "fleet.test";

/// Where the page is, how it is, and how it should be.
///
/// # Errors
/// If a server does not start, or the page cannot be read or lacks its marks.
pub async fn page() -> Result<(PathBuf, String, String), Fault> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/backends.md");
    let page = fs::read_to_string(&path).map_err(Fault::while_doing(path.display()))?;
    let (before, rest) =
        page.split_once(BEGIN).ok_or_else(|| Fault::new("no mark where the table begins"))?;
    let (_, after) = rest.split_once(END).ok_or_else(|| Fault::new("no mark where the table ends"))?;
    let renewed = format!("{before}{BEGIN}{}{END}{after}", matrix().await?);
    Ok((path, page, renewed))
}

async fn matrix() -> Result<Matrix, Fault> {
    let zone: DomainName = ZONE.parse().map_err(Fault::while_doing("parsing the zone's name"))?;
    let mut matrix = Matrix::default();
    let memory = MemoryBackend::new([&zone]);
    matrix.add("in memory", of_one(&memory, &zone).await);
    let own = own_server(&zone)?;
    matrix.add("our name server", of_one(&own, &zone).await);
    let (bind, knot, powerdns) = (Bind::start(ZONE)?, Knot::start(ZONE)?, PowerDns::start(ZONE)?);
    matrix.add("BIND", conformance(&bind, Way::Direct, Transport::Tcp).await?);
    matrix.add("Knot", conformance(&knot, Way::Direct, Transport::Tcp).await?);
    matrix.add("PowerDNS, RFC 2136", conformance(&powerdns, Way::Direct, Transport::Tcp).await?);
    matrix.add("BIND, zone writer", conformance(&bind, Way::Writer, Transport::Tcp).await?);
    matrix.add("PowerDNS, API", of_powerdns_api(&powerdns, &zone).await?);
    Ok(matrix)
}

/// All instances are one and the same, where only one process has the zone.
async fn of_one<B: DnsBackend + Clone + 'static>(backend: &B, zone: &DomainName) -> Report {
    check(&Subject::new(|| backend.clone(), zone.clone(), &SystemClock)).await
}

fn own_server(zone: &DomainName) -> Result<NameServer, Fault> {
    let name = format!("ns1.{zone}").parse().map_err(Fault::while_doing("parsing a server's name"))?;
    let host = NameServerHost { name, addresses: [Ipv4Addr::LOCALHOST.into()].into() };
    // The suite adds more values at a name than the server allows by default.
    let options = Options { max_values: 200, ..Options::default() };
    NameServer::new([ZoneSettings::new(zone.clone(), [host])], options, Ambient::system())
        .map_err(Fault::while_doing("making our name server"))
}

async fn of_powerdns_api(server: &PowerDns, zone: &DomainName) -> Result<Report, Fault> {
    let http = HttpClient::new(HttpOptions::default(), Ambient::system())
        .map_err(Fault::while_doing("making an HTTP client"))?;
    let url = server.api_url().parse().map_err(Fault::while_doing("parsing the URL of the API"))?;
    let backend = PowerDnsBackend::new(PowerDnsOptions::new(url, server.api_key().into()), &http);
    // This version has no condition on a write, so that a zone belongs to one process. Every request has a connection
    // of its own.
    let subject = Subject::new(|| backend.clone(), zone.clone(), &SystemClock);
    Ok(check(&Subject { calls_at_once: 200, ..subject }).await)
}
