use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::sleep;

use super::incarnation::Process;
use crate::provider::{CallBack, Condition};
use crate::service::Heard;
use crate::storage::Trouble;

fn millis(rng: &mut SmallRng, range: std::ops::Range<u64>) -> Duration {
    Duration::from_millis(rng.random_range(range))
}

/// Kills the service, and starts it again. Returns how often.
pub(super) async fn crashes(process: Process, seed: u64, times: u32, within: Duration) -> u32 {
    let mut rng = SmallRng::seed_from_u64(seed);
    let most = u64::try_from(within.as_millis()).expect("minutes") / u64::from(times.max(1));
    for _ in 0..times {
        sleep(millis(&mut rng, 1..most.max(2))).await;
        process.crash();
        sleep(millis(&mut rng, 1..400)).await;
        process.start().await;
    }
    times
}

/// Has the providers be dead, silent or failing for a while, the database unwell, and the switches thrown.
pub(super) async fn outages(process: Process, seed: u64) {
    let mut rng = SmallRng::seed_from_u64(seed);
    loop {
        sleep(millis(&mut rng, 200..4_000)).await;
        match rng.random_range(0..6) {
            index @ 0..=3 => {
                let conditions = [Condition::Dead, Condition::Silent, Condition::Failing];
                let provider = &process.providers[index % 2];
                provider.set_condition(conditions[rng.random_range(0..3)]);
                sleep(millis(&mut rng, 100..4_000)).await;
                provider.set_condition(Condition::Up);
            }
            4 => {
                process.storage.set_trouble(Trouble { fails: 0.3, answer_lost: 0.15 });
                sleep(millis(&mut rng, 100..1_500)).await;
                process.storage.set_trouble(Trouble::default());
            }
            _ => {
                let switch = [("prefer", "beta"), ("prefer", "alpha"), ("alpha", "off"), ("alpha", "on")];
                let (name, value) = switch[rng.random_range(0..4)];
                process.call(move |shop| async move { _ = shop.switch(name, value).await }).await;
            }
        }
    }
}

/// Brings the providers' callbacks to the service. A provider tries three times; now and then one is lost, or comes twice.
pub(super) async fn courier(process: Process, seed: u64, mut calls: UnboundedReceiver<CallBack>) {
    let mut rng = SmallRng::seed_from_u64(seed);
    while let Some(call) = calls.recv().await {
        let copies = [0, 1, 1, 1, 1, 1, 1, 2][rng.random_range(0..8)];
        for _ in 0..copies {
            let (process, call) = (process.clone(), call.clone());
            let first = millis(&mut rng, 0..50);
            tokio::spawn(async move {
                sleep(first).await;
                for _ in 0..3 {
                    let (from, body) = (call.from, call.body.clone());
                    let heard = process.call(move |shop| async move { shop.callback(from, &body).await }).await;
                    if matches!(heard, Some(Ok(heard)) if heard != Heard::Unconfirmed) {
                        return;
                    }
                    sleep(Duration::from_millis(500)).await;
                }
            });
        }
    }
}
