//! Lists the certificates of files and folders, the first to expire on top:
//!
//! ```text
//! inventory [--days N] [--roots FILE] [--json] PATH...
//! ```
//!
//! Walks folders 8 levels deep, up to 10,000 files of at most 1 MiB; files in folders without a certificate are only
//! counted. With `--roots`, chains must lead to one of these. Ends with 1 if a certificate has expired, or expires
//! within N days if `--days` is given, or if something could not be read or exceeded a limit; with 2 for wrong
//! arguments.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is a program")]

mod entry;
mod inventory;
mod json;
mod links;
mod state;
mod table;
mod walk;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use fleetcert_x509::Roots;
use inventory::Inventory;
use walk::WalkLimits;

const USAGE: &str = "inventory [--days N] [--roots FILE] [--json] PATH...";

struct Arguments {
    days: u32,
    json: bool,
    roots: Option<Roots>,
    paths: Vec<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = match parse_arguments(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(what) => {
            eprintln!("{what}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let mut inventory = Inventory::new(arguments.roots);
    walk::walk(&arguments.paths, &WalkLimits::default(), &mut inventory);
    #[allow(clippy::disallowed_methods, reason = "a program has the clock of the machine")]
    let now = SystemTime::now();
    if arguments.json {
        println!("{:#}", json::of(&inventory, now));
    } else {
        print!("{}", inventory.table(now, arguments.days));
    }
    let ends = inventory.ending_within(now, arguments.days).next().is_some();
    if ends || !inventory.unreadable().is_empty() || inventory.is_cut_off() {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn parse_arguments(mut arguments: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut parsed = Arguments { days: 0, json: false, roots: None, paths: Vec::new() };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--days" => parsed.days = value()?.parse().map_err(|error| format!("--days: {error}"))?,
            "--roots" => {
                let text = std::fs::read(value()?).map_err(|error| format!("--roots: {error}"))?;
                parsed.roots = Some(Roots::from_pem(&text).map_err(|error| format!("--roots: {error}"))?);
            }
            "--json" => parsed.json = true,
            option if option.starts_with("--") => return Err(format!("unknown option {option}")),
            _ => parsed.paths.push(argument.into()),
        }
    }
    if parsed.paths.is_empty() {
        return Err("no PATH is given".to_owned());
    }
    Ok(parsed)
}
