//! The users' code finds and compares keys, makes layers and drops them; it may use the layer meanwhile, and may panic.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::thread;

use tower::util::MapResponseLayer;
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
use windbreak::per_key::{Evict, Keep, StatelessLayer};
use windbreak::{BulkheadLayer, Error, PerKeyLayer, Rejection};

use super::helpers::echo;

/// Done while the first layer is made.
type Meanwhile = Arc<OnceLock<Box<dyn Fn() + Send + Sync>>>;

/// Does something when it or a clone of it is dropped, and when it is asked whether it may go.
#[derive(Clone)]
struct Hooked<F: Fn() + Clone>(F);

impl<F: Fn() + Clone> Drop for Hooked<F> {
    fn drop(&mut self) {
        self.0();
    }
}

impl<S, F: Fn() + Clone> tower::Layer<S> for Hooked<F> {
    type Service = HookedService<S, F>;

    fn layer(&self, inner: S) -> Self::Service {
        HookedService { inner, hook: self.clone() }
    }
}

#[derive(Clone)]
struct HookedService<S, F: Fn() + Clone> {
    inner: S,
    hook: Hooked<F>,
}

impl<S: Evict, F: Fn() + Clone> Evict for HookedService<S, F> {
    fn keep(&self) -> Keep {
        (self.hook.0)();
        self.inner.keep()
    }
}

impl<S: Service<R>, R, F: Fn() + Clone> Service<R> for HookedService<S, F> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut std::task::Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> S::Future {
        self.inner.call(request)
    }
}

#[tokio::test(start_paused = true)]
async fn no_lock_is_held_while_users_code_runs() {
    let look = Meanwhile::default();
    let (for_key, for_layer, for_drop) = (Arc::clone(&look), Arc::clone(&look), Arc::clone(&look));
    let looks = Arc::new(AtomicUsize::new(0));
    let layer = PerKeyLayer::new(
        2,
        move |key: &u32| {
            for_key.get().expect("set")();
            *key
        },
        move |_| {
            for_layer.get().expect("set")();
            let look = Arc::clone(&for_drop);
            Hooked(move || look.get().expect("set")())
        },
    );
    let layer = layer.unwrap();
    let (same, counter) = (layer.clone(), Arc::clone(&looks));
    let set = look.set(Box::new(move || {
        counter.fetch_add(1, Ordering::Relaxed);
        // So few keys have one lock. Whoever found a key would keep it from going.
        assert!(same.get(&u32::MAX).is_none());
    }));
    assert!(set.is_ok());
    let client = ServiceBuilder::new().layer(layer.clone()).service(echo());
    for key in 0..20 {
        assert_eq!(client.clone().oneshot(key).await, Ok(key));
    }
    assert!(layer.overflow().is_none() && layer.get(&19).is_some(), "the others went");
    assert!(looks.load(Ordering::Relaxed) > 50);
}

/// A key whose `Hash` or `Eq` panics on demand.
#[derive(Clone)]
struct Moody {
    number: u32,
    hash_panics: bool,
    eq_panics: bool,
}

impl std::hash::Hash for Moody {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        assert!(!self.hash_panics, "hash");
        // All alike, so that they are compared.
        state.write_u32(0);
    }
}

impl PartialEq for Moody {
    fn eq(&self, other: &Self) -> bool {
        assert!(!self.eq_panics && !other.eq_panics, "eq");
        self.number == other.number
    }
}

impl Eq for Moody {}

#[tokio::test]
async fn a_key_whose_hash_or_eq_panics_breaks_nothing() {
    let bulkhead = BulkheadLayer::new(1).unwrap();
    let layer = PerKeyLayer::new(10, Moody::clone, move |_| bulkhead.sibling()).unwrap();
    let service = service_fn(|key: Moody| async move { Ok::<_, Error<&'static str>>(key.number) });
    let ask = |number, hash_panics, eq_panics| {
        // A new service each time: it knows no key, so that the table compares them, with its lock.
        let client = ServiceBuilder::new().layer(layer.clone()).service(service);
        tokio::spawn(async move { client.oneshot(Moody { number, hash_panics, eq_panics }).await })
    };
    for number in 0..5 {
        assert_eq!(ask(number, false, false).await.unwrap(), Ok(number));
    }
    for _ in 0..3 {
        assert!(ask(1, true, false).await.unwrap_err().is_panic());
        assert!(ask(1, false, true).await.unwrap_err().is_panic());
    }
    for number in 0..8 {
        assert_eq!(ask(number, false, false).await.unwrap(), Ok(number));
    }
    assert_eq!(layer.keys(), 8);
    assert_eq!(layer.iter().count(), 8);
}

#[tokio::test]
async fn a_request_from_the_code_that_makes_the_layer_of_its_key_is_rejected() {
    let meanwhile = Meanwhile::default();
    let hook = Arc::clone(&meanwhile);
    let layer = PerKeyLayer::new(
        10,
        |key: &u32| *key,
        move |_| {
            hook.get().expect("set")();
            BulkheadLayer::new(1).expect("valid")
        },
    );
    let client = ServiceBuilder::new().layer(layer.unwrap()).service(echo());
    let same = client.clone();
    let set = meanwhile.set(Box::new(move || {
        let answer = tokio_test::task::spawn(same.clone().oneshot(7)).poll();
        assert_eq!(answer, Poll::Ready(Err(Error::Rejected(Rejection::LayerUnfinished))));
    }));
    assert!(set.is_ok());
    assert_eq!(client.clone().oneshot(7).await, Ok(7));
    assert_eq!(client.oneshot(7).await, Ok(7));
}

#[tokio::test]
async fn a_layer_may_be_used_while_it_makes_one_and_that_which_is_there_first_is_kept() {
    let made = AtomicUsize::new(0);
    let meanwhile = Meanwhile::default();
    let hook = Arc::clone(&meanwhile);
    let layer = PerKeyLayer::new(
        10,
        |key: &u32| *key,
        move |_| {
            let number = made.fetch_add(1, Ordering::Relaxed);
            if number == 0 {
                hook.get().expect("it is set before the first request")();
            }
            StatelessLayer::new(MapResponseLayer::new(move |_: u32| number))
        },
    );
    let layer = layer.unwrap();
    let client = ServiceBuilder::new()
        .layer(layer.clone())
        .service(service_fn(|key: u32| async move { Ok::<_, Error<&'static str>>(key) }));
    let other = client.clone();
    let seen = Arc::new(AtomicUsize::new(usize::MAX));
    let noted = Arc::clone(&seen);
    let set = meanwhile.set(Box::new(move || {
        assert_eq!(layer.keys(), 0);
        let answer = thread::scope(|scope| {
            scope.spawn(|| tokio_test::task::spawn(other.clone().oneshot(7)).poll()).join().expect("no panic")
        });
        assert_eq!(answer, Poll::Ready(Ok(1)), "the second to be made");
        noted.store(layer.keys(), Ordering::Relaxed);
    }));
    assert!(set.is_ok());
    assert_eq!(client.clone().oneshot(7).await, Ok(1), "not the one that was begun first");
    assert_eq!(seen.load(Ordering::Relaxed), 1);
    assert_eq!(client.clone().oneshot(7).await, Ok(1));
    assert_eq!(client.oneshot(8).await, Ok(2));
}
