//! CAA by the evaluator of `fleetcert-dns-lookup` (RFC 8659, RFC 8657), in the words of a CA.

use fleetcert_dns_lookup::caa::{Applicant, CaaRecord, CaaRefusal, CaaVerdict, CertificateFor, judge};
use hickory_proto::rr::rdata::CAA;

/// The CA and the account for which it would issue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker<'a> {
    /// Domain of the CA.
    pub(super) identity: &'a str,
    /// URL of the account.
    pub(super) account_url: &'a str,
}

impl Asker<'_> {
    /// Returns why these records, the closest set to a name, forbid a certificate after a dns-01 challenge.
    pub(super) fn judge(&self, records: &[CAA], wildcard: bool) -> Result<(), String> {
        let records: Vec<_> = records.iter().map(CaaRecord::from).collect();
        let applicant = Applicant {
            issuer: self.identity.to_owned(),
            account_uri: Some(self.account_url.to_owned()),
            method: "dns-01".to_owned(),
        };
        let kind = if wildcard { CertificateFor::Wildcard } else { CertificateFor::Name };
        match judge(&records, &applicant, kind) {
            CaaVerdict::Forbidden(refusals) => Err(match refusals.first() {
                Some((_, CaaRefusal::UnknownCritical)) => "a critical property is not understood".to_owned(),
                first => {
                    let tag = first.map_or("issue", |(record, _)| &record.tag);
                    format!("no {tag} property is for {} and this account", self.identity)
                }
            }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ACCOUNT: &str = "https://ca.test/acme/account/7";

    fn record(critical: bool, tag: &str, value: &str) -> CAA {
        let mut caa = CAA::new_issue(critical, None, Vec::new());
        caa.tag = tag.to_owned();
        caa.value = value.as_bytes().to_vec();
        caa
    }

    fn allows(records: &[(&str, &str)]) -> bool {
        allows_for(records, false)
    }

    fn allows_for(records: &[(&str, &str)], wildcard: bool) -> bool {
        let records: Vec<CAA> = records.iter().map(|(tag, value)| record(false, tag, value)).collect();
        Asker { identity: "ca.test", account_url: ACCOUNT }.judge(&records, wildcard).is_ok()
    }

    #[test]
    fn issuewild_replaces_issue_for_a_wildcard() {
        for (records, allowed) in [
            (&[("issue", "ca.test")][..], true),
            (&[("issue", "other.test")], false),
            (&[("issue", "other.test"), ("issuewild", "ca.test")], true),
            (&[("issue", "ca.test"), ("IssueWild", ";")], false),
            (&[("issue", "ca.test"), ("issuewild", "other.test")], false),
        ] {
            assert_eq!(allows_for(records, true), allowed, "{records:?}");
        }
    }

    #[test]
    fn who_may_issue() {
        let with = |parameters: &str| format!("ca.test{parameters}");
        for (value, expected) in [
            (with(""), true),
            ("CA.Test".to_owned(), true),
            (with(" ; "), true),
            ("other.test".to_owned(), false),
            (";".to_owned(), false),
            (String::new(), false),
            (with(&format!("; accounturi={ACCOUNT}")), true),
            (with(&format!(";AccountURI = {ACCOUNT}")), true),
            (with("; accounturi=https://ca.test/acme/account/8"), false),
            (with(&format!("; accounturi={ACCOUNT}; accounturi={ACCOUNT}")), false),
            (with("; validationmethods=dns-01"), true),
            (with("; validationmethods=http-01,dns-01"), true),
            (with("; validationmethods=http-01"), false),
            (with("; validationmethods=dns-01; validationmethods=dns-01"), false),
            (with("; unknown=anything"), true),
            (with("; nonsense"), false),
            (with("; a b=c"), false),
            ("ca test".to_owned(), false),
        ] {
            assert_eq!(allows(&[("issue", &value)]), expected, "{value}");
        }
    }

    #[test]
    fn sets_of_records() {
        assert!(allows(&[("iodef", "mailto:ops@fleet.test")]));
        assert!(allows(&[("issuewild", ";")]), "that is for wildcards only");
        assert!(allows(&[("issue", "other.test"), ("ISSUE", "ca.test")]));
        assert!(!allows(&[("issue", "other.test"), ("issuewild", "ca.test")]));
        assert!(allows(&[("tbs", "unknown")]));
        let critical = |tag| {
            Asker { identity: "ca.test", account_url: ACCOUNT }
                .judge(&[record(true, "issue", "ca.test"), record(true, tag, "x")], false)
                .is_ok()
        };
        assert!(critical("iodef"));
        assert!(!critical("tbs"));
    }

    proptest! {
        #[test]
        fn no_value_panics(value in "\\PC{0,80}") {
            allows(&[("issue", &value)]);
        }
    }
}
