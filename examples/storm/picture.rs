//! The storm in one picture: time runs to the right, and everything above the same spot happened at the same time.

use std::error::Error;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use windbreak::circuit_breaker::State;

use crate::REQWEST_TIMEOUT;
use crate::report::{Observed, Storm};
use crate::script::{Mood, Script};
use crate::traffic::{Exchange, Outcome};

type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn Error>>;

const SIZE: (u32, u32) = (1600, 900);
/// Where time begins and ends.
const LEFT: f64 = 110.0;
const RIGHT: f64 = 1560.0;
/// From the phases' names down to the last panel.
const TOP: f64 = 104.0;
const BOTTOM: f64 = 845.0;

// Colours that stay apart for the colour-blind: Okabe and Ito's for the two sides, Paul Tol's for what became of a request.
const INK: RGBColor = RGBColor(40, 40, 40);
const FAINT: RGBColor = RGBColor(120, 120, 120);
const GRID: RGBColor = RGBColor(205, 205, 205);
const BARE: RGBColor = RGBColor(213, 94, 0);
const SHELTERED: RGBColor = RGBColor(0, 114, 178);
const OUTCOMES: [(Outcome, &str, RGBColor); 4] = [
    (Outcome::Answered, "answered by the service", RGBColor(68, 170, 153)),
    (Outcome::FellBack, "by the fallback", RGBColor(221, 204, 119)),
    (Outcome::Failed, "failed", RGBColor(170, 51, 85)),
    (Outcome::Waiting, "still waiting at the end", RGBColor(70, 70, 70)),
];
const STATES: [(State, &str, RGBColor); 3] = [
    (State::Closed, "closed", RGBColor(68, 170, 153)),
    (State::HalfOpen, "half-open", RGBColor(221, 204, 119)),
    (State::Open, "open", RGBColor(170, 51, 85)),
];

/// Percentiles and outcomes are taken over this part of a step.
const BINS_PER_STEP: u32 = 4;

/// Draws it as SVG.
pub(crate) fn draw(path: &Path, storm: &Storm) -> Drawn {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let canvas = SVGBackend::new(path, SIZE).into_drawing_area();
    canvas.fill(&WHITE)?;

    let seconds = storm.script.length().as_secs();
    write(&canvas, (LEFT, 40.0), HPos::Left, 38, INK, "One service, one storm, two callers")?;
    let subtitle = format!(
        "{} requests/s for {seconds} s through the same reqwest client, alone (with a timeout of {REQWEST_TIMEOUT:?}) and inside \
         windbreak, each with a server of its own",
        storm.rate
    );
    write(&canvas, (LEFT, 78.0), HPos::Left, 21, FAINT, &subtitle)?;
    legend(&canvas, 40.0, 25, &[("reqwest alone", BARE), ("inside windbreak", SHELTERED)])?;
    phases(&canvas, storm.script)?;

    let panel = |rows: Range<f64>, highest: Scale| Panel { script: storm.script, rows, scale: highest };
    latency(&canvas, &panel(170.0..360.0, Scale::Log), storm)?;
    in_flight(&canvas, &panel(404.0..530.0, Scale::up_to(storm)), storm)?;

    legend(&canvas, 567.0, 19, &OUTCOMES.map(|(_, name, color)| (name, color)))?;
    let rows = [(583.0..660.0, &storm.bare, "alone"), (698.0..775.0, &storm.sheltered, "inside windbreak")];
    for (rows, side, name) in rows {
        outcomes(&canvas, &panel(rows, Scale::Linear(1.0)), side, name)?;
    }
    legend(&canvas, 802.0, 19, &STATES.map(|(_, name, color)| (name, color)))?;
    circuit(&canvas, &panel(818.0..BOTTOM, Scale::Linear(1.0)), storm)?;
    time(&canvas, storm.script)?;
    canvas.present()?;
    Ok(())
}

/// A strip of the picture in which values grow upwards.
struct Panel {
    script: Script,
    rows: Range<f64>,
    scale: Scale,
}

#[derive(Clone, Copy)]
enum Scale {
    /// Seconds, from a millisecond to the timeout of the bare client.
    Log,
    /// From zero to this.
    Linear(f64),
}

impl Scale {
    const FASTEST: f64 = 0.001;

    /// A round number above all that was ever in flight.
    fn up_to(storm: &Storm) -> Self {
        let peak = count(storm.bare.peak_in_flight().max(storm.sheltered.peak_in_flight()).max(1));
        let magnitude = 10_f64.powf(peak.log10().floor());
        Self::Linear((peak / magnitude * 2.0).ceil() / 2.0 * magnitude)
    }

    /// 0 at the bottom, 1 at the top.
    fn part(self, value: f64) -> f64 {
        match self {
            Self::Linear(highest) => value / highest,
            Self::Log => {
                let highest = REQWEST_TIMEOUT.as_secs_f64();
                (value.clamp(Self::FASTEST, highest) / Self::FASTEST).ln() / (highest / Self::FASTEST).ln()
            }
        }
    }
}

impl Panel {
    fn at(&self, time: Duration, value: f64) -> (i32, i32) {
        let y = self.rows.end - self.scale.part(value) * (self.rows.end - self.rows.start);
        pixel((across(self.script, time), y))
    }

    fn title(&self, canvas: &Canvas<'_>, text: &str) -> Drawn {
        write(canvas, (LEFT, self.rows.start - 16.0), HPos::Left, 20, INK, text)
    }

    /// Lines across at these values, each with its name on the left.
    fn grid<'a>(&self, canvas: &Canvas<'_>, lines: impl IntoIterator<Item = (f64, &'a str)>) -> Drawn {
        for (value, name) in lines {
            let ends = [self.at(Duration::ZERO, value), self.at(self.script.length(), value)];
            canvas.draw(&PathElement::new(ends, GRID.stroke_width(1)))?;
            write(canvas, (LEFT - 10.0, f64::from(ends[0].1)), HPos::Right, 18, FAINT, name)?;
        }
        Ok(())
    }

    fn line(&self, canvas: &Canvas<'_>, points: impl Iterator<Item = (Duration, f64)>, color: RGBColor) -> Drawn {
        let points: Vec<_> = points.map(|(time, value)| self.at(time, value)).collect();
        canvas.draw(&PathElement::new(points, color.stroke_width(3)))?;
        Ok(())
    }
}

fn phases(canvas: &Canvas<'_>, script: Script) -> Drawn {
    for phase in script.phases() {
        let (from, to) = (across(script, phase.start), across(script, phase.end));
        let tint = match phase.mood {
            Mood::Healthy => WHITE,
            Mood::Slow | Mood::Recovering => RGBColor(250, 246, 233),
            Mood::Erring => RGBColor(248, 236, 222),
            Mood::Refusing => RGBColor(240, 223, 222),
            Mood::Hanging => RGBColor(232, 214, 219),
        };
        canvas.draw(&Rectangle::new([pixel((from, TOP)), pixel((to, BOTTOM))], tint.filled()))?;
        canvas.draw(&PathElement::new([pixel((from, TOP)), pixel((from, BOTTOM))], GRID.stroke_width(1)))?;
        write(canvas, (f64::midpoint(from, to), TOP + 15.0), HPos::Center, 20, INK, &phase.mood.to_string())?;
    }
    Ok(())
}

fn latency(canvas: &Canvas<'_>, panel: &Panel, storm: &Storm) -> Drawn {
    panel.title(canvas, "How long a request took, by when it was sent: median, shaded up to the 99th percentile")?;
    let lines = [(0.001, "≤ 1 ms"), (0.01, "10 ms"), (0.1, "100 ms"), (1.0, "1 s"), (10.0, "10 s"), (30.0, "waiting")];
    panel.grid(canvas, lines)?;
    for (side, color) in [(&storm.bare, BARE), (&storm.sheltered, SHELTERED)] {
        let points: Vec<_> = bins(storm.script, side)
            .map(|(from, to, mut sent)| {
                sent.sort_unstable_by_key(patience);
                let at =
                    |percent| sent.get((sent.len() - 1) * percent / 100).map_or(0.0, |e| patience(e).as_secs_f64());
                ((from + to) / 2, at(50), at(99))
            })
            .collect();
        let upper = points.iter().map(|&(time, _, p99)| panel.at(time, p99));
        let lower = points.iter().rev().map(|&(time, p50, _)| panel.at(time, p50));
        canvas.draw(&Polygon::new(upper.chain(lower).collect::<Vec<_>>(), color.mix(0.2)))?;
        panel.line(canvas, points.iter().map(|&(time, p50, _)| (time, p50)), color)?;
    }
    Ok(())
}

/// How long it took; for a request that still waits, how long it would have waited.
fn patience(exchange: &Exchange) -> Duration {
    if exchange.outcome == Outcome::Waiting { REQWEST_TIMEOUT } else { exchange.latency() }
}

fn in_flight(canvas: &Canvas<'_>, panel: &Panel, storm: &Storm) -> Drawn {
    panel.title(canvas, "Requests in flight")?;
    if let Scale::Linear(highest) = panel.scale {
        let half = (highest / 2.0).to_string();
        panel.grid(canvas, [(0.0, "0"), (highest / 2.0, &half), (highest, &highest.to_string())])?;
    }
    let length = storm.script.length();
    for (side, color) in [(&storm.bare, BARE), (&storm.sheltered, SHELTERED)] {
        let times = (0..=400).map(|part| length * part / 400);
        panel.line(canvas, times.map(|time| (time, count(side.in_flight_at(time)))), color)?;
    }
    Ok(())
}

fn outcomes(canvas: &Canvas<'_>, panel: &Panel, side: &Observed, name: &str) -> Drawn {
    panel.title(canvas, &format!("What became of the requests, {name}"))?;
    for (from, to, sent) in bins(panel.script, side) {
        let mut below = 0.0;
        for (outcome, _, color) in OUTCOMES {
            let part = count(sent.iter().filter(|e| e.outcome == outcome).count()) / count(sent.len());
            let (corner, (right, top)) = (panel.at(from, below), panel.at(to, below + part));
            // A pixel of air between the bars.
            canvas.draw(&Rectangle::new([corner, (right - 1, top)], color.filled()))?;
            below += part;
        }
    }
    panel.grid(canvas, [(0.0, "0 %"), (1.0, "100 %")])
}

fn circuit(canvas: &Canvas<'_>, panel: &Panel, storm: &Storm) -> Drawn {
    panel.title(canvas, "Windbreak's circuit")?;
    for (from, to, state) in storm.spans() {
        let color = STATES.iter().find(|known| known.0 == state).map_or(FAINT, |known| known.2);
        canvas.draw(&Rectangle::new([panel.at(from, 0.0), panel.at(to, 1.0)], color.filled()))?;
    }
    Ok(())
}

fn time(canvas: &Canvas<'_>, script: Script) -> Drawn {
    for step in (0..=Script::STEPS).step_by(2) {
        let time = script.step() * step;
        let name = format!("{} s", time.as_secs_f64());
        write(canvas, (across(script, time), BOTTOM + 20.0), HPos::Center, 18, FAINT, &name)?;
    }
    Ok(())
}

/// Names with a spot of their colours, from the right end to the left.
fn legend(canvas: &Canvas<'_>, y: f64, size: u32, entries: &[(&str, RGBColor)]) -> Drawn {
    let size_px = f64::from(size);
    let mut right = RIGHT;
    for (name, color) in entries.iter().rev() {
        // Fonts differ, and the picture knows none of them: half the size a letter is what a wide one needs.
        let left = right - count(name.len()) * size_px * 0.5;
        write(canvas, (left, y), HPos::Left, size, INK, name)?;
        let corners = [(left - size_px * 1.1, y - size_px * 0.4), (left - size_px * 0.3, y + size_px * 0.4)];
        canvas.draw(&Rectangle::new(corners.map(pixel), color.filled()))?;
        right = left - size_px * 1.8;
    }
    Ok(())
}

fn write(canvas: &Canvas<'_>, at: (f64, f64), anchor: HPos, size: u32, color: RGBColor, text: &str) -> Drawn {
    let style = ("sans-serif", size).into_font().color(&color).pos(Pos::new(anchor, VPos::Center));
    canvas.draw(&Text::new(text, pixel(at), style))?;
    Ok(())
}

/// The requests by when they were sent, a bin at a time. Bins without any are left out.
fn bins(script: Script, side: &Observed) -> impl Iterator<Item = (Duration, Duration, Vec<Exchange>)> {
    let width = script.step() / BINS_PER_STEP;
    (0..Script::STEPS * BINS_PER_STEP).filter_map(move |bin| {
        let (from, to) = (width * bin, width * (bin + 1));
        let sent: Vec<_> = side.exchanges.iter().filter(|e| from <= e.sent && e.sent < to).copied().collect();
        (!sent.is_empty()).then_some((from, to, sent))
    })
}

fn across(script: Script, time: Duration) -> f64 {
    LEFT + (RIGHT - LEFT) * time.div_duration_f64(script.length())
}

#[allow(clippy::cast_possible_truncation, reason = "a place in a picture of a few thousand pixels")]
fn pixel((x, y): (f64, f64)) -> (i32, i32) {
    (x.round() as i32, y.round() as i32)
}

#[allow(clippy::cast_precision_loss, reason = "a storm has far fewer than 2^53 of anything")]
const fn count(things: usize) -> f64 {
    things as f64
}
