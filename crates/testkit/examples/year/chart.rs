//! The chart of a simulated year: certificates of each day as stacked bars, the certified part of the fleet as a line,
//! outages as bands.

use charts::{Anchor, Rect, Svg, round_up};
use fleetcert_testkit::fleet::{DayLine, Report};

const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 940.0;
const TOP: f64 = 60.0;
const BOTTOM: f64 = 360.0;

/// Bars from the bottom up.
const SERIES: [(&str, &str); 3] =
    [("#2f6fb5", "first certificates"), ("#3f9c6b", "renewals"), ("#d08a2e", "other")];
const LINE: &str = "#b33a5b";
const SMALL: &str = r##"font-size="13" fill="#333333""##;

/// Draws the days of a report.
pub(crate) fn draw(report: &Report, title: &str) -> String {
    let days = &report.days;
    let most = days.iter().map(|day| day.first + day.renewals + day.others).max().unwrap_or_default();
    let plot = Plot { days: days.len(), top: round_up(most.into()) };
    let subtitle = format!(
        "{} certificates, {} refused for a rate limit, {} expired on a reachable device",
        report.issued, report.rate_limited, report.expired_reachable
    );
    let mut svg = Svg::default();
    svg.rect((0.0, 0.0), (WIDTH, HEIGHT), r##"fill="#ffffff""##);
    svg.text((LEFT, 26.0), Anchor::Start, r##"font-size="18" font-weight="bold" fill="#333333""##, title);
    svg.text((LEFT, 46.0), Anchor::Start, SMALL, &subtitle);
    plot.axes(&mut svg);
    plot.bars(&mut svg, days);
    let certified = days.iter().enumerate().map(|(index, day)| {
        let share = f64::from(day.certified.min(report.devices)) / f64::from(report.devices.max(1));
        (plot.x(index as f64 + 0.5), BOTTOM - (BOTTOM - TOP) * share)
    });
    let line = format!(r#"fill="none" stroke-width="2" stroke="{LINE}""#);
    svg.path(&certified.collect::<Vec<_>>(), &line);
    legend(&mut svg);
    svg.finish(WIDTH as u32, HEIGHT as u32, title, &subtitle)
}

struct Plot {
    days: usize,
    /// The highest number of certificates on the axis.
    top: u64,
}

impl Plot {
    fn x(&self, day: f64) -> f64 {
        LEFT + (RIGHT - LEFT) * day / self.days.max(1) as f64
    }

    fn y(&self, certificates: f64) -> f64 {
        BOTTOM - (BOTTOM - TOP) * certificates / self.top as f64
    }

    fn axes(&self, svg: &mut Svg) {
        for quarter in 0..=4_u32 {
            let certificates = self.top as f64 * f64::from(quarter) / 4.0;
            let y = self.y(certificates);
            svg.line((LEFT, y), (RIGHT, y), r##"stroke="#dddddd""##);
            svg.text((LEFT - 8.0, y + 4.0), Anchor::End, SMALL, &format!("{certificates:.0}"));
            let percent = format!("{} %", quarter * 25);
            svg.text(
                (RIGHT + 8.0, y + 4.0),
                Anchor::Start,
                &format!(r#"font-size="13" fill="{LINE}""#),
                &percent,
            );
        }
        for day in (0..self.days).step_by((self.days / 12).max(1)) {
            svg.text((self.x(day as f64), BOTTOM + 18.0), Anchor::Middle, SMALL, &day.to_string());
        }
        svg.text(((LEFT + RIGHT) / 2.0, BOTTOM + 36.0), Anchor::Middle, SMALL, "day");
    }

    fn bars(&self, svg: &mut Svg, days: &[DayLine]) {
        let width = self.x(1.0) - LEFT;
        let mut outages: Vec<Rect> = Vec::new();
        let mut series: [Vec<Rect>; SERIES.len()] = Default::default();
        for (index, day) in days.iter().enumerate() {
            let x = self.x(index as f64);
            if day.outage {
                outages.push(((x, TOP), (width, BOTTOM - TOP)));
            }
            let mut below = 0;
            for (bars, count) in series.iter_mut().zip([day.first, day.renewals, day.others]) {
                let (bottom, top) = (self.y(f64::from(below)), self.y(f64::from(below + count)));
                below += count;
                if count > 0 {
                    bars.push(((x, top), ((width * 0.92).max(0.3), bottom - top)));
                }
            }
        }
        svg.rects(&outages, r##"fill="#999999" opacity="0.25""##);
        for (bars, (colour, _)) in series.iter().zip(SERIES) {
            svg.rects(bars, &format!(r#"fill="{colour}""#));
        }
    }
}

fn legend(svg: &mut Svg) {
    let entries =
        SERIES.into_iter().chain([("#cccccc", "outage"), (LINE, "devices with a valid certificate")]);
    for (index, (colour, text)) in entries.enumerate() {
        let x = LEFT + 150.0 * index as f64;
        svg.rect((x, HEIGHT - 21.0), (12.0, 12.0), &format!(r#"fill="{colour}""#));
        svg.text((x + 18.0, HEIGHT - 10.0), Anchor::Start, SMALL, text);
    }
}
