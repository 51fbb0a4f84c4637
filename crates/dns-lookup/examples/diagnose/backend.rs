//! The backend that changes are tried with.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use fleetcert_ambient::Ambient;
use fleetcert_dns::DnsBackend;
use fleetcert_dns_http::powerdns::{PowerDnsBackend, PowerDnsOptions};
use fleetcert_dns_http::{Endpoint, HttpClient, HttpOptions};
use fleetcert_dns_rfc2136::{Rfc2136Backend, Rfc2136Options};
use fleetcert_dns_wire::TsigKey;

use crate::resolver;

/// Who waits for a table wants to know soon that a server is down.
const CALL_WITHIN: Duration = Duration::from_secs(6);

/// At most one way to change the zone; without any, nothing is changed.
#[derive(Args, Debug)]
pub(crate) struct BackendFlags {
    /// The key that signs changes (TSIG), in a file of BIND's or Knot's form; without a key, nothing is changed
    #[arg(long, value_name = "FILE")]
    tsig_key_file: Option<PathBuf>,

    /// The server that takes changes: the zone's primary [default: the first --server]
    #[arg(long, value_name = "IP[:PORT]", value_parser = address, requires = "tsig_key_file")]
    tsig_server: Option<SocketAddr>,

    /// Change the zone by the HTTP API of PowerDNS, at this base URL: http://127.0.0.1:8081
    #[arg(long, value_name = "URL", requires = "powerdns_key_file", conflicts_with = "tsig_key_file")]
    powerdns_url: Option<Endpoint>,

    /// The `api-key` of PowerDNS, alone in a file
    #[arg(long, value_name = "FILE", requires = "powerdns_url")]
    powerdns_key_file: Option<PathBuf>,
}

impl BackendFlags {
    /// The backend, if there is a key for one; else what is wrong. `servers` are those that were named.
    pub(crate) fn backend(&self, servers: &[SocketAddr]) -> Result<Option<Arc<dyn DnsBackend>>, String> {
        if let (Some(endpoint), Some(file)) = (&self.powerdns_url, &self.powerdns_key_file) {
            let api_key = read(file)?.trim().to_owned().into();
            let options = HttpOptions { call_within: CALL_WITHIN, ..HttpOptions::default() };
            let http = HttpClient::new(options, Ambient::system()).map_err(|error| error.to_string())?;
            let options = PowerDnsOptions::new(endpoint.clone(), api_key);
            return Ok(Some(Arc::new(PowerDnsBackend::new(options, &http))));
        }
        let Some(file) = &self.tsig_key_file else { return Ok(None) };
        let missing = "which server takes the changes? Name the zone's primary with --tsig-server IP";
        let server = self.tsig_server.or_else(|| servers.first().copied()).ok_or(missing)?;
        let key = TsigKey::parse(&read(file)?).map_err(|error| {
            format!("{}: {error}; make one with `tsig-keygen -a hmac-sha256 ddns`", file.display())
        })?;
        let options = Rfc2136Options { call_within: CALL_WITHIN, ..Rfc2136Options::new(server, key) };
        Ok(Some(Arc::new(Rfc2136Backend::new(options, Ambient::system()))))
    }
}

fn read(file: &Path) -> Result<String, String> {
    std::fs::read_to_string(file).map_err(|error| {
        let shown = file.display();
        format!("the key file {shown} cannot be read: {error}; see its path and who may read it")
    })
}

fn address(text: &str) -> Result<SocketAddr, String> {
    resolver::address(text, 53)
}
