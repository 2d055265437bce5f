//! A payment provider over the bare socket. What is to go wrong with an exchange, the client says in a header; what it
//! did is in its own books.

use std::time::Duration;

use tokio::time::sleep;

use super::books::{Books, Entry};
use super::fault::{FAULTS, Fault};
use crate::support::http::{Peer, Server, answer, header};

pub(super) const X_FAULT: &str = "x-fault";

/// How late a request is that comes late: some come before the question, and some long after it.
const LATEST: u64 = 300;

#[derive(Clone)]
pub(super) struct Provider {
    number: usize,
    books: Books,
}

/// One exchange, as far as it was read.
struct Exchange {
    provider: Provider,
    order: usize,
    fault: Fault,
    is_keyed: bool,
}

impl Provider {
    pub(super) async fn serve(number: usize, books: &Books) -> Server {
        let provider = Self { number, books: books.clone() };
        Server::raw(move |peer| provider.clone().converse(peer)).await
    }

    async fn converse(self, mut peer: Peer) {
        while let Some(head) = peer.request().await {
            let mut line = head.split([' ', '/']).filter(|part| !part.is_empty());
            let (method, what, order) = (line.next(), line.next(), line.next());
            let exchange = Exchange {
                provider: self.clone(),
                order: order.and_then(|order| order.parse().ok()).expect("it names an order"),
                fault: FAULTS
                    [header(&head, X_FAULT).and_then(|fault| fault.parse::<usize>().ok()).expect("it has one")],
                is_keyed: header(&head, "idempotency-key").is_some(),
            };
            let exchange = if what == Some("orders") && method == Some("post") { exchange } else { exchange.at_once() };
            let more = match (method, what) {
                (Some("post"), Some("orders")) => exchange.charge(peer).await,
                (Some("post"), Some("voids")) => exchange.void(peer).await,
                (Some("get"), Some("orders")) => exchange.find(peer).await,
                (Some("get"), Some("rates")) => exchange.quote(peer).await,
                _ => panic!("nobody sends this: {head}"),
            };
            let Some(again) = more else { return };
            peer = again;
        }
    }
}

impl Exchange {
    /// Only a charge takes time.
    fn at_once(self) -> Self {
        let fault = if self.fault == Fault::AtWork { Fault::Works } else { self.fault };
        Self { fault, ..self }
    }

    async fn charge(self, peer: Peer) -> Option<Peer> {
        let Self { provider: Provider { number, ref books }, order, fault, is_keyed } = self;
        books.arrived(number, order);
        let act = |declines| books.with(number, order, |account| account.charge(is_keyed, declines));
        let acts = matches!(
            fault,
            Fault::Works
                | Fault::ResetAfter
                | Fault::HangsAfter
                | Fault::ErrorAfter
                | Fault::ProxyAfter
                | Fault::GarbledAfter
                | Fault::BrokenOff
        );
        let entry = match fault {
            Fault::Differs => act(true),
            _ if acts => act(false),
            Fault::Late | Fault::ProxyLate => {
                self.act_later(false);
                Entry::NotFound
            }
            Fault::AtWork => {
                let entry = books.with(number, order, |account| account.entry());
                let is_new = entry == Entry::NotFound || !is_keyed && entry != Entry::Closed;
                if is_new {
                    self.act_later(true);
                    Entry::NotFound
                } else {
                    entry
                }
            }
            _ => Entry::NotFound,
        };
        let is_said = match fault {
            Fault::Works | Fault::Differs => entry != Entry::AtWork,
            Fault::AtWork => !matches!(entry, Entry::NotFound | Entry::AtWork),
            _ => false,
        };
        // What was left open before stays open when a request is turned away.
        if fault != Fault::TurnedAway {
            books.with(number, order, |account| account.say(!is_said));
        }
        let response = match entry {
            Entry::Charged => receipt(200, order, number),
            Entry::Declined => receipt(402, order, number),
            Entry::Closed => receipt(410, order, number),
            Entry::AtWork => receipt(409, order, number),
            Entry::NotFound => String::new(),
        };
        let fault = if fault == Fault::AtWork && entry == Entry::NotFound { Fault::Hangs } else { fault };
        self.end(peer, fault, response).await
    }

    /// The request acts later: one of which the server knows, or one that is still on its way to it.
    fn act_later(&self, is_known: bool) {
        let Self { provider: Provider { number, ref books }, order, is_keyed, .. } = *self;
        books.begin(number, order, is_known);
        let books = books.clone();
        let after = Duration::from_millis(order as u64 * 7919 % LATEST);
        tokio::spawn(async move {
            sleep(after).await;
            books.end(number, order, is_known, is_keyed);
        });
    }

    async fn void(self, peer: Peer) -> Option<Peer> {
        let Self { provider: Provider { number, ref books }, order, fault, .. } = self;
        let acts = matches!(
            fault,
            Fault::Works
                | Fault::Differs
                | Fault::ResetAfter
                | Fault::HangsAfter
                | Fault::ErrorAfter
                | Fault::ProxyAfter
                | Fault::GarbledAfter
                | Fault::BrokenOff
        );
        books.with(number, order, |account| {
            if acts {
                account.void();
            }
            if matches!(fault, Fault::Works | Fault::Differs) {
                account.say(false);
            }
        });
        self.end(peer, fault, receipt(200, order, number)).await
    }

    async fn find(self, peer: Peer) -> Option<Peer> {
        let Self { provider: Provider { number, ref books }, order, fault, .. } = self;
        let entry = books.with(number, order, |account| {
            let entry = account.entry();
            if fault == Fault::Works && !matches!(entry, Entry::NotFound | Entry::AtWork) {
                account.say(false);
            }
            entry
        });
        let about = if fault == Fault::Differs { order + 1 } else { order };
        let status = match entry {
            _ if fault == Fault::Differs => 200,
            Entry::Charged => 200,
            Entry::Declined => 402,
            Entry::Closed => 410,
            Entry::AtWork => 202,
            Entry::NotFound => 404,
        };
        self.end(peer, fault, receipt(status, about, number)).await
    }

    async fn quote(self, peer: Peer) -> Option<Peer> {
        let response = receipt(200, self.order, self.provider.number);
        let fault = if self.fault == Fault::Differs { Fault::Works } else { self.fault };
        self.end(peer, fault, response).await
    }

    /// Sends the response, or what comes of it. `None` if the connection is gone.
    async fn end(&self, mut peer: Peer, fault: Fault, response: String) -> Option<Peer> {
        let bytes = match fault {
            Fault::Refused => unreachable!("it was sent elsewhere"),
            Fault::Works | Fault::Differs | Fault::AtWork => response,
            Fault::ResetBefore | Fault::ResetAfter => {
                peer.reset();
                return None;
            }
            Fault::Hangs | Fault::HangsAfter | Fault::Late => {
                peer.closed().await;
                return None;
            }
            Fault::ErrorBefore | Fault::ErrorAfter => answer(500, &[], "oops"),
            Fault::ProxyBefore | Fault::ProxyAfter | Fault::ProxyLate => {
                answer(503, &[("retry-after", "0")], "guru meditation")
            }
            Fault::GarbledBefore | Fault::GarbledAfter => answer(200, &[], "<html>"),
            Fault::BrokenOff => {
                peer.send(&response[..response.len() - 5]).await;
                return None;
            }
            Fault::TurnedAway => answer(429, &[("retry-after", "0")], "later"),
        };
        peer.send(bytes).await.then_some(peer)
    }
}

fn receipt(status: u16, order: usize, provider: usize) -> String {
    answer(status, &[], &format!("{{\"order\":{order},\"provider\":{provider}}}"))
}
