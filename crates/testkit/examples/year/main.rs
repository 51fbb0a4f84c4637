//! Simulates a year of a fleet in virtual time: devices, a control server that schedules, and a CA with the limits of
//! Let's Encrypt.
//!
//! `cargo run --release -p fleetcert-testkit --example year -- --devices 100000 --days 365 --seed 1 --svg year.svg`

#![allow(clippy::print_stdout, clippy::print_stderr, clippy::disallowed_methods)] // it prints, and measures time

mod chart;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use fleetcert_schedule::budget::{Account, Limit, Limits, Override};
use fleetcert_schedule::known_ca::Profile;
use fleetcert_testkit::fleet::{ACCOUNT, Books, Report, Returning, Scenario, Span, Zone, simulate};
use fleetcert_testkit::limiter::{CaLimits, Rate};
use serde_json::json;

const DAY: Duration = Duration::from_secs(86_400);

/// Simulates a fleet with a CA that has the limits of Let's Encrypt, and prints a report.
#[derive(Debug, Parser)]
struct Flags {
    /// Number of devices that want a certificate on the first day.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=5_000_000))]
    devices: u32,
    /// Number of days.
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=3650))]
    days: u32,
    /// Seed of all random numbers.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Days of an outage of the CA, from the middle on.
    #[arg(long, value_name = "DAYS")]
    ca_outage: Option<u32>,
    /// Number of devices that sleep after their first certificate and return on one Monday, after 60 % of the time.
    #[arg(long, value_name = "DEVICES")]
    returning: Option<u32>,
    /// Certificate profile of Let's Encrypt: classic, tlsserver or shortlived.
    #[arg(long, default_value = "tlsserver")]
    profile: String,
    /// Number of registered domains of the fleet, instead of one zone on the public suffix list.
    #[arg(long)]
    domains: Option<u32>,
    /// An override that the CA granted: NewOrdersPerAccount=COUNT/DAYSd, CertificatesPerDomainPerAccount=COUNT/DAYSd.
    #[arg(long = "override", value_name = "NAME=COUNT/DAYSd")]
    overrides: Vec<String>,
    /// New devices in 30 days, in thousandths of the devices.
    #[arg(long, default_value_t = 10)]
    growth: u32,
    /// File for the picture.
    #[arg(long)]
    svg: Option<PathBuf>,
    /// Print the report as a JSON object in the last line.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let flags = Flags::parse();
    match run(&flags) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!(
                "This run had a refused order or an expired certificate. To repeat it: {}",
                command(&flags)
            );
            ExitCode::FAILURE
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(2)
        }
    }
}

fn run(flags: &Flags) -> Result<bool, String> {
    let (scenario, limits, ca_limits) = set_up(flags)?;
    let mut ca = Books::new(ca_limits, &scenario, ACCOUNT, false);
    let began = Instant::now();
    let mut shown = began;
    let report = simulate(&scenario, limits, &mut ca, |progress| {
        if shown.elapsed() >= Duration::from_millis(200) {
            shown = Instant::now();
            eprint!(
                "\rday {:>4} of {}: {:>9} certificates",
                progress.day, progress.days, progress.report.issued
            );
        }
    });
    eprint!("\r{:60}\r", "");
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{} devices, {} days, profile {}, seed {}: {seconds:.1} s",
        flags.devices, flags.days, flags.profile, flags.seed
    );
    print!("{}", report.to_table(scenario.start));
    if let Some(path) = &flags.svg {
        let title =
            format!("{} devices, {} days, certificates of {}", flags.devices, flags.days, flags.profile);
        std::fs::write(path, chart::draw(&report, &title))
            .map_err(|error| format!("{}: {error}", path.display()))?;
        println!("\nThe picture is in {}.", path.display());
    }
    if flags.json {
        let mut object = report.to_json();
        object["seconds"] = json!((seconds * 1000.0).round() / 1000.0);
        object["peak_mib"] = json!(peak_mib());
        println!("{object}");
    }
    Ok(is_good(&report))
}

/// Returns whether no order was refused and no certificate expired on a reachable device.
fn is_good(report: &Report) -> bool {
    report.rate_limited == 0 && report.expired_reachable == 0
}

fn set_up(flags: &Flags) -> Result<(Scenario, Limits, CaLimits), String> {
    let mut scenario = Scenario::year(flags.devices, flags.days, flags.seed);
    scenario.growth_per_mille = flags.growth;
    scenario.profile = Profile::named(&flags.profile).ok_or_else(|| {
        format!("There is no profile {}: take classic, tlsserver or shortlived.", flags.profile)
    })?;
    if let Some(domains) = flags.domains {
        scenario.zone = Zone::Domains(domains.max(1));
    }
    if let Some(days) = flags.ca_outage {
        scenario.ca_outages = vec![Span { after: DAY * (flags.days / 2), length: DAY * days }];
    }
    if let Some(devices) = flags.returning {
        // The first day is a Tuesday.
        let monday = flags.days * 60 / 100 / 7 * 7 + 6;
        scenario.returning = Some(Returning { devices, after: DAY * monday });
    }
    let (mut limits, mut ca_limits) = (scenario.limits(), scenario.ca_limits());
    for text in &flags.overrides {
        let (name, count, days) = parse_override(text)?;
        let limit = Limit::new(count, count, DAY * days).map_err(|error| format!("{text}: {error}"))?;
        let rate = Rate::of(count.into(), DAY * days);
        let account = Account::new(ACCOUNT).map_err(|error| error.to_string())?;
        let warning = match name {
            "NewOrdersPerAccount" => {
                ca_limits.orders_of_account.insert(ACCOUNT.to_owned(), rate);
                limits.set_override(Override::NewOrdersPerAccount(account), limit)
            }
            "CertificatesPerDomainPerAccount" => {
                ca_limits.certificates_of_account.insert(ACCOUNT.to_owned(), rate);
                limits.set_override(Override::CertificatesPerDomainPerAccount(account), limit)
            }
            _ => {
                return Err(format!(
                    "{text}: take NewOrdersPerAccount or CertificatesPerDomainPerAccount before the sign ="
                ));
            }
        };
        if warning.is_some() {
            eprintln!("{text}: in the long run this is slower than the default without an override.");
        }
    }
    Ok((scenario, limits, ca_limits))
}

fn parse_override(text: &str) -> Result<(&str, u32, u32), String> {
    let parts = || {
        let (name, rest) = text.split_once('=')?;
        let (count, days) = rest.split_once('/')?;
        Some((name, count.parse().ok()?, days.strip_suffix('d')?.parse().ok()?))
    };
    parts().ok_or_else(|| format!("{text}: expected NAME=COUNT/DAYSd, such as NewOrdersPerAccount=25000/7d"))
}

/// Returns the command that repeats the run.
fn command(flags: &Flags) -> String {
    let mut command = format!(
        "cargo run --release -p fleetcert-testkit --example year -- --devices {} --days {} --seed {} --profile {} \
         --growth {}",
        flags.devices, flags.days, flags.seed, flags.profile, flags.growth
    );
    let numbers =
        [("ca-outage", flags.ca_outage), ("returning", flags.returning), ("domains", flags.domains)];
    for (name, value) in numbers.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        command.push_str(&format!(" --{name} {value}"));
    }
    for text in &flags.overrides {
        command.push_str(&format!(" --override {text}"));
    }
    command
}

/// Returns the peak memory of this process, if the system reports it.
fn peak_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib.div_ceil(1024))
}
