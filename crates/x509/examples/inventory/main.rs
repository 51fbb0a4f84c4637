//! Lists the certificates of files and folders, what ends first on top:
//!
//! ```text
//! inventory [--days N] [--roots FILE] [--json] PATH...
//! ```
//!
//! Folders are walked 8 levels deep, up to 10,000 files of at most 1 MiB; files in them without a certificate are only
//! counted. With `--roots`, chains must lead to one of these. Ends with 1 if a certificate has expired, or ends within N
//! days if `--days` is given, or if something could not be read or was too much; with 2 if it was not called rightly.

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
use walk::Limits;

const USAGE: &str = "inventory [--days N] [--roots FILE] [--json] PATH...";

struct Called {
    days: u32,
    json: bool,
    roots: Option<Roots>,
    paths: Vec<PathBuf>,
}

fn main() -> ExitCode {
    let called = match called(std::env::args().skip(1)) {
        Ok(called) => called,
        Err(what) => {
            eprintln!("{what}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let mut inventory = Inventory::new(called.roots);
    walk::walk(&called.paths, &Limits::default(), &mut inventory);
    #[allow(clippy::disallowed_methods, reason = "a program has the clock of the machine")]
    let now = SystemTime::now();
    if called.json {
        println!("{:#}", json::of(&inventory, now));
    } else {
        print!("{}", inventory.table(now, called.days));
    }
    let ends = inventory.ending_within(now, called.days).next().is_some();
    if ends || !inventory.unreadable().is_empty() || inventory.is_cut_off() {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn called(mut arguments: impl Iterator<Item = String>) -> Result<Called, String> {
    let mut called = Called { days: 0, json: false, roots: None, paths: Vec::new() };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--days" => called.days = value()?.parse().map_err(|error| format!("--days: {error}"))?,
            "--roots" => {
                let text = std::fs::read(value()?).map_err(|error| format!("--roots: {error}"))?;
                called.roots = Some(Roots::from_pem(&text).map_err(|error| format!("--roots: {error}"))?);
            }
            "--json" => called.json = true,
            option if option.starts_with("--") => return Err(format!("there is no option {option}")),
            _ => called.paths.push(argument.into()),
        }
    }
    if called.paths.is_empty() {
        return Err("no path is given".to_owned());
    }
    Ok(called)
}
