//! Bounds of what callgrind counts, because instructions regress silently.

use std::process::ExitCode;

use crate::Race;
use crate::instructions::{Counts, is_counted};

/// Instructions of a call over the bare one, a few per cent above what they were with rustc 1.95.
const BOUNDS: [(&str, &str, f64); 10] = [
    ("breaker, healthy", "windbreak", 150.0),
    ("breaker, 1 call in 100 fails", "windbreak", 385.0),
    ("breaker, open", "windbreak", 360.0),
    ("rate limit", "windbreak", 256.0),
    ("each layer", "timeout", 155.0),
    ("each layer", "retry", 120.0),
    ("each layer", "bulkhead", 102.0),
    ("layers", "windbreak, five", 550.0),
    ("layers, polled by hand", "windbreak, five", 540.0),
    ("layers over `http` types", "windbreak, five", 3300.0),
];

/// Prints what is above its bound.
pub fn run(races: &[Race], counts: &Counts) -> ExitCode {
    let Some(counts) = counts else {
        eprintln!("no valgrind: instructions were not counted");
        return ExitCode::FAILURE;
    };
    let mut counts = counts.iter();
    let mut fails = 0;
    for race in races.iter().filter(|race| is_counted(race)) {
        let of_race: Vec<f64> = counts.by_ref().take(race.contenders.len()).copied().collect();
        for (work, contender, bound) in BOUNDS {
            let place = race.contenders.iter().position(|(name, _)| *name == contender);
            let Some(place) = place.filter(|_| race.work == work) else { continue };
            let over_bare = of_race[place] - of_race[0];
            let verdict = if over_bare <= bound { "within" } else { "ABOVE" };
            println!("{work}, {contender}: {over_bare:.0} instructions over the bare call, {verdict} {bound}");
            fails += u32::from(over_bare > bound);
        }
    }
    if fails == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
