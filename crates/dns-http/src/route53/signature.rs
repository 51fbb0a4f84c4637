//! AWS Signature Version 4, as far as Route 53 needs it.
//!
//! Written here because the crate `aws-sigv4` brings a second implementation of SHA-256 and HMAC and forty crates
//! more. AWS publishes test vectors; they are the tests below.

use std::fmt::Write;
use std::time::SystemTime;

use aws_lc_rs::{digest, hmac};
use data_encoding::HEXLOWER;
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use time::OffsetDateTime;
use url::Url;

use super::AwsCredentials;
use crate::client::Outgoing;
use crate::client::authorize::secret_header;

const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const SESSION_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// What a signature is for, beside the request itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope<'a> {
    pub(super) region: &'a str,
    pub(super) service: &'a str,
    pub(super) now: SystemTime,
}

/// Signs the request in its headers, and gives its query the canonical form, so that what is sent is what was signed.
/// `None` when a part of the credentials cannot be in a header.
pub(super) fn sign(outgoing: &mut Outgoing, credentials: &AwsCredentials, scope: Scope<'_>) -> Option<()> {
    let now = OffsetDateTime::from(scope.now);
    let day = format!("{:04}{:02}{:02}", now.year(), u8::from(now.month()), now.day());
    let moment = format!("{day}T{:02}{:02}{:02}Z", now.hour(), now.minute(), now.second());
    outgoing.headers.insert(DATE, HeaderValue::from_str(&moment).ok()?);
    outgoing.headers.remove(&SESSION_TOKEN);
    if let Some(token) = &credentials.session_token {
        outgoing.headers.insert(SESSION_TOKEN, secret_header("", token)?);
    }
    let query = canonical_query(&outgoing.url);
    outgoing.url.set_query(Some(query.as_str()).filter(|query| !query.is_empty()));

    let (names, request) = canonical_request(outgoing, &query, &moment, credentials.session_token.as_ref());
    let place = format!("{day}/{}/{}/aws4_request", scope.region, scope.service);
    let to_sign = format!("AWS4-HMAC-SHA256\n{moment}\n{place}\n{}", hashed(request.as_bytes()));
    let key = signing_key(&credentials.secret_access_key, &day, scope);
    let signature = HEXLOWER.encode(hmac::sign(&key, to_sign.as_bytes()).as_ref());
    let access_key = &credentials.access_key_id;
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={access_key}/{place}, SignedHeaders={names}, Signature={signature}"
    );
    let mut authorization = HeaderValue::from_str(&authorization).ok()?;
    authorization.set_sensitive(true);
    outgoing.headers.insert(AUTHORIZATION, authorization);
    Some(())
}

/// The names of the signed headers, and the request in the form that is signed.
fn canonical_request(
    outgoing: &Outgoing,
    query: &str,
    moment: &str,
    session_token: Option<&SecretString>,
) -> (&'static str, String) {
    let host = outgoing.url.host_str().unwrap_or_default();
    let host = outgoing.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let mut headers = format!("host:{host}\nx-amz-date:{moment}\n");
    let mut names = "host;x-amz-date";
    if let Some(token) = session_token {
        names = "host;x-amz-date;x-amz-security-token";
        headers.push_str("x-amz-security-token:");
        headers.push_str(token.expose_secret());
        headers.push('\n');
    }
    // The path would be encoded once more; ours has only characters that encoding leaves as they are.
    let path = outgoing.url.path();
    let body = hashed(&outgoing.body);
    (names, format!("{}\n{path}\n{query}\n{headers}\n{names}\n{body}", outgoing.method))
}

/// The pairs, encoded as RFC 3986 has it and sorted by their octets.
fn canonical_query(url: &Url) -> String {
    let mut pairs: Vec<_> =
        url.query_pairs().map(|(name, value)| format!("{}={}", encoded(&name), encoded(&value))).collect();
    pairs.sort_unstable_by(|one, two| one.split('=').cmp(two.split('=')));
    pairs.join("&")
}

fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for octet in text.bytes() {
        match octet {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(octet));
            }
            _ => write!(encoded, "%{octet:02X}").expect("a string takes all that is written"),
        }
    }
    encoded
}

fn signing_key(secret: &SecretString, day: &str, scope: Scope<'_>) -> hmac::Key {
    let first = zeroize::Zeroizing::new(format!("AWS4{}", secret.expose_secret()));
    let mut key = hmac::Key::new(hmac::HMAC_SHA256, first.as_bytes());
    for part in [day, scope.region, scope.service, "aws4_request"] {
        key = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref());
    }
    key
}

fn hashed(octets: &[u8]) -> String {
    HEXLOWER.encode(digest::digest(&digest::SHA256, octets).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http::{HeaderMap, Method};
    use std::time::Duration;

    /// 2015-08-30T12:36:00Z, the time of all of AWS's vectors.
    const NOW: Duration = Duration::from_secs(1_440_938_160);

    fn credentials(session_token: Option<&str>) -> AwsCredentials {
        AwsCredentials {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(),
            session_token: session_token.map(Into::into),
        }
    }

    fn outgoing(method: Method, path_and_query: &str) -> Outgoing {
        Outgoing {
            method,
            url: format!("https://example.amazonaws.com{path_and_query}").parse().unwrap(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    fn signed(mut outgoing: Outgoing, token: Option<&str>) -> Outgoing {
        let scope = Scope { region: "us-east-1", service: "service", now: SystemTime::UNIX_EPOCH + NOW };
        sign(&mut outgoing, &credentials(token), scope).unwrap();
        outgoing
    }

    fn signature(outgoing: &Outgoing) -> &str {
        outgoing.headers[AUTHORIZATION].to_str().unwrap().rsplit('=').next().unwrap()
    }

    /// The vectors of AWS's signing test suite (`v4`), by the names that they have there.
    #[test]
    fn vectors_of_aws() {
        for (name, method, target, expected) in [
            (
                "get-vanilla",
                Method::GET,
                "/",
                "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
            (
                "post-vanilla",
                Method::POST,
                "/",
                "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ),
            (
                "post-vanilla-query",
                Method::POST,
                "/?Param1=value1",
                "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11",
            ),
            (
                "get-vanilla-empty-query-key",
                Method::GET,
                "/?Param1=value1",
                "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb",
            ),
            (
                "get-vanilla-query-order-key-case",
                Method::GET,
                "/?Param2=value2&Param1=value1",
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
            (
                "get-vanilla-query-order-encoded",
                Method::GET,
                "/?Param-3=Value3&Param=Value2&%E1%88%B4=Value1",
                "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
            ),
            (
                "get-vanilla-query-unreserved",
                Method::GET,
                "/?-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz=-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
                "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
            ),
            (
                "get-vanilla-utf8-query",
                Method::GET,
                "/?ሴ=bar",
                "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
            ),
            (
                "get-unreserved",
                Method::GET,
                "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
                "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
            ),
            (
                "get-space-normalized",
                Method::GET,
                "/example space/",
                "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741",
            ),
            (
                "get-utf8",
                Method::GET,
                "/ሴ",
                "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
            ),
            (
                "get-relative-relative-normalized",
                Method::GET,
                "/example1/example2/../..",
                "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
            (
                "get-slash-pointless-dot-normalized",
                Method::GET,
                "/./example",
                "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5",
            ),
        ] {
            assert_eq!(signature(&signed(outgoing(method, target), None)), expected, "{name}");
        }
    }

    #[test]
    fn a_vector_with_a_session_token_and_its_whole_header() {
        let token = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267";
        let signed = signed(outgoing(Method::GET, "/"), Some(token));
        assert_eq!(
            signed.headers[AUTHORIZATION],
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date;x-amz-security-token, \
             Signature=07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8"
        );
        assert_eq!(signed.headers[DATE], "20150830T123600Z");
        assert_eq!(signed.headers[SESSION_TOKEN], token);
        assert!(signed.headers[SESSION_TOKEN].is_sensitive() && signed.headers[AUTHORIZATION].is_sensitive());
    }

    #[test]
    fn the_body_is_signed_and_the_query_is_sent_as_it_was_signed() {
        let empty = signed(outgoing(Method::POST, "/?b=2+3&a=%7e"), None);
        let full = Outgoing { body: Bytes::from_static(b"<a/>"), ..outgoing(Method::POST, "/?b=2+3&a=%7e") };
        assert_eq!(empty.url.query(), Some("a=~&b=2%203"));
        assert_ne!(signature(&empty), signature(&signed(full, None)));
    }

    #[test]
    fn a_second_attempt_replaces_the_first_ones_signature() {
        let once = signed(outgoing(Method::GET, "/?a=1"), Some("token"));
        let again = signed(signed(outgoing(Method::GET, "/?a=1"), Some("old")), Some("token"));
        assert_eq!(once.headers, again.headers);
    }

    #[test]
    fn credentials_that_are_no_header_are_refused() {
        let scope = Scope { region: "us-east-1", service: "service", now: SystemTime::UNIX_EPOCH + NOW };
        let mut request = outgoing(Method::GET, "/");
        assert_eq!(sign(&mut request, &credentials(Some("a\nb")), scope), None);
        let bad = AwsCredentials { access_key_id: "a\nb".to_owned(), ..credentials(None) };
        assert_eq!(sign(&mut request, &bad, scope), None);
    }
}
