//! Long runs: the circuit against a reference, real threads against every order, a million calls.

mod circuit_reference;
mod linearizability;
mod soak;
