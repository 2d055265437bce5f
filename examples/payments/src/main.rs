fn main() {
    let seeds: u64 = std::env::args().nth(1).map_or(20, |text| text.parse().expect("a number"));
    let first: u64 = std::env::args().nth(2).map_or(0, |text| text.parse().expect("a number"));
    let (mut completed, mut failed, mut reversals, mut dirty) = (0, 0, 0, 0);
    for seed in first..first + seeds {
        let run = payments::simulation::run(payments::simulation::Plan::new(seed, 50));
        completed += run.completed;
        failed += run.failed;
        reversals += run.reversals;
        if !run.report.is_clean() {
            dirty += 1;
            if dirty < 4 {
                println!("seed {seed}\n{}", run.report);
                for (order, history) in run.histories.iter().take(3) {
                    println!("{order}:\n  {}", history.join("\n  "));
                }
            }
        }
    }
    println!("{seeds} seeds: {completed} completed, {failed} failed, {reversals} reversals, {dirty} not clean");
}
