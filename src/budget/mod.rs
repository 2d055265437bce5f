//! What retries and hedges are paid from.

mod ledger;
mod retry_budget;

pub(crate) use retry_budget::Intake;
pub use retry_budget::RetryBudget;
