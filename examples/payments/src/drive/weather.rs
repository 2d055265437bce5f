use std::sync::Arc;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::sleep;

use crate::provider::{Condition, Upstream};

/// Outages of the providers, one after the other, for as long as orders come.
pub(super) async fn outages(providers: [Arc<Upstream>; 2], seed: u64) {
    let mut rng = SmallRng::seed_from_u64(seed);
    // Each kind at each provider, in an order that the seed chooses; and both at once, so that an order can be refused.
    let kinds = [Condition::Dead, Condition::Failing, Condition::Silent];
    loop {
        sleep(Duration::from_millis(rng.random_range(1_000..4_000))).await;
        let condition = kinds[rng.random_range(0..3)];
        let both = rng.random_bool(0.25);
        let one = rng.random_range(0..2);
        for (index, provider) in providers.iter().enumerate() {
            if both || index == one {
                provider.set_condition(condition);
            }
        }
        sleep(Duration::from_millis(rng.random_range(500..2_500))).await;
        for provider in &providers {
            provider.set_condition(Condition::Up);
        }
    }
}
