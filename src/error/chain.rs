/// The error and its sources in one line. A source that the text ends with already is not repeated.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Nested {
        text: &'static str,
        source: Option<Box<Nested>>,
    }

    #[test]
    fn an_error_is_told_with_its_sources_and_nothing_twice() {
        let reset = || Some(Box::new(Nested { text: "reset by peer", source: None }));
        assert_eq!(chain(&Nested { text: "no response", source: reset() }), "no response: reset by peer");
        assert_eq!(chain(&Nested { text: "lost: reset by peer", source: reset() }), "lost: reset by peer");
        assert_eq!(chain(&Nested { text: "alone", source: None }), "alone");
    }
}
