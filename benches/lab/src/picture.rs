//! One picture for each scenario, of its first run: what was answered well, and what reached the upstream.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::figures::count;
use crate::run::{End, Record};
use crate::scenario::Scenario;
use crate::setups::Setup;

type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn Error>>;

const SIZE: (u32, u32) = (1000, 640);
/// Into how many parts the time is cut.
const BINS: u32 = 80;
const SHADE: RGBColor = RGBColor(240, 223, 222);

/// Colours that stay apart for the colour-blind: Okabe and Ito's.
const fn color(setup: Setup) -> RGBColor {
    match setup {
        Setup::Bare => RGBColor(213, 94, 0),
        Setup::Naive => RGBColor(120, 120, 120),
        Setup::Peer => RGBColor(204, 121, 167),
        Setup::Ours => RGBColor(0, 114, 178),
        Setup::Other(_) => RGBColor(0, 158, 115),
        Setup::OursOverHyper => RGBColor(86, 180, 233),
    }
}

/// Draws `records` as an SVG named after the scenario, in `folder`.
pub(crate) fn draw(folder: &Path, scenario: &Scenario, records: &[(Setup, Record)]) -> Drawn {
    std::fs::create_dir_all(folder)?;
    let path = folder.join(format!("{}.svg", scenario.title().replace('%', "")));
    let canvas = SVGBackend::new(&path, SIZE).into_drawing_area();
    canvas.fill(&WHITE)?;
    let canvas = canvas.titled(&scenario.title(), ("sans-serif", 24))?;
    let panels = canvas.split_evenly((2, 1));
    let well = |record: &Record| {
        let ends = record.exchanges.iter().filter(|e| e.end == End::Well).map(|e| e.sent);
        per_second(ends, scenario.length)
    };
    panel(&panels[0], "requests answered well, by when they were sent, a second", scenario, records, well)?;
    let sent = |record: &Record| per_second(record.counts.attempts.iter().copied(), scenario.length);
    panel(&panels[1], "attempts at the upstream, a second", scenario, records, sent)?;
    canvas.present()?;
    Ok(())
}

/// How many there were in each part of the time, as a rate.
fn per_second(times: impl Iterator<Item = Duration>, length: Duration) -> Vec<(f64, f64)> {
    let width = length / BINS;
    let mut bins = vec![0; BINS as usize];
    for time in times {
        let bin = usize::try_from(time.as_nanos() / width.as_nanos().max(1)).unwrap_or(usize::MAX);
        if let Some(count) = bins.get_mut(bin) {
            *count += 1;
        }
    }
    let middle = |bin: usize| (count(bin) + 0.5) * width.as_secs_f64();
    bins.into_iter().enumerate().map(|(bin, n)| (middle(bin), count(n) / width.as_secs_f64())).collect()
}

fn panel(
    canvas: &Canvas<'_>,
    title: &str,
    scenario: &Scenario,
    records: &[(Setup, Record)],
    line: impl Fn(&Record) -> Vec<(f64, f64)>,
) -> Drawn {
    let lines: Vec<_> = records.iter().map(|(setup, record)| (*setup, line(record))).collect();
    let highest = lines.iter().flat_map(|(_, points)| points).map(|&(_, y)| y).fold(1.0, f64::max) * 1.05;
    let mut chart = ChartBuilder::on(canvas)
        .caption(title, ("sans-serif", 16))
        .margin(10)
        .x_label_area_size(30)
        .y_label_area_size(60)
        .build_cartesian_2d(0.0..scenario.length.as_secs_f64(), 0.0..highest)?;
    if let Some((from, length)) = scenario.outage {
        let corners = [(from.as_secs_f64(), 0.0), ((from + length).as_secs_f64(), highest)];
        chart.draw_series([Rectangle::new(corners, SHADE.filled())])?;
    }
    chart.configure_mesh().disable_x_mesh().max_light_lines(0).x_desc("s").draw()?;
    for (setup, points) in lines {
        let style = color(setup).stroke_width(2);
        chart
            .draw_series(LineSeries::new(points, style))?
            .label(setup.name())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], style));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.8))
        .draw()?;
    Ok(())
}
