//! Plans the rollout of a fleet, prints the plan as a table or as JSON, and draws it.
//!
//! `cargo run -p fleetcert-planner --example plan -- --devices 90000 --new-per-week 500 --svg plan.svg`

mod chart;
mod dates;
mod flags;
mod json;
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
    match planned.map_err(|problem| (2, problem)).and_then(|planned| write_plan(&flags, &planned)) {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, problem)) => {
            // If the message cannot be written, the exit code remains.
            let _ = writeln!(std::io::stderr(), "error: {problem}");
            ExitCode::from(code)
        }
    }
}

fn write_plan(flags: &flags::Flags, planned: &flags::Planned) -> Result<(), (u8, String)> {
    if let Some(file) = &flags.svg {
        std::fs::write(file, chart::draw(planned)).map_err(|error| {
            let hint = "give --svg a file in an existing folder that you may write to";
            (1, format!("cannot write the picture to {}: {error}; {hint}", file.display()))
        })?;
    }
    let text = if flags.json { json::of(planned) } else { table::of(planned) };
    match std::io::stdout().write_all(text.as_bytes()) {
        // A reader such as `head` may close the pipe early.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err((1, format!("cannot write the plan to the standard output: {error}")))
        }
        _ => Ok(()),
    }
}
