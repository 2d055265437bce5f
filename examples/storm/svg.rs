//! As much of SVG as one picture needs, and in as few bytes.

use std::fmt::{Display, Write as _};
use std::ops::Range;

/// A picture in the making.
pub(crate) struct Svg {
    text: String,
}

/// Where a text stands, as seen from its point.
#[derive(Clone, Copy)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// What a path looks like.
#[derive(Clone, Copy)]
pub(crate) enum Style {
    Filled(&'static str),
    Line(&'static str),
    Dashed(&'static str),
    Dotted(&'static str),
    Thin(&'static str),
}

impl Svg {
    /// A white page.
    pub(crate) fn new(width: f64, height: f64, title: &str) -> Self {
        let text = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" font-family=\"Helvetica,Arial,sans-serif\" role=\"img\">\n<title>{}</title>\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
            Escaped(title)
        );
        Self { text }
    }

    pub(crate) fn rect(&mut self, x: Range<f64>, y: Range<f64>, fill: &str) {
        let (width, height) = (Short(x.end - x.start), Short(y.end - y.start));
        let (x, y) = (Short(x.start), Short(y.start));
        self.push(format_args!("<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" fill=\"{fill}\"/>"));
    }

    pub(crate) fn path(&mut self, path: &Path, style: Style) {
        if path.0.is_empty() {
            return;
        }
        let line = |color, width, dashes| {
            format!(
                "fill=\"none\" stroke=\"{color}\" stroke-width=\"{width}\" stroke-linejoin=\"round\" \
                 stroke-linecap=\"round\"{dashes}"
            )
        };
        let style = match style {
            Style::Filled(color) => format!("fill=\"{color}\""),
            Style::Line(color) => line(color, 2, ""),
            Style::Dashed(color) => line(color, 2, " stroke-dasharray=\"6 4\""),
            Style::Dotted(color) => line(color, 2, " stroke-dasharray=\".1 5\""),
            Style::Thin(color) => line(color, 1, ""),
        };
        self.push(format_args!("<path d=\"{}\" {style}/>", path.0));
    }

    /// `y` is where the letters stand.
    pub(crate) fn text(&mut self, (x, y): (f64, f64), anchor: Anchor, size: u32, fill: &str, text: impl Display) {
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        };
        let (x, y, text) = (Short(x), Short(y), text.to_string());
        let text = Escaped(&text);
        self.push(format_args!("<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\" fill=\"{fill}\"{anchor}>{text}</text>"));
    }

    pub(crate) fn finish(mut self) -> String {
        self.text.push_str("</svg>\n");
        self.text
    }

    fn push(&mut self, element: std::fmt::Arguments<'_>) {
        // Writing into a string cannot fail.
        let _ = writeln!(self.text, "{element}");
    }
}

/// Where a pen goes.
#[derive(Default)]
pub(crate) struct Path(String);

impl Path {
    /// A line through all points, with a gap where there is none.
    pub(crate) fn through(points: impl IntoIterator<Item = Option<(f64, f64)>>) -> Self {
        let mut path = Self::default();
        let mut down = false;
        for point in points {
            if let Some((x, y)) = point {
                // A point between two gaps is a line of no length, which round ends make a dot.
                path.push(format_args!("{}{} {}", if down { "L" } else { "M" }, Short(x), Short(y)));
                if !down {
                    path.0.push_str("h0");
                }
            }
            down = point.is_some();
        }
        path
    }

    /// The area between `bottom` and steps, each from one x to another, and up to a y.
    pub(crate) fn steps(bottom: f64, steps: impl IntoIterator<Item = (Range<f64>, f64)>) -> Self {
        let mut path = Self::default();
        let mut end = None;
        for (x, y) in steps {
            if end != Some(x.start) {
                if end.is_some() {
                    path.push(format_args!("V{}Z", Short(bottom)));
                }
                path.push(format_args!("M{} {}", Short(x.start), Short(bottom)));
            }
            path.push(format_args!("V{}H{}", Short(y), Short(x.end)));
            end = Some(x.end);
        }
        if end.is_some() {
            path.push(format_args!("V{}Z", Short(bottom)));
        }
        path
    }

    fn push(&mut self, step: std::fmt::Arguments<'_>) {
        let _ = write!(self.0, "{step}");
    }
}

/// A tenth of a pixel is as exact as a picture has to be.
struct Short(f64);

impl Display for Short {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", (self.0 * 10.0).round() / 10.0)
    }
}

struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.replace('&', "&amp;").replace('<', "&lt;"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_a_gap_where_a_point_is_missing() {
        let points = [Some((0.0, 1.0)), Some((1.0, 2.04)), None, Some((3.0, 4.06))];
        assert_eq!(Path::through(points).0, "M0 1h0L1 2M3 4.1h0");
    }

    #[test]
    fn steps_stand_on_the_bottom() {
        let steps = [(0.0..1.0, 5.0), (1.0..2.0, 3.0), (4.0..5.0, 2.0)];
        assert_eq!(Path::steps(9.0, steps).0, "M0 9V5H1V3H2V9ZM4 9V2H5V9Z");
    }

    #[test]
    fn text_is_escaped() {
        let mut svg = Svg::new(1.0, 1.0, "a & b");
        svg.text((0.0, 0.0), Anchor::Start, 9, "#000", "<1 ms");
        let text = svg.finish();
        assert!(text.contains("a &amp; b") && text.contains("&lt;1 ms"), "{text}");
    }
}
