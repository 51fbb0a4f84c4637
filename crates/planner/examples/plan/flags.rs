//! The flags, and the plan that they describe.

use std::num::NonZeroU16;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use clap::{Parser, ValueEnum};
use fleetcert_planner::{Fleet, Growth, Profile, Reserve, Rollout, Zones};
use fleetcert_schedule::budget::{Limit, LimitKind, Limits, Rule};

use crate::dates::{self, DAY};

/// Plans how a fleet gets its first certificates inside Let's Encrypt's rate limits: dates, the limits that bind, the
/// load of each day, the room for new devices, and which override to ask for.
#[derive(Parser, Debug)]
#[command(name = "plan", after_help = EXAMPLES)]
pub(crate) struct Flags {
    /// Devices that have no certificate yet
    #[arg(long, value_name = "N")]
    pub(crate) devices: u32,

    /// New devices in each week, in addition
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) new_per_week: u32,

    /// Certificate profile: classic is valid for 90 days (64 from 2027-02-10, 45 from 2028-02-16), tlsserver 45 days,
    /// shortlived 160 hours
    #[arg(long, value_enum, default_value_t = ProfileName::Tlsserver)]
    pub(crate) profile: ProfileName,

    /// An override that the CA granted, such as CertificatesPerDomain=10000/7d; NewOrdersPerAccount and
    /// CertificatesPerDomainPerAccount are the other names. May be given once for each
    #[arg(long = "override", value_name = "NAME=COUNT/DAYSd")]
    pub(crate) overrides: Vec<Granted>,

    /// The zone is on the public suffix list: each device is a registered domain of its own
    #[arg(long, conflicts_with = "domains")]
    pub(crate) psl: bool,

    /// Registered domains over which the devices are spread evenly
    #[arg(long, value_name = "N", default_value_t = NonZeroU16::MIN)]
    pub(crate) domains: NonZeroU16,

    /// Share of the limits that the rollout leaves alone, for new devices and emergencies
    #[arg(long, value_name = "PERCENT", default_value_t = 10, value_parser = clap::value_parser!(u8).range(0..100))]
    pub(crate) reserve: u8,

    /// Days within which all devices must have certificates; the advice is for this goal
    #[arg(long, value_name = "DAYS", default_value_t = 90)]
    pub(crate) within: u32,

    /// Days over which the first renewals are spread, so that they do not come as one wave
    #[arg(long, value_name = "DAYS", default_value_t = 0)]
    pub(crate) smear: u32,

    /// Devices that return at once, and the days since their last certificates: 5000/150d
    #[arg(long, value_name = "COUNT/DAYSd")]
    pub(crate) returning: Option<CountInDays>,

    /// First day of the rollout, as 2027-01-31 [default: today, UTC]
    #[arg(long, value_name = "DATE", value_parser = dates::parse)]
    pub(crate) start: Option<SystemTime>,

    /// Draw the plan into this file
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,

    /// Print JSON, with the load of each day, in place of the table
    #[arg(long)]
    pub(crate) json: bool,
}

const EXAMPLES: &str = "\
Examples:
  plan --devices 90000 --new-per-week 500
  plan --devices 90000 --psl --svg plan.svg
  plan --devices 90000 --override CertificatesPerDomain=10000/7d --reserve 20 --json

Exit codes: 0 the plan was written; 1 it could not be written; 2 a flag is wrong.";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProfileName {
    Classic,
    Tlsserver,
    Shortlived,
}

impl ProfileName {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Tlsserver => "tlsserver",
            Self::Shortlived => "shortlived",
        }
    }

    fn profile(self) -> Profile {
        match self {
            Self::Classic => Profile::Classic,
            Self::Tlsserver => Profile::TlsServer,
            Self::Shortlived => Profile::ShortLived,
        }
    }
}

/// A number of devices or certificates, and a number of days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CountInDays {
    pub(crate) count: u32,
    pub(crate) days: u32,
}

impl FromStr for CountInDays {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(count, days)| Some((count, days.strip_suffix('d')?)));
        let (Some(count), Some(days)) =
            (parts.and_then(|(count, _)| count.parse().ok()), parts.and_then(|(_, days)| days.parse().ok()))
        else {
            return Err("write a count, a slash, and days with a d, such as 10000/7d".into());
        };
        Ok(Self { count, days })
    }
}

/// An override: the count at once, and the count in each period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Granted {
    pub(crate) kind: LimitKind,
    pub(crate) limit: Limit,
}

const OVERRIDABLE: [LimitKind; 3] = [
    LimitKind::CertificatesPerDomain,
    LimitKind::CertificatesPerDomainPerAccount,
    LimitKind::NewOrdersPerAccount,
];

impl FromStr for Granted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, rest) = text.split_once('=').ok_or("write NAME=COUNT/DAYSd")?;
        let known = OVERRIDABLE.into_iter().find(|kind| kind.as_str().eq_ignore_ascii_case(name));
        let names = OVERRIDABLE.map(LimitKind::as_str).join(", ");
        let kind = known.ok_or_else(|| format!("{name} has no overrides; these have: {names}"))?;
        let CountInDays { count, days } = rest.parse()?;
        let limit = Limit::new(count, count, DAY.saturating_mul(days)).map_err(|error| error.to_string())?;
        Ok(Self { kind, limit })
    }
}

/// The plan, and the flags that the table, the JSON and the picture show.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) plan: Rollout,
    pub(crate) profile: ProfileName,
    pub(crate) overrides: Vec<Granted>,
    pub(crate) within: Duration,
    pub(crate) returning: Option<CountInDays>,
}

impl Flags {
    pub(crate) fn plan(&self, now: SystemTime) -> Result<Planned, String> {
        let mut limits = Limits::lets_encrypt_production();
        for (index, granted) in self.overrides.iter().enumerate() {
            if self.overrides[..index].iter().any(|before| before.kind == granted.kind) {
                return Err(format!("--override {} is given twice: remove one of them", granted.kind));
            }
            limits = limits.with_rule(granted.kind, Rule::Limited(granted.limit));
        }
        let zones = if self.psl { Zones::PublicSuffix } else { Zones::Domains(self.domains) };
        let fleet = Fleet::new(self.devices, self.profile.profile())
            .with_zones(zones)
            .smeared(DAY.saturating_mul(self.smear));
        let reserve = Reserve::percent(self.reserve).ok_or("--reserve must be less than 100")?;
        let start = self.start.unwrap_or_else(|| dates::midnight(now));
        Ok(Planned {
            plan: Rollout::plan(fleet, Growth(self.new_per_week), &limits, reserve, start),
            profile: self.profile,
            overrides: self.overrides.clone(),
            within: DAY.saturating_mul(self.within),
            returning: self.returning,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(words: &str) -> Result<Flags, clap::Error> {
        Flags::try_parse_from(std::iter::once("plan").chain(words.split_whitespace()))
    }

    #[test]
    fn flags_are_consistent() {
        use clap::CommandFactory;
        Flags::command().debug_assert();
    }

    #[test]
    fn override_is_parsed_in_any_case() {
        let flags = flags("--devices 5 --override certificatesperdomain=10000/7d").unwrap();
        assert_eq!(flags.overrides[0].kind, LimitKind::CertificatesPerDomain);
        assert_eq!((flags.overrides[0].limit.burst(), flags.overrides[0].limit.period()), (10_000, DAY * 7));
    }

    #[test]
    fn wrong_flag_is_refused_with_what_to_write() {
        for (words, hint) in [
            ("", "--devices <N>"),
            ("--devices 5 --override Foo=1/7d", "these have: CertificatesPerDomain,"),
            ("--devices 5 --override NewOrdersPerAccount=0/7d", "invalid limit: 0"),
            ("--devices 5 --override NewOrdersPerAccount=10", "such as 10000/7d"),
            ("--devices 5 --override NewOrdersPerAccount", "NAME=COUNT/DAYSd"),
            ("--devices 5 --psl --domains 3", "cannot be used with"),
            ("--devices 5 --reserve 100", "0..100"),
            ("--devices 5 --start 2027-02-30", "2027-01-31"),
            ("--devices 5 --domains 0", "--domains"),
        ] {
            let error = flags(words).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(hint), "{words}: {error}");
        }
        let twice = "--devices 5 --override NewOrdersPerAccount=1/7d --override NewOrdersPerAccount=2/7d";
        let problem = flags(twice).unwrap().plan(SystemTime::UNIX_EPOCH).unwrap_err();
        assert!(problem.contains("remove one of them"), "{problem}");
    }
}
