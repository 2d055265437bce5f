use std::time::Duration;

/// What the outbox keeps and delivers. Its `id` is the key by which the receiver recognises a repeat.
///
/// ```
/// use std::time::Duration;
/// use windbreak::outbox::Message;
///
/// let paid = Message::new("order-7/paid").topic("order-7").payload("{\"cents\":1200}");
/// assert_eq!((paid.id.as_str(), paid.topic.as_str()), ("order-7/paid", "order-7"));
///
/// // By itself in its topic, and not before five minutes have passed: a sweep.
/// let sweep = Message::new("sweep/order-7").due_in(Duration::from_secs(300));
/// assert_eq!(sweep.topic, sweep.id);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// Unique in its outbox, and the same however often the message is delivered. Derive it from what it tells of, such as
    /// `order-7/paid`, so that the same fact cannot be written twice.
    pub id: String,
    /// Messages of one topic are delivered one at a time, in the order in which they were inserted.
    pub topic: String,
    /// What is delivered. The outbox does not read it.
    pub payload: Vec<u8>,
    /// How many attempts failed that reached the upstream. Zero for one that is inserted.
    pub attempts: u32,
    /// How long after its insertion it is first delivered.
    pub due_in: Duration,
}

impl Message {
    /// A message without a payload, due at once, in a topic of its own, which is named as the message is.
    pub fn new(id: impl Into<String>) -> Self {
        let id = id.into();
        Self { topic: id.clone(), id, payload: Vec::new(), attempts: 0, due_in: Duration::ZERO }
    }

    /// The topic: what it tells of, such as `order-7`.
    #[must_use]
    pub fn topic(self, topic: impl Into<String>) -> Self {
        Self { topic: topic.into(), ..self }
    }

    /// What is delivered.
    #[must_use]
    pub fn payload(self, payload: impl Into<Vec<u8>>) -> Self {
        Self { payload: payload.into(), ..self }
    }

    /// How long after its insertion it is first delivered. Until then the later ones of its topic wait behind it. Longer
    /// than 100 years is 100 years.
    #[must_use]
    pub fn due_in(self, due_in: Duration) -> Self {
        Self { due_in, ..self }
    }

    /// For stores: how many attempts failed so far.
    #[must_use]
    pub fn attempts(self, attempts: u32) -> Self {
        Self { attempts, ..self }
    }
}
