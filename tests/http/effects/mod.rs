//! What the real errors and answers of real clients are taken for: the table in the documentation of `windbreak::http`,
//! row by row. What may have been processed is never taken for harmless.

mod connecting;
mod http1;
mod http2;
mod pooled;
mod redirects;
mod request_body;
mod statuses;
mod verdicts;
