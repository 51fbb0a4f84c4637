//! The flags, and the check that they ask for.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use fleetcert_ambient::Ambient;
use fleetcert_dns_lookup::caa::Applicant;
use fleetcert_dns_lookup::diagnose::{Diagnose, DiagnoseOptions};
use fleetcert_dns_lookup::{Resolvers, Servers};
use fleetcert_names::{DomainName, HostName};

use crate::backend::BackendFlags;
use crate::resolver;

/// Checks whether a zone is fit for a fleet: its delegation, its servers, CAA, and, with a key, whether changes are taken
/// and seen everywhere. What it writes into the zone it removes again.
#[derive(Parser, Debug)]
#[command(name = "diagnose", after_help = EXAMPLES)]
pub(crate) struct Flags {
    /// The zone
    #[arg(long, value_name = "NAME")]
    zone: DomainName,

    /// A resolver to find the servers with: udp://IP, tcp://IP, tls://IP#NAME or https://HOST/PATH, with a port where it
    /// is another. May be given up to eight times [default: those of this system]
    #[arg(long = "resolver", value_name = "URL", conflicts_with = "servers")]
    resolvers: Vec<String>,

    /// Ask this server of the zone and look for no others. May be given several times
    #[arg(long = "server", value_name = "IP[:PORT]", value_parser = address)]
    servers: Vec<SocketAddr>,

    /// The roots for resolvers over TLS and HTTPS, as PEM [default for HTTPS: those of this system; for TLS:
    /// /etc/ssl/certs/ca-certificates.crt]
    #[arg(long, value_name = "FILE")]
    roots: Option<PathBuf>,

    #[command(flatten)]
    backend: BackendFlags,

    /// Try values at this name, where the key may change no other [default: _acme-challenge.<random>.<zone>]
    #[arg(long, value_name = "NAME")]
    probe_name: Option<DomainName>,

    /// Look at this host of the zone too: where its challenge goes, and CAA for it
    #[arg(long, value_name = "NAME")]
    host: Option<HostName>,

    /// The CA, as CAA records name it: letsencrypt.org
    #[arg(long, value_name = "DOMAIN")]
    ca: Option<String>,

    /// The account at the CA, as CAA records name it
    #[arg(long, value_name = "URL", requires = "ca")]
    account_uri: Option<String>,

    /// How long a value may take until every server shows it, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    visible_within: u64,

    /// Print JSON in place of the table
    #[arg(long)]
    pub(crate) json: bool,

    /// The port of the servers that a resolver finds; for laboratories
    #[arg(long, value_name = "PORT", default_value_t = 53, conflicts_with = "servers")]
    port: u16,
}

const EXAMPLES: &str = "\
Examples:
  diagnose --zone fleet.example.com --ca letsencrypt.org
  diagnose --zone fleet.example.com --tsig-key-file ddns.key --tsig-server 192.0.2.1 --json
  diagnose --zone fleet.example.com --powerdns-url http://127.0.0.1:8081 --powerdns-key-file api.key
  diagnose --zone fleet.example.com --resolver tls://192.0.2.53#dns.example --resolver https://dns.example/dns-query

Exit codes: 0 no problem; 1 a problem was found, or the findings could not be written; 2 a flag is wrong.";

impl Flags {
    /// The check, or what is wrong with the flags.
    pub(crate) fn diagnose(&self) -> Result<Diagnose, String> {
        let options = DiagnoseOptions {
            visible_within: Duration::from_secs(self.visible_within),
            probe: self.probe()?,
            ..DiagnoseOptions::default()
        };
        let mut diagnose =
            Diagnose::new(self.zone.clone(), self.servers()?, Ambient::system()).with_options(options);
        if let Some(issuer) = self.ca.clone() {
            let (account_uri, method) = (self.account_uri.clone(), "dns-01".to_owned());
            diagnose = diagnose.for_applicant(Applicant { issuer, account_uri, method });
        }
        if let Some(host) = self.host.clone() {
            diagnose = diagnose.for_host(host);
        }
        if let Some(backend) = self.backend.backend(&self.servers)? {
            diagnose = diagnose.through(backend);
        } else if self.probe_name.is_some() {
            return Err(
                "--probe-name is for changes, and there is no key: give --tsig-key-file or --powerdns-url"
                    .to_owned(),
            );
        }
        Ok(diagnose)
    }

    fn servers(&self) -> Result<Servers, String> {
        if !self.servers.is_empty() {
            return Servers::given(self.servers.clone())
                .map_err(|error| format!("{error}: give --server less often"));
        }
        let resolvers = if self.resolvers.is_empty() {
            Resolvers::of_system().map_err(|error| format!("{error}; name one with --resolver udp://IP"))?
        } else {
            let all = self.resolvers.iter().map(|url| resolver::of(url, self.roots.as_deref()));
            Resolvers::new(all.collect::<Result<_, _>>()?)
                .map_err(|error| format!("{error}: give --resolver less often"))?
        };
        Ok(Servers::found_by(resolvers).at_port(self.port))
    }

    fn probe(&self) -> Result<Option<DomainName>, String> {
        match &self.probe_name {
            Some(name) if !name.is_within(&self.zone) => Err(format!(
                "--probe-name {name} is not in the zone {}: give a name that ends in it",
                self.zone
            )),
            name => Ok(name.clone()),
        }
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    resolver::address(text, 53)
}
