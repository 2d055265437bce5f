use std::error::Error;
use std::iter::once;
use std::path::Path;

use tokio::runtime::Runtime;

use super::play::{Played, play};
use crate::figures::Figures;
use crate::law::{Row, violations};
use crate::picture;
use crate::scenario::Scenario;

type Failure = Box<dyn Error + Send + Sync>;

/// Plays the scenarios that are chosen, and draws them in `pictures`. Where the law does not hold they are played twice more,
/// and judged by all three rounds: one run is a sample, and a machine that does something else in the middle of it is no
/// harm that a stack does.
///
/// # Errors
///
/// If something cannot be started, or drawn.
pub(crate) fn rows(chosen: impl Fn(&Scenario) -> bool, pictures: Option<&Path>) -> Result<Vec<Row>, Failure> {
    let runtime = Runtime::new()?;
    let mut rows = Vec::new();
    for Played { scenario, records } in runtime.block_on(play(chosen))? {
        if let Some(folder) = pictures {
            picture::draw(folder, &scenario, &records).map_err(|error| error.to_string())?;
        }
        let figures = records.iter().map(|(setup, record)| (*setup, Figures::of(&scenario, record))).collect();
        rows.push(Row { scenario, figures });
    }
    let doubtful: Vec<_> =
        rows.iter().filter(|row| !violations(row).is_empty()).map(|row| row.scenario.title()).collect();
    if doubtful.is_empty() {
        return Ok(rows);
    }
    eprintln!("played twice more, for the law does not hold: {}", doubtful.join(", "));
    let is_doubtful = |scenario: &Scenario| doubtful.contains(&scenario.title());
    let again = [runtime.block_on(play(is_doubtful))?, runtime.block_on(play(is_doubtful))?];
    for Row { scenario, figures } in &mut rows {
        let same = again.iter().flatten().filter(|played| played.scenario.title() == scenario.title());
        let records: Vec<_> = same.flat_map(|played| &played.records).collect();
        for (setup, figures) in figures {
            let others =
                records.iter().filter(|(one, _)| one == setup).map(|(_, record)| Figures::of(scenario, record));
            *figures = Figures::merge(&once(figures.clone()).chain(others).collect::<Vec<_>>());
        }
    }
    Ok(rows)
}
