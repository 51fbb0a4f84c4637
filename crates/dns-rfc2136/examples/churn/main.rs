//! Adds many challenge values to a zone from many tasks at once, removes them again, and prints the rate.
//!
//! `cargo run --release -p fleetcert-dns-rfc2136 --example churn -- --server 127.0.0.1:53 --tsig-key-file tsig.key
//! --zone fleet.test --changes 10000 --tasks 64`
//!
//! The values go through the zone writer. With `--one-per-message`, each is a separate message on a connection of its
//! task, as most tools do it. The next run with the same flags removes what an interrupted run left.

#![allow(clippy::print_stdout, clippy::print_stderr)] // a program prints

mod figures;
mod work;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use fleetcert_ambient::Ambient;
use fleetcert_dns::{DnsBackend, ZoneWriter, ZoneWriterOptions};
use fleetcert_dns_rfc2136::{Rfc2136Backend, Rfc2136Options};
use fleetcert_dns_wire::{Transport, TsigKey};
use fleetcert_names::DomainName;

use figures::Figures;
use work::Work;

/// Adds challenge values to a zone by RFC 2136, removes them again, and prints changes per second and waits.
#[derive(Debug, Parser)]
struct Flags {
    /// Primary server of the zone.
    #[arg(long, value_name = "IP:PORT")]
    server: SocketAddr,
    /// File with the TSIG key, in BIND's or Knot's form.
    #[arg(long, value_name = "FILE")]
    tsig_key_file: PathBuf,
    /// Zone. All names are `_acme-challenge.churn-NUMBER` in it.
    #[arg(long, value_name = "NAME")]
    zone: DomainName,
    /// Number of values to add and remove.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    changes: u32,
    /// Number of concurrent tasks. Each adds the values of an order, removes them, and continues with the next.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    tasks: u32,
    /// Number of values per order. A task adds the values of one name in one call and removes them in another, as an
    /// order for a name and its wildcard does with two.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=100))]
    values_per_call: u8,
    /// Send each change as a separate message, on a connection per task.
    #[arg(long)]
    one_per_message: bool,
    /// Send updates over UDP if they fit.
    #[arg(long)]
    udp: bool,
    /// Print a JSON object as the last line.
    #[arg(long)]
    json: bool,
}

impl Flags {
    fn at_once(&self) -> usize {
        if self.one_per_message { 1 } else { self.values_per_call.into() }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let flags = Flags::parse();
    match run(&flags).await {
        Ok(figures) if figures.is_clean() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(2)
        }
    }
}

async fn run(flags: &Flags) -> Result<Figures, String> {
    let file = flags.tsig_key_file.display();
    let key = std::fs::read_to_string(&flags.tsig_key_file).map_err(|error| format!("{file}: {error}"))?;
    let key = TsigKey::parse(&key).map_err(|error| format!("{file}: {error}"))?;
    let transport = if flags.udp { Transport::Udp } else { Transport::Tcp };
    let options = Rfc2136Options { transport, ..Rfc2136Options::new(flags.server, key) };
    let backend = || Arc::new(Rfc2136Backend::new(options.clone(), Ambient::system()));

    let (senders, backends): (Vec<Arc<Rfc2136Backend>>, Vec<Arc<dyn DnsBackend>>) = if flags.one_per_message {
        (0..flags.tasks).map(|_| backend()).map(|own| (own.clone(), own as Arc<dyn DnsBackend>)).unzip()
    } else {
        let sender = backend();
        let options = ZoneWriterOptions::default();
        let (writer, driver) = ZoneWriter::new(sender.clone(), options, Ambient::system());
        tokio::spawn(driver);
        let writer: Arc<dyn DnsBackend> = Arc::new(writer);
        (vec![sender], vec![writer; flags.tasks as usize])
    };
    let work = Work::new(flags.zone.clone(), flags.changes, flags.at_once(), backends);
    // One test change shows a wrong setup before ten thousand changes fail.
    work.try_one().await.map_err(|error| error.to_string())?;

    let sent = || senders.iter().map(|sender| sender.updates_sent()).sum::<u64>();
    let before = sent();
    let outcome = work.run().await;
    let messages = sent() - before;
    let left = work.left().await.map_err(|error| error.to_string())?;
    let figures = Figures { outcome, messages, left };
    println!("{figures}");
    if flags.json {
        println!("{}", figures.to_json());
    }
    Ok(figures)
}
