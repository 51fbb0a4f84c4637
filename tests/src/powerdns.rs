//! PowerDNS, the name server, with its zones in SQLite, RFC 2136 updates and its HTTP API.

use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use crate::name_server::{KEY_NAME, NameServer, Place, Software, path_text, run_tool};
use crate::{Deadline, Fault, Process, free_address, setting, with_free_ports};

/// Until pdns_server says that it runs.
const START: Duration = Duration::from_secs(20);
/// Not a secret: the server lives as long as one test and listens on the loopback alone.
const API_KEY: &str = "fleetcert-tests-api-key";

/// A running pdns_server with one zone.
#[derive(Debug)]
pub struct PowerDns {
    server: NameServer,
    api: SocketAddr,
}

impl PowerDns {
    /// Starts pdns_server with an empty primary zone of this name, and waits until it runs.
    ///
    /// # Errors
    /// If a program is missing, ends, or does not start in time; the fault holds the end of its log.
    pub fn start(zone: &str) -> Result<Self, Fault> {
        Self::start_with(zone, &[])
    }

    /// As [`start`](Self::start), with further lines such as `default-api-rectify=no` in its configuration.
    ///
    /// # Errors
    /// As for `start`.
    pub fn start_with(zone: &str, settings: &[&str]) -> Result<Self, Fault> {
        with_free_ports(|| {
            let api = free_address()?;
            let software = Pdns { api, settings: settings.join("\n") };
            Ok(Self { server: NameServer::start(software, zone)?, api })
        })
    }

    /// The base URL of its HTTP API, without a path: `http://127.0.0.1:8081`.
    pub fn api_url(&self) -> String {
        format!("http://{}", self.api)
    }

    /// The API's key, for the header `X-API-Key`.
    pub fn api_key(&self) -> &str {
        API_KEY
    }
}

impl Deref for PowerDns {
    type Target = NameServer;

    fn deref(&self) -> &NameServer {
        &self.server
    }
}

impl DerefMut for PowerDns {
    fn deref_mut(&mut self) -> &mut NameServer {
        &mut self.server
    }
}

#[derive(Debug)]
struct Pdns {
    api: SocketAddr,
    settings: String,
}

impl Software for Pdns {
    fn prepare(&self, place: &Place) -> Result<(), Fault> {
        place.write("pdns.conf", self.configuration(place))?;
        let schema = path_text(&setting::peer_program("powerdns-schema.sql")?)?;
        let database = path_text(&place.path("zones.sqlite3"))?;
        // The write-ahead log is what PowerDNS' own documentation advises for SQLite.
        run_tool("sqlite3", &[&database, "PRAGMA journal_mode=WAL", &format!(".read {schema}")])?;

        let folder = format!("--config-dir={}", path_text(place.folder())?);
        let pdnsutil = |arguments: &[&str]| run_tool("pdnsutil", &[&[folder.as_str()], arguments].concat());
        pdnsutil(&["load-zone", &place.zone, &path_text(&place.write_zone()?)?])?;
        pdnsutil(&["import-tsig-key", KEY_NAME, "hmac-sha256", &place.key_secret])?;
        for permission in ["TSIG-ALLOW-DNSUPDATE", "TSIG-ALLOW-AXFR"] {
            pdnsutil(&["set-meta", &place.zone, permission, KEY_NAME])?;
        }
        Ok(())
    }

    fn launch(&self, place: &Place) -> Result<Process, Fault> {
        let process = Process::start("pdns_server", setting::peer_program("pdns_server")?, |command| {
            command.arg(format!("--config-dir={}", place.folder().display()))
        })?;
        process.wait_for_stderr("the line that it runs", Deadline::after(START), |line| {
            line.contains("ready to distribute questions").then_some(())
        })?;
        Ok(process)
    }
}

impl Pdns {
    fn configuration(&self, place: &Place) -> String {
        let (folder, ip, port) = (place.folder().display(), place.address.ip(), place.address.port());
        let (api_ip, api_port, settings) = (self.api.ip(), self.api.port(), &self.settings);
        format!(
            "launch=gsqlite3\n\
             gsqlite3-database={folder}/zones.sqlite3\n\
             socket-dir={folder}\n\
             local-address={ip}\n\
             local-port={port}\n\
             dnsupdate=yes\n\
             allow-dnsupdate-from=127.0.0.0/8\n\
             webserver=yes\n\
             webserver-address={api_ip}\n\
             webserver-port={api_port}\n\
             webserver-allow-from=127.0.0.0/8\n\
             api=yes\n\
             api-key={API_KEY}\n\
             security-poll-suffix=\n\
             disable-syslog=yes\n\
             log-timestamp=no\n\
             {settings}\n"
        )
    }
}
