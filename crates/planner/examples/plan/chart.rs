//! The plan as a picture: the load of each day, the share of the fleet that has certificates, and what binds.

use std::time::Duration;

use charts::{Anchor, Svg};
use fleetcert_planner::{DayLoad, Milestone, Rollout};
use fleetcert_schedule::budget::LimitKind;

use crate::dates::{self, DAY, day_after, number, span};
use crate::flags::Planned;
use crate::table::zones;

const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 560.0;
const LEFT: f64 = 78.0;
const RIGHT: f64 = 938.0;
const TOP: f64 = 142.0;
const BOTTOM: f64 = 486.0;
const BAND: f64 = 24.0;

const INK: &str = "#1f2a44";
const GREY: &str = "#5b6580";
const RULE: &str = "#e3e8f2";
const FLEET: &str = "#3b6fd4";
const NEW: &str = "#8a4fc7";
const RENEWALS: &str = "#f2a93b";
const SHARE: &str = "#0f7b5f";

pub(crate) fn draw(planned: &Planned) -> String {
    let plan = &planned.plan;
    let plot = Plot::of(plan);
    let mut svg = Svg::default();
    svg.rect((0.5, 0.5), (WIDTH - 1.0, HEIGHT - 1.0), r##"rx="12" fill="#ffffff" stroke="#c5cde0""##);
    let (title, subtitle) = titles(planned);
    svg.text((28.0, 38.0), Anchor::Start, &style(20, INK, true), &title);
    svg.text((28.0, 60.0), Anchor::Start, &style(13, GREY, false), &subtitle);
    legend(&mut svg);
    plot.bands(&mut svg, plan);
    plot.axes(&mut svg);
    svg.clipped((LEFT, TOP - 1.0), (RIGHT - LEFT, BOTTOM - TOP + 2.0), |svg| {
        plot.bars(svg);
        plot.share(svg, plan);
    });
    plot.milestones(&mut svg, plan);
    let description = format!(
        "Bars: certificates on each day. Line: share of the fleet that has certificates. Bands: the limit that binds. {subtitle}"
    );
    svg.finish(WIDTH as u32, HEIGHT as u32, &title, &description)
}

fn style(size: u32, colour: &str, bold: bool) -> String {
    let weight = if bold { r#" font-weight="650""# } else { "" };
    format!(r#"font-size="{size}" fill="{colour}"{weight}"#)
}

fn titles(planned: &Planned) -> (String, String) {
    let plan = &planned.plan;
    let fleet = &plan.fleet;
    let title = format!(
        "Rollout of {} devices, {}, {}",
        number(fleet.devices),
        zones(fleet.zones),
        planned.profile.as_str()
    );
    let mut parts = vec![
        match plan.completion().after {
            Duration::ZERO => "100 % at once".to_owned(),
            after => format!("100 % after {}", span(after)),
        },
        format!("{} new a week", number(plan.growth.0)),
        format!("{} % reserved", plan.reserve.as_percent()),
    ];
    parts.extend(planned.overrides.iter().map(|granted| {
        let days = granted.limit.period().as_secs() / 86_400;
        format!("{} = {}/{days}d", granted.kind, number(granted.limit.count()))
    }));
    (title, parts.join("  ·  "))
}

fn legend(svg: &mut Svg) {
    let mut x = LEFT;
    for (colour, text) in [
        (FLEET, "first certificates, fleet"),
        (NEW, "first certificates, new devices"),
        (RENEWALS, "renewals"),
    ] {
        svg.rect((x, 76.0), (12.0, 12.0), &format!(r#"rx="2.5" fill="{colour}""#));
        svg.text((x + 18.0, 86.5), Anchor::Start, &style(12, INK, false), text);
        x += 48.0 + 5.4 * text.len() as f64;
    }
    svg.line(
        (x, 82.0),
        (x + 22.0, 82.0),
        &format!(r#"stroke="{SHARE}" stroke-width="3" stroke-linecap="round""#),
    );
    svg.text((x + 28.0, 86.5), Anchor::Start, &style(12, INK, false), "share of the fleet with certificates");
}

/// The scales.
struct Plot<'a> {
    plan: &'a Rollout,
    load: &'a [DayLoad],
    /// The highest number on the left axis, and the step between two.
    top: u64,
    step: u64,
}

impl<'a> Plot<'a> {
    fn of(plan: &'a Rollout) -> Self {
        let load = &plan.load;
        let most = load.iter().map(DayLoad::certificates).max().unwrap_or(0).max(4);
        // Four or more steps of 1, 2 or 5 times a power of ten.
        let steps = (0..19).flat_map(|zeros| [1, 2, 5].map(|digit: u64| digit * 10_u64.pow(zeros)));
        let step = steps.into_iter().find(|step| most.div_ceil(*step) <= 6).unwrap_or(most);
        Self { plan, load, top: most.div_ceil(step) * step, step }
    }

    fn x(&self, days: f64) -> f64 {
        LEFT + (RIGHT - LEFT) * days / self.load.len().max(1) as f64
    }

    fn x_after(&self, after: Duration) -> f64 {
        self.x(after.as_secs_f64() / DAY.as_secs_f64())
    }

    fn y(&self, certificates: u64) -> f64 {
        BOTTOM - (BOTTOM - TOP) * certificates as f64 / self.top as f64
    }

    fn bands(&self, svg: &mut Svg, plan: &Rollout) {
        let mut phases: Vec<_> = plan
            .phases()
            .into_iter()
            .filter_map(|phase| phase.limit.map(|limit| (Some(limit), phase.from, phase.until)))
            .collect();
        phases.push((None, plan.completion().after, Duration::MAX));
        for (limit, from, until) in phases {
            let (left, right) = (self.x_after(from), self.x_after(until).min(RIGHT));
            if left >= RIGHT - 1.0 {
                continue;
            }
            let (tint, strip, ink, text) = phase_style(limit);
            let (top, width) = (TOP - BAND - 8.0, right - left);
            svg.rect((left, TOP), (width, BOTTOM - TOP), &format!(r#"fill="{tint}""#));
            svg.rect((left, top), (width, BAND), &format!(r#"fill="{strip}""#));
            let beyond = if until > DAY * self.load.len() as u32 && limit.is_some() {
                format!("{text}, until {}", day_after(plan.start, until))
            } else {
                text.to_owned()
            };
            // A text that does not fit is omitted; it is in the table.
            let fitting = [beyond.as_str(), text, short(limit)];
            if let Some(label) = fitting.into_iter().find(|label| 6.4 * label.len() as f64 + 12.0 < width) {
                let middle = ((left + right) / 2.0, top + 16.5);
                svg.text(middle, Anchor::Middle, &style(12, ink, true), label);
            }
        }
    }

    fn axes(&self, svg: &mut Svg) {
        for certificates in (0..=self.top).step_by(usize::try_from(self.step).unwrap_or(usize::MAX)) {
            let y = self.y(certificates);
            svg.line((LEFT, y), (RIGHT, y), &format!(r#"stroke="{RULE}""#));
            svg.text((LEFT - 10.0, y + 4.0), Anchor::End, &style(12, GREY, false), &number(certificates));
        }
        for percent in [0, 25, 50, 75, 100] {
            let y = BOTTOM - (BOTTOM - TOP) * f64::from(percent) / 100.0;
            svg.line((RIGHT, y), (RIGHT + 5.0, y), &format!(r#"stroke="{SHARE}""#));
            svg.text(
                (RIGHT + 9.0, y + 4.0),
                Anchor::Start,
                &style(12, SHARE, false),
                &format!("{percent} %"),
            );
        }
        let aside =
            format!(r#"{} transform="rotate(-90 20 {:.0})""#, style(12, GREY, false), (TOP + BOTTOM) / 2.0);
        svg.text((20.0, (TOP + BOTTOM) / 2.0), Anchor::Middle, &aside, "certificates a day");
        svg.line((LEFT, BOTTOM), (RIGHT, BOTTOM), &format!(r#"stroke="{INK}""#));
        self.calendar(svg);
    }

    /// Writes a date at regular days, and the year at its first date.
    fn calendar(&self, svg: &mut Svg) {
        let days = self.load.len() as u32;
        let every = [1, 2, 7, 14, 28, 56].into_iter().find(|every| days / every <= 12).unwrap_or(56);
        let mut year = None;
        for day in (0..=days).step_by(every as usize) {
            let x = self.x(day.into());
            svg.line((x, BOTTOM), (x, BOTTOM + 5.0), &format!(r#"stroke="{INK}""#));
            let Some(at) = self.plan.start.checked_add(DAY * day) else { continue };
            svg.text((x, BOTTOM + 20.0), Anchor::Middle, &style(12, INK, false), &dates::short(at));
            if dates::year(at) != year {
                year = dates::year(at);
                let text = year.map(|year| year.to_string()).unwrap_or_default();
                svg.text((x, BOTTOM + 36.0), Anchor::Middle, &style(12, GREY, true), &text);
            }
        }
        let middle = ((LEFT + RIGHT) / 2.0, HEIGHT - 16.0);
        let text = "day (UTC); the rollout and two renewal cycles, 400 days at most";
        svg.text(middle, Anchor::Middle, &style(12, GREY, false), text);
    }

    fn bars(&self, svg: &mut Svg) {
        let gap = if self.load.len() > 150 { 0.0 } else { 1.0 };
        let mut series = [(FLEET, Vec::new()), (NEW, Vec::new()), (RENEWALS, Vec::new())];
        for (day, load) in self.load.iter().enumerate() {
            let (left, right) = (self.x(day as f64), self.x(day as f64 + 1.0));
            let mut below = 0;
            for ((_, bars), certificates) in series.iter_mut().zip([load.fleet, load.new, load.renewals]) {
                let (bottom, top) = (self.y(below), self.y(below + certificates));
                below += certificates;
                if certificates > 0 {
                    bars.push(((left + gap / 2.0, top), (right - left - gap, bottom - top)));
                }
            }
        }
        for (colour, bars) in series {
            svg.rects(&bars, &format!(r#"fill="{colour}""#));
        }
    }

    fn share(&self, svg: &mut Svg, plan: &Rollout) {
        // Four points a day, and the burst at the start.
        let quarters = (0..=self.load.len() as u32 * 4).map(|quarter| DAY / 4 * quarter);
        let points =
            quarters.map(|after| (self.x_after(after), self.height(plan.with_certificate_after(after))));
        let points: Vec<_> = std::iter::once((self.x(0.0), BOTTOM)).chain(points).collect();
        let stroke = r#"fill="none" stroke-linejoin="round" stroke-linecap="round""#;
        svg.path(&points, &format!(r##"{stroke} stroke="#ffffff" stroke-width="6" stroke-opacity="0.8""##));
        svg.path(&points, &format!(r#"{stroke} stroke="{SHARE}" stroke-width="3""#));
    }

    fn height(&self, devices: u32) -> f64 {
        BOTTOM - (BOTTOM - TOP) * f64::from(devices) / f64::from(self.plan.fleet.devices.max(1))
    }

    fn milestones(&self, svg: &mut Svg, plan: &Rollout) {
        let shown: Vec<Milestone> = plan
            .milestones()
            .into_iter()
            .filter(|milestone| self.x_after(milestone.after) <= RIGHT)
            .collect();
        for (index, milestone) in shown.iter().enumerate() {
            let (x, y) = (self.x_after(milestone.after), self.height(milestone.devices));
            svg.circle((x, y), 5.0, &format!(r##"fill="#ffffff" stroke="{SHARE}" stroke-width="2.5""##));
            // Milestones at the same place share the label of the last one.
            let next = shown.get(index + 1).map(|next| self.x_after(next.after));
            if next.is_none_or(|next| next - x >= 4.0) {
                let on = plan.start.checked_add(milestone.after).map(dates::short).unwrap_or_default();
                label(svg, (x, y), &format!("{} %: {on}", milestone.percent));
            }
        }
        let ends = DAY * self.load.len() as u32;
        if plan.completion().after > ends {
            let devices = plan.with_certificate_after(ends);
            let percent = 100.0 * f64::from(devices) / f64::from(plan.fleet.devices.max(1));
            label(svg, (RIGHT, self.height(devices) - 34.0), &format!("{percent:.1} % by then"));
        }
    }
}

/// Writes a text below a point to the right, or to the left if there is no room.
fn label(svg: &mut Svg, (x, y): (f64, f64), text: &str) {
    let width = 16.0 + 6.6 * text.len() as f64;
    let left = if x + 9.0 + width <= RIGHT { x + 9.0 } else { x - 9.0 - width };
    let top = (y + 5.0).min(BOTTOM - 24.0);
    svg.rect((left, top), (width, 19.0), r##"rx="5" fill="#ffffff" fill-opacity="0.94" stroke="#c9e5da""##);
    svg.text((left + width / 2.0, top + 13.7), Anchor::Middle, &style(12, SHARE, true), text);
}

/// Returns the colours of a phase (plot, strip above it, text in the strip) and its label.
fn phase_style(limit: Option<LimitKind>) -> (&'static str, &'static str, &'static str, &'static str) {
    match limit {
        None => ("#f4fbf7", "#cfeedd", "#0f5c47", "all have certificates"),
        Some(LimitKind::NewOrdersPerAccount) => {
            ("#f5f8ff", "#d5e2fb", "#1f458f", "NewOrdersPerAccount binds")
        }
        Some(LimitKind::CertificatesPerDomain) => {
            ("#fff6f5", "#fbdad5", "#8c2f20", "CertificatesPerDomain binds")
        }
        Some(_) => ("#fbf6ff", "#eadcf8", "#5a2f86", "CertificatesPerDomainPerAccount binds"),
    }
}

fn short(limit: Option<LimitKind>) -> &'static str {
    match limit {
        None => "done",
        Some(LimitKind::NewOrdersPerAccount) => "orders",
        Some(_) => "domain",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::Flags;
    use clap::Parser;

    fn picture(words: &str) -> String {
        let words = ["plan", "--start", "2026-11-25"].into_iter().chain(words.split_whitespace());
        draw(&Flags::try_parse_from(words).unwrap().plan(std::time::SystemTime::UNIX_EPOCH).unwrap())
    }

    #[test]
    fn day_with_a_first_certificate_has_a_bar() {
        let words = "--devices 90000 --psl --reserve 0";
        let picture = picture(words);
        let bars = picture.lines().find(|line| line.starts_with(&format!(r#"<path fill="{FLEET}""#)));
        // 37.4 days touch 38 days.
        assert_eq!(bars.unwrap().matches('M').count(), 38);
    }

    #[test]
    fn limit_that_binds_is_written_on_its_band() {
        let picture = picture("--devices 90000");
        assert!(picture.contains("CertificatesPerDomain binds, until 2065-"), "{picture}");
        assert!(!picture.contains("all have certificates"));
    }

    #[test]
    fn extreme_fleet_is_drawn_without_nan() {
        for words in [
            "--devices 0",
            "--devices 1",
            "--devices 4294967295 --psl --new-per-week 4294967295",
            "--devices 1000000 --domains 65535 --profile shortlived --reserve 99",
        ] {
            let picture = picture(words);
            assert!(!picture.contains("NaN") && !picture.contains("inf"), "{words}");
            assert!(picture.starts_with("<svg") && picture.ends_with("</svg>\n"));
        }
    }

    #[test]
    fn pictures_of_the_documentation_are_as_drawn() {
        let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        for (file, words) in [
            ("plan-90000.svg", ""),
            ("plan-90000-override.svg", " --override CertificatesPerDomain=10000/7d"),
            ("plan-90000-psl.svg", " --psl"),
        ] {
            let words = format!("--devices 90000 --new-per-week 500{words}");
            let drawn = std::fs::read_to_string(docs.join(file)).unwrap();
            let again = "cargo run -p fleetcert-planner --example plan -- --start 2026-11-25";
            assert!(drawn == picture(&words), "draw it again: {again} {words} --svg docs/{file}");
        }
    }
}
