//! What a layer for each key costs, by the number of keys, on one thread and on two.
//!
//! `cargo bench --bench per_key` for figures, `-- --quick` to see that it works.
//!
//! How these figures flatter: the keys are numbers, which are cheap to hash and to compare, and the upstream responds at
//! once. Two threads do nothing but call, so with one key they contend for the same circuit: compare with the row of a
//! breaker that both share.

#[path = "harness/mod.rs"]
mod harness;

use std::hint::black_box;
use std::pin::pin;
use std::sync::Barrier;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tower::{Service, ServiceBuilder};
use windbreak::rules::ErrorsOnly;
use windbreak::{BulkheadLayer, Circuit, CircuitBreakerLayer, Error, PerKeyLayer, RetryLayer, RetryPolicy};

use harness::callees::HEALTHY;
use harness::{Contender, Pace, print, race, timed};

const MAX_KEYS: usize = 20_000;

fn main() {
    let given = |argument: &str| std::env::args().any(|given| given == argument);
    let rounds = if given("--bench") && !given("--quick") { 300 } else { 5 };
    let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime needs nothing but memory");
    let _context = runtime.enter();
    for threads in [1, 2] {
        let pace = Pace { rounds, calls: 20_000 };
        print(&format!("a layer for each key, {threads} thread(s)"), &race(contenders(threads), pace));
    }
}

fn contenders(threads: u64) -> Vec<Contender<'static>> {
    let new = || ServiceBuilder::new().map_err(Error::Service).service(HEALTHY);
    let circuit = Circuit::builder("upstream").build().expect("its numbers are valid");
    let bulkhead = BulkheadLayer::new(64).expect("its number is valid");
    let policy = RetryPolicy::builder().build().expect("its numbers are valid");
    let mut contenders = vec![
        called("bare call", threads, 1, &new()),
        called(
            "one breaker",
            threads,
            1,
            &ServiceBuilder::new().layer(CircuitBreakerLayer::new(circuit.clone(), ErrorsOnly)).service(new()),
        ),
    ];
    for keys in [1, 100, 10_000] {
        let (circuit, bulkhead, policy) = (circuit.clone(), bulkhead.clone(), policy.clone());
        let breakers = PerKeyLayer::new(
            MAX_KEYS,
            |request: &u64| *request,
            move |_: &u64| CircuitBreakerLayer::new(circuit.sibling("one of many"), ErrorsOnly),
        );
        let bulkheads = PerKeyLayer::new(MAX_KEYS, |request: &u64| *request, move |_: &u64| bulkhead.sibling());
        let retries = PerKeyLayer::new(
            MAX_KEYS,
            |request: &u64| *request,
            move |_: &u64| RetryLayer::new(policy.sibling(), ErrorsOnly),
        );
        let valid = "at least 1";
        let over = ServiceBuilder::new;
        contenders.extend([
            called(
                &format!("breaker, {keys} keys"),
                threads,
                keys,
                &over().layer(breakers.expect(valid)).service(new()),
            ),
            called(
                &format!("bulkhead, {keys} keys"),
                threads,
                keys,
                &over().layer(bulkheads.expect(valid)).service(new()),
            ),
            called(&format!("retry, {keys} keys"), threads, keys, &over().layer(retries.expect(valid)).service(new())),
        ]);
    }
    contenders
}

/// A clone for each thread, a line apart from the others.
#[repr(align(128))]
struct Apart<S> {
    service: S,
    seed: u64,
}

fn called<S>(name: &str, threads: u64, keys: u64, service: &S) -> Contender<'static>
where
    S: Service<u64> + Clone + Send + 'static,
{
    let mut clones: Vec<_> =
        (0..threads).map(|thread| Box::new(Apart { service: service.clone(), seed: thread })).collect();
    for apart in &mut clones {
        make_calls(apart, keys, 100 * keys);
    }
    let handle = Handle::current();
    let run = move |calls| {
        if let [alone] = &mut clones[..] {
            return Some(timed(|| make_calls(alone, keys, calls)));
        }
        let start = Barrier::new(clones.len());
        thread::scope(|scope| {
            let each: Vec<_> = clones
                .iter_mut()
                .map(|apart| {
                    let (start, handle) = (&start, &handle);
                    scope.spawn(move || {
                        let _context = handle.enter();
                        start.wait();
                        timed(|| make_calls(apart, keys, calls))
                    })
                })
                .collect();
            let times = each.into_iter().map(|thread| thread.join().expect("no call panics"));
            times.max().or(Some(Duration::ZERO))
        })
    };
    Contender { name: name.to_owned(), run: Box::new(run) }
}

fn make_calls<S: Service<u64>>(apart: &mut Apart<S>, keys: u64, calls: u64) {
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..calls {
        let service = black_box(&mut apart.service);
        assert!(service.poll_ready(&mut cx).is_ready());
        // One key or another: in no order that caches or allocations would follow.
        apart.seed = apart.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let request = (apart.seed >> 33) % keys;
        let mut response = pin!(service.call(black_box(request)));
        assert!(matches!(black_box(response.as_mut().poll(&mut cx)), Poll::Ready(Ok(_))));
    }
}
