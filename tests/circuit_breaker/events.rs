//! The `tracing` events of a circuit.

use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, Mutex, Once, OnceLock, mpsc};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber, span};

use tokio::time::advance;
use windbreak::Circuit;
use windbreak::circuit_breaker::State;

use super::helpers::*;

/// The fields of an event in their order, and its message.
type Fields = Vec<(&'static str, String)>;

/// Keeps every event of windbreak's; and looks at a circuit from another thread while it is being told.
#[derive(Clone, Default)]
struct Listener {
    events: Arc<Mutex<Vec<Fields>>>,
    looks_at: Arc<OnceLock<Circuit>>,
    seen: Arc<Mutex<Vec<State>>>,
}

impl Listener {
    /// What was heard since the last time: name, from, to, `failure_ratio`, `slow_ratio`, calls.
    fn heard(&self) -> Vec<Fields> {
        std::mem::take(&mut self.events.lock().expect("no event panics"))
    }
}

struct Reader<'a>(&'a mut Fields);

impl Visit for Reader<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push((field.name(), value.to_owned()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.push((field.name(), format!("{value:?}")));
    }
}

impl Listener {
    fn hear(&self, event: &Event<'_>) {
        let mut fields = Fields::new();
        event.record(&mut Reader(&mut fields));
        let opens = fields.contains(&("to", "open".to_owned()));
        assert_eq!(*event.metadata().level(), if opens { Level::WARN } else { Level::INFO });
        self.events.lock().expect("no event panics").push(fields);

        if let Some(circuit) = self.looks_at.get().cloned() {
            let (tell, told) = mpsc::channel();
            std::thread::spawn(move || tell.send(circuit.snapshot().state));
            let state = told.recv_timeout(5 * SECOND).expect("the lock is free while the event is told");
            self.seen.lock().expect("no event panics").push(state);
        }
    }
}

type Hears = Box<dyn Fn(&Event<'_>)>;

thread_local! {
    /// What the test on this thread does with events.
    static HEARS: RefCell<Option<Hears>> = const { RefCell::new(None) };
}

/// For all tests of the program, from the first that listens on: `tracing` remembers whether anybody wants an event, and
/// subscribers that come and go beside one another can miss some.
struct ToThisThread;

impl Subscriber for ToThisThread {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("windbreak")
    }

    fn event(&self, event: &Event<'_>) {
        HEARS.with_borrow(|hears| {
            if let Some(hear) = hears {
                hear(event);
            }
        });
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// Listens no longer once it is dropped.
struct Listening;

impl Drop for Listening {
    fn drop(&mut self) {
        HEARS.take();
    }
}

fn hear_with(hears: impl Fn(&Event<'_>) + 'static) -> Listening {
    static SUBSCRIBED: Once = Once::new();
    SUBSCRIBED.call_once(|| tracing::subscriber::set_global_default(ToThisThread).expect("nobody else subscribes"));
    HEARS.set(Some(Box::new(hears)));
    Listening
}

fn listen() -> (Listener, Listening) {
    let listener = Listener::default();
    let hears = listener.clone();
    (listener, hear_with(move |event| hears.hear(event)))
}

/// An event, written down field by field; the ratios are of no calls if `calls` is 0.
fn event(from: &str, to: &str, ratios: Option<[&str; 2]>, calls: u64) -> Fields {
    let text = |text: &str| text.to_owned();
    let mut fields = vec![
        ("message", text("circuit changed state")),
        ("name", text("upstream")),
        ("from", text(from)),
        ("to", text(to)),
    ];
    if let Some([failures, slow]) = ratios {
        fields.extend([("failure_ratio", text(failures)), ("slow_ratio", text(slow))]);
    }
    fields.push(("calls", calls.to_string()));
    fields
}

#[tokio::test(start_paused = true)]
async fn each_transition_is_one_event_with_the_calls_that_led_to_it() {
    let (listener, _guard) = listen();
    let circuit = two_strikes().count_window(4).failure_ratio(0.75).slow_calls(SECOND, 1.0).probes(2).build().unwrap();

    succeed(&circuit);
    for _ in 0..2 {
        fail(&circuit);
    }
    assert!(listener.heard().is_empty());
    let permit = admitted(&circuit);
    advance(2 * SECOND).await;
    permit.record_failure("503");
    let mut opened = event("closed", "open", Some(["0.75", "0.25"]), 4);
    opened.push(("cause", "503".to_owned()));
    assert_eq!(listener.heard(), [opened]);

    rejected(&circuit);
    advance(10 * SECOND).await;
    assert!(listener.heard().is_empty(), "time is not an event");
    fail(&circuit);
    assert_eq!(listener.heard(), [event("open", "half_open", Some(["0.75", "0.25"]), 4)]);
    fail(&circuit);
    assert_eq!(listener.heard(), [event("half_open", "open", Some(["1.0", "0.0"]), 2)]);

    advance(10 * SECOND).await;
    succeed(&circuit);
    let [half_open, closed] = listener.heard().try_into().expect("two events");
    assert_eq!(half_open, event("open", "half_open", Some(["1.0", "0.0"]), 2));
    assert_eq!(closed, event("half_open", "closed", Some(["0.0", "0.0"]), 1));
}

#[tokio::test(start_paused = true)]
async fn hung_probes_that_are_given_up_are_one_event() {
    let (listener, _guard) = listen();
    let circuit = two_strikes().probes(2).probe_timeout(10 * SECOND).build().unwrap();
    trip_and_wait(&circuit).await;
    let hung = [admitted(&circuit), admitted(&circuit)];
    listener.heard();
    advance(15 * SECOND).await;
    rejected(&circuit);
    let opened = || {
        let mut opened = event("half_open", "open", Some(["1.0", "0.0"]), 2);
        opened.push(("cause", "probe_timeout".to_owned()));
        opened
    };
    assert_eq!(listener.heard(), [opened()]);
    drop(hung);

    // That the wait after them is over too may be noticed together with them.
    advance(5 * SECOND).await;
    let hung = [admitted(&circuit), admitted(&circuit)];
    let half_open = || event("open", "half_open", Some(["1.0", "0.0"]), 2);
    assert_eq!(listener.heard(), [half_open()]);
    advance(20 * SECOND).await;
    let late = admitted(&circuit);
    assert_eq!(listener.heard(), [opened(), half_open()]);
    drop(late);
    drop(hung);
    assert!(listener.heard().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_transition_without_calls_has_no_ratios() {
    let (listener, _guard) = listen();
    let circuit = two_strikes().build().unwrap();
    circuit.force_open();
    assert_eq!(listener.heard(), [event("closed", "forced_open", None, 0)]);
}

#[tokio::test(start_paused = true)]
async fn every_switch_that_changes_the_state_is_an_event_and_no_other() {
    let (listener, _guard) = listen();
    let circuit = two_strikes().build().unwrap();
    fail(&circuit);
    circuit.reset();
    circuit.force_closed();
    circuit.force_closed();
    circuit.observe_only();
    circuit.observe_only();
    succeed(&circuit);
    circuit.force_open_for(SECOND);
    circuit.force_open_for(2 * SECOND);
    circuit.force_open();
    circuit.force_open();
    circuit.reset();
    assert_eq!(
        listener.heard(),
        [
            event("closed", "forced_closed", None, 0),
            event("forced_closed", "observe_only", None, 0),
            event("observe_only", "open", Some(["0.0", "0.0"]), 1),
            event("open", "forced_open", Some(["0.0", "0.0"]), 1),
            event("forced_open", "closed", None, 0),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_listener_may_look_at_the_circuit_while_it_is_told() {
    let (listener, _guard) = listen();
    let circuit = two_strikes().build().unwrap();
    assert!(listener.looks_at.set(circuit.clone()).is_ok());
    trip_and_wait(&circuit).await;
    succeed(&circuit);
    circuit.force_open();
    assert_eq!(
        *listener.seen.lock().unwrap(),
        [State::Open, State::HalfOpen, State::Closed, State::ForcedOpen],
        "each event is told after the change"
    );
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_panics_leaves_nobody_with_the_old_state() {
    let circuit = two_strikes().build().unwrap();
    let mut states = circuit.subscribe();
    let _guard = hear_with(|_| std::panic::resume_unwind(Box::new("the listener")));
    let switch = std::panic::AssertUnwindSafe(|| circuit.force_open());
    assert!(std::panic::catch_unwind(switch).is_err());
    assert_eq!((circuit.state(), states.state()), (State::ForcedOpen, State::ForcedOpen));
    assert_eq!(states.changed().await, Some(State::ForcedOpen));
}
