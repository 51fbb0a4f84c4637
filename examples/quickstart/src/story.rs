//! What the user sees: a line for each step of one device, or a progress bar for many, and a summary.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use tokio::time::Instant;

use crate::failure::Step;

/// Tells one journey as it happens.
#[derive(Clone, Debug)]
pub struct Story {
    telling: Telling,
    since: Instant,
}

#[derive(Clone, Debug)]
enum Telling {
    Lines,
    Bar(ProgressBar),
}

impl Story {
    /// One device: a line for each step.
    pub fn in_lines() -> Self {
        Self { telling: Telling::Lines, since: Instant::now() }
    }

    /// Many devices: a bar of all their steps, on a terminal.
    pub fn as_bar(devices: u32) -> Self {
        let steps = u64::from(devices) * Step::ZoneClean.number() as u64;
        let bar =
            if std::io::stderr().is_terminal() { ProgressBar::new(steps) } else { ProgressBar::hidden() };
        let style = ProgressStyle::with_template("{bar:40} {percent:>3} %  {elapsed}  {msg}");
        bar.set_style(style.expect("the template is well-formed"));
        Self { telling: Telling::Bar(bar), since: Instant::now() }
    }

    /// The same story for the next device, its clock at zero.
    pub fn begin(&self) -> Self {
        Self { telling: self.telling.clone(), since: Instant::now() }
    }

    /// Prints that `step` is done, and the time since the step before.
    pub fn tell(&mut self, step: Step, detail: impl std::fmt::Display) {
        let took = self.since.elapsed();
        self.since = Instant::now();
        match &self.telling {
            Telling::Lines => {
                say(format_args!("{:>2}  {:<44}{:>9}  {detail}", step.number(), step.done(), time(took)));
            }
            Telling::Bar(bar) => {
                bar.inc(1);
                bar.set_message(step.done());
            }
        }
    }

    /// The step cannot be shown, and nothing is wrong with that.
    pub fn tell_not_shown(&mut self, step: Step, why: impl std::fmt::Display) {
        self.since = Instant::now();
        match &self.telling {
            Telling::Lines => {
                say(format_args!("{:>2}  {:<44}{:>9}  not shown: {why}", step.number(), step.done(), ""));
            }
            Telling::Bar(bar) => bar.inc(1),
        }
    }

    /// All journeys are over.
    pub fn end(&self) {
        if let Telling::Bar(bar) = &self.telling {
            bar.finish_and_clear();
        }
    }
}

/// How it went; the object of `--json`.
#[derive(Debug, Serialize)]
pub struct Summary {
    pub devices: u32,
    pub issued: u64,
    pub renewed: u64,
    pub failed: u64,
    pub seconds: f64,
    pub acme_requests: u64,
    pub acme_requests_per_certificate: f64,
    pub certificates_per_second: f64,
    pub failed_page_requests: u64,
    /// `None` when the zone's server cannot be asked.
    pub leftover_challenge_records: Option<u64>,
}

impl Summary {
    /// The summary in words.
    pub fn tell(&self) {
        say(format_args!(
            "\n{} in {:.1} s: {} certificates issued, {} of them renewals, {} failed; {:.1} a second; \
             {:.2} ACME requests for each; {} challenge records left",
            if self.devices == 1 { "1 device".to_owned() } else { format!("{} devices", self.devices) },
            self.seconds,
            self.issued,
            self.renewed,
            self.failed,
            self.certificates_per_second,
            self.acme_requests_per_certificate,
            self.leftover_challenge_records.map_or("unknown".to_owned(), |left| left.to_string()),
        ));
    }

    /// The summary as one line of JSON.
    pub fn tell_json(&self) {
        say(format_args!("{}", serde_json::to_string(self).expect("numbers always serialise")));
    }
}

/// A line on standard output. A reader who has gone away is no reason to stop.
pub fn say(line: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn time(took: Duration) -> String {
    let millis = took.as_secs_f64() * 1000.0;
    if millis < 10.0 {
        format!("{millis:.1} ms")
    } else if millis < 10_000.0 {
        format!("{millis:.0} ms")
    } else {
        format!("{:.1} s", took.as_secs_f64())
    }
}
