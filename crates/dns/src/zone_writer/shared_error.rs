//! One error for several callers.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::BackendError;

/// The same error for one more caller: its source is the source of the one that all share.
pub(super) fn copy(error: &Arc<BackendError>) -> BackendError {
    let mut copy =
        BackendError::new(error.kind(), error.operation(), error.zone(), SharedSource(error.clone()))
            .at_attempt(error.attempt());
    if let Some(server) = error.server() {
        copy = copy.at_server(server);
    }
    if let Some(wait) = error.retry_after() {
        copy = copy.with_retry_after(wait);
    }
    if let Some(seconds) = error.clock_skew() {
        copy = copy.with_clock_skew(seconds);
    }
    copy
}

struct SharedSource(Arc<BackendError>);

impl SharedSource {
    fn of_shared(&self) -> &(dyn Error + 'static) {
        self.0.source().expect("every error of a backend has a source")
    }
}

impl fmt::Display for SharedSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.of_shared(), f)
    }
}

impl fmt::Debug for SharedSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.of_shared(), f)
    }
}

impl Error for SharedSource {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.of_shared().source()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{BackendErrorKind, Operation};

    #[test]
    fn a_copy_says_what_the_original_says() {
        let zone = "fleet.test".parse().unwrap();
        let error = BackendError::new(
            BackendErrorKind::Unavailable,
            Operation::Apply,
            &zone,
            std::io::Error::other("SERVFAIL".parse::<u8>().unwrap_err()),
        )
        .at_server("192.0.2.1:53")
        .at_attempt(2)
        .with_retry_after(Duration::from_secs(7))
        .with_clock_skew(-5);
        let error = Arc::new(error);
        let copy = copy(&error);
        assert_eq!(copy.to_string(), error.to_string());
        assert_eq!(copy.retry_after(), Some(Duration::from_secs(7)));
        assert_eq!((copy.attempt(), copy.clock_skew(), copy.server()), (2, Some(-5), Some("192.0.2.1:53")));
        let causes = |error: &dyn Error| {
            let mut causes = Vec::new();
            let mut next = error.source();
            while let Some(cause) = next {
                causes.push((cause.to_string(), format!("{cause:?}")));
                next = cause.source();
            }
            causes
        };
        assert_eq!(causes(&copy), causes(&*error));
    }
}
