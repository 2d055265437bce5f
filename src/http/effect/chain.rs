use std::error::Error;
use std::sync::Arc;
use std::{io, iter};

use hyper_util::client::legacy;

/// An error, and what is behind it, from the outside in.
///
/// What only holds another error is looked through: an `Arc` or a `Box` of a client's error, which hides the error's own
/// type from whoever walks the sources, and an `io::Error` around another one, which leaves it out of its sources.
pub(super) fn parts<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(opened(error)), |&part| inner(part).map(opened))
}

/// What is behind this part, one step in.
pub(super) fn inner<'a>(part: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match part.downcast_ref::<io::Error>() {
        Some(error) => error.get_ref().map(|inner| inner as _),
        None => part.source(),
    }
}

/// The error in an `Arc` or a `Box`.
pub(super) fn opened<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    iter::successors(Some(error), |&error| content(error)).last().unwrap_or(error)
}

fn content<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    of_type::<legacy::Error>(error)
        .or_else(|| of_type::<hyper::Error>(error))
        .or_else(|| of_type::<io::Error>(error))
        .or_else(|| of_reqwest(error))
        .or_else(|| error.downcast_ref::<Arc<dyn Error + Send + Sync>>().map(|error| &**error as _))
}

fn of_type<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    let shared = error.downcast_ref::<Arc<E>>().map(|error| &**error);
    shared.or_else(|| error.downcast_ref::<Box<E>>().map(|error| &**error)).map(|error| error as _)
}

#[cfg(feature = "reqwest")]
fn of_reqwest<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    of_type::<reqwest::Error>(error)
}

#[cfg(not(feature = "reqwest"))]
fn of_reqwest<'a>(_: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("mine")]
    struct Mine<E: Error + 'static>(#[source] E);

    fn finds_the_refusal(error: &(dyn Error + 'static)) -> bool {
        parts(error).any(|part| {
            part.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
        })
    }

    #[test]
    fn what_holds_an_error_is_looked_through() {
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        let shared: Arc<dyn Error + Send + Sync> = Arc::new(refused());
        for error in [
            &refused() as &(dyn Error + 'static),
            &Arc::new(refused()),
            &Box::new(refused()),
            &shared,
            &io::Error::other(refused()),
            &io::Error::other(Arc::new(refused())),
            &Mine(Arc::new(refused())),
            &Mine(Box::new(refused())),
            &Mine(Mine(Arc::new(io::Error::other(Box::new(refused()))))),
        ] {
            assert!(finds_the_refusal(error), "{error:?}");
        }
        assert!(!finds_the_refusal(&Mine(io::Error::other("refused"))));
    }
}
