//! Kinds of orders, as the CA's rate limits distinguish them.

use std::time::SystemTime;

use fleetcert_acme::NewOrder;
use fleetcert_schedule::budget::OrderKind;
use fleetcert_schedule::known_ca::origin;

use crate::records::CertificateRecord;

/// Returns the kind of an order that is sent at `now`; `before` is the last certificate for exactly its names.
pub(super) fn kind_of(
    before: Option<&CertificateRecord>,
    order: &NewOrder,
    account_url: &str,
    now: SystemTime,
) -> OrderKind {
    let before = before.filter(|certificate| origin(&certificate.account_url) == origin(account_url));
    // Let's Encrypt counts from the start of the validity, which is a little before the issuance.
    let issued = before.map(|certificate| certificate.not_before);
    let replaces = order.replaces.as_ref().map(ToString::to_string);
    let replaced = before.filter(|certificate| {
        replaces.is_some() && replaces == certificate.certificate_id && certificate.account_url == account_url
    });
    OrderKind::at(replaced.and_then(|certificate| certificate.window), issued, now)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use fleetcert_schedule::budget::WINDOW_MARGIN;

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);
    const ACCOUNT: &str = "https://ca.test/acct/1";
    const ID: &str = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE";

    fn at(day: u32) -> SystemTime {
        SystemTime::UNIX_EPOCH + DAY * (20_000 + day)
    }

    fn kind(account: &str, replaces: Option<&str>, now: SystemTime) -> OrderKind {
        let certificate = CertificateRecord {
            chain: String::new(),
            identifiers: None,
            csr_sha256: String::new(),
            certificate_id: Some(ID.to_owned()),
            account_url: ACCOUNT.to_owned(),
            not_before: at(0),
            not_after: at(90),
            window: Some((at(60), at(62))),
            renew_at: None,
            is_urgent: false,
            issued_at: vec![at(0)],
        };
        let replaces = replaces.map(|id| id.parse().unwrap());
        let order = NewOrder { replaces, ..NewOrder::new("x.fleet.test".parse().unwrap()) };
        kind_of(Some(&certificate), &order, account, now)
    }

    #[test]
    fn order_is_a_renewal_by_the_rules_of_the_ca() {
        let in_window = OrderKind::AriWindow { same_set: true };
        assert_eq!(kind(ACCOUNT, Some(ID), at(61)), in_window);
        assert_eq!(kind(ACCOUNT, None, at(61)), OrderKind::SameSet, "the CA refused `replaces`");
        assert_eq!(kind(ACCOUNT, Some("aaaa.aaaa"), at(61)), OrderKind::SameSet, "of another certificate");
        // Outside the window, and so near its ends that a clock may say otherwise.
        assert_eq!(kind(ACCOUNT, Some(ID), at(59)), OrderKind::SameSet);
        assert_eq!(kind(ACCOUNT, Some(ID), at(60)), OrderKind::SameSet);
        assert_eq!(kind(ACCOUNT, Some(ID), at(60) + WINDOW_MARGIN), in_window);
        assert_eq!(kind(ACCOUNT, Some(ID), at(62) - WINDOW_MARGIN), OrderKind::SameSet);
        // Another account of the same CA replaces nothing; another CA knows nothing.
        assert_eq!(kind("https://ca.test/acct/2", Some(ID), at(61)), OrderKind::SameSet);
        assert_eq!(kind("https://cb.test/acct/1", Some(ID), at(61)), OrderKind::New);
        // A device that slept is new again, and so is one whose order may not be done in time.
        assert_eq!(kind(ACCOUNT, None, at(119) - DAY / 2), OrderKind::SameSet);
        assert_eq!(kind(ACCOUNT, None, at(119) + DAY / 2), OrderKind::New);
        assert_eq!(kind(ACCOUNT, None, at(130)), OrderKind::New);
        let order = NewOrder::new("x.fleet.test".parse().unwrap());
        assert_eq!(kind_of(None, &order, ACCOUNT, at(1)), OrderKind::New);
    }
}
