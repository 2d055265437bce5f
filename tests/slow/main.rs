//! Long runs: the circuit against a reference, real threads against every order, a million calls,
//! and everything that can happen to one payment.

mod circuit_reference;
mod linearizability;
mod payment_model;
mod soak;
