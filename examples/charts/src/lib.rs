//! An SVG writer for the charts of the examples.

use std::fmt::Write;

/// Upper left corner and size.
pub type Rect = ((f64, f64), (f64, f64));

/// A picture: shapes, one after the other.
#[derive(Debug, Default)]
pub struct Svg(String);

/// Part of a text that is at its point.
#[derive(Clone, Copy, Debug)]
pub enum Anchor {
    /// Its start.
    Start,
    /// Its middle.
    Middle,
    /// Its end.
    End,
}

impl Svg {
    /// Adds a rectangle.
    pub fn rect(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), style: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(
            self.0,
            r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" {style}/>"#
        );
    }

    /// Adds rectangles of one style.
    pub fn rects(&mut self, rects: &[Rect], style: &str) {
        let _ = write!(self.0, r#"<path {style} d=""#);
        for ((x, y), (width, height)) in rects {
            let _ = write!(self.0, "M{x:.1} {y:.1}h{width:.1}v{height:.1}h-{width:.1}z");
        }
        let _ = writeln!(self.0, r#""/>"#);
    }

    /// Adds a line.
    pub fn line(&mut self, (x1, y1): (f64, f64), (x2, y2): (f64, f64), style: &str) {
        let _ = writeln!(self.0, r#"<line x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}" {style}/>"#);
    }

    /// Adds a circle.
    pub fn circle(&mut self, (x, y): (f64, f64), radius: f64, style: &str) {
        let _ = writeln!(self.0, r#"<circle cx="{x:.1}" cy="{y:.1}" r="{radius:.1}" {style}/>"#);
    }

    /// Adds lines from point to point.
    pub fn path(&mut self, points: &[(f64, f64)], style: &str) {
        let points: Vec<_> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(self.0, r#"<polyline points="{}" {style}/>"#, points.join(" "));
    }

    /// Adds a text.
    pub fn text(&mut self, (x, y): (f64, f64), anchor: Anchor, style: &str, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = escaped(text);
        let _ =
            writeln!(self.0, r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" {style}>{text}</text>"#);
    }

    /// Adds shapes that are clipped at a rectangle.
    pub fn clipped(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), draw: impl FnOnce(&mut Self)) {
        let _ = writeln!(
            self.0,
            r#"<clipPath id="plot"><rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}"/></clipPath>"#
        );
        let _ = writeln!(self.0, r#"<g clip-path="url(#plot)">"#);
        draw(self);
        let _ = writeln!(self.0, "</g>");
    }

    /// Returns the picture, with a title and a description for screen readers.
    pub fn finish(self, width: u32, height: u32, title: &str, description: &str) -> String {
        let (title, description) = (escaped(title), escaped(description));
        format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" font-family="system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif" role="img" aria-labelledby="t d">
<title id="t">{title}</title>
<desc id="d">{description}</desc>
{}</svg>
"#,
            self.0
        )
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Returns the smallest number of the form 1, 2 or 5 with zeros that is at least `value`.
pub fn round_up(value: u64) -> u64 {
    let scales = (0..20).filter_map(|zeros| 10_u64.checked_pow(zeros));
    let steps = scales.flat_map(|scale| [1, 2, 5].map(|digit| scale.checked_mul(digit)));
    steps.flatten().find(|step| *step >= value).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_is_rounded_up_to_one_digit() {
        assert_eq!([0, 1, 3, 5, 51, 2400, 3334].map(round_up), [1, 1, 5, 5, 100, 5000, 5000]);
        assert_eq!(round_up(u64::MAX), u64::MAX);
    }

    #[test]
    fn markup_in_a_title_is_escaped() {
        let svg = Svg::default().finish(10, 10, "a < b & c", "");
        assert!(svg.contains(">a &lt; b &amp; c</title>") && svg.ends_with("</svg>\n"), "{svg}");
    }
}
