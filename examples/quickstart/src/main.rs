//! The whole journey by one command: from nothing to a page that a client trusts.
//!
//! It composes the crates and has no logic of its own: `world` starts the parts, `journey` takes a device through
//! its steps, `story` tells them.

#![allow(unreachable_pub)] // nobody looks into a program from outside, and `pub` is shorter to read

mod ca;
mod failure;
mod flags;
mod journey;
mod listener;
mod page;
mod party;
mod story;
mod time;
mod world;

use std::process::ExitCode;

use clap::Parser;
use failure::Failure;
use flags::Flags;

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    match party::run(&Flags::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            tell_failure(&failure);
            ExitCode::FAILURE
        }
    }
}

fn tell_failure(failure: &Failure) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{failure}");
}
