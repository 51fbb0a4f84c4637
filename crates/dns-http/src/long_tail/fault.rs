//! Errors of `dns-update`.

use std::fmt;

use dns_update::Error;
use fleetcert_dns::BackendErrorKind;

/// What `dns-update` has a word for, and its text where it may be shown: the
/// [`source`](std::error::Error::source) of the backend's error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LongTailFault {
    kind: BackendErrorKind,
    what: &'static str,
    text: Option<String>,
}

/// Maximum characters of a text that are shown.
const MAX_SHOWN: usize = 300;

impl LongTailFault {
    pub(super) fn new(error: &Error, show_texts: bool) -> Self {
        use BackendErrorKind::{InvalidInput, NotInZone, Unauthenticated, Unavailable};
        let (kind, what, text) = match error {
            Error::Unauthorized => (Unauthenticated, "the provider does not accept the token", None),
            Error::NotFound => (NotInZone, "the provider does not find the zone or the record", None),
            Error::BadRequest => (InvalidInput, "the provider does not understand the request", None),
            Error::InvalidRegion => (InvalidInput, "the region is no region", None),
            Error::Unsupported(text) => (InvalidInput, "the provider does not support it", Some(text)),
            Error::Protocol(text) => (Unavailable, "the DNS exchange failed", Some(text)),
            Error::Client(text) => (Unavailable, "the client failed", Some(text)),
            Error::Parse(text) | Error::Serialize(text) => {
                (Unavailable, "what was sent or answered could not be read", Some(text))
            }
            Error::Api(text) | Error::Response(text) => {
                (Unavailable, "the provider answered with something else than success", Some(text))
            }
            // What is not known here may be anything.
            _ => (Unavailable, "the change failed", None),
        };
        Self { kind, what, text: text.filter(|_| show_texts).map(|text| shown(text)) }
    }

    /// What it means to the caller.
    pub fn kind(&self) -> BackendErrorKind {
        self.kind
    }

    /// The text of `dns-update`, on one line of bounded length, if texts are shown.
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }
}

fn shown(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(MAX_SHOWN).filter(|character| !character.is_control()).collect()
}

impl fmt::Display for LongTailFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)?;
        self.text.as_ref().map_or(Ok(()), |text| write!(f, ": {text}"))
    }
}

impl std::error::Error for LongTailFault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_come_from_variants_and_texts_are_shown_only_on_request() {
        let url = "Failed to send request to https://dns.test/?token=secret\n\u{1b}: timeout".to_owned();
        for (error, kind) in [
            (Error::Unauthorized, BackendErrorKind::Unauthenticated),
            (Error::NotFound, BackendErrorKind::NotInZone),
            (Error::BadRequest, BackendErrorKind::InvalidInput),
            (Error::InvalidRegion, BackendErrorKind::InvalidInput),
            (Error::Unsupported(url.clone()), BackendErrorKind::InvalidInput),
            (Error::Protocol(url.clone()), BackendErrorKind::Unavailable),
            (Error::Parse(url.clone()), BackendErrorKind::Unavailable),
            (Error::Client(url.clone()), BackendErrorKind::Unavailable),
            (Error::Response(url.clone()), BackendErrorKind::Unavailable),
            (Error::Api("HTTP 429: slow down".to_owned()), BackendErrorKind::Unavailable),
            (Error::Serialize(url.clone()), BackendErrorKind::Unavailable),
        ] {
            let fault = LongTailFault::new(&error, false);
            assert_eq!(fault.kind(), kind, "{error}");
            assert!(!format!("{fault} {fault:?}").contains("secret"));
            assert_eq!(fault.text(), None);
        }
        let fault = LongTailFault::new(&Error::Api(url), true);
        assert!(fault.to_string().ends_with("?token=secret : timeout"), "{fault}");
        let long = LongTailFault::new(&Error::Api("ä".repeat(1000)), true);
        assert_eq!(long.text().unwrap().chars().count(), MAX_SHOWN);
    }
}
