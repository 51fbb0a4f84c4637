//! The text of an error.

use super::*;

const KINDS: [BackendErrorKind; 7] = [
    BackendErrorKind::Unauthenticated,
    BackendErrorKind::Refused,
    BackendErrorKind::NotInZone,
    BackendErrorKind::Conflict,
    BackendErrorKind::Quota,
    BackendErrorKind::Unavailable,
    BackendErrorKind::InvalidInput,
];

fn error(kind: BackendErrorKind) -> BackendError {
    BackendError::new(kind, Operation::Apply, &"fleet.test".parse().unwrap(), "the cause")
}

#[test]
fn each_kind_has_an_outcome_and_advice() {
    let texts: std::collections::BTreeSet<_> = KINDS.map(|kind| error(kind).to_string()).into();
    assert_eq!(texts.len(), KINDS.len());
    for kind in KINDS {
        let text = error(kind).to_string();
        assert!(text.starts_with("changing the zone fleet.test: "), "{text}");
        assert!(text.ends_with(&format!(": the cause; {}", kind.remedy())), "{text}");
    }
}

#[test]
fn first_attempt_is_not_shown() {
    let first = error(BackendErrorKind::Unavailable).at_server("a.test");
    assert_eq!(first.attempt(), 1);
    assert!(first.to_string().starts_with("changing the zone fleet.test at a.test: "), "{first}");
    let third = first.at_attempt(3);
    assert_eq!(third.attempt(), 3);
    assert!(third.to_string().starts_with("changing the zone fleet.test at a.test, attempt 3: "), "{third}");
}

#[test]
fn clock_skew_is_data_and_text() {
    let error = |seconds| error(BackendErrorKind::Unauthenticated).with_clock_skew(seconds);
    assert_eq!(error(-600).clock_skew(), Some(-600));
    assert!(error(-600).to_string().ends_with("the server's is 600 seconds behind ours"));
    assert!(error(600).to_string().ends_with("the server's is 600 seconds ahead of ours"));
    assert!(error(i64::MIN).to_string().ends_with(" behind ours"));
}

#[test]
fn wait_is_shown_if_a_retry_helps() {
    let wait = Duration::from_millis(1500);
    for kind in KINDS {
        let error = error(kind).with_retry_after(wait);
        let helps = matches!(
            kind,
            BackendErrorKind::Quota | BackendErrorKind::Unavailable | BackendErrorKind::Conflict
        );
        assert_eq!(error.retry_after(), helps.then_some(wait));
        assert_eq!(error.to_string().ends_with("try again after 2 seconds"), helps, "{error}");
    }
}

#[test]
fn clone_has_the_text_and_cause_of_the_original() {
    let cause = std::io::Error::other("SERVFAIL".parse::<u8>().unwrap_err());
    let zone = "fleet.test".parse().unwrap();
    let error = BackendError::new(BackendErrorKind::Unavailable, Operation::Apply, &zone, cause)
        .at_server("192.0.2.1:53")
        .at_attempt(2)
        .with_retry_after(Duration::from_secs(7))
        .with_clock_skew(-5);
    let copy = error.clone();
    assert_eq!(copy.to_string(), error.to_string());
    assert_eq!(copy.retry_after(), Some(Duration::from_secs(7)));
    assert_eq!((copy.attempt(), copy.clock_skew(), copy.server()), (2, Some(-5), Some("192.0.2.1:53")));
    let causes = |error: &dyn std::error::Error| {
        let mut causes = Vec::new();
        let mut next = error.source();
        while let Some(cause) = next {
            causes.push((cause.to_string(), format!("{cause:?}")));
            next = cause.source();
        }
        causes
    };
    assert_eq!(causes(&copy), causes(&error));
    let source = std::error::Error::source(&copy).unwrap();
    assert!(source.is::<std::io::Error>(), "a caller can downcast the cause");
}
