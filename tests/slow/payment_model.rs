//! A payment of one order, as an exhaustive search over everything that can happen in any order.
//!
//! A client charges a card at one of two providers by the protocol of `verify` and `failover`: it writes down what it is
//! about to do, sends under one key, asks when a response is lost, voids when nobody knows, and moves on after a definite no.
//! Beside it run a sweep and the provider's callback. Requests and responses are lost or late, and processes die at
//! any step. The search visits every state that this can lead to, and looks for three things: an order with two charges, a
//! record that says what is not so, and a state from which the order can never be settled.
//!
//! Each broken variant leaves out one rule of the protocol, and the search finds what that leads to.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

/// The providers are 0 and 1; the second is where the failover goes.
type Provider = usize;

/// The record of the order. Every change is a compare-and-set from a state that names the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Row {
    Absent,
    Pending(Provider),
    /// Somebody is about to void, so nobody may call it paid any more.
    Voiding(Provider),
    Paid(Provider),
    Failed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Client {
    New,
    /// It is written down, and not sent.
    Written(Provider),
    Waiting {
        at: Provider,
        sent: u8,
    },
    Asking(Provider),
    /// The question did not settle it.
    InDoubt(Provider),
    Voiding(Provider),
    /// This provider certainly did nothing and will not.
    NotApplied(Provider),
    Told(Outcome),
    Dead,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Outcome {
    Paid,
    Failed,
    InProgress,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Sweep {
    Idle,
    Asking(Provider),
    Heard(Provider, Said),
    Voiding(Provider),
    Voided(Provider),
}

/// What a provider says of the key of the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Said {
    Charged,
    Declined,
    /// Voided: whatever arrives is refused.
    Closed,
    NotFound,
    Nothing,
}

/// One provider. It knows the key of the order, and acts on it once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own, and the search counts their combinations")]
struct Books {
    /// Requests on their way to it.
    on_the_way: u8,
    charged: bool,
    declined: bool,
    closed: bool,
    /// A callback that says that the card was charged is on its way to us.
    calls_back: bool,
    /// A response on its way to the client: what was so when it was sent.
    response: Option<Said>,
}

impl Books {
    const fn say(self) -> Said {
        match self {
            Self { closed: true, .. } => Said::Closed,
            Self { charged: true, .. } => Said::Charged,
            Self { declined: true, .. } => Said::Declined,
            _ => Said::NotFound,
        }
    }

    /// Undoes what was done, and refuses what is still to come.
    const fn void(self) -> Self {
        Self { charged: false, closed: true, ..self }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct State {
    row: Row,
    client: Client,
    sweep: Sweep,
    providers: [Books; 2],
}

/// A rule of the protocol that is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Broken {
    Nothing,
    /// A lost response sends the order to the other provider.
    FailoverOnUnknown,
    /// The provider does not find it, so it is taken not to be there for good.
    NotFoundIsFinal,
    /// An attempt that was rejected before it was sent hides an earlier one that was lost.
    RejectionHidesAttempt,
    /// The void is not written down before it is sent.
    VoidWithoutNote,
    /// Nobody looks at orders that were left pending.
    NoSweep,
}

/// How often the client sends to one provider, with the same key.
const ATTEMPTS: u8 = 2;

impl State {
    const fn start() -> Self {
        let books =
            Books { on_the_way: 0, charged: false, declined: false, closed: false, calls_back: false, response: None };
        Self { row: Row::Absent, client: Client::New, sweep: Sweep::Idle, providers: [books; 2] }
    }

    const fn is_settled(&self) -> bool {
        matches!(self.row, Row::Paid(_) | Row::Failed)
    }

    /// What must never be.
    fn wrong(&self) -> Option<&'static str> {
        let charges = self.providers.iter().filter(|books| books.charged).count();
        if charges > 1 {
            return Some("two charges for one order");
        }
        match (self.row, self.client) {
            (Row::Paid(provider), _) if !self.providers[provider].charged => Some("paid, and not charged"),
            (Row::Failed, _) if charges > 0 => Some("failed, and charged"),
            (row, Client::Told(Outcome::Paid)) if !matches!(row, Row::Paid(_)) => Some("told paid, and it is not"),
            (row, Client::Told(Outcome::Failed)) if row != Row::Failed => Some("told failed, and it is not"),
            _ => None,
        }
    }

    /// Writes `to` if the record still says one of `from`.
    fn set(&mut self, from: &[Row], to: Row) -> bool {
        let may = from.contains(&self.row);
        if may {
            self.row = to;
        }
        may
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// The client tells what the record says: its own work is done, or somebody else was first.
    const fn tell(&mut self) {
        self.client = Client::Told(match self.row {
            Row::Paid(_) => Outcome::Paid,
            Row::Failed => Outcome::Failed,
            _ => Outcome::InProgress,
        });
    }

    /// The client hears a definite answer.
    fn hear(&mut self, at: Provider, said: Said) {
        match said {
            Said::Charged => {
                self.set(&[Row::Pending(at)], Row::Paid(at));
                self.tell();
            }
            Said::Declined => {
                self.set(&[Row::Pending(at)], Row::Failed);
                self.tell();
            }
            Said::Closed => self.client = Client::NotApplied(at),
            Said::NotFound | Said::Nothing => self.client = Client::InDoubt(at),
        }
    }

    /// Everything that can happen next.
    fn next(&self, broken: Broken) -> Vec<State> {
        let mut next = Vec::new();
        self.client_steps(broken, &mut next);
        self.provider_steps(&mut next);
        if broken != Broken::NoSweep {
            self.sweep_steps(broken, &mut next);
        }
        next
    }

    fn client_steps(&self, broken: Broken, next: &mut Vec<State>) {
        if !matches!(self.client, Client::Told(_) | Client::Dead) {
            next.push(self.with(|state| state.client = Client::Dead));
        }
        match self.client {
            Client::New => next.push(self.with(|state| {
                state.row = Row::Pending(0);
                state.client = Client::Written(0);
            })),
            Client::Written(at) => {
                next.push(self.with(|state| {
                    state.providers[at].on_the_way += 1;
                    state.client = Client::Waiting { at, sent: 1 };
                }));
                // The circuit is open: nothing was sent.
                next.push(self.with(|state| state.client = Client::NotApplied(at)));
            }
            Client::Waiting { at, sent } => {
                if let Some(said) = self.providers[at].response {
                    next.push(self.with(|state| {
                        state.providers[at].response = None;
                        state.hear(at, said);
                    }));
                }
                // No response in time.
                next.push(self.with(|state| {
                    state.client = match broken {
                        Broken::FailoverOnUnknown => Client::NotApplied(at),
                        _ => Client::Asking(at),
                    };
                }));
                if sent < ATTEMPTS {
                    next.push(self.with(|state| {
                        state.providers[at].on_the_way += 1;
                        state.client = Client::Waiting { at, sent: sent + 1 };
                    }));
                    // The circuit has opened: this attempt was not sent, and the one before it was.
                    next.push(self.with(|state| {
                        state.client = match broken {
                            Broken::RejectionHidesAttempt => Client::NotApplied(at),
                            _ => Client::Asking(at),
                        };
                    }));
                }
            }
            Client::Asking(at) => {
                let said = self.providers[at].say();
                let is_final = said == Said::NotFound && broken == Broken::NotFoundIsFinal;
                next.push(self.with(|state| state.hear(at, if is_final { Said::Closed } else { said })));
                next.push(self.with(|state| state.hear(at, Said::Nothing)));
            }
            Client::InDoubt(at) => {
                // It cannot void, and leaves it to the sweep.
                next.push(self.with(State::tell));
                next.push(self.with(|state| {
                    let may = match broken {
                        Broken::VoidWithoutNote => state.row == Row::Pending(at),
                        _ => state.set(&[Row::Pending(at)], Row::Voiding(at)),
                    };
                    if may { state.client = Client::Voiding(at) } else { state.tell() }
                }));
            }
            Client::Voiding(at) => {
                next.push(self.with(|state| {
                    state.providers[at] = state.providers[at].void();
                    state.client = Client::NotApplied(at);
                }));
                // Done, and the response is lost; and not done.
                next.push(self.with(|state| {
                    state.providers[at] = state.providers[at].void();
                    state.tell();
                }));
                next.push(self.with(State::tell));
            }
            Client::NotApplied(at) => {
                let from = [Row::Pending(at), Row::Voiding(at)];
                if at == 0 {
                    next.push(self.with(|state| {
                        if state.set(&from, Row::Pending(1)) {
                            state.client = Client::Written(1);
                        } else {
                            state.tell();
                        }
                    }));
                }
                next.push(self.with(|state| {
                    state.set(&from, Row::Failed);
                    state.tell();
                }));
            }
            Client::Told(_) | Client::Dead => {}
        }
    }

    fn provider_steps(&self, next: &mut Vec<State>) {
        for at in 0..2 {
            let books = self.providers[at];
            if books.on_the_way > 0 {
                let is_known = books.say() != Said::NotFound;
                let arrive = |change: fn(&mut Books)| {
                    self.with(|state| {
                        let books = &mut state.providers[at];
                        books.on_the_way -= 1;
                        change(books);
                        let waits = matches!(state.client, Client::Waiting { at: waits_at, .. } if waits_at == at);
                        books.response = waits.then(|| books.say());
                    })
                };
                if is_known {
                    // The same key: the same response, and nothing is done.
                    next.push(arrive(|_| {}));
                } else {
                    next.push(arrive(|books| (books.charged, books.calls_back) = (true, true)));
                    next.push(arrive(|books| books.declined = true));
                }
                // It never arrives.
                next.push(self.with(|state| state.providers[at].on_the_way -= 1));
            }
            if books.response.is_some() {
                // It is lost, or nobody waits for it any more.
                next.push(self.with(|state| state.providers[at].response = None));
            }
            if books.calls_back {
                next.push(self.with(|state| {
                    state.providers[at].calls_back = false;
                    state.set(&[Row::Pending(at)], Row::Paid(at));
                }));
                next.push(self.with(|state| state.providers[at].calls_back = false));
            }
        }
    }

    fn sweep_steps(&self, broken: Broken, next: &mut Vec<State>) {
        let go = |sweep| self.with(|state| state.sweep = sweep);
        if self.sweep != Sweep::Idle {
            // It dies, and begins anew.
            next.push(go(Sweep::Idle));
        }
        match (self.sweep, self.row) {
            (Sweep::Idle, Row::Pending(at)) => next.push(go(Sweep::Asking(at))),
            (Sweep::Idle, Row::Voiding(at)) => next.push(go(Sweep::Voiding(at))),
            (Sweep::Idle, _) => {}
            (Sweep::Asking(at), _) => {
                let said = self.providers[at].say();
                let is_final = said == Said::NotFound && broken == Broken::NotFoundIsFinal;
                next.push(go(Sweep::Heard(at, if is_final { Said::Closed } else { said })));
                next.push(go(Sweep::Heard(at, Said::Nothing)));
            }
            (Sweep::Heard(at, said), _) => next.push(self.with(|state| {
                let pending = [Row::Pending(at)];
                state.sweep = Sweep::Idle;
                match said {
                    Said::Charged => _ = state.set(&pending, Row::Paid(at)),
                    Said::Declined | Said::Closed => _ = state.set(&pending, Row::Failed),
                    Said::NotFound | Said::Nothing => {
                        let may = match broken {
                            Broken::VoidWithoutNote => state.row == Row::Pending(at),
                            _ => state.set(&pending, Row::Voiding(at)),
                        };
                        if may {
                            state.sweep = Sweep::Voiding(at);
                        }
                    }
                }
            })),
            (Sweep::Voiding(at), _) => {
                for after in [Sweep::Voided(at), Sweep::Idle] {
                    next.push(self.with(|state| {
                        state.providers[at] = state.providers[at].void();
                        state.sweep = after;
                    }));
                }
            }
            (Sweep::Voided(at), _) => next.push(self.with(|state| {
                state.set(&[Row::Voiding(at), Row::Pending(at)], Row::Failed);
                state.sweep = Sweep::Idle;
            })),
        }
    }
}

/// What the search found.
struct Found {
    states: usize,
    /// What is wrong with any of them, and the shortest way to it.
    wrong: BTreeMap<&'static str, Vec<State>>,
    /// Those from which no settled state can be reached.
    stuck: Vec<State>,
}

fn search(broken: Broken) -> Found {
    let start = State::start();
    let mut came_from = HashMap::from([(start, None)]);
    let mut leads_to: HashMap<State, Vec<State>> = HashMap::new();
    let mut queue = VecDeque::from([start]);
    let mut wrong = BTreeMap::new();
    while let Some(state) = queue.pop_front() {
        if let Some(what) = state.wrong() {
            wrong.entry(what).or_insert_with(|| {
                let mut trail: Vec<State> = std::iter::successors(Some(state), |state| came_from[state]).collect();
                trail.reverse();
                trail
            });
        }
        for next in state.next(broken) {
            leads_to.entry(next).or_default().push(state);
            came_from.entry(next).or_insert_with(|| {
                queue.push_back(next);
                Some(state)
            });
        }
    }

    // Backwards from everything that is settled. An order that was never written down is none.
    let settled = came_from.keys().filter(|state| state.is_settled() || state.row == Row::Absent);
    let mut queue: Vec<State> = settled.copied().collect();
    let mut can_settle: HashSet<State> = queue.iter().copied().collect();
    while let Some(state) = queue.pop() {
        for before in leads_to.get(&state).into_iter().flatten() {
            if can_settle.insert(*before) {
                queue.push(*before);
            }
        }
    }
    let stuck = came_from.keys().filter(|state| !can_settle.contains(state)).copied().collect();
    Found { states: came_from.len(), wrong, stuck }
}

fn describe(trail: &[State]) -> String {
    trail.iter().fold(String::new(), |text, state| text + &format!("\n  {state:?}"))
}

#[test]
fn no_order_is_charged_twice_and_every_order_can_be_settled() {
    let found = search(Broken::Nothing);
    if let Some((what, trail)) = found.wrong.first_key_value() {
        panic!("{what}:{}", describe(trail));
    }
    assert!(found.stuck.is_empty(), "can never be settled:{}", describe(&found.stuck[..1]));
    assert!(found.states > 50_000, "only {} states", found.states);
}

#[test]
fn a_key_does_not_protect_at_another_provider() {
    for broken in [Broken::FailoverOnUnknown, Broken::NotFoundIsFinal, Broken::RejectionHidesAttempt] {
        let found = search(broken);
        assert!(found.wrong.contains_key("two charges for one order"), "{broken:?}: {:?}", found.wrong.keys());
    }
}

#[test]
fn a_void_that_is_not_written_down_first_undoes_what_was_called_paid() {
    let found = search(Broken::VoidWithoutNote);
    assert!(found.wrong.contains_key("paid, and not charged"), "{:?}", found.wrong.keys());
}

#[test]
fn without_a_sweep_an_order_can_be_left_pending_for_ever() {
    let found = search(Broken::NoSweep);
    assert!(found.wrong.is_empty());
    assert!(found.stuck.iter().any(|state| state.client == Client::Dead));
}
