//! In place of `src/sync.rs` and of `tokio::sync`: the same things, where every touch is a point at which loom may
//! let another thread go on.

pub(crate) use std::sync::PoisonError;

pub use loom::sync::atomic::Ordering;
pub(crate) use loom::sync::{Mutex, MutexGuard};

/// Taken before something is touched: loom tries every order in which threads can take them.
#[derive(Default)]
struct Turns(loom::sync::atomic::AtomicU64);

impl Turns {
    fn take(&self, order: Ordering) {
        self.0.fetch_add(1, order);
    }
}

/// loom's, with a turn taken before each touch.
///
/// loom remembers only the last touch of an atomic. If a thread loads and then stores, that last touch is its own, and
/// loom forgets that another thread's load before it could also have come after the store: that order is never tried
/// (<https://github.com/tokio-rs/loom/issues/392>). Turns are read-modify-writes, of which it forgets none. Being
/// relaxed they order nothing else, so a load still finds all the stale values it may.
#[derive(Default)]
pub struct AtomicU64 {
    value: loom::sync::atomic::AtomicU64,
    turns: Turns,
}

impl AtomicU64 {
    pub fn new(value: u64) -> Self {
        Self { value: value.into(), turns: Turns::default() }
    }

    pub fn load(&self, order: Ordering) -> u64 {
        self.take_turn();
        self.value.load(order)
    }

    pub fn store(&self, value: u64, order: Ordering) {
        self.take_turn();
        self.value.store(value, order);
    }

    pub fn fetch_add(&self, value: u64, order: Ordering) -> u64 {
        self.take_turn();
        self.value.fetch_add(value, order)
    }

    pub fn fetch_sub(&self, value: u64, order: Ordering) -> u64 {
        self.take_turn();
        self.value.fetch_sub(value, order)
    }

    pub fn fetch_min(&self, value: u64, order: Ordering) -> u64 {
        self.take_turn();
        self.value.fetch_min(value, order)
    }

    /// # Errors
    ///
    /// The value, if `next` declines.
    pub fn fetch_update(
        &self,
        set_order: Ordering,
        fetch_order: Ordering,
        mut next: impl FnMut(u64) -> Option<u64>,
    ) -> Result<u64, u64> {
        let mut value = self.load(fetch_order);
        while let Some(new) = next(value) {
            self.take_turn();
            match self.value.compare_exchange(value, new, set_order, fetch_order) {
                Ok(value) => return Ok(value),
                Err(changed) => value = changed,
            }
        }
        Err(value)
    }

    fn take_turn(&self) {
        self.turns.take(Ordering::Relaxed);
    }
}

/// A cell that is set once. Its lock is loom's: threads that wait for std's would block the one real thread that
/// loom runs them all on.
pub(crate) struct OnceLock<T> {
    value: std::sync::OnceLock<T>,
    is_set: AtomicU64,
    setting: Mutex<()>,
}

impl<T> OnceLock<T> {
    pub(crate) fn new() -> Self {
        Self { value: std::sync::OnceLock::new(), is_set: AtomicU64::new(0), setting: Mutex::new(()) }
    }

    pub(crate) fn get(&self) -> Option<&T> {
        if self.is_set.load(Ordering::Acquire) == 0 { None } else { self.value.get() }
    }

    pub(crate) fn get_or_init(&self, init: impl FnOnce() -> T) -> &T {
        if let Some(value) = self.get() {
            return value;
        }
        let _setting = self.setting.lock();
        let value = self.value.get_or_init(init);
        self.is_set.store(1, Ordering::Release);
        value
    }
}

/// tokio's, which is taken to be right, with a turn taken before each touch: they can come in any order.
pub mod oneshot {
    use std::pin::Pin;
    use std::sync::Arc;
    use std::task::{Context, Poll};

    use tokio_itself::sync::oneshot;

    use super::{Ordering, Turns};

    pub struct Sender<T> {
        sender: oneshot::Sender<T>,
        turns: Arc<Turns>,
    }

    pub struct Receiver<T> {
        receiver: oneshot::Receiver<T>,
        turns: Arc<Turns>,
    }

    pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
        let (sender, receiver) = oneshot::channel();
        let turns = Arc::<Turns>::default();
        (Sender { sender, turns: Arc::clone(&turns) }, Receiver { receiver, turns })
    }

    impl<T> Sender<T> {
        /// # Errors
        ///
        /// The value, if the receiver is gone.
        pub fn send(self, value: T) -> Result<(), T> {
            self.turns.take(Ordering::AcqRel);
            self.sender.send(value)
        }
    }

    impl<T> Future for Receiver<T> {
        type Output = Result<T, oneshot::error::RecvError>;

        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
            self.turns.take(Ordering::AcqRel);
            Pin::new(&mut self.receiver).poll(cx)
        }
    }

    impl<T> Drop for Receiver<T> {
        fn drop(&mut self) {
            self.turns.take(Ordering::AcqRel);
        }
    }
}

/// A watch channel without its waking up. tokio holds a lock of std's while it runs the closure that changes the
/// value, and the closure touches atomics of loom's.
pub mod watch {
    use std::ops::Deref;
    use std::sync::{Arc, PoisonError};

    use super::Mutex;

    #[derive(Debug)]
    pub struct Sender<T>(Arc<Mutex<T>>);

    #[derive(Debug)]
    pub struct Receiver<T>(Arc<Mutex<T>>);

    impl<T> Clone for Receiver<T> {
        fn clone(&self) -> Self {
            Self(Arc::clone(&self.0))
        }
    }

    impl<T> Sender<T> {
        pub fn new(value: T) -> Self {
            Self(Arc::new(Mutex::new(value)))
        }

        pub fn subscribe(&self) -> Receiver<T> {
            Receiver(Arc::clone(&self.0))
        }

        pub fn send_if_modified(&self, modify: impl FnOnce(&mut T) -> bool) -> bool {
            modify(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
        }
    }

    impl<T> Receiver<T> {
        pub fn borrow(&self) -> impl Deref<Target = T> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }

        pub fn borrow_and_update(&mut self) -> impl Deref<Target = T> {
            self.borrow()
        }

        /// Nobody is woken.
        ///
        /// # Errors
        ///
        /// None.
        pub async fn changed(&mut self) -> Result<(), tokio_itself::sync::watch::error::RecvError> {
            std::future::pending().await
        }
    }
}
