//! What goes wrong, how often, and with which attempt: the same for the same seed, whatever happens at the same time.

use std::fmt;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

/// What becomes of one exchange. "Acts" is to charge, to void or, of a question, nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// All is well.
    Works,
    /// The card is declined. Of a question: the response is about another order.
    Differs,
    /// Nobody listens.
    Refused,
    ResetBefore,
    /// It acts, and resets the connection.
    ResetAfter,
    Hangs,
    HangsAfter,
    /// A 500 that did nothing.
    ErrorBefore,
    ErrorAfter,
    /// A 503 of a proxy, which did not reach the server.
    ProxyBefore,
    ProxyAfter,
    /// A 503 of a proxy, which hands the request on all the same, later.
    ProxyLate,
    /// A 200 that is no JSON, and nobody acted.
    GarbledBefore,
    GarbledAfter,
    /// It acts, and its 200 breaks off.
    BrokenOff,
    /// The client waits in vain, and the request arrives later.
    Late,
    /// The request has arrived, and the server is at work on it when the client has long given up.
    AtWork,
    /// A 429 with `Retry-After`: the server did not act.
    TurnedAway,
}

pub(super) const FAULTS: [Fault; 18] = [
    Fault::Works,
    Fault::Differs,
    Fault::Refused,
    Fault::ResetBefore,
    Fault::ResetAfter,
    Fault::Hangs,
    Fault::HangsAfter,
    Fault::ErrorBefore,
    Fault::ErrorAfter,
    Fault::ProxyBefore,
    Fault::ProxyAfter,
    Fault::ProxyLate,
    Fault::GarbledBefore,
    Fault::GarbledAfter,
    Fault::BrokenOff,
    Fault::Late,
    Fault::AtWork,
    Fault::TurnedAway,
];

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To charge a card, or to read a rate.
    Order,
    /// To find out whether a card was charged.
    Question,
    Void,
}

/// How many orders come one after the other while a provider is down.
const SPELL: usize = 128;

/// How often each fault comes.
#[derive(Debug, Clone)]
pub(super) struct Weather {
    pub(super) seed: u64,
    /// The weight of each of [`FAULTS`]; each fault is rare in one storm and common in another.
    weights: [u32; FAULTS.len()],
}

impl Weather {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut weights = [(); FAULTS.len()].map(|()| rng.random_range(5..50));
        // What is well comes as often as half of the faults together.
        weights[0] = weights[1..].iter().sum::<u32>() / 2;
        Self { seed, weights }
    }

    /// The fault of an exchange, by number in [`FAULTS`].
    pub(super) fn draw(&self, provider: usize, order: usize, purpose: Purpose, attempt: usize) -> usize {
        let drawn = mix(self.seed, ((order * 2 + provider) * 3 + purpose as usize) * 64 + attempt);
        if purpose == Purpose::Order && is_down(provider, order) {
            return WHILE_DOWN[usize::from(drawn.to_le_bytes()[0]) % WHILE_DOWN.len()] as usize;
        }
        let mut left = drawn % self.weights.iter().map(|weight| u64::from(*weight)).sum::<u64>();
        let fault = self.weights.iter().position(|weight| match left.checked_sub((*weight).into()) {
            Some(rest) => {
                left = rest;
                false
            }
            None => true,
        });
        fault.expect("it is less than the sum")
    }
}

/// Nothing else happens while a provider is down, so that its circuit opens.
const WHILE_DOWN: [Fault; 4] = [Fault::Refused, Fault::ResetBefore, Fault::Hangs, Fault::ProxyBefore];

/// Of six spells one is the outage of the first provider, and another one that of the second.
const fn is_down(provider: usize, order: usize) -> bool {
    (order / SPELL + 3 * provider) % 6 == 2
}

impl fmt::Display for Weather {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}, weights of the faults:", self.seed)?;
        FAULTS.iter().zip(self.weights).try_for_each(|(fault, weight)| write!(f, " {fault:?} {weight}"))
    }
}

/// `SplitMix64`.
fn mix(seed: u64, place: usize) -> u64 {
    let mut z = (seed << 40).wrapping_add(place as u64).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
