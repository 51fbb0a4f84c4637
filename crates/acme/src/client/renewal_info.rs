//! The window in which a CA wants a certificate renewed (RFC 9773 section 4).

use std::time::{Duration, SystemTime};

use fleetcert_x509::CertificateId;
use http::Method;
use reqwest::Url;
use serde::Deserialize;
use time::OffsetDateTime;

use super::Client;
use super::traffic::Purpose;
use crate::{AcmeError, AcmeErrorKind, Operation, RenewalInfo};

/// Bounds of the poll interval (RFC 9773 section 4.3.2).
const MIN_POLL: Duration = Duration::from_secs(60);
const MAX_POLL: Duration = Duration::from_secs(86_400);
/// Poll interval for a CA that names none (section 4.3.3).
const DEFAULT_POLL: Duration = Duration::from_secs(6 * 3600);
const MAX_EXPLANATION: usize = 1024;

/// Reads the renewal window of a certificate. It takes no account.
pub(super) async fn read(client: &Client, id: &CertificateId) -> Result<RenewalInfo, AcmeError> {
    let directory = client.directory().await?;
    let Some(base) = &directory.renewal_info else {
        let detail = "the CA has no renewal information";
        return Err(AcmeError::new(AcmeErrorKind::InvalidInput, Operation::RenewalInfo, detail));
    };
    let url = format!("{}/{id}", base.trim_end_matches('/'));
    let reply = client.wire.exchange(Purpose::RenewalInfo, Method::GET, &url, None).await?;
    parse(&reply.body, reply.retry_after)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    suggested_window: Window,
    #[serde(rename = "explanationURL")]
    explanation_url: Option<String>,
}

#[derive(Deserialize)]
struct Window {
    #[serde(with = "time::serde::rfc3339")]
    start: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    end: OffsetDateTime,
}

fn parse(body: &[u8], retry_after: Option<Duration>) -> Result<RenewalInfo, AcmeError> {
    let document: Document = serde_json::from_slice(body)
        .map_err(|error| AcmeError::protocol("the answer is no renewal information").because(error))?;
    let Window { start, end } = document.suggested_window;
    if start < OffsetDateTime::UNIX_EPOCH || end <= start {
        return Err(AcmeError::protocol("the renewal window ends before it begins, or lies before 1970"));
    }
    Ok(RenewalInfo {
        start: SystemTime::from(start),
        end: SystemTime::from(end),
        explanation_url: document.explanation_url.filter(|url| is_web_page(url)),
        poll_after: retry_after.unwrap_or(DEFAULT_POLL).clamp(MIN_POLL, MAX_POLL),
    })
}

/// Returns whether the URL can be shown to people, who follow it.
fn is_web_page(text: &str) -> bool {
    text.len() <= MAX_EXPLANATION
        && text.bytes().all(|byte| byte.is_ascii_graphic())
        && Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn info(start: &str, end: &str, more: &str, retry_after: Option<u64>) -> Result<RenewalInfo, AcmeError> {
        let body = format!(r#"{{"suggestedWindow":{{"start":"{start}","end":"{end}"}}{more}}}"#);
        parse(body.as_bytes(), retry_after.map(Duration::from_secs))
    }

    #[test]
    fn example_of_the_rfc_is_read() {
        let more = r#","explanationURL":"https://acme.example.com/docs/ari""#;
        let info = info("2025-01-02T04:00:00Z", "2025-01-03T04:00:00Z", more, Some(21_600)).unwrap();
        assert_eq!(info.start, SystemTime::UNIX_EPOCH + Duration::from_secs(1_735_790_400));
        assert_eq!(info.end.duration_since(info.start).unwrap(), Duration::from_secs(86_400));
        assert_eq!(info.explanation_url.as_deref(), Some("https://acme.example.com/docs/ari"));
        assert_eq!(info.poll_after, Duration::from_secs(21_600));
    }

    #[test]
    fn window_that_is_none_is_refused() {
        for (start, end) in [
            ("2025-01-03T04:00:00Z", "2025-01-03T04:00:00Z"),
            ("2025-01-03T04:00:00Z", "2025-01-02T04:00:00Z"),
            ("0001-01-01T00:00:00Z", "2025-01-02T04:00:00Z"),
            ("yesterday", "2025-01-02T04:00:00Z"),
        ] {
            assert_eq!(
                info(start, end, "", None).unwrap_err().kind(),
                AcmeErrorKind::Protocol,
                "{start} {end}"
            );
        }
        assert!(parse(b"<html>", None).is_err());
    }

    #[test]
    fn poll_interval_is_clamped() {
        let poll = |retry_after| {
            let info = info("2025-01-02T04:00:00Z", "2025-01-03T04:00:00Z", "", retry_after).unwrap();
            info.poll_after.as_secs()
        };
        assert_eq!(poll(None), 21_600);
        assert_eq!(poll(Some(0)), 60);
        assert_eq!(poll(Some(10_000_000)), 86_400);
    }

    #[test]
    fn explanation_that_is_no_web_page_is_dropped() {
        for url in ["javascript:alert(1)", "file:///etc/passwd", "not a url", ""] {
            let more = format!(r#","explanationURL":"{url}""#);
            let info = info("2025-01-02T04:00:00Z", "2025-01-03T04:00:00Z", &more, None).unwrap();
            assert_eq!(info.explanation_url, None, "{url}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_panics(body in proptest::collection::vec(any::<u8>(), 0..200), start in "[0-9T:.Z+-]{0,30}") {
            let _ = parse(&body, None);
            let _ = info(&start, "9999-12-31T23:59:59Z", "", None);
        }
    }
}
