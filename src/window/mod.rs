//! The failure tracker: how the most recent calls went, exactly.
//!
//! [`CountWindow`] looks back over a number of calls, [`TimeWindow`] over a span of time. Both are plain numbers:
//! no lock, no clock (the time is an argument), and a cost that does not grow with what they hold.
//!
//! ```
//! use windbreak::window::{CountWindow, Outcome};
//!
//! let mut last_three = CountWindow::last(3)?;
//! last_three.record(Outcome::FAILURE);
//! last_three.record(Outcome::SUCCESS);
//! last_three.record(Outcome::SUCCESS);
//! assert_eq!(last_three.tally().failures, 1);
//!
//! let tally = last_three.record(Outcome::SUCCESS); // the failure slides out
//! assert_eq!((tally.calls, tally.failures), (3, 0));
//! # Ok::<(), windbreak::InvalidConfig>(())
//! ```
//!
//! Over time:
//!
//! ```
//! use std::time::Duration;
//! use tokio::time::Instant;
//! use windbreak::window::{Outcome, TimeWindow};
//!
//! let mut last_minute = TimeWindow::last(Duration::from_secs(60), 10)?;
//! let start = Instant::now();
//! last_minute.record(Outcome::FAILURE, start);
//! let tally = last_minute.record(Outcome::SUCCESS, start + Duration::from_secs(30));
//! assert_eq!(tally.failure_ratio(), Some(0.5));
//! assert_eq!(last_minute.tally(start + Duration::from_secs(60)).failures, 0);
//! # Ok::<(), windbreak::InvalidConfig>(())
//! ```

mod count;
mod outcome;
mod time;

pub use count::CountWindow;
pub use outcome::{Outcome, Tally};
pub use time::TimeWindow;
