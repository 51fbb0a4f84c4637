//! Challenge values added and removed per second: through the zone writer, beside 16 connections with one change a
//! message and beside `nsupdate`, on each name server in one run. `tests/bench-dns` builds and starts it.

#![allow(clippy::print_stdout, clippy::print_stderr)] // a benchmark prints

use std::ffi::OsStr;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fleetcert_tests::bind::Bind;
use fleetcert_tests::knot::Knot;
use fleetcert_tests::name_server::NameServer;
use fleetcert_tests::powerdns::PowerDns;
use fleetcert_tests::{Deadline, Fault, Finished, Process, Stopwatch};
use serde::Deserialize;

/// Rounds; each figure is their median.
const ROUNDS: usize = 3;
/// Values that go through the writer.
const VALUES: usize = 10_000;
/// How many of them a task adds with one call.
const VALUES_PER_CALL: [usize; 2] = [1, 8];
const ZONE: &str = "fleet.test";
/// For one run of one program.
const WITHIN: Duration = Duration::from_secs(180);

/// The last line of `churn --json`.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Churned {
    changes_per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    messages: u64,
    failed: u32,
    left: u32,
}

/// What one server did in one round.
struct Round {
    writer: [Churned; 2],
    connections: Churned,
    nsupdate: f64,
}

/// A server, and the ratio to 16 connections that the writer must reach, for a number of values a call.
struct Subject {
    name: &'static str,
    values_per_call: usize,
    server: fn() -> Result<Box<dyn Deref<Target = NameServer>>, Fault>,
    wanted: f64,
}

fn main() -> Result<(), Fault> {
    let churn = PathBuf::from(std::env::var_os("FLEETCERT_CHURN").ok_or_else(|| {
        Fault::new("FLEETCERT_CHURN is not set to the built example `churn`: run `tests/bench-dns`")
    })?);
    let subjects = [
        Subject {
            name: "BIND",
            values_per_call: 1,
            wanted: 5.0,
            server: || Ok(Box::new(Bind::start(ZONE)?)),
        },
        Subject {
            name: "Knot",
            values_per_call: 8,
            wanted: 10.0,
            server: || Ok(Box::new(Knot::start(ZONE)?)),
        },
        Subject {
            name: "PowerDNS",
            values_per_call: 1,
            wanted: 5.0,
            server: || Ok(Box::new(PowerDns::start(ZONE)?)),
        },
    ];
    println!(
        "| server | values a call | zone writer, 64 tasks | p50 / p99 | changes in a message | 16 connections | nsupdate | writer to 16 connections |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let mut missed = Vec::new();
    for subject in subjects {
        let name = subject.name;
        let mut rounds = Vec::new();
        for number in 1..=ROUNDS {
            eprintln!("{name}, round {number} of {ROUNDS}");
            let server = (subject.server)()?;
            rounds.push(round(&churn, &server)?);
        }
        let median = |figure: &dyn Fn(&Round) -> f64| {
            let mut figures: Vec<f64> = rounds.iter().map(figure).collect();
            figures.sort_unstable_by(f64::total_cmp);
            figures[figures.len() / 2]
        };
        for (index, values) in VALUES_PER_CALL.into_iter().enumerate() {
            let writer = |figure: fn(&Churned) -> f64| median(&|round| figure(&round.writer[index]));
            let ratio = median(&|round| {
                round.writer[index].changes_per_second / round.connections.changes_per_second
            });
            let p50 = writer(|churned| churned.p50_ms);
            println!(
                "| {name} | {values} | {:.0}/s | {p50:.1} / {:.1} ms | {:.0} | {:.0}/s | {:.0}/s | {ratio:.1} |",
                writer(|churned| churned.changes_per_second),
                writer(|churned| churned.p99_ms),
                writer(|churned| 2.0 * VALUES as f64 / churned.messages.max(1) as f64),
                median(&|round| round.connections.changes_per_second),
                median(&|round| round.nsupdate),
            );
            if values == subject.values_per_call && ratio < subject.wanted {
                let wanted = subject.wanted;
                missed.push(format!(
                    "{name}: {ratio:.1} times the figure of 16 connections; {wanted} is wanted"
                ));
            }
            if values == subject.values_per_call && p50 >= 50.0 {
                missed.push(format!("{name}: the median wait is {p50:.1} ms; less than 50 is wanted"));
            }
        }
    }
    if missed.is_empty() { Ok(()) } else { Err(Fault::new(missed.join("\n"))) }
}

fn round(churn: &Path, server: &NameServer) -> Result<Round, Fault> {
    let values = VALUES.to_string();
    let writer = |per_call: usize| {
        let per_call = per_call.to_string();
        run_churn(churn, server, &["--changes", &values, "--tasks", "64", "--values-per-call", &per_call])
    };
    let [few, many] = VALUES_PER_CALL;
    Ok(Round {
        connections: run_churn(churn, server, &["--changes", "500", "--tasks", "16", "--one-per-message"])?,
        nsupdate: run_nsupdate(server, 200)?,
        writer: [writer(few)?, writer(many)?],
    })
}

fn run_churn(churn: &Path, server: &NameServer, arguments: &[&str]) -> Result<Churned, Fault> {
    let address = server.address().to_string();
    let started = Process::start("churn", churn, |command| {
        command
            .args(["--server", &address, "--zone", server.zone(), "--json", "--tsig-key-file"])
            .arg(server.key_file())
            .args(arguments.iter().map(OsStr::new))
    })?;
    let Finished { stdout, .. } = started.finish(Deadline::after(WITHIN))?.success("churn")?;
    let last = stdout.last().map(String::as_str).unwrap_or_default();
    let churned: Churned =
        serde_json::from_str(last).map_err(Fault::while_doing("reading churn's last line"))?;
    if churned.failed > 0 || churned.left > 0 {
        return Err(Fault::new(format!("{} failed and {} left", churned.failed, churned.left)));
    }
    Ok(churned)
}

/// Adds and removes this number of values with one `nsupdate`, each in its own message.
fn run_nsupdate(server: &NameServer, changes: usize) -> Result<f64, Fault> {
    let line = |verb: &str, number: usize| {
        format!("{verb} _acme-challenge.n{number}.{ZONE} 1 TXT \"{number:_>43}\"\nsend")
    };
    let lines: Vec<String> = (0..changes)
        .map(|number| line("add", number))
        .chain((0..changes).map(|number| line("delete", number).replace(" 1 TXT", " TXT")))
        .collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let watch = Stopwatch::start();
    server.nsupdate(server.key_file(), &lines)?;
    Ok(2.0 * changes as f64 / watch.elapsed().as_secs_f64())
}
