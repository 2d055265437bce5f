//! Layers that hold on until the body of the response has ended.

mod bulkhead;
mod circuit;
mod circuit_breaker;
mod clients;
mod fed;
mod timeout;
mod unchanged;
