//! The year as a picture.

use std::fmt::Write;

use super::report::{DayLine, Report};

const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 60.0;
const TOP: f64 = 60.0;
const BOTTOM: f64 = 60.0;

/// Bars from the bottom up: first certificates, renewals, the rest.
const COLOURS: [(&str, &str); 3] =
    [("#2f6fb5", "first certificates"), ("#3f9c6b", "renewals"), ("#d08a2e", "other")];
const LINE: &str = "#b33a5b";
const TEXT: &str = "#333333";

impl Report {
    /// The days as an SVG picture: certificates of each day as stacked bars, the part of the fleet that has one as a
    /// line, outages as bands.
    pub fn to_svg(&self, title: &str) -> String {
        let most = self.days.iter().map(total).max().unwrap_or_default().max(1);
        let top = round_up(most);
        let mut svg = String::new();
        open(&mut svg, title, self);
        axes(&mut svg, top, self.days.len());
        let step = (WIDTH - LEFT - RIGHT) / self.days.len().max(1) as f64;
        for (index, day) in self.days.iter().enumerate() {
            let x = LEFT + step * index as f64;
            if day.outage {
                rect(&mut svg, x, TOP, step, HEIGHT - TOP - BOTTOM, "#999999", 0.25);
            }
            let mut below = 0;
            for (count, (colour, _)) in [day.first, day.renewals, day.others].into_iter().zip(COLOURS) {
                let (low, high) = (y(below, top), y(below + count, top));
                if count > 0 {
                    rect(&mut svg, x, high, (step * 0.92).max(0.3), low - high, colour, 1.0);
                }
                below += count;
            }
        }
        certified(&mut svg, &self.days, self.devices, step);
        legend(&mut svg);
        svg.push_str("</svg>\n");
        svg
    }
}

fn total(day: &DayLine) -> u32 {
    day.first + day.renewals + day.others
}

/// The next number of the form 1, 2 or 5 with zeros.
fn round_up(most: u32) -> u32 {
    let mut scale: u32 = 1;
    loop {
        for step in [1, 2, 5] {
            if let Some(top) = scale.checked_mul(step).filter(|top| *top >= most) {
                return top;
            }
        }
        match scale.checked_mul(10) {
            Some(next) => scale = next,
            None => return u32::MAX,
        }
    }
}

fn y(count: u32, top: u32) -> f64 {
    HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * f64::from(count) / f64::from(top.max(1))
}

fn open(svg: &mut String, title: &str, report: &Report) {
    let title = escape(title);
    let _ = write!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
         font-family=\"sans-serif\" font-size=\"13\" fill=\"{TEXT}\">\n\
         <title>{title}</title>\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n\
         <text x=\"{LEFT}\" y=\"26\" font-size=\"18\" font-weight=\"bold\">{title}</text>\n\
         <text x=\"{LEFT}\" y=\"46\">{} certificates, {} refused for a rate limit, {} expired on a reachable device</text>\n",
        report.issued, report.rate_limited, report.expired_reachable,
    );
}

fn axes(svg: &mut String, top: u32, days: usize) {
    for fifth in 0..=4_u32 {
        let count = u32::try_from(u64::from(top) * u64::from(fifth) / 4).unwrap_or(top);
        let (line, text) = (y(count, top), LEFT - 8.0);
        let _ = writeln!(
            svg,
            "<line x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{line:.1}\" y2=\"{line:.1}\" stroke=\"#dddddd\"/>\
             <text x=\"{text:.1}\" y=\"{:.1}\" text-anchor=\"end\">{count}</text>\
             <text x=\"{:.1}\" y=\"{:.1}\" fill=\"{LINE}\">{} %</text>",
            WIDTH - RIGHT,
            line + 4.0,
            WIDTH - RIGHT + 8.0,
            line + 4.0,
            fifth * 25,
        );
    }
    let every = (days / 12).max(1);
    let step = (WIDTH - LEFT - RIGHT) / days.max(1) as f64;
    for day in (0..days).step_by(every) {
        let x = LEFT + step * day as f64;
        let _ = writeln!(
            svg,
            "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{day}</text>",
            HEIGHT - BOTTOM + 18.0
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">day</text>",
        (LEFT + WIDTH - RIGHT) / 2.0,
        HEIGHT - BOTTOM + 36.0,
    );
}

fn certified(svg: &mut String, days: &[DayLine], devices: u32, step: f64) {
    svg.push_str("<polyline fill=\"none\" stroke-width=\"2\" stroke=\"");
    svg.push_str(LINE);
    svg.push_str("\" points=\"");
    for (index, day) in days.iter().enumerate() {
        let _ = write!(
            svg,
            "{:.1},{:.1} ",
            LEFT + step * (index as f64 + 0.5),
            y(day.certified.min(devices), devices)
        );
    }
    svg.push_str("\"/>\n");
}

fn legend(svg: &mut String) {
    let y = HEIGHT - 10.0;
    let mut x = LEFT;
    let mut entry = |colour: &str, text: &str, width: f64| {
        rect(svg, x, y - 11.0, 12.0, 12.0, colour, 1.0);
        let _ = writeln!(svg, "<text x=\"{:.1}\" y=\"{y:.1}\">{text}</text>", x + 18.0);
        x += width;
    };
    for (colour, text) in COLOURS {
        entry(colour, text, 150.0);
    }
    entry("#cccccc", "outage", 150.0);
    entry(LINE, "devices with a certificate that holds", 150.0);
}

fn rect(svg: &mut String, x: f64, y: f64, width: f64, height: f64, colour: &str, opacity: f64) {
    let _ = write!(
        svg,
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.2}\" height=\"{height:.1}\" fill=\"{colour}\""
    );
    if opacity < 1.0 {
        let _ = write!(svg, " opacity=\"{opacity}\"");
    }
    svg.push_str("/>\n");
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_top_of_the_axis_is_a_round_number() {
        assert_eq!([1, 3, 5, 51, 2400, 3334].map(round_up), [1, 5, 5, 100, 5000, 5000]);
        assert_eq!(round_up(u32::MAX), u32::MAX);
    }

    #[test]
    fn a_title_cannot_break_the_picture() {
        let svg = Report::default().to_svg("a < b & c");
        assert!(svg.contains("<title>a &lt; b &amp; c</title>") && svg.ends_with("</svg>\n"));
    }
}
