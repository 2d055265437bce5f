//! Three attempts of one request, in every order and with every result, against a plain list of what happened.

use std::time::Duration;

use tokio::time::sleep;
use tower::{Layer, ServiceExt, service_fn};
use windbreak::retry::RetryBudget;
use windbreak::rules::{Idempotency, rules_fn};
use windbreak::{Effect, Failure, HedgeLayer, Rejection, Verdict};

use crate::support::{Log, millis};

type Error = windbreak::Error<usize>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Ok,
    Declined,
    /// Failed, and may have taken effect.
    Lost,
    InProgress,
    /// A mistake of the caller, which says nothing.
    Mistake,
    /// Failed, and certainly did nothing.
    Refused,
    /// By a layer of ours, before it was sent.
    Rejected,
}

const ENDS: [End; 7] = [End::Ok, End::Declined, End::Lost, End::InProgress, End::Mistake, End::Refused, End::Rejected];

impl End {
    const fn verdict(self) -> Verdict {
        match self {
            Self::Ok => Verdict::Success,
            Self::Declined => Verdict::Declined,
            Self::Lost => Verdict::UNKNOWN,
            Self::InProgress => Verdict::in_progress(None),
            Self::Mistake | Self::Rejected => Verdict::Ignored,
            Self::Refused => Verdict::Failure(Failure::new(Effect::NotApplied)),
        }
    }

    /// The more, the worse it is not to be told.
    const fn weight(self) -> u8 {
        match self {
            Self::Lost | Self::InProgress => 2,
            Self::Mistake => 1,
            _ => 0,
        }
    }
}

/// An attempt, counted from 0, and how long it takes.
type Plan = [(End, Duration); 3];

const DELAY: Duration = millis(100);

/// Which attempt the caller hears of.
fn expected(plan: &Plan, is_safe: bool) -> usize {
    let mut ended: Vec<(Duration, usize)> = Vec::new();
    for (number, (_, took)) in plan.iter().enumerate() {
        let sent_at = DELAY * number as u32;
        let is_over = |(at, other): &(Duration, usize)| {
            *at < sent_at && (*other == 0 || matches!(plan[*other].0, End::Ok | End::Declined))
        };
        if !ended.iter().any(is_over) {
            ended.push((sent_at + *took, number));
        }
    }
    ended.sort();
    let good = ended.iter().find(|(_, number)| matches!(plan[*number].0, End::Ok | End::Declined));
    if let Some((_, number)) = good {
        return *number;
    }
    // The first attempt, and then the hedges as they ended.
    let hedges = ended.iter().map(|(_, number)| *number).filter(|number| *number > 0 && !is_safe);
    std::iter::once(0)
        .chain(hedges)
        .reduce(|told, other| if plan[other].0.weight() > plan[told].0.weight() { other } else { told })
        .expect("there is a first one")
}

async fn heard(plan: Plan, idempotency: Idempotency) -> usize {
    let rules = rules_fn(move |result: Result<&usize, &Error>| match result {
        Ok(number) => plan[*number].0.verdict(),
        Err(error) => error.service().map_or(Verdict::Ignored, |number| plan[*number].0.verdict()),
    });
    let rules = rules.idempotent(move |(): &()| idempotency);
    let log = Log::default();
    let layer = HedgeLayer::after(DELAY, rules).budget(RetryBudget::unlimited()).max_hedges(2).expect("valid");
    let result = layer.layer(service_fn(move |()| {
        let number = log.note() - 1;
        let (end, took) = plan[number];
        async move {
            sleep(took).await;
            match end {
                End::Ok | End::Declined | End::InProgress => Ok(number),
                End::Rejected => Err(Rejection::rate_limited(Some(millis(number as u64))).into()),
                _ => Err(Error::Service(number)),
            }
        }
    }));
    match result.oneshot(()).await {
        Ok(number) => number,
        Err(error) => error.service().copied().unwrap_or_else(|| {
            let wait = error.rejection().and_then(Rejection::retry_after).expect("it was given one");
            wait.as_millis() as usize
        }),
    }
}

/// Which attempt is returned if none is good: none is hidden that may have taken effect, by one that did nothing or says
/// nothing.
#[tokio::test(start_paused = true)]
async fn of_three_attempts_the_one_is_returned_that_a_plain_list_says() {
    let takes = [[150, 260, 450, 900], [20, 130, 400, 950], [30, 170, 620, 990]];
    let mut seen = [0; 3];
    for case in 0..(7 * 4_usize).pow(3) {
        let digit = |place: u32| case / 28_usize.pow(place) % 28;
        let plan = [0, 1, 2].map(|number| {
            let digit = digit(number as u32);
            (ENDS[digit % 7], millis(takes[number][digit / 7]))
        });
        for idempotency in [Idempotency::Keyed, Idempotency::Safe] {
            let heard = heard(plan, idempotency).await;
            assert_eq!(heard, expected(&plan, idempotency == Idempotency::Safe), "{plan:?} {idempotency:?}");
            seen[heard] += 1;
        }
    }
    assert!(seen.iter().all(|count| *count > 1_000), "{seen:?}");
}
