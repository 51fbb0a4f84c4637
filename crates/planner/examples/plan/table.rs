//! The plan as a text of at most 100 columns.

use std::fmt::Write;
use std::time::Duration;

use fleetcert_planner::{Advice, Ask, DayLoad, Effect, ExpiryCause, Tier, Waiting, Zones};
use fleetcert_schedule::budget::LimitKind;

use crate::dates::{DAY, day_after, number, span};
use crate::flags::Planned;

pub(crate) fn of(planned: &Planned) -> String {
    let mut out = String::new();
    for section in [head, dates, binding, room, load, steady_state, expiry, tiers, names, advice] {
        // Writing to a String cannot fail.
        let _ = section(&mut out, planned);
    }
    out.lines().flat_map(|line| [line.trim_end(), "\n"]).collect()
}

type Written = std::fmt::Result;

fn head(out: &mut String, planned: &Planned) -> Written {
    let plan = &planned.plan;
    let (fleet, growth) = (&plan.fleet, plan.growth.0);
    writeln!(
        out,
        "{} devices, {} new a week, profile {}, {}, {} % reserved",
        number(fleet.devices),
        number(growth),
        planned.profile.as_str(),
        zones(fleet.zones),
        plan.reserve.as_percent(),
    )?;
    for granted in &planned.overrides {
        writeln!(out, "With an override: {} {}", granted.kind, granted.limit)?;
    }
    for kind in plan.unknown() {
        writeln!(out, "{kind} is unknown: the plan assumes that it does not bind")?;
    }
    writeln!(out, "The earliest dates that the limits allow: nothing fails, and the rollout never idles.")
}

pub(crate) fn zones(zones: Zones) -> String {
    match zones {
        Zones::Domains(count) if count.get() == 1 => "one domain".into(),
        Zones::Domains(count) => format!("{} domains", number(count.get())),
        _ => "on the public suffix list".into(),
    }
}

fn dates(out: &mut String, planned: &Planned) -> Written {
    let plan = &planned.plan;
    writeln!(out, "\nCertificates\n  {:>6}  {:>13}  {:>12}  on", "share", "devices", "after")?;
    for milestone in plan.milestones() {
        let on = day_after(plan.start, milestone.after);
        let (devices, after) = (number(milestone.devices), span(milestone.after));
        writeln!(out, "  {:>4} %  {devices:>13}  {after:>12}  {on}", milestone.percent)?;
    }
    Ok(())
}

fn binding(out: &mut String, planned: &Planned) -> Written {
    let plan = &planned.plan;
    writeln!(out, "\nWhat binds\n  {:<25}  {:<10}  {:<10}  limit", "devices", "from", "until")?;
    for phase in plan.phases() {
        let devices = format!("{} to {}", number(phase.first), number(phase.last));
        let limit = phase.limit.map_or("none: the full buckets", LimitKind::as_str);
        let (from, until) = (day_after(plan.start, phase.from), day_after(plan.start, phase.until));
        writeln!(out, "  {devices:<25}  {from:<10}  {until:<10}  {limit}")?;
    }
    Ok(())
}

fn room(out: &mut String, planned: &Planned) -> Written {
    let plan = &planned.plan;
    let room = plan.room();
    let count = |count: u64| if count == u64::MAX { "no limit".into() } else { number(count) };
    writeln!(out, "\nRoom for new devices, a week")?;
    writeln!(out, "  while the rollout lasts, by the reserve  {:>10}", count(room.during))?;
    writeln!(out, "  when it is done                          {:>10}", count(room.after))?;
    writeln!(out, "  free of these beside the growth          {:>10}", count(room.spare))?;
    match room.waiting {
        Waiting::Nobody => writeln!(out, "  No new device waits for lack of tokens."),
        Waiting::Until { most, after, reserve } => {
            let on = day_after(plan.start, after);
            writeln!(out, "  New devices wait: {} at most, none from {on} on.", number(most))?;
            reserve.map_or(Ok(()), |reserve| {
                writeln!(out, "  With {} % reserved none would.", reserve.as_percent())
            })
        }
        Waiting::ForEver { per_week } => {
            writeln!(out, "  New devices wait for ever: {} more in each week.", number(per_week))
        }
    }
}

fn load(out: &mut String, planned: &Planned) -> Written {
    let days = &planned.plan.load;
    let weeks = if days.len() > 26 * 7 { 4 } else { 1 };
    let span = if weeks == 1 { "week" } else { "four weeks" };
    writeln!(out, "\nLoad by the {span}; each day is in the JSON and in the picture")?;
    writeln!(
        out,
        "  {:<10}  {:>10}  {:>9}  {:>10}  {:>12}  {:>14}  {:>14}",
        "from", "fleet", "new", "renewals", "most a day", "requests", "TXT writes"
    )?;
    for (chunk, days) in days.chunks(7 * weeks).enumerate() {
        let sum = |of: fn(&DayLoad) -> u64| number(days.iter().map(of).sum::<u64>());
        let most = days.iter().map(DayLoad::certificates).max().unwrap_or(0);
        writeln!(
            out,
            "  {:<10}  {:>10}  {:>9}  {:>10}  {:>12}  {:>14}  {:>14}",
            day_after(planned.plan.start, DAY * (7 * weeks * chunk) as u32),
            sum(|day| day.fleet),
            sum(|day| day.new),
            sum(|day| day.renewals),
            number(most),
            sum(DayLoad::requests),
            sum(DayLoad::txt_writes),
        )?;
    }
    Ok(())
}

fn steady_state(out: &mut String, planned: &Planned) -> Written {
    let steady = planned.plan.steady_state();
    let second = Duration::from_secs(1);
    writeln!(out, "\nSteady state, without the growth: a renewal every {}", span(steady.cycle()))?;
    writeln!(
        out,
        "  a day {} renewals and {} TXT writes\n  a second {:.2} requests, and {:.2} polls of renewal windows",
        number(steady.renewals_in(DAY).round() as u64),
        number(steady.txt_writes_in(DAY).round() as u64),
        steady.requests_in(second),
        steady.window_polls_in(second),
    )?;
    writeln!(
        out,
        "  {:.2} of the 5 certificates that a set of names has in a week",
        steady.of_one_set_in(DAY * 7)
    )
}

fn expiry(out: &mut String, planned: &Planned) -> Written {
    let plan = &planned.plan;
    let expiry = plan.expiry();
    writeln!(out, "\nWhat would expire")?;
    match expiry.cause {
        ExpiryCause::ExactSet => writeln!(
            out,
            "  {} certificates: a set of names gets certificates more slowly than they expire.",
            number(expiry.devices)
        )?,
        _ => writeln!(
            out,
            "  Nothing: renewals of the same names are exempt from the shared limits (within 120 days, or ARI)."
        )?,
    }
    writeln!(
        out,
        "  Without the exemption {} could be kept alive, and {} would have none.",
        number(expiry.kept_without_exemption.min(plan.fleet.devices.into())),
        number(expiry.without_exemption),
    )?;
    let Some(back) = planned.returning else { return Ok(()) };
    let back = plan.returning(back.count, DAY * back.days);
    let devices = number(back.devices);
    let state = if back.expired { "has expired" } else { "is still valid" };
    writeln!(out, "  {devices} come back, whose certificate {state}:")?;
    match back.binds {
        _ if back.exempt => writeln!(out, "    a renewal for the CA, and exempt: none waits."),
        None => writeln!(out, "    new for the CA; all are served at once."),
        Some(limit) => {
            writeln!(out, "    new for the CA; all are served after {} by {limit}.", span(back.served_after))
        }
    }
}

fn tiers(out: &mut String, planned: &Planned) -> Written {
    let plan = &planned.plan;
    writeln!(out, "\nOverrides that Let's Encrypt offers: all have certificates after …")?;
    writeln!(
        out,
        "  {:>10}  {:>18}  {:>18}  {:>18}",
        "a week", "for the domain", "for new orders", "for both"
    )?;
    let it_is = plan.as_it_is();
    writeln!(out, "  {:>10}  {:>18}  {:>18}  {:>18}", "as it is", cell(Some(it_is), ""), "", "")?;
    let rows = plan.tiers();
    for row in &rows {
        let mark = if row.slower.is_some() { "!" } else { "" };
        writeln!(
            out,
            "  {:>10}  {:>18}  {:>18}  {:>18}",
            number(row.per_week),
            cell(row.per_domain, ""),
            cell(row.new_orders, mark),
            cell(row.both, mark),
        )?;
    }
    writeln!(out, "  ~ new devices wait for ever")?;
    if let Some(slower) = rows.iter().find_map(|row| row.slower) {
        let a_week =
            Duration::from_secs(7 * 86_400).as_nanos() / slower.default.emission_interval().as_nanos();
        let a_week = number(u64::try_from(a_week).unwrap_or(u64::MAX));
        writeln!(out, "  ! slows the account down: now {a_week} orders come back in a week")?;
    }
    Ok(())
}

fn cell(effect: Option<Effect>, mark: &str) -> String {
    let Some(effect) = effect else { return "-   ".into() };
    let starving = if matches!(effect.waiting, Waiting::ForEver { .. }) { "~" } else { "" };
    // Marks have columns of their own, so that the numbers stay aligned.
    format!("{} {starving:1}{mark:1}", span(effect.complete_after))
}

fn names(out: &mut String, planned: &Planned) -> Written {
    let plan = &planned.plan;
    writeln!(out, "\nOther names: all have certificates after …")?;
    let domains = [1, 2, 10, 100, 1000].map(|count| Zones::Domains(count_of(count)));
    for other in domains.into_iter().chain([Zones::PublicSuffix]) {
        let effect = plan.with_zones(other);
        let limit = effect.binds.map_or("nothing", LimitKind::as_str);
        let per_week = number(effect.per_week);
        writeln!(
            out,
            "  {:<26}{:>16}  {per_week:>10} a week by {limit}",
            zones(other),
            cell(Some(effect), "")
        )?;
    }
    writeln!(
        out,
        "  The list's maintainers refuse entries whose purpose is to avoid a CA's limits. An entry separates"
    )?;
    writeln!(
        out,
        "  the devices' cookies, is hard to undo, and takes effect when the CA deploys the newer list."
    )
}

fn count_of(count: u16) -> std::num::NonZeroU16 {
    std::num::NonZeroU16::new(count).unwrap_or(std::num::NonZeroU16::MIN)
}

fn advice(out: &mut String, planned: &Planned) -> Written {
    let plan = &planned.plan;
    writeln!(out, "\nAdvice for {}", span(planned.within))?;
    match plan.advice(planned.within) {
        Advice::NothingToAskFor => writeln!(out, "  Nothing to ask for: the current limits suffice.")?,
        Advice::Ask { ask, effect } => describe(out, planned, &ask, &effect)?,
        Advice::OutOfReach { ask, effect } => {
            writeln!(out, "  No override on offer suffices. The best one:")?;
            describe(out, planned, &ask, &effect)?;
        }
    }
    match (plan.as_it_is().meets(planned.within), plan.domains_for(planned.within)) {
        (false, Some(domains)) if plan.fleet.zones != Zones::PublicSuffix => {
            writeln!(
                out,
                "  Or spread the devices over {} domains, with no override at all.",
                number(domains)
            )
        }
        _ => Ok(()),
    }
}

fn describe(out: &mut String, planned: &Planned, ask: &Ask, effect: &Effect) -> Written {
    for Tier { kind, per_week } in [ask.per_domain, ask.new_orders].into_iter().flatten() {
        writeln!(out, "  Ask for {kind} = {} a week.", number(per_week))?;
    }
    let on = day_after(planned.plan.start, effect.complete_after);
    let after = span(effect.complete_after);
    writeln!(
        out,
        "  Then all have certificates after {after}, on {on}; {} new a week.",
        number(effect.per_week)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::Flags;
    use clap::Parser;

    fn table(words: &str) -> String {
        let words = ["plan", "--start", "2026-11-25"].into_iter().chain(words.split_whitespace());
        of(&Flags::try_parse_from(words).unwrap().plan(std::time::SystemTime::UNIX_EPOCH).unwrap())
    }

    #[test]
    fn table_fits_in_100_columns() {
        for words in [
            "--devices 0",
            "--devices 90000 --new-per-week 500 --returning 5000/150d",
            "--devices 1000000 --new-per-week 100000 --domains 65535 --profile shortlived",
            "--devices 4294967295 --new-per-week 4294967295 --reserve 99 --profile classic",
            "--devices 90000 --psl --new-per-week 4000 --override CertificatesPerDomainPerAccount=2500000/7d",
        ] {
            for line in table(words).lines() {
                assert!(line.chars().count() <= 100, "{words}: {line}");
                assert!(!line.ends_with(' '), "{words}: {line}");
            }
        }
    }

    #[test]
    fn fleet_of_90_000_in_one_domain_needs_34_years() {
        let table = table("--devices 90000 --reserve 0");
        for line in [
            "   100 %         90,000    34.5 years  2061-05-18",
            "  51 to 90,000               2026-11-25  2061-05-18  CertificatesPerDomain",
            "  Ask for CertificatesPerDomain = 10,000 a week.",
            "  Then all have certificates after 56.0 d, on 2027-01-20; 10,000 new a week.",
            "  Or spread the devices over 131 domains, with no override at all.",
        ] {
            assert!(table.lines().any(|shown| shown == line), "{line} is not in\n{table}");
        }
    }
}
