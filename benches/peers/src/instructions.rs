//! Counts instructions: runs this program again under callgrind, which counts inside one function only and writes
//! a file each time it returns.

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::process::{Command, Stdio, id};

use crate::Race;
use crate::task::Task;

/// The argument that makes the program do what is counted, and nothing else.
pub const COUNT_MINE: &str = "--count-my-instructions";

const CALLS: u64 = 1000;

/// Above this, filling a window takes minutes under callgrind for those whose cost grows with it.
const MOST_FILL: u64 = 10_000;

/// Instructions a call, for each race that is counted and each of its contenders; `None` without valgrind.
pub type Counts = Option<Vec<f64>>;

fn counted(races: &[Race]) -> impl Iterator<Item = &Race> {
    races.iter().filter(|race| is_counted(race))
}

/// Whether the race is counted. Two tasks execute the same instructions as one.
pub fn is_counted(race: &Race) -> bool {
    race.tasks == 1 && race.fill <= MOST_FILL
}

/// What runs under callgrind.
pub fn make_counted_calls(races: &[Race]) {
    for race in counted(races) {
        for (_, make) in &race.contenders {
            let mut task = race.new_task(make);
            count_inside(&mut *task);
        }
    }
}

/// The function that callgrind counts in, known by its name.
#[inline(never)]
fn count_inside(task: &mut dyn Task) {
    task.make_calls(CALLS);
    // Something is left to do, so that it is a call that returns here, not a jump.
    black_box(task);
}

/// Runs this program, with the same arguments, under callgrind.
pub fn count(races: &[Race], arguments: &[String]) -> Counts {
    let here = std::env::current_exe().ok()?;
    let folder = std::env::temp_dir().join(format!("peers-{}", id()));
    fs::create_dir(&folder).ok()?;
    let counts = run_callgrind(&here, &folder, arguments).and_then(|()| {
        let contenders = counted(races).map(|race| race.contenders.len()).sum();
        (1..=contenders).map(|part| read_total(&folder.join(format!("out.{part}")))).collect()
    });
    // What stays in the temporary folder does no harm.
    let _ = fs::remove_dir_all(folder);
    counts
}

fn run_callgrind(program: &Path, folder: &Path, arguments: &[String]) -> Option<()> {
    let status = Command::new("valgrind")
        .args(["--tool=callgrind", "--toggle-collect=*::count_inside", "--dump-after=*::count_inside"])
        .arg(format!("--callgrind-out-file={}", folder.join("out").display()))
        .arg(program)
        .arg(COUNT_MINE)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.ok()?.success().then_some(())
}

#[allow(clippy::cast_precision_loss, reason = "far fewer than 2^53 instructions")]
fn read_total(part: &Path) -> Option<f64> {
    let text = fs::read_to_string(part).ok()?;
    let total: u64 = text.lines().find_map(|line| line.strip_prefix("totals: "))?.trim().parse().ok()?;
    Some(total as f64 / CALLS as f64)
}
