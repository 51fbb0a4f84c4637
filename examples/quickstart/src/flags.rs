//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;
use fleetcert_names::{DomainName, Label};
use reqwest::Url;

/// From nothing to a page that a client trusts: one device, or many, get their names and certificates through
/// real DNS and the real ACME protocol, on this machine alone.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Flags {
    /// Number of devices, all at once
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub devices: u32,

    /// The directory of an ACME server outside; without it a CA runs in this process
    #[arg(long, value_name = "URL", requires = "ca_root")]
    pub directory: Option<String>,

    /// The root that the HTTPS of that ACME server leads to, PEM
    #[arg(long, value_name = "FILE", requires = "directory")]
    pub ca_root: Option<PathBuf>,

    /// The management interface of that ACME server, a Pebble; without it at port 15000 of the same host
    #[arg(long, value_name = "URL", requires = "directory")]
    pub management: Option<Url>,

    /// Where our name server listens; without it on a free port
    #[arg(long, value_name = "IP:PORT", conflicts_with = "rfc2136")]
    pub nameserver_addr: Option<SocketAddr>,

    /// The zone lives on this server, which takes RFC 2136 updates; without it on our name server
    #[arg(long, value_name = "IP:PORT", requires = "tsig_key_file", requires = "zone")]
    pub rfc2136: Option<SocketAddr>,

    /// The TSIG key for that server, in BIND's form: key "name" { algorithm …; secret "…"; };
    #[arg(long, value_name = "FILE", requires = "rfc2136")]
    pub tsig_key_file: Option<PathBuf>,

    /// The fleet zone
    #[arg(long, value_name = "NAME", default_value = "fleet.test")]
    pub zone: DomainName,

    /// Ask for this label instead of a random one
    #[arg(long, value_name = "NAME")]
    pub label: Option<Label>,

    /// One certificate for the device's name and for all names below it, *.NAME
    #[arg(long, conflicts_with = "csr")]
    pub wildcard: bool,

    /// The device uses this certificate request, made elsewhere for that label
    #[arg(long, value_name = "FILE", requires = "label")]
    pub csr: Option<PathBuf>,

    /// The key of that request; without it the journey ends when the chain is checked and written
    #[arg(long, value_name = "FILE", requires = "csr")]
    pub key: Option<PathBuf>,

    /// Leave privkey.pem, fullchain.pem and root.pem in this folder
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// Go on serving until interrupted, and print the lines to look at it
    #[arg(long)]
    pub stay: bool,

    /// The last line of standard output is one JSON object
    #[arg(long)]
    pub json: bool,
}

impl Flags {
    /// What clap cannot say: one device alone can have a given label or request.
    pub fn require_sense(&self) -> Result<(), String> {
        if self.devices > 1 && (self.label.is_some() || self.csr.is_some()) {
            return Err("--label and --csr are for one device: leave --devices away".to_owned());
        }
        Ok(())
    }
}
