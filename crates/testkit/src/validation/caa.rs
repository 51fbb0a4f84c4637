//! What CAA records allow (RFC 8659, RFC 8657).

use hickory_proto::rr::rdata::CAA;

/// Who asks whether it may issue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker<'a> {
    /// The CA's own name.
    pub(super) identity: &'a str,
    /// The account for which it would issue.
    pub(super) account_url: &'a str,
}

/// The tags that we understand, so that they may be critical.
const KNOWN: &[&str] = &["issue", "issuewild", "iodef", "issuemail", "contactemail", "contactphone"];

impl Asker<'_> {
    /// Returns why these records, the closest set to a name, forbid a certificate after a dns-01 challenge. For a
    /// wildcard, `issuewild` properties replace those of `issue` (RFC 8659 section 4.3).
    pub(super) fn judge(&self, records: &[CAA], wildcard: bool) -> Result<(), String> {
        let is_known = |record: &CAA| KNOWN.iter().any(|tag| record.tag.eq_ignore_ascii_case(tag));
        if records.iter().any(|record| record.issuer_critical && !is_known(record)) {
            return Err("a critical property is not understood".to_owned());
        }
        let has = |tag| records.iter().any(|record| record.tag.eq_ignore_ascii_case(tag));
        let tag = if wildcard && has("issuewild") { "issuewild" } else { "issue" };
        let mut issue = records.iter().filter(|record| record.tag.eq_ignore_ascii_case(tag)).peekable();
        if issue.peek().is_none() || issue.any(|record| self.is_satisfied(&record.value)) {
            return Ok(());
        }
        Err(format!("no {tag} property is for {} and this account", self.identity))
    }

    /// A value that does not follow the grammar allows nothing.
    fn is_satisfied(&self, value: &[u8]) -> bool {
        let Some(property) = std::str::from_utf8(value).ok().and_then(IssueValue::parse) else {
            return false;
        };
        property.domain.eq_ignore_ascii_case(self.identity)
            && property
                .at_most_one("accounturi")
                .is_ok_and(|uri| uri.is_none_or(|uri| uri == self.account_url))
            && property
                .at_most_one("validationmethods")
                .is_ok_and(|methods| methods.is_none_or(|list| list.split(',').any(|one| one == "dns-01")))
    }
}

/// An issue-value (RFC 8659 section 4.2).
#[derive(Debug, PartialEq, Eq)]
struct IssueValue<'a> {
    /// Empty: nobody.
    domain: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
}

/// The same parameter twice cannot be satisfied.
struct Twice;

impl<'a> IssueValue<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        const BLANK: [char; 2] = [' ', '\t'];
        let mut parts = text.split(';').map(|part| part.trim_matches(BLANK));
        let domain = parts.next()?;
        if !domain.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.')) {
            return None;
        }
        let mut parameters = Vec::new();
        for part in parts.filter(|part| !part.is_empty()) {
            let (tag, value) = part.split_once('=')?;
            let (tag, value) = (tag.trim_matches(BLANK), value.trim_matches(BLANK));
            let is_tag = !tag.is_empty() && tag.bytes().all(|o| o.is_ascii_alphanumeric() || o == b'-');
            if !is_tag || !value.bytes().all(|octet| octet.is_ascii_graphic()) {
                return None;
            }
            parameters.push((tag, value));
        }
        Some(Self { domain, parameters })
    }

    fn at_most_one(&self, tag: &str) -> Result<Option<&'a str>, Twice> {
        let mut values = self
            .parameters
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case(tag))
            .map(|(_, value)| *value);
        match (values.next(), values.next()) {
            (first, None) => Ok(first),
            _ => Err(Twice),
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
