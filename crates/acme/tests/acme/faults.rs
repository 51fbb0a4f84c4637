//! Faults of CAs and of proxies in front of them, as users reported them: no accepted order is lost.

use std::sync::Arc;
use std::time::Duration;

use fleetcert_acme::order::{FailureKind, OrderState, Retry};
use fleetcert_acme::{AcmeErrorKind, Authority, MemoryJournal, NewOrder, Outcome, ProblemKind};
use fleetcert_ambient::{Clock, ManualClock, SystemClock, timeout};
use serde_json::{Value, json};

use crate::script::{Canned, Script};
use crate::setting::{Setting, identifiers, issued, wanted};

const HTML: &str = "<html><body>Access denied</body></html>";

async fn drive(setting: &Setting) -> Outcome {
    setting.drive(wanted(), &MemoryJournal::default()).await.unwrap()
}

fn page(done: bool, status: u16, body: &str) -> Canned {
    Canned { done, status, retry_after: None, body: body.to_owned() }
}

fn problem(kind: &str) -> String {
    format!(r#"{{"type":"urn:ietf:params:acme:error:{kind}","detail":"so"}}"#)
}

/// Pages of proxies and load balancers; Entrust and others left out members (win-acme#2570).
#[tokio::test]
async fn answer_that_cannot_be_read_is_read_again() {
    for (status, body) in
        [(200, HTML), (403, HTML), (404, HTML), (200, ""), (200, "{}"), (200, "\u{1}\u{2}"), (200, "[7]")]
    {
        for (route, done) in [
            ("authz", true),
            ("chall", true),
            ("chall", false),
            ("order", true),
            ("finalize", true),
            ("finalize", false),
            ("cert", true),
        ] {
            let context = format!("{route} {status} {body:?} done: {done}");
            let setting = Setting::new(Script { processing_polls: Some(0), ..Script::default() }).await;
            for _ in 0..3 {
                setting.ca.instead(route, page(done, status, body));
            }
            let outcome = drive(&setting).await;
            assert!(matches!(outcome, Outcome::Issued { .. }), "{context}: {outcome:?}");
            assert_eq!((setting.ca.orders(), setting.ca.certificates()), (1, 1), "{context}");
            assert_eq!(setting.zone.record_sets(), 0, "{context}");
        }
    }
}

#[tokio::test]
async fn order_survives_each_fault_at_each_request_before_and_after_its_effect() {
    for (status, body) in [
        (503, HTML.to_owned()),
        (500, problem("serverInternal")),
        (429, problem("rateLimited")),
        (408, String::new()),
        (302, String::new()),
        (400, problem("badNonce")),
    ] {
        for route in ["new-order", "authz", "chall", "order", "finalize", "cert"] {
            for done in [true, false] {
                let context = format!("{route} {status} done: {done}");
                let setting = Setting::new(Script { processing_polls: Some(0), ..Script::default() }).await;
                setting.ca.instead(route, page(done, status, &body));
                let mut outcome = drive(&setting).await;
                if let Outcome::Suspended { state, .. } = outcome {
                    assert_eq!(route, "new-order", "{context}: only newOrder is left to the next drive");
                    outcome = setting.drive(state, &MemoryJournal::default()).await.unwrap();
                }
                assert!(matches!(outcome, Outcome::Issued { .. }), "{context}: {outcome:?}");
                assert_eq!((setting.ca.orders(), setting.ca.certificates()), (1, 1), "{context}");
                assert_eq!(setting.zone.record_sets(), 0, "{context}");
            }
        }
    }
}

#[tokio::test]
async fn answer_that_stays_unreadable_suspends_the_order() {
    for route in ["order", "cert"] {
        let mut setting = Setting::new(Script::default()).await;
        setting.driver.options.patience = Duration::from_millis(500);
        for _ in 0..40 {
            setting.ca.instead(route, page(true, 200, HTML));
        }
        let Outcome::Suspended { failure, state, .. } = drive(&setting).await else { panic!("{route}") };
        assert_eq!((failure.kind, failure.retry), (FailureKind::Ca(AcmeErrorKind::Protocol), Retry::Backoff));
        assert!(matches!(state, OrderState::Ordered(_)), "{route}: {state:?}");
        setting.ca.forget_canned();
        issued(setting.drive(state, &MemoryJournal::default()).await.unwrap());
        assert_eq!((setting.ca.orders(), setting.ca.certificates()), (1, 1), "{route}");
    }
}

#[tokio::test]
async fn accepted_order_with_an_unreadable_answer_is_read_at_its_location() {
    let setting = Setting::new(Script { unreadable_new_order: true, ..Script::default() }).await;
    for _ in 0..3 {
        setting.ca.instead("order", page(true, 200, HTML));
    }
    issued(drive(&setting).await);
    assert_eq!((setting.ca.orders(), setting.ca.certificates()), (1, 1));
}

#[tokio::test]
async fn odd_members_are_ignored() {
    fn odd_order(order: &mut Value) {
        order["identifers"] = order["identifiers"].take();
        order["expires"] = 7.into();
        order["error"] = json!({});
        order["notBefore"] = Value::Null;
        order["profile"] = json!(["odd"]);
        order["authorizations"].as_array_mut().unwrap().push(Value::Null);
        if order["status"] == "valid" {
            order.as_object_mut().unwrap().remove("finalize");
        }
    }
    fn odd_authorization(authorization: &mut Value) {
        authorization["wildcard"] = Value::Null;
        authorization["expires"] = json!({});
        let challenges = authorization["challenges"].as_array_mut().unwrap();
        challenges[1]["error"] = json!({ "subproblems": null });
        challenges.insert(0, json!({ "type": "dns-persist-01", "status": "odd" }));
        challenges.push(Value::Null);
    }
    let (odd_order, odd_authorization) = (Some(odd_order as _), Some(odd_authorization as _));
    let processing_polls = Some(1);
    let script = Script { odd_order, odd_authorization, processing_polls, ..Script::default() };
    let setting = Setting::new(script).await;
    issued(drive(&setting).await);
    assert_eq!((setting.ca.orders(), setting.ca.certificates()), (1, 1));
}

#[tokio::test]
async fn problem_with_odd_subproblems_keeps_its_kind() {
    for subproblems in ["null", "{}", r#"[null,{"identifier":7}]"#] {
        let setting = Setting::new(Script::default()).await;
        let body = problem("rateLimited").replace('}', &format!(r#","subproblems":{subproblems}}}"#));
        setting.ca.instead("new-order", page(false, 400, &body));
        let error = setting.account.new_order(&NewOrder::new(identifiers())).await.unwrap_err();
        assert_eq!(error.kind(), AcmeErrorKind::RateLimited, "{subproblems}");
        assert_eq!(error.problem().unwrap().kind, ProblemKind::RateLimited);
    }
}

/// smallstep/certificates PR 2802.
#[tokio::test]
async fn invalid_challenge_ends_the_attempt_while_its_authorization_is_pending() {
    for validates_before_it_replies in [true, false] {
        let script = Script {
            fails_validation: true,
            leaves_authorization_pending: true,
            validates_before_it_replies,
            ..Script::default()
        };
        let setting = Setting::new(script).await;
        let outcome = timeout(&SystemClock, Duration::from_secs(2), drive(&setting)).await.unwrap();
        let Outcome::Failed { failure, .. } = outcome else { panic!("{outcome:?}") };
        assert_eq!((failure.kind, failure.retry), (FailureKind::Invalid, Retry::Backoff));
        assert!(failure.message.contains("Incorrect TXT record"), "{failure}");
        assert_eq!(setting.ca.answers().0, if validates_before_it_replies { 1 } else { 2 });
        assert_eq!(setting.zone.record_sets(), 0);
    }
}

#[tokio::test]
async fn validation_in_the_reply_to_the_challenge_needs_one_reading_of_the_order() {
    let setting = Setting::new(Script { validates_before_it_replies: true, ..Script::default() }).await;
    issued(drive(&setting).await);
    assert_eq!(setting.account.client().traffic().orders, 8, "{:#?}", setting.ca.log());
}

#[tokio::test]
async fn fewer_authorizations_than_identifiers_are_enough_when_the_order_is_ready() {
    let setting = Setting::new(Script { authorizations: Some(1), ..Script::default() }).await;
    issued(drive(&setting).await);
    assert_eq!(setting.ca.answers(), (1, 0));

    let setting =
        Setting::new(Script { authorizations: Some(0), pending_polls: 2, ..Script::default() }).await;
    issued(drive(&setting).await);
    assert_eq!(setting.ca.answers(), (0, 0));
}

#[tokio::test]
async fn authorization_for_a_parent_domain_is_enough() {
    for reuses in [true, false] {
        let authorizes_parent = Some("fleet.test");
        // Reused, it is valid; the order becomes ready at its third reading.
        let pending_polls = 2;
        let script =
            Script { authorizes_parent, reuses, pending_polls, authorizations: Some(1), ..Script::default() };
        let setting = Setting::new(script).await;
        issued(drive(&setting).await);
        assert_eq!(setting.zone.record_sets(), 0);
    }
    // No value is published for a name that has nothing to do with the order.
    let authorizes_parent = Some("other.test");
    let mut setting = Setting::new(Script { authorizes_parent, ..Script::default() }).await;
    setting.driver.options.patience = Duration::from_millis(200);
    let Outcome::Suspended { failure, .. } = drive(&setting).await else { panic!() };
    assert!(failure.message.contains("other.test, which was not ordered"), "{failure}");
    assert_eq!(setting.ca.answers(), (0, 0));
}

#[tokio::test]
async fn surplus_and_unordered_certificates_of_a_chain_are_sorted_out() {
    for chain in [
        (|leaf, issuer| format!("{issuer}{leaf}")) as fn(&str, &str) -> String,
        |leaf, issuer| format!("{leaf}{issuer}{issuer}{leaf}"),
        |leaf, issuer| {
            let surplus = rcgen::generate_simple_self_signed(["other.test".to_owned()]).unwrap();
            format!("{leaf}{}{issuer}", surplus.cert.pem())
        },
    ] {
        let setting = Setting::new(Script { chain: Some(chain), ..Script::default() }).await;
        let Outcome::Issued { chain, .. } = drive(&setting).await else { panic!() };
        assert_eq!(chain.certificates().len(), 2);
        assert_eq!(chain.leaf().identifier_set().unwrap(), identifiers());
    }
}

/// certbot#1060, nixpkgs PR 221363: our clock lags.
#[tokio::test]
async fn certificate_that_begins_ahead_of_our_clock_waits_and_costs_no_order() {
    let ahead = Duration::from_secs(3600);
    let mut setting = Setting::new(Script { begins_ahead: Some(ahead), ..Script::default() }).await;
    let Outcome::Suspended { failure, state, .. } = drive(&setting).await else { panic!() };
    assert_eq!(failure.kind, FailureKind::WrongCertificate);
    let Retry::NotBefore(from) = failure.retry else { panic!("{failure:?}") };
    assert!(failure.chain.unwrap().contains("BEGIN CERTIFICATE"));
    setting.driver.ambient.clock = Arc::new(ManualClock::starting_at(from));
    issued(setting.drive(state, &MemoryJournal::default()).await.unwrap());
    assert_eq!((setting.ca.orders(), setting.ca.certificates()), (1, 1));
    assert!(from > SystemClock.now());
}

/// acme.sh#3889, terraform-acme#9.
#[tokio::test]
async fn deactivated_account_is_a_fault_of_the_account_and_not_of_the_order() {
    for status in [401, 403] {
        let setting = Setting::new(Script::default()).await;
        setting.ca.set(|script| script.deactivated = Some(status));
        let Outcome::Suspended { failure, fault, state } = drive(&setting).await else { panic!() };
        assert_eq!(failure.kind, FailureKind::Ca(AcmeErrorKind::Account), "{status}");
        assert_eq!(fault.unwrap().kind, AcmeErrorKind::Account);
        assert_eq!(state, wanted());

        // An order that was placed before goes on when the account works again.
        setting.ca.set(|script| (script.deactivated, script.deactivates_at_finalize) = (None, Some(status)));
        let Outcome::Suspended { failure, state, .. } = drive(&setting).await else { panic!() };
        assert_eq!(failure.kind, FailureKind::Ca(AcmeErrorKind::Account), "{status}");
        assert_eq!(setting.zone.record_sets(), 0);
        setting.ca.set(|script| (script.deactivated, script.deactivates_at_finalize) = (None, None));
        issued(setting.drive(state, &MemoryJournal::default()).await.unwrap());
        assert_eq!(setting.ca.orders(), 1);
    }
}

#[tokio::test]
async fn refusal_of_the_account_has_the_kind_of_the_account() {
    for kind in ["accountDoesNotExist", "userActionRequired", "externalAccountRequired"] {
        let setting = Setting::new(Script::default()).await;
        setting.ca.instead("new-order", page(false, 403, &problem(kind)));
        let Outcome::Suspended { failure, state, .. } = drive(&setting).await else { panic!("{kind}") };
        assert_eq!(failure.kind, FailureKind::Ca(AcmeErrorKind::Account), "{kind}");
        assert_eq!(state, wanted());
    }
    // Refused by a usable account, it is the name that is refused.
    let setting = Setting::new(Script::default()).await;
    setting.ca.instead("new-order", page(false, 403, &problem("unauthorized")));
    let Outcome::Failed { failure, .. } = drive(&setting).await else { panic!() };
    assert_eq!(failure.kind, FailureKind::Ca(AcmeErrorKind::Refused));
}

#[tokio::test]
async fn refused_csr_ends_the_order_unless_the_ca_has_it_already() {
    // The answer to the first finalize was lost, and the second is refused.
    for kind in ["malformed", "unauthorized", "orderNotReady"] {
        let setting = Setting::new(Script::default()).await;
        setting.ca.instead("finalize", page(true, 403, &problem(kind)));
        issued(drive(&setting).await);
        assert_eq!((setting.ca.orders(), setting.ca.certificates()), (1, 1), "{kind}");
    }
    let setting = Setting::new(Script::default()).await;
    setting.ca.instead("finalize", page(false, 400, &problem("badCSR")));
    let Outcome::Failed { failure, .. } = drive(&setting).await else { panic!() };
    assert_eq!((failure.kind, failure.retry), (FailureKind::Ca(AcmeErrorKind::Refused), Retry::Operator));
    assert_eq!(failure.problem.unwrap().kind, ProblemKind::BadCsr);
    assert_eq!(setting.zone.record_sets(), 0);
}

#[tokio::test]
async fn relative_urls_are_resolved() {
    let setting = Setting::new(Script { relative_urls: true, ..Script::default() }).await;
    issued(drive(&setting).await);
}
