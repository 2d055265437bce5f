//! What a provider has written down. It knows each payment by the key that the merchant gave it, and acts on a key once.

use std::collections::BTreeMap;

/// How a payment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Accepted; it will end as this.
    Processing(Outcome),
    Charged,
    Declined,
    /// Voided: what was charged has been given back, and whatever still arrives under this key is refused.
    Closed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Charged,
    Declined,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    pub cents: u64,
    pub standing: Standing,
    pub receipt: String,
    /// How often money was taken.
    pub charges: u32,
    /// How often it was given back.
    pub reversals: u32,
    pub voids: u32,
}

impl Payment {
    pub const fn is_charged(&self) -> bool {
        matches!(self.standing, Standing::Charged)
    }
}

#[derive(Debug, Clone, Default)]
pub struct Books {
    payments: BTreeMap<String, Payment>,
}

impl Books {
    /// A payment that has not been seen before begins as `standing`; a known key changes nothing.
    pub fn arrive(&mut self, key: &str, cents: u64, standing: Standing) -> &Payment {
        let receipt = format!("r{}", self.payments.len() + 1);
        self.payments.entry(key.to_owned()).or_insert_with(|| Payment {
            cents,
            standing,
            receipt,
            charges: u32::from(standing == Standing::Charged),
            reversals: 0,
            voids: 0,
        })
    }

    /// A payment in processing ends. `None` if it was voided in the meantime, or has ended.
    pub fn end(&mut self, key: &str) -> Option<Outcome> {
        let payment = self.payments.get_mut(key)?;
        let Standing::Processing(outcome) = payment.standing else { return None };
        payment.standing = match outcome {
            Outcome::Charged => {
                payment.charges += 1;
                Standing::Charged
            }
            Outcome::Declined => Standing::Declined,
        };
        Some(outcome)
    }

    /// Makes sure that nothing of this key stands, or will: also of one that has not arrived.
    pub fn void(&mut self, key: &str) {
        let payment = self.payments.entry(key.to_owned()).or_insert_with(|| Payment {
            cents: 0,
            standing: Standing::Closed,
            receipt: String::new(),
            charges: 0,
            reversals: 0,
            voids: 0,
        });
        payment.voids += 1;
        if payment.is_charged() {
            payment.reversals += 1;
        }
        payment.standing = Standing::Closed;
    }

    pub fn find(&self, key: &str) -> Option<&Payment> {
        self.payments.get(key)
    }

    pub fn all(&self) -> impl Iterator<Item = (&str, &Payment)> {
        self.payments.iter().map(|(key, payment)| (key.as_str(), payment))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone, Copy)]
    enum Act {
        Arrive(Standing),
        End,
        Void,
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            Just(Act::Arrive(Standing::Charged)),
            Just(Act::Arrive(Standing::Declined)),
            Just(Act::Arrive(Standing::Processing(Outcome::Charged))),
            Just(Act::Arrive(Standing::Processing(Outcome::Declined))),
            Just(Act::End),
            Just(Act::Void),
        ]
    }

    proptest! {
        /// Beside a model that reads the whole list: the first arrival counts, and nothing counts once it is voided.
        #[test]
        fn a_key_is_charged_once_at_most_and_never_after_a_void(acts in prop::collection::vec(act(), 0..12)) {
            let mut books = Books::default();
            for (index, act) in acts.iter().enumerate() {
                match act {
                    Act::Arrive(standing) => _ = books.arrive("k", 5, *standing),
                    Act::End => _ = books.end("k"),
                    Act::Void => books.void("k"),
                }
                let past = &acts[..=index];
                let first_void = past.iter().position(|act| matches!(act, Act::Void));
                let before = &past[..first_void.unwrap_or(past.len())];
                let arrival = before.iter().position(|act| matches!(act, Act::Arrive(_)));
                let taken = arrival.is_some_and(|at| match before[at] {
                    Act::Arrive(Standing::Charged) => true,
                    Act::Arrive(Standing::Processing(Outcome::Charged)) => {
                        before[at..].iter().any(|act| matches!(act, Act::End))
                    }
                    _ => false,
                });
                if let Some(payment) = books.find("k") {
                    prop_assert_eq!(payment.charges, u32::from(taken));
                    prop_assert_eq!(payment.reversals, u32::from(taken && first_void.is_some()));
                    prop_assert_eq!(payment.is_charged(), taken && first_void.is_none());
                } else {
                    prop_assert!(arrival.is_none() && first_void.is_none());
                }
            }
        }
    }
}
