//! The conformance suite of DNS backends on the name servers.

use std::fs;

use fleetcert_ambient::{Ambient, SystemClock};
use fleetcert_dns::conformance::{Report, Subject, check};
use fleetcert_dns::{DnsBackend, ZoneWriter, ZoneWriterOptions};
use fleetcert_dns_rfc2136::{Rfc2136Backend, Rfc2136Options};
use fleetcert_dns_wire::{Transport, TsigKey};

use crate::Fault;
use crate::name_server::NameServer;

/// How a server's zone is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// One message for each call.
    Direct,
    /// Through the zone writer, which merges calls.
    Writer,
}

/// The backend for this server, with the server's own key.
///
/// # Errors
/// If the key file cannot be read.
pub fn backend(server: &NameServer, transport: Transport) -> Result<Rfc2136Backend, Fault> {
    let key = fs::read_to_string(server.key_file()).map_err(Fault::while_doing("reading the key file"))?;
    let key = TsigKey::parse(&key).map_err(Fault::while_doing("parsing the key file"))?;
    let options = Rfc2136Options { transport, ..Rfc2136Options::new(server.address(), key) };
    Ok(Rfc2136Backend::new(options, Ambient::system()))
}

/// Returns the zone writer with its defaults on top of a backend. Its driver runs as a task of the current runtime.
pub fn writer<B: DnsBackend + 'static>(backend: B) -> ZoneWriter<B> {
    let (writer, driver) = ZoneWriter::new(backend, ZoneWriterOptions::default(), Ambient::system());
    tokio::spawn(driver);
    writer
}

/// Runs the suite on the server's zone by RFC 2136.
///
/// # Errors
/// If the key file cannot be read. What the suite finds is in the report.
pub async fn conformance(server: &NameServer, way: Way, transport: Transport) -> Result<Report, Fault> {
    backend(server, transport)?;
    let zone = server.zone().parse().map_err(Fault::while_doing("parsing the name of the zone"))?;
    let make = || backend(server, transport).expect("it was made a moment ago");
    Ok(match way {
        Way::Direct => check(&of_server(Subject::new(make, zone, &SystemClock))).await,
        Way::Writer => check(&of_server(Subject::new(|| writer(make()), zone, &SystemClock))).await,
    })
}

/// BIND keeps at most 100 records of a type at a name (`max-records-per-type`).
fn of_server(subject: Subject<'_>) -> Subject<'_> {
    Subject { more_than_a_page: 100, ..subject }
}
