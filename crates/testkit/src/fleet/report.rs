//! The report of a simulation.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

/// The result of a [simulation](super::simulate).
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Orders that the CA accepted.
    pub orders: u64,
    /// Certificates that it issued.
    pub issued: u64,
    /// Certificates for a device that had none before.
    pub first: u64,
    /// Orders that the CA refused for a rate limit.
    pub rate_limited: u64,
    /// Orders that the CA did not answer, in an outage of its own.
    pub unanswered: u64,
    /// Orders that failed because the zone refused the challenge record.
    pub without_zone: u64,
    /// Validations that failed at the CA.
    pub failed_validations: u64,
    /// Certificates that expired on a reachable device.
    pub expired_reachable: u64,
    /// Certificates that expired on a device that was off.
    pub expired_away: u64,
    /// Revoked certificates that were replaced.
    pub replaced_after_incident: u64,
    /// Longest time for which a revoked certificate of a reachable device stayed in use.
    pub worst_wait_after_incident: Duration,
    /// Least time that a certificate had left at its renewal, if its device was on when it was due. `None` without
    /// renewals.
    pub least_left_at_renewal: Option<Duration>,
    /// Devices at the end.
    pub devices: u32,
    /// Devices with a valid certificate at the end.
    pub certified: u32,
    /// Times at which 10, 50, 90 and 100 % of the devices of the first day had a certificate.
    pub rollout: [Option<SystemTime>; 4],
    /// Waits from request to certificate.
    pub waits: WaitTimes,
    /// One line for each day.
    pub days: Vec<DayLine>,
    /// Changes of addresses and challenge records in the zone.
    pub zone_changes: u64,
    /// Requests of hostile devices, and how many of them the quotas admitted.
    pub hostile: (u64, u64),
    /// Maximum certificates of one name in any seven days.
    pub most_for_one_name_in_a_week: u32,
    /// New orders: how many the limit allowed from the first to the last day, and how many were used.
    pub new_orders: (u64, u64),
}

/// One day of a simulation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DayLine {
    /// First certificates.
    pub first: u32,
    /// Renewals on time.
    pub renewals: u32,
    /// Other certificates: lost disks, returning devices, incidents.
    pub others: u32,
    /// Orders that wait at the end of the day.
    pub waiting: u32,
    /// Devices with a valid certificate at the end of the day.
    pub certified: u32,
    /// Whether the CA, the zone or the control server had an outage on the day.
    pub outage: bool,
}

/// WaitTimes by the reason of the request, each in seconds.
#[derive(Clone, Debug, Default)]
pub struct WaitTimes {
    sorted: [Vec<u32>; Reason::ALL.len()],
}

/// The reason of a request for a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The device had no certificate.
    New,
    /// The certificate was due.
    Renewal,
    /// The certificate was revoked.
    Revoked,
    /// The device was off, and its certificate is due or has expired.
    Return,
    /// The device has lost its key, or claims so.
    Lost,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Self; 5] = [Self::New, Self::Renewal, Self::Revoked, Self::Return, Self::Lost];

    /// Returns the name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Renewal => "renewal",
            Self::Revoked => "revoked",
            Self::Return => "return",
            Self::Lost => "lost",
        }
    }
}

/// The waits for one reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quantiles {
    /// Number of waits.
    pub count: usize,
    /// Median.
    pub p50: Duration,
    /// 99th percentile.
    pub p99: Duration,
    /// Maximum.
    pub worst: Duration,
}

impl WaitTimes {
    pub(super) fn add(&mut self, reason: Reason, wait: Duration) {
        self.sorted[reason as usize].push(u32::try_from(wait.as_secs()).unwrap_or(u32::MAX));
    }

    pub(super) fn sort(&mut self) {
        self.sorted.iter_mut().for_each(|waits| waits.sort_unstable());
    }

    /// Returns the waits for this reason.
    pub fn of(&self, reason: Reason) -> Quantiles {
        let sorted = self.sorted[reason as usize].as_slice();
        // Nearest rank: the smallest value that `percent` of the waits do not exceed.
        let at = |percent: usize| {
            let rank = (sorted.len() * percent).div_ceil(100).max(1);
            Duration::from_secs(sorted.get(rank - 1).copied().unwrap_or_default().into())
        };
        Quantiles { count: sorted.len(), p50: at(50), p99: at(99), worst: at(100) }
    }
}

impl Report {
    /// Returns the report as one JSON object, without the days.
    pub fn to_json(&self) -> Value {
        let new = self.waits.of(Reason::New);
        let waits: Vec<Value> = Reason::ALL
            .iter()
            .map(|reason| {
                let waits = self.waits.of(*reason);
                json!({
                    "reason": reason.as_str(),
                    "count": waits.count,
                    "p50_hours": hours(waits.p50),
                    "p99_hours": hours(waits.p99),
                    "worst_hours": hours(waits.worst),
                })
            })
            .collect();
        json!({
            "orders": self.orders,
            "issued": self.issued,
            "first": self.first,
            "rate_limited": self.rate_limited,
            "unanswered": self.unanswered,
            "without_zone": self.without_zone,
            "failed_validations": self.failed_validations,
            "expired_reachable": self.expired_reachable,
            "expired_away": self.expired_away,
            "replaced_after_incident": self.replaced_after_incident,
            "worst_hours_after_incident": hours(self.worst_wait_after_incident),
            "worst_days_left_at_renewal": self.least_left_at_renewal.map(days),
            "p99_wait_new_hours": hours(new.p99),
            "worst_wait_new_hours": hours(new.worst),
            "waits": waits,
            "devices": self.devices,
            "certified": self.certified,
            "zone_changes": self.zone_changes,
            "hostile_requests": self.hostile.0,
            "hostile_requests_let_in": self.hostile.1,
            "most_for_one_name_in_a_week": self.most_for_one_name_in_a_week,
            "new_orders_possible": self.new_orders.0,
            "new_orders_used": self.new_orders.1,
        })
    }

    /// Returns the report as a table.
    pub fn to_table(&self, start: SystemTime) -> String {
        let mut lines: Vec<String> = Vec::new();
        let mut row = |name: &str, value: String| lines.push(format!("  {name:<52} {value:>14}"));
        row("orders that the CA accepted", self.orders.to_string());
        row("certificates", self.issued.to_string());
        row("  first ones", self.first.to_string());
        row("refused by the CA for a rate limit (429)", self.rate_limited.to_string());
        row("unanswered in an outage of the CA", self.unanswered.to_string());
        row("failed because the zone refused the record", self.without_zone.to_string());
        row("failed validations at the CA", self.failed_validations.to_string());
        row("expired on a reachable device", self.expired_reachable.to_string());
        row("expired on a device that was off", self.expired_away.to_string());
        let left = self.least_left_at_renewal.map_or("-".to_owned(), |left| format!("{:.2} d", days(left)));
        row("least time left at a renewal", left);
        row("most certificates for one name in seven days", self.most_for_one_name_in_a_week.to_string());
        row("requests of hostile devices", self.hostile.0.to_string());
        row("  admitted by the quotas", self.hostile.1.to_string());
        row("new orders that the limit allowed", self.new_orders.0.to_string());
        row("  used", self.new_orders.1.to_string());
        row("changes of the zone", self.zone_changes.to_string());
        row("devices at the end, with a valid certificate", format!("{}, {}", self.devices, self.certified));
        for (percent, at) in [10, 50, 90, 100].iter().zip(self.rollout) {
            let after = at.and_then(|at| at.duration_since(start).ok());
            let text = after.map_or("-".to_owned(), |after| format!("day {:.1}", days(after)));
            row(&format!("{percent} % of the first fleet had a certificate"), text);
        }
        lines.push(String::new());
        lines.push(format!("  {:<12} {:>10} {:>12} {:>12} {:>12}", "waits", "count", "p50", "p99", "worst"));
        for reason in Reason::ALL {
            let waits = self.waits.of(reason);
            let [p50, p99, worst] = [waits.p50, waits.p99, waits.worst].map(readable);
            lines.push(format!(
                "  {:<12} {:>10} {p50:>12} {p99:>12} {worst:>12}",
                reason.as_str(),
                waits.count
            ));
        }
        lines.join("\n") + "\n"
    }
}

fn readable(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{:.1} min", seconds as f64 / 60.0),
        seconds @ 7200..172_800 => format!("{:.1} h", seconds as f64 / 3600.0),
        _ => format!("{:.1} d", days(time)),
    }
}

/// Returns hours, rounded to a thousandth.
fn hours(time: Duration) -> f64 {
    (time.as_secs_f64() / 3.6).round() / 1000.0
}

/// Returns days, rounded to a thousandth.
fn days(time: Duration) -> f64 {
    (time.as_secs_f64() / 86.4).round() / 1000.0
}
