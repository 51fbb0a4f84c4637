//! Checks whether a zone is fit for a fleet, and prints what it finds as a table or as JSON.
//!
//! `cargo run -p fleetcert-dns-lookup --example diagnose -- --zone fleet.example.com --ca letsencrypt.org`

mod backend;
mod flags;
mod resolver;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use fleetcert_dns_lookup::diagnose::{Diagnose, Diagnosis, Status};

use flags::Flags;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let flags = Flags::parse();
    match flags.diagnose() {
        Err(problem) => complain(&problem, 2),
        Ok(diagnose) => match run(&diagnose).await {
            Some(diagnosis) => put_out(&diagnosis, flags.json),
            None => complain("stopped before the end; no value is left in the zone", 1),
        },
    }
}

/// Runs to the end, or until somebody presses Ctrl-C; then it takes back what is in the zone.
async fn run(diagnose: &Diagnose) -> Option<Diagnosis> {
    tokio::select! {
        diagnosis = diagnose.run() => return Some(diagnosis),
        _ = tokio::signal::ctrl_c() => {}
    }
    if let Err(error) = diagnose.sweep().await {
        complain(&format!("a value may be left in the zone; remove it by hand: {error}"), 1);
    }
    None
}

/// Problems are 1, as the table says them.
fn put_out(diagnosis: &Diagnosis, json: bool) -> ExitCode {
    let text = if json {
        let json = serde_json::to_string_pretty(diagnosis).expect("a diagnosis has texts for its keys");
        json + "\n"
    } else {
        diagnosis.to_string()
    };
    match std::io::stdout().write_all(text.as_bytes()) {
        // Who reads with `head` has read enough.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            complain(&format!("the findings were not written to the standard output: {error}"), 1)
        }
        _ => ExitCode::from(u8::from(diagnosis.status() == Status::Problem)),
    }
}

fn complain(problem: &str, code: u8) -> ExitCode {
    // If nobody reads the complaint, the exit code still tells.
    let _ = writeln!(std::io::stderr(), "error: {problem}");
    ExitCode::from(code)
}
