//! Plans the rollout of a fleet and prints the plan as a table or as JSON; draws it as a picture, too.
//!
//! `cargo run -p fleetcert-schedule --example plan -- --devices 90000 --new-per-week 500 --svg plan.svg`

mod chart;
mod dates;
mod flags;
mod json;
mod svg;
mod table;

use std::io::Write;
use std::process::ExitCode;
use std::time::SystemTime;

use clap::Parser;

fn main() -> ExitCode {
    let flags = flags::Flags::parse();
    // The library reads no clock: today comes from here.
    #[allow(clippy::disallowed_methods)]
    let planned = flags.plan(SystemTime::now());
    match planned.map_err(|problem| (2, problem)).and_then(|planned| put_out(&flags, &planned)) {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, problem)) => {
            // If nobody reads the complaint, the exit code still tells.
            let _ = writeln!(std::io::stderr(), "error: {problem}");
            ExitCode::from(code)
        }
    }
}

fn put_out(flags: &flags::Flags, planned: &flags::Planned) -> Result<(), (u8, String)> {
    if let Some(file) = &flags.svg {
        std::fs::write(file, chart::draw(planned)).map_err(|error| {
            let hint = "give --svg a file in a folder that is there and can be written";
            (1, format!("the picture was not written to {}: {error}; {hint}", file.display()))
        })?;
    }
    let text = if flags.json { json::of(planned) } else { table::of(planned) };
    match std::io::stdout().write_all(text.as_bytes()) {
        // Who reads with `head` has read enough.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err((1, format!("the plan was not written to the standard output: {error}")))
        }
        _ => Ok(()),
    }
}
