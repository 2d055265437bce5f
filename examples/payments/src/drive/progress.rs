use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::storage::Storage;

const WIDTH: usize = 30;

/// Draws how far it has come, until it is dropped: in one line of a terminal, or a line now and then.
pub(super) async fn progress<S: Storage>(storage: S, orders: u32) {
    let is_terminal = std::io::stdout().is_terminal();
    let pause = Duration::from_millis(if is_terminal { 200 } else { 5_000 });
    let begin = Instant::now();
    loop {
        sleep(pause).await;
        let Ok(states) = storage.states().await else { continue };
        let written: i64 = states.iter().map(|(_, count)| count).sum();
        let filled = usize::try_from(written).unwrap_or(0) * WIDTH / usize::try_from(orders.max(1)).unwrap_or(1);
        let mut line = format!("{:3}s [{:<WIDTH$}]", begin.elapsed().as_secs(), "#".repeat(filled.min(WIDTH)));
        for (state, count) in &states {
            let _ = write!(line, " {} {count}", state.to_lowercase());
        }
        let mut out = std::io::stdout();
        let _ = if is_terminal { write!(out, "\r\x1b[K{line}") } else { writeln!(out, "{line}") };
        let _ = out.flush();
    }
}
