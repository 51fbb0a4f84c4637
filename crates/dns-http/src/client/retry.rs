//! Retries: whether to send a request again, and after which pause. Pure.

use std::time::Duration;

use fleetcert_ambient::Backoff;
use http::StatusCode;

use super::Repeat;
use crate::HttpOptions;

/// The outcome of a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The server was not reached, so it did nothing.
    NotSent,
    /// No complete answer came: the server may have carried out the request.
    NoAnswer,
    /// The server answered with this status and this `Retry-After`.
    Status(StatusCode, Option<Duration>),
    /// The answer cannot be used, and would be the same the next time.
    Unusable,
}

/// Returns the pause after which the request is sent again; `None` if it is not.
///
/// `attempt` counts from 1, `left` is the time to the caller's deadline, and `random` picks the pause.
pub(super) fn pause(
    failure: Failure,
    repeat: Repeat,
    attempt: u32,
    left: Duration,
    options: &HttpOptions,
    random: u64,
) -> Option<Duration> {
    let harmless = repeat == Repeat::Harmless;
    let (again, named) = match failure {
        Failure::NotSent => (true, None),
        Failure::NoAnswer => (harmless, None),
        Failure::Status(status, named) => match status.as_u16() {
            // RFC 6585 section 4: the request exceeded a limit, and was not carried out.
            429 => (true, named),
            408 | 425 | 500 | 502..=504 => (harmless, named),
            _ => (false, None),
        },
        Failure::Unusable => (false, None),
    };
    if !again || attempt >= options.max_attempts {
        return None;
    }
    let pause = named.unwrap_or_else(|| backed_off(attempt, options, random));
    (pause < left).then_some(pause)
}

/// Returns a back-off with jitter, so that callers that failed together do not return together.
pub(super) fn backed_off(attempt: u32, options: &HttpOptions, random: u64) -> Duration {
    Backoff::new(options.first_pause, options.longest_pause).jittered(attempt, random)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEFT: Duration = Duration::from_secs(60);

    fn after(failure: Failure, repeat: Repeat, attempt: u32) -> Option<Duration> {
        pause(failure, repeat, attempt, LEFT, &HttpOptions::default(), 0)
    }

    fn status(code: u16) -> Failure {
        Failure::Status(StatusCode::from_u16(code).unwrap(), None)
    }

    #[test]
    fn what_may_pass_is_tried_again() {
        for failure in [Failure::NotSent, Failure::NoAnswer, status(429), status(500), status(503)] {
            assert!(after(failure, Repeat::Harmless, 1).is_some(), "{failure:?}");
        }
        for failure in [Failure::Unusable, status(400), status(401), status(404), status(409), status(501)] {
            assert_eq!(after(failure, Repeat::Harmless, 1), None, "{failure:?}");
        }
    }

    #[test]
    fn what_is_harmful_twice_is_tried_again_only_when_it_was_not_done() {
        for failure in [Failure::NotSent, status(429)] {
            assert!(after(failure, Repeat::Harmful, 1).is_some(), "{failure:?}");
        }
        for failure in [Failure::NoAnswer, status(500), status(503)] {
            assert_eq!(after(failure, Repeat::Harmful, 1), None, "{failure:?}");
        }
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_attempts_end() {
        let options = HttpOptions { max_attempts: 100, ..HttpOptions::default() };
        let pauses: Vec<_> = (1..=7)
            .map(|attempt| {
                let low = pause(Failure::NoAnswer, Repeat::Harmless, attempt, LEFT, &options, 0).unwrap();
                let high = pause(Failure::NoAnswer, Repeat::Harmless, attempt, LEFT, &options, 999).unwrap();
                assert!(low < high && high < low * 2);
                low.as_millis()
            })
            .collect();
        assert_eq!(pauses, [250, 500, 1000, 2000, 4000, 5000, 5000]);
        assert_eq!(after(Failure::NoAnswer, Repeat::Harmless, 4), None);
    }

    #[test]
    fn a_pause_that_the_server_names_is_kept_or_not_made_at_all() {
        let options = HttpOptions::default();
        let named =
            |seconds| Failure::Status(StatusCode::TOO_MANY_REQUESTS, Some(Duration::from_secs(seconds)));
        let pause = |failure| pause(failure, Repeat::Harmless, 1, LEFT, &options, 0);
        assert_eq!(pause(named(59)), Some(Duration::from_secs(59)));
        assert_eq!(pause(named(60)), None);
    }
}
