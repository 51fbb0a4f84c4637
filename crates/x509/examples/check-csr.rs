//! Checks files with the gate:
//!
//! ```text
//! check-csr [--name NAME]... [--policy device|lets_encrypt] [--rsa] [--blocklist LIST] FILE...
//! ```
//!
//! Prints `FILE ok` or `FILE code: sentence`, one line per file. Ends with 1 if any file is refused, with 2 for wrong
//! arguments. `--name` is a granted name or wildcard: the CSR must have all of them and no others.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is a program")]

use std::io::Read;
use std::process::ExitCode;
use std::sync::Arc;

use fleetcert_names::{Identifier, IdentifierSet};
use fleetcert_x509::{BlockedKeys, CsrPolicy, KeyKind, NameGrant, VerifiedCsr};

const USAGE: &str =
    "check-csr [--name NAME]... [--policy device|lets_encrypt] [--rsa] [--blocklist LIST] FILE...";
/// Octets to read, more than the gate accepts.
const MAX_READ: u64 = 64 * 1024;

fn main() -> ExitCode {
    let (policy, files) = match parse_arguments(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(what) => {
            eprintln!("{what}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let mut all_passed = true;
    for file in files {
        match read(&file) {
            Err(error) => {
                all_passed = false;
                println!("{file} cannot be read: {error}");
            }
            Ok(bytes) => match VerifiedCsr::parse(&bytes, &policy) {
                Ok(_) => println!("{file} ok"),
                Err(refusal) => {
                    all_passed = false;
                    println!("{file} {}: {refusal}", refusal.code());
                }
            },
        }
    }
    if all_passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn parse_arguments(mut arguments: impl Iterator<Item = String>) -> Result<(CsrPolicy, Vec<String>), String> {
    let (mut names, mut files) = (Vec::<Identifier>::new(), Vec::new());
    let (mut preset, mut rsa, mut lists) = (CsrPolicy::device(), false, Vec::new());
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--name" => names.push(value()?.parse().map_err(|error| format!("--name: {error}"))?),
            "--policy" => {
                preset = match value()?.as_str() {
                    "device" => CsrPolicy::device(),
                    "lets_encrypt" => CsrPolicy::lets_encrypt(),
                    other => return Err(format!("unknown policy {other}")),
                }
            }
            "--rsa" => rsa = true,
            "--blocklist" => {
                lists.push(BlockedKeys::from_file(value()?).map_err(|error| error.to_string())?);
            }
            option if option.starts_with("--") => return Err(format!("unknown option {option}")),
            _ => files.push(argument),
        }
    }
    if files.is_empty() {
        return Err("no FILE is given".to_owned());
    }
    let mut policy = if rsa { preset.with_keys(&KeyKind::ALL) } else { preset };
    for list in lists {
        policy = policy.with_blocklist(Arc::new(list));
    }
    if !names.is_empty() {
        let names = IdentifierSet::new(names).map_err(|error| format!("--name: {error}"))?;
        policy = policy.with_grant(NameGrant::exact(&names));
    }
    Ok((policy, files))
}

fn read(file: &str) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(file)?.take(MAX_READ).read_to_end(&mut bytes)?;
    Ok(bytes)
}
