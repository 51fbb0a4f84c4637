use proptest::prelude::*;

use super::*;
use CertificateFor::{Name, Wildcard};

fn record(text: &str) -> CaaRecord {
    let mut parts = text.splitn(3, ' ');
    let mut part = || parts.next().unwrap();
    CaaRecord { flags: part().parse().unwrap(), tag: part().to_owned(), value: part().into() }
}

fn me() -> Applicant {
    Applicant {
        issuer: "ca1.example.net".into(),
        account_uri: Some("https://ca1.example.net/account/1234".into()),
        method: "dns-01".into(),
    }
}

fn verdict(records: &[&str], certificate: CertificateFor) -> CaaVerdict {
    let records: Vec<_> = records.iter().map(|text| record(text)).collect();
    judge(&records, &me(), certificate)
}

/// `None` for allowed, else why the first record refuses.
fn refusal(value: &str) -> Option<CaaRefusal> {
    match judge(&[CaaRecord { flags: 0, tag: "issue".into(), value: value.into() }], &me(), Name) {
        CaaVerdict::Allowed(_) => None,
        CaaVerdict::Forbidden(refusals) => Some(refusals[0].1),
        CaaVerdict::Unrestricted => panic!("an issue record restricts"),
    }
}

#[test]
fn one_record_as_rfc_8659_and_rfc_8657_have_it() {
    use CaaRefusal::{Malformed, Nobody, OtherAccount, OtherIssuer, OtherMethod};
    use IssueValueError::{Issuer, Octet, Parameter, Tag, Value};
    let account = "accounturi=https://ca1.example.net/account/1234";
    for (value, expected) in [
        // RFC 8659 section 4.2
        ("ca1.example.net", None),
        ("CA1.Example.NET", None),
        (" \tca1.example.net \t", None),
        ("ca1.example.net;", None),
        ("ca1.example.net ; ", None),
        ("ca1.example.net; account=230123", None),
        ("ca1.example.net; account = 230123 ; x=", None),
        ("ca1.example.net; policy=ev; a-b=c=d", None),
        (";", Some(Nobody)),
        ("", Some(Nobody)),
        ("  ", Some(Nobody)),
        ("; account=230123", Some(Nobody)),
        ("ca2.example.org", Some(OtherIssuer)),
        ("example.net", Some(OtherIssuer)),
        ("x.ca1.example.net", Some(OtherIssuer)),
        ("%%%%%", Some(Malformed(Issuer))),
        ("ca1.example.net.", Some(Malformed(Issuer))),
        ("-ca1.example.net", Some(Malformed(Issuer))),
        ("ca1 .example.net", Some(Malformed(Issuer))),
        ("ca1.example.net account=1", Some(Malformed(Issuer))),
        ("ca1.example.net; account", Some(Malformed(Parameter))),
        ("ca1.example.net; a=b;", Some(Malformed(Parameter))),
        ("ca1.example.net;; a=b", Some(Malformed(Parameter))),
        ("ca1.example.net; =b", Some(Malformed(Tag))),
        ("ca1.example.net; a_b=c", Some(Malformed(Tag))),
        ("ca1.example.net; -a=c", Some(Malformed(Tag))),
        ("ca1.example.net; a=b c", Some(Malformed(Value))),
        ("ca1.example.net\0", Some(Malformed(Octet))),
        ("ca1.example.net; a=\u{e4}", Some(Malformed(Octet))),
        // RFC 8657 section 3
        (&format!("ca1.example.net; {account}"), None),
        (&format!("ca1.example.net; ACCOUNTURI={}", &account[11..]), None),
        ("ca1.example.net; accounturi=https://ca1.example.net/account/12345", Some(OtherAccount)),
        ("ca1.example.net; accounturi=HTTPS://ca1.example.net/account/1234", Some(OtherAccount)),
        ("ca1.example.net; accounturi=", Some(OtherAccount)),
        (&format!("ca1.example.net; {account}; {account}"), Some(OtherAccount)),
        (&format!("ca1.example.net; {account}; accounturi=https://other.example"), Some(OtherAccount)),
        // RFC 8657 section 4
        ("ca1.example.net; validationmethods=dns-01", None),
        ("ca1.example.net; validationmethods=http-01,dns-01", None),
        ("ca1.example.net; validationmethods=ca-magic,dns-01", None),
        ("ca1.example.net; validationmethods=http-01", Some(OtherMethod)),
        ("ca1.example.net; validationmethods=", Some(OtherMethod)),
        ("ca1.example.net; validationmethods=dns-01,", Some(OtherMethod)),
        ("ca1.example.net; validationmethods=dns-01,*", Some(OtherMethod)),
        ("ca1.example.net; validationmethods=DNS-01", Some(OtherMethod)),
        ("ca1.example.net; validationmethods=dns-01; validationmethods=dns-01", Some(OtherMethod)),
        (&format!("ca1.example.net; {account}; validationmethods=dns-01"), None),
        (&format!("ca1.example.net; {account}; validationmethods=tls-alpn-01"), Some(OtherMethod)),
    ] {
        assert_eq!(refusal(value), expected, "{value:?}");
    }
}

#[test]
fn without_an_account_a_record_that_asks_for_one_forbids() {
    let applicant = Applicant { account_uri: None, ..me() };
    let bound = record("0 issue ca1.example.net; accounturi=https://ca1.example.net/account/1234");
    let expected = CaaVerdict::Forbidden(vec![(bound.clone(), CaaRefusal::OtherAccount)]);
    assert_eq!(judge(&[bound], &applicant, Name), expected);
}

#[test]
fn sets_of_records() {
    enum Expected {
        Unrestricted,
        By(usize),
        Forbidden(usize),
    }
    use Expected::{By, Forbidden, Unrestricted};
    let mine = "0 issue ca1.example.net";
    let cases: [(&[&str], CertificateFor, Expected); 17] = [
        (&[], Name, Unrestricted),
        (&["0 iodef mailto:security@example.com"], Name, Unrestricted),
        (&["128 iodef mailto:security@example.com"], Name, Unrestricted),
        (&["0 tbs Unknown"], Name, Unrestricted),
        // RFC 8659 section 4.5: a critical property that is not known.
        (&[mine, "128 tbs Unknown"], Name, Forbidden(1)),
        (&[mine, "1 tbs Unknown"], Name, Forbidden(1)),
        (&["128 issue ca1.example.net"], Name, By(0)),
        // Additive: nobody and one are one.
        (&["0 issue ;", mine], Name, By(1)),
        (&["0 issue ca2.example.org", "0 issue %%%%%"], Name, Forbidden(2)),
        // RFC 8659 section 4.3.
        (&["0 issuewild ;"], Name, Unrestricted),
        (&["0 issuewild ;"], Wildcard, Forbidden(1)),
        (&[mine], Wildcard, By(0)),
        (&[mine, "0 issuewild ;"], Wildcard, Forbidden(1)),
        (&[mine, "0 issuewild ;"], Name, By(0)),
        (&["0 issue ;", "0 issuewild ca1.example.net"], Wildcard, By(1)),
        (&["0 issue ;", "0 issuewild ca1.example.net"], Name, Forbidden(1)),
        // RFC 8657 section 5.3: either of two records will do.
        (
            &[
                "0 issue ca1.example.net; validationmethods=http-01",
                "0 issue ca1.example.net; validationmethods=dns-01",
            ],
            Name,
            By(1),
        ),
    ];
    for (records, certificate, expected) in cases {
        let seen = verdict(records, certificate);
        let right = match (&seen, expected) {
            (CaaVerdict::Unrestricted, Unrestricted) => true,
            (CaaVerdict::Allowed(by), By(index)) => *by == record(records[index]),
            (CaaVerdict::Forbidden(refusals), Forbidden(count)) => refusals.len() == count,
            _ => false,
        };
        assert!(right, "{records:?} {certificate:?}: {seen:?}");
    }
}

#[test]
fn what_a_server_wrote_is_shown_without_control_characters() {
    let shown = CaaRecord { flags: 0, tag: "is\nsue".into(), value: b"a\x1b\"b".into() }.to_string();
    assert_eq!(shown, r#"0 is\nsue "a\x1b\"b""#);
}

proptest! {
    #[test]
    fn no_value_panics_and_what_is_allowed_names_the_issuer(octets in prop::collection::vec(any::<u8>(), 0..60)) {
        let record = CaaRecord { flags: 0, tag: "issue".into(), value: octets.clone() };
        if let CaaVerdict::Allowed(_) = judge(&[record], &me(), Name) {
            let text = String::from_utf8(octets).unwrap().to_ascii_lowercase();
            prop_assert!(text.trim_start().starts_with("ca1.example.net"));
        }
    }

    #[test]
    fn a_value_near_a_good_one_is_read_as_it_stands(at in 0usize..45, octet: u8) {
        let mut octets = b"ca1.example.net; validationmethods=dns-01;a=b".to_vec();
        octets[at] = octet;
        let record = CaaRecord { flags: 0, tag: "issue".into(), value: octets.clone() };
        let allowed = matches!(judge(&[record], &me(), Name), CaaVerdict::Allowed(_));
        let in_issuer = at < 15 && !b"ca1.example.net"[at].eq_ignore_ascii_case(&octet);
        prop_assert!(!(allowed && in_issuer));
    }
}
