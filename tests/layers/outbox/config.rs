use std::time::Duration;

use windbreak::backoff::Backoff;
use windbreak::outbox::{MemoryStore, RelayBuilder};

use super::helpers::{Rules, Upstream, relay};

type Builder = RelayBuilder<MemoryStore, Upstream, Rules>;

#[test]
fn a_number_out_of_its_bounds_is_named() {
    let rows: [(fn(Builder) -> Builder, &str); 9] = [
        (|relay| relay.topics_at_once(0), "`topics_at_once` is 0; it must be from 1 to 10000"),
        (|relay| relay.topics_at_once(10_001), "`topics_at_once` is 10001; it must be from 1 to 10000"),
        (|relay| relay.timeout(Duration::ZERO), "`timeout` is 0ns; it must be longer than zero"),
        (|relay| relay.timeout(Duration::from_secs(86_401)), "`timeout` is 86401s; it must be at most 86400s, a day"),
        (|relay| relay.max_attempts(0), "`max_attempts` is 0; it must be from 1 to 10000"),
        (|relay| relay.max_lapses(0), "`max_lapses` is 0; it must be at least 1"),
        (|relay| relay.poll_every(Duration::ZERO), "`poll_every` is 0ns; it must be longer than zero"),
        (
            |relay| relay.poll_every(Duration::MAX),
            "`poll_every` is 18446744073709551615.999999999s; it must be at most 3600s, an hour",
        ),
        (|relay| relay.backoff(Backoff::exponential(Duration::ZERO)), "`backoff` is 0ns; it must be longer than zero"),
    ];
    for (set, error) in rows {
        let built = set(relay(&MemoryStore::new(), &Upstream::default())).build();
        assert_eq!(built.unwrap_err().to_string(), format!("relay `test`: {error}"));
    }
}
