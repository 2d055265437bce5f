//! What hedges share: the delay, which one thread learns from its attempts while another one sets it.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use interleavings::error::Error;
use interleavings::hedge::{Hedge, HedgeLayer, Hedging};
use interleavings::in_every_order;
use interleavings::rules::{ErrorsOnly, WithIdempotency};
use loom::thread;
use tower_layer::Layer as _;
use tower_service::Service;

/// So many attempts must have been seen before there is a delay.
const MINIMUM: usize = 100;

/// Longer than any attempt here takes.
const SET: Duration = Duration::from_secs(3600);

#[derive(Clone)]
struct Upstream;

type Response = Result<(), Error<Infallible>>;

impl Service<()> for Upstream {
    type Response = ();
    type Error = Error<Infallible>;
    type Future = Ready<Response>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Response> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        ready(Ok(()))
    }
}

type Client = Hedge<Upstream, WithIdempotency<ErrorsOnly, (), fn(&()) -> bool>>;

/// A client that has made so many calls and learned from them.
fn client(calls: usize) -> (Hedging, Client) {
    let repeatable: fn(&()) -> bool = |()| true;
    let layer = HedgeLayer::extra_load(0.1, ErrorsOnly.idempotent(repeatable)).unwrap();
    let client = layer.layer(Upstream);
    for _ in 0..calls {
        call(&client);
    }
    (layer.hedging().clone(), client)
}

fn call(client: &Client) {
    let response = pin!(client.clone().call(()));
    assert!(response.poll(&mut Context::from_waker(Waker::noop())).is_ready());
}

#[test]
fn a_delay_that_is_set_stands_although_another_thread_still_learns_one() {
    in_every_order(|| {
        let (hedging, client) = client(MINIMUM - 1);
        // The attempt after which there is an estimate.
        let other = thread::spawn(move || call(&client));
        hedging.set_after(SET);
        assert_eq!(hedging.delay(), Some(SET));
        other.join().unwrap();
        assert_eq!(hedging.delay(), Some(SET));
    });
}

#[test]
fn of_two_attempts_that_end_at_once_one_is_learned_from() {
    in_every_order(|| {
        let (hedging, client) = client(MINIMUM - 1);
        let other = thread::spawn({
            let client = client.clone();
            move || call(&client)
        });
        call(&client);
        let delay = hedging.delay();
        other.join().unwrap();
        assert!(hedging.delay().is_some());
        assert!(delay.is_none_or(|delay| delay < SET));
    });
}

#[test]
fn what_is_learned_anew_begins_with_nothing() {
    in_every_order(|| {
        let (hedging, client) = client(MINIMUM - 1);
        let other = thread::spawn(move || call(&client));
        hedging.set_extra_load(0.2).unwrap();
        other.join().unwrap();
        assert_eq!(hedging.delay(), None);
    });
}
