//! The storm in one picture: time runs to the right, and everything above the same spot happened at the same time.

use std::io;
use std::ops::Range;
use std::path::Path as File;
use std::time::Duration;

use windbreak::circuit_breaker::State;

use crate::clients::{ALONE_TIMEOUT, RETRIES, RETRYING_TIMEOUT};
use crate::exchange::{Exchange, Outcome, percentile, slots};
use crate::observed::{Observed, Storm, name};
use crate::script::{Mood, Script};
use crate::svg::{Anchor, Path, Style, Svg};

const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 868.0;
/// Where time begins and ends.
const LEFT: f64 = 70.0;
const RIGHT: f64 = 985.0;
/// From the phases' names down to the last panel.
const TOP: f64 = 156.0;
const BOTTOM: f64 = 836.0;

const INK: &str = "#222";
const FAINT: &str = "#666";
const GRID: &str = "#ccc";

// Colours that stay apart for the colour-blind: Okabe and Ito's for two clients; the third is dashed besides.
const ALONE: &str = "#d55e00";
const RETRYING: &str = "#aa4499";
const SHELTERED: &str = "#0072b2";
const LINES: [Style; 3] = [Style::Line(ALONE), Style::Dashed(RETRYING), Style::Line(SHELTERED)];
/// Paul Tol's, from good to bad, each darker or lighter than its neighbours.
const OUTCOMES: [(Outcome, &str, &str); 4] = [
    (Outcome::Real, "real response", "#44aa99"),
    (Outcome::Fallback, "fallback", "#f0e0a0"),
    (Outcome::Failed, "failed", "#993344"),
    (Outcome::Waiting, "still waiting at the end", "#222222"),
];
/// Blues and nothing else, from light to dark.
const STATES: [(State, &str); 3] = [(State::Closed, "#d6e6f5"), (State::HalfOpen, "#5b9bd5"), (State::Open, "#08306b")];

/// Waits, calls and outcomes are taken over this part of a step.
const BINS_PER_STEP: u32 = 2;
const BINS: u32 = Script::STEPS * BINS_PER_STEP;

/// Writes it as SVG.
pub(crate) fn draw(path: &File, storm: &Storm) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, picture(storm))
}

fn picture(storm: &Storm) -> String {
    let title = storm.title();
    let mut svg = Svg::new(WIDTH, HEIGHT, &title);
    svg.text((LEFT, 32.0), Anchor::Start, 23, INK, title);
    for (y, subtitle) in [56.0, 74.0, 92.0, 110.0].into_iter().zip(storm.subtitles()) {
        svg.text((LEFT, y), Anchor::Start, 13, FAINT, subtitle);
    }
    clients(&mut svg);
    phases(&mut svg, storm.script);

    let panel = |rows: Range<f64>, scale: Scale| Panel { script: storm.script, rows, scale };
    worst_wait(&mut svg, &panel(200.0..280.0, Scale::Log), storm);
    latency(&mut svg, &panel(318.0..398.0, Scale::Log), storm);
    calls(&mut svg, &panel(436.0..506.0, Scale::Linear(1.0)), storm);
    in_flight(&mut svg, &panel(544.0..604.0, Scale::Linear(1.0)), storm);

    legend(&mut svg, 627.0, OUTCOMES.iter().map(|&(_, name, color)| (name, color)));
    svg.text((LEFT, 627.0), Anchor::Start, 13, INK, "What became of the requests, by when they were sent");
    let rows = [(636.0..676.0, "alone"), (684.0..724.0, "retry"), (732.0..772.0, "windbreak")];
    for ((rows, name), side) in rows.into_iter().zip(storm.sides()) {
        outcomes(&mut svg, &panel(rows, Scale::Linear(1.0)), side, name);
    }
    legend(&mut svg, 798.0, STATES.iter().map(|&(state, color)| (name(state), color)));
    circuit(&mut svg, &panel(806.0..BOTTOM, Scale::Linear(1.0)), storm);
    time(&mut svg, storm.script);
    svg.finish()
}

/// A strip of the picture in which values grow upwards.
struct Panel {
    script: Script,
    rows: Range<f64>,
    scale: Scale,
}

#[derive(Clone, Copy)]
enum Scale {
    /// Seconds, from a millisecond to the longest timeout.
    Log,
    /// From zero to this.
    Linear(f64),
}

impl Scale {
    const FASTEST: f64 = 0.001;

    /// 0 at the bottom, 1 at the top.
    fn part(self, value: f64) -> f64 {
        match self {
            Self::Linear(highest) => value / highest,
            Self::Log => {
                let highest = ALONE_TIMEOUT.as_secs_f64();
                (value.clamp(Self::FASTEST, highest) / Self::FASTEST).ln() / (highest / Self::FASTEST).ln()
            }
        }
    }
}

impl Panel {
    fn at(&self, time: Duration, value: f64) -> (f64, f64) {
        (across(self.script, time), self.rows.end - self.scale.part(value) * (self.rows.end - self.rows.start))
    }

    fn title(&self, svg: &mut Svg, text: &str) {
        svg.text((LEFT, self.rows.start - 8.0), Anchor::Start, 13, INK, text);
    }

    /// Lines across at these values, each with its name on the left.
    fn grid(&self, svg: &mut Svg, lines: &[(f64, &str)]) {
        for &(value, name) in lines {
            let ends = [Duration::ZERO, self.script.length()].map(|time| Some(self.at(time, value)));
            svg.path(&Path::through(ends), Style::Thin(GRID));
            svg.text((LEFT - 6.0, self.at(Duration::ZERO, value).1 + 4.0), Anchor::End, 11, FAINT, name);
        }
    }

    fn seconds(&self, svg: &mut Svg) {
        self.grid(svg, &[(0.001, "≤1 ms"), (0.01, "10 ms"), (0.1, "0.1 s"), (1.0, "1 s"), (10.0, "10 s")]);
    }

    fn line(&self, svg: &mut Svg, points: impl IntoIterator<Item = (Duration, Option<f64>)>, style: Style) {
        let points = points.into_iter().map(|(time, value)| value.map(|value| self.at(time, value)));
        svg.path(&Path::through(points), style);
    }

    /// Draws lines on a scale of its own that has room for all of them.
    fn lines(&self, svg: &mut Svg, lines: [Vec<(Duration, f64)>; 3]) {
        let highest = round_up(lines.iter().flatten().map(|&(_, value)| value).fold(1.0, f64::max));
        let panel = Self { rows: self.rows.clone(), scale: Scale::Linear(highest), ..*self };
        let [half, whole] = [highest / 2.0, highest].map(|value| value.to_string());
        panel.grid(svg, &[(0.0, "0"), (highest / 2.0, &half), (highest, &whole)]);
        for (points, style) in lines.into_iter().zip(LINES) {
            panel.line(svg, points.into_iter().map(|(time, value)| (time, Some(value))), style);
        }
    }
}

/// A number that is no less, of which the half is round too.
fn round_up(highest: f64) -> f64 {
    let step = 2.0 * 10_f64.powf(highest.log10().floor());
    (highest / step).ceil() * step
}

/// Who is who.
fn clients(svg: &mut Svg) {
    let names = [
        format!("reqwest alone ({} s timeout)", ALONE_TIMEOUT.as_secs_f64()),
        format!("naive retry ({} s timeout, {RETRIES} retries)", RETRYING_TIMEOUT.as_secs_f64()),
        "reqwest inside windbreak".to_owned(),
    ];
    for ((x, name), style) in [LEFT, 310.0, 590.0].into_iter().zip(names).zip(LINES) {
        svg.path(&Path::through([Some((x, 134.0)), Some((x + 24.0, 134.0))]), style);
        svg.text((x + 32.0, 138.0), Anchor::Start, 13, INK, name);
    }
}

fn phases(svg: &mut Svg, script: Script) {
    for phase in script.phases() {
        let (from, to) = (across(script, phase.start), across(script, phase.end));
        let tint = match phase.mood {
            Mood::Healthy => "#fff",
            Mood::Slow | Mood::Recovering => "#f7f7f4",
            Mood::Erring => "#f1f0ec",
            Mood::Refusing => "#e9e7e2",
            Mood::Hanging => "#e0ddd8",
        };
        svg.rect(from..to, TOP..BOTTOM, tint);
        svg.text((f64::midpoint(from, to), TOP + 14.0), Anchor::Middle, 13, INK, phase.mood);
    }
}

fn worst_wait(svg: &mut Svg, panel: &Panel, storm: &Storm) {
    panel.title(svg, "Worst wait of a caller, whatever came of it (until the end, if it still waits)");
    panel.seconds(svg);
    for (side, style) in storm.sides().into_iter().zip(LINES) {
        panel.line(svg, percentiles(panel.script, &side.exchanges, 100), style);
    }
}

fn latency(svg: &mut Svg, panel: &Panel, storm: &Storm) {
    panel.title(svg, "Median latency of real responses; dotted: of the fallback");
    panel.seconds(svg);
    for (side, style) in storm.sides().into_iter().zip(LINES) {
        panel.line(svg, percentiles(panel.script, side.of(Outcome::Real), 50), style);
    }
    let fallbacks = percentiles(panel.script, storm.sheltered.of(Outcome::Fallback), 50);
    panel.line(svg, fallbacks, Style::Dotted(SHELTERED));
}

fn calls(svg: &mut Svg, panel: &Panel, storm: &Storm) {
    panel.title(svg, "Calls that reached the server, per second");
    let width = bin(storm.script);
    let per_second = |side: &Observed| {
        let bins = slots(&side.calls, |call| **call, width, BINS as usize);
        let rates = bins.iter().map(|calls| count(calls.len()) / width.as_secs_f64());
        middles(storm.script).zip(rates).collect()
    };
    panel.lines(svg, storm.sides().map(per_second));
}

fn in_flight(svg: &mut Svg, panel: &Panel, storm: &Storm) {
    panel.title(svg, "Requests in flight");
    let times = || (0..=BINS * 2).map(|part| storm.script.length() * part / (BINS * 2));
    panel.lines(svg, storm.sides().map(|side| times().map(|time| (time, count(side.in_flight_at(time)))).collect()));
}

fn outcomes(svg: &mut Svg, panel: &Panel, side: &Observed, name: &str) {
    let bins = binned(panel.script, &side.exchanges);
    // From the whole down to the first: each area covers what belongs to the outcomes below it.
    for last in (0..OUTCOMES.len()).rev() {
        let below = &OUTCOMES[..=last];
        let steps = (0..).zip(&bins).filter(|(_, sent)| !sent.is_empty()).filter_map(|(number, sent)| {
            let among = sent.iter().filter(|e| below.iter().any(|(outcome, ..)| *outcome == e.outcome)).count();
            let ends = [number, number + 1].map(|edge| across(panel.script, bin(panel.script) * edge));
            let top = panel.at(Duration::ZERO, count(among) / count(sent.len())).1;
            (among > 0).then_some((ends[0]..ends[1], top))
        });
        svg.path(&Path::steps(panel.rows.end, steps), Style::Filled(OUTCOMES[last].2));
    }
    svg.text((LEFT - 6.0, f64::midpoint(panel.rows.start, panel.rows.end) + 4.0), Anchor::End, 11, FAINT, name);
}

fn circuit(svg: &mut Svg, panel: &Panel, storm: &Storm) {
    panel.title(svg, "Windbreak's circuit");
    for (from, to, state) in storm.spans() {
        let color = STATES.iter().find(|known| known.0 == state).map_or(FAINT, |known| known.1);
        svg.rect(across(storm.script, from)..across(storm.script, to), panel.rows.clone(), color);
    }
}

fn time(svg: &mut Svg, script: Script) {
    for step in (0..=Script::STEPS).step_by(2) {
        let time = script.step() * step;
        svg.text((across(script, time), BOTTOM + 18.0), Anchor::Middle, 11, FAINT, format!("{} s", time.as_secs_f64()));
    }
}

/// Names with a spot of their colours, from the right end to the left.
fn legend<'a>(svg: &mut Svg, y: f64, entries: impl DoubleEndedIterator<Item = (&'a str, &'a str)>) {
    let mut right = RIGHT;
    for (name, color) in entries.rev() {
        // Fonts differ: this is what a wide one needs.
        let left = right - count(name.len()) * 6.8;
        svg.text((left, y), Anchor::Start, 13, INK, name);
        svg.rect(left - 16.0..left - 5.0, y - 10.0..y + 1.0, color);
        right = left - 28.0;
    }
}

fn bin(script: Script) -> Duration {
    script.step() / BINS_PER_STEP
}

fn binned<'a>(script: Script, exchanges: impl IntoIterator<Item = &'a Exchange>) -> Vec<Vec<&'a Exchange>> {
    slots(exchanges, |exchange| exchange.sent, bin(script), BINS as usize)
}

fn middles(script: Script) -> impl Iterator<Item = Duration> {
    (0..BINS).map(move |number| bin(script) * number + bin(script) / 2)
}

fn percentiles<'a>(
    script: Script,
    exchanges: impl IntoIterator<Item = &'a Exchange>,
    percent: usize,
) -> impl Iterator<Item = (Duration, Option<f64>)> {
    let bins = binned(script, exchanges).into_iter();
    middles(script).zip(bins.map(move |sent| percentile(sent.into_iter(), percent).map(|wait| wait.time.as_secs_f64())))
}

fn across(script: Script, time: Duration) -> f64 {
    LEFT + (RIGHT - LEFT) * time.div_duration_f64(script.length())
}

#[allow(clippy::cast_precision_loss, reason = "a storm has far fewer than 2^53 of anything")]
const fn count(things: usize) -> f64 {
    things as f64
}
