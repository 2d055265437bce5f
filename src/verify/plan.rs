//! What a failure of unknown effect leads to: a question, another one, a void, and an end. It knows no clock and no future.

use std::time::Duration;

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Ask, after the pause that was proposed.
    Ask,
    /// Make sure that the request does not take effect.
    Void,
    /// The end: the upstream's own response.
    Applied,
    /// The end: there was no effect and will be none.
    NotApplied,
    /// The end: nobody knows.
    Unsettled,
}

/// What was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    Applied,
    NotApplied,
    InProgress,
    /// Also an error, a panic or a timeout of the question.
    Unknown,
}

/// How far it has come with one request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    questions_left: u32,
    has_void: bool,
}

impl Plan {
    pub(super) const fn new(questions: u32, has_void: bool) -> Self {
        Self { questions_left: questions, has_void }
    }

    /// Asks after `pause`, if the question then has some of the `time_left` before the deadline.
    pub(super) fn ask(&mut self, pause: Duration, time_left: Option<Duration>) -> Next {
        if self.questions_left == 0 || time_left.is_some_and(|left| pause >= left) {
            return self.give_up();
        }
        self.questions_left -= 1;
        Next::Ask
    }

    /// `pause` is how long to wait before another question.
    pub(super) fn hear(&mut self, heard: Heard, pause: Duration, time_left: Option<Duration>) -> Next {
        match heard {
            Heard::Applied => Next::Applied,
            Heard::NotApplied => Next::NotApplied,
            Heard::InProgress => self.ask(pause, time_left),
            Heard::Unknown => self.give_up(),
        }
    }

    pub(super) const fn voided(is_done: bool) -> Next {
        if is_done { Next::NotApplied } else { Next::Unsettled }
    }

    /// Voids if that is possible.
    pub(super) const fn give_up(self) -> Next {
        if self.has_void { Next::Void } else { Next::Unsettled }
    }

    pub(super) const fn may_ask_again(self) -> bool {
        self.questions_left > 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// One question: the pause before it, what is left of the time when it is proposed, and what is heard.
    type Round = (u64, Option<u64>, Heard);

    fn heard() -> impl Strategy<Value = Heard> {
        prop_oneof![
            1 => Just(Heard::Applied),
            1 => Just(Heard::NotApplied),
            4 => Just(Heard::InProgress),
            1 => Just(Heard::Unknown),
        ]
    }

    fn rounds() -> impl Strategy<Value = Vec<Round>> {
        prop::collection::vec((0..4_u64, prop::option::weighted(0.3, 0..9_u64), heard()), 8)
    }

    /// Which rounds are asked, and the end: all at once, over the whole list.
    fn expected(rounds: &[Round], questions: usize, void: Option<bool>) -> (usize, bool, Next) {
        let in_time = rounds.iter().take_while(|(pause, left, _)| left.is_none_or(|left| *pause < left)).count();
        let until_it_is_said = rounds.iter().take_while(|round| round.2 == Heard::InProgress).count() + 1;
        let asked = questions.min(in_time).min(until_it_is_said);
        let last = asked.checked_sub(1).map(|last| rounds[last].2);
        match (last, void) {
            (Some(Heard::Applied), _) => (asked, false, Next::Applied),
            (Some(Heard::NotApplied), _) => (asked, false, Next::NotApplied),
            (_, Some(true)) => (asked, true, Next::NotApplied),
            (_, Some(false)) => (asked, true, Next::Unsettled),
            (_, None) => (asked, false, Next::Unsettled),
        }
    }

    proptest! {
        #[test]
        fn it_asks_and_ends_as_the_whole_list_says(
            rounds in rounds(),
            questions in 0..7_u32,
            void in prop::option::of(any::<bool>()),
        ) {
            let mut plan = Plan::new(questions, void.is_some());
            let time = |round: &Round| (Duration::from_secs(round.0), round.1.map(Duration::from_secs));
            let mut asked = 0;
            let mut voided = false;
            let (pause, left) = time(&rounds[0]);
            let mut next = plan.ask(pause, left);
            let end = loop {
                next = match next {
                    Next::Ask => {
                        let heard = rounds[asked].2;
                        asked += 1;
                        let (pause, left) = time(&rounds[asked]);
                        plan.hear(heard, pause, left)
                    }
                    Next::Void => {
                        prop_assert!(!voided, "it voids once");
                        voided = true;
                        Plan::voided(void.expect("there is a void"))
                    }
                    end => break end,
                };
            };
            prop_assert_eq!((asked, voided, end), expected(&rounds, questions as usize, void));
            prop_assert_eq!(plan.may_ask_again(), asked < questions as usize);
        }
    }
}
