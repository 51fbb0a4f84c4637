//! The plan as JSON: times in seconds after the start and as days, and the load of each day.

use std::time::Duration;

use fleetcert_planner::{Advice, Ask, Effect, ExpiryCause, Reserve, Rollout, Tier, Waiting, Zones};
use fleetcert_schedule::budget::LimitKind;
use serde_json::{Value, json};

use crate::dates::{DAY, day};
use crate::flags::Planned;

pub(crate) fn of(planned: &Planned) -> String {
    let plan = &planned.plan;
    let value = json!({
        "fleet": {
            "devices": plan.fleet.devices,
            "new_per_week": plan.growth.0,
            "profile": planned.profile.as_str(),
            "zones": zones(plan.fleet.zones),
            "reserve_percent": plan.reserve.as_percent(),
            "smear_seconds": plan.fleet.smear.as_secs(),
            "start": day(plan.start),
        },
        "overrides": planned.overrides.iter().map(|granted| json!({
            "limit": granted.kind.as_str(),
            "burst": granted.limit.burst(),
            "count": granted.limit.count(),
            "period_seconds": granted.limit.period().as_secs(),
        })).collect::<Vec<_>>(),
        "unknown": plan.unknown().into_iter().map(LimitKind::as_str).collect::<Vec<_>>(),
        "milestones": plan.milestones().map(|milestone| json!({
            "percent": milestone.percent,
            "devices": milestone.devices,
            "after_seconds": seconds(milestone.after),
            "day": milestone.at.and_then(day),
        })),
        "phases": plan.phases().into_iter().map(|phase| json!({
            "limit": phase.limit.map(LimitKind::as_str),
            "first_device": phase.first,
            "last_device": phase.last,
            "from_seconds": seconds(phase.from),
            "until_seconds": seconds(phase.until),
        })).collect::<Vec<_>>(),
        "room": room(plan),
        "load": load(plan),
        "steady_state": steady_state(plan),
        "expiry": expiry(plan),
        "returning": planned.returning.map(|back| {
            let back = plan.returning(back.count, DAY.saturating_mul(back.days));
            json!({
                "devices": back.devices,
                "expired": back.expired,
                "exempt": back.exempt,
                "served_after_seconds": seconds(back.served_after),
                "limit": back.binds.map(LimitKind::as_str),
            })
        }),
        "as_it_is": effect(&plan.as_it_is()),
        "tiers": plan.tiers().into_iter().map(|row| json!({
            "per_week": row.per_week,
            "per_domain": row.per_domain.as_ref().map(effect),
            "new_orders": row.new_orders.as_ref().map(effect),
            "both": row.both.as_ref().map(effect),
            "slows_orders_down": row.slower.is_some(),
        })).collect::<Vec<_>>(),
        "on_the_public_suffix_list": effect(&plan.with_zones(Zones::PublicSuffix)),
        "advice": advice(planned),
    });
    format!("{value:#}\n")
}

fn seconds(after: Duration) -> u64 {
    after.as_secs()
}

fn zones(zones: Zones) -> Value {
    match zones {
        Zones::Domains(count) => json!({ "domains": count.get() }),
        _ => json!("public suffix"),
    }
}

fn load(plan: &Rollout) -> Vec<Value> {
    let days = plan.load.iter().zip(0_u32..);
    days.map(|(load, number)| {
        let ends = DAY * (number + 1) - Duration::from_nanos(1);
        json!({
            "day": plan.start.checked_add(DAY * number).and_then(day),
            "fleet": load.fleet,
            "new": load.new,
            "renewals": load.renewals,
            "requests": load.requests(),
            "txt_writes": load.txt_writes(),
            "of_the_fleet": plan.with_certificate_after(ends),
        })
    })
    .collect()
}

fn room(plan: &Rollout) -> Value {
    let room = plan.room();
    let count = |count: u64| (count != u64::MAX).then_some(count);
    json!({
        "during_per_week": count(room.during),
        "after_per_week": count(room.after),
        "spare_per_week": count(room.spare),
        "waiting": waiting(room.waiting),
    })
}

fn waiting(waiting: Waiting) -> Value {
    match waiting {
        Waiting::Nobody => json!("nobody"),
        Waiting::Until { most, after, reserve } => json!({
            "most": most,
            "until_seconds": seconds(after),
            "reserve_percent_for_none": reserve.map(Reserve::as_percent),
        }),
        Waiting::ForEver { per_week } => json!({ "for_ever_more_per_week": per_week }),
    }
}

fn steady_state(plan: &Rollout) -> Value {
    let steady = plan.steady_state();
    json!({
        "cycle_seconds": seconds(steady.cycle()),
        "renewals_per_day": steady.renewals_in(DAY),
        "requests_per_day": steady.requests_in(DAY),
        "txt_writes_per_day": steady.txt_writes_in(DAY),
        "window_polls_per_day": steady.window_polls_in(DAY),
    })
}

fn expiry(plan: &Rollout) -> Value {
    let expiry = plan.expiry();
    json!({
        "devices": expiry.devices,
        "cause": match expiry.cause {
            ExpiryCause::ExactSet => "a set of names gets certificates more slowly than they run out",
            _ => "renewals are exempt",
        },
        "kept_without_exemption": expiry.kept_without_exemption,
        "without_exemption": expiry.without_exemption,
        "on_time_without_exemption": expiry.on_time_without_exemption,
    })
}

fn effect(effect: &Effect) -> Value {
    json!({
        "complete_after_seconds": seconds(effect.complete_after),
        "new_per_week": (effect.per_week != u64::MAX).then_some(effect.per_week),
        "limit": effect.binds.map(LimitKind::as_str),
        "waiting": waiting(effect.waiting),
    })
}

fn advice(planned: &Planned) -> Value {
    let (kind, asked) = match planned.plan.advice(planned.within) {
        Advice::NothingToAskFor => ("nothing to ask for", None),
        Advice::Ask { ask, effect } => ("ask", Some((ask, effect))),
        Advice::OutOfReach { ask, effect } => ("out of reach", Some((ask, effect))),
    };
    json!({
        "within_seconds": seconds(planned.within),
        "advice": kind,
        "ask": asked.map(|(ask, _)| tiers(&ask)),
        "effect": asked.map(|(_, what)| effect(&what)),
        "domains_instead": planned.plan.domains_for(planned.within),
    })
}

fn tiers(ask: &Ask) -> Vec<Value> {
    let tier = |Tier { kind, per_week }| json!({ "limit": kind.as_str(), "per_week": per_week });
    [ask.per_domain, ask.new_orders].into_iter().flatten().map(tier).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::Flags;
    use clap::Parser;

    #[test]
    fn json_holds_the_plan() {
        let words =
            "plan --devices 90000 --new-per-week 500 --psl --reserve 0 --start 2026-11-25 --returning 9/150d";
        let planned = Flags::try_parse_from(words.split(' ')).unwrap();
        let value: Value =
            serde_json::from_str(&of(&planned.plan(std::time::SystemTime::UNIX_EPOCH).unwrap())).unwrap();
        assert_eq!(value["milestones"][3]["after_seconds"], 3_229_200);
        assert_eq!(value["milestones"][3]["day"], "2027-01-01");
        assert_eq!(value["phases"][1]["limit"], "NewOrdersPerAccount");
        assert_eq!(value["load"][0]["day"], "2026-11-25");
        assert_eq!(value["load"][0]["fleet"], 2_700 - 1);
        assert_eq!(value["returning"]["exempt"], false);
        assert_eq!(value["advice"]["advice"], "nothing to ask for");
    }
}
