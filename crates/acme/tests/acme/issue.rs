//! Whole orders.

use std::time::Duration;

use crate::script::{Canned, Script};
use crate::setting::{Setting, identifiers, issued, wanted, wildcard};
use fleetcert_acme::order::{FailureKind, OrderState, Retry};
use fleetcert_acme::{
    AcmeErrorKind, Authority, ChainPreference, MemoryJournal, NewOrder, OrderStatus, Outcome, ProblemKind,
    RevocationReason, Step,
};
use fleetcert_x509::Chain;

async fn drive(setting: &Setting) -> Outcome {
    setting.drive(wanted(), &MemoryJournal::default()).await.unwrap()
}

#[tokio::test]
async fn two_identifiers_are_issued_step_by_step() {
    let setting = Setting::new(Script::default()).await;
    let Outcome::Issued { chain, state } = drive(&setting).await else { panic!() };
    assert_eq!(chain.leaf().identifier_set().unwrap(), identifiers());
    assert_eq!(chain.certificates().len(), 2);
    assert!(state.records().is_empty());
    assert_eq!(setting.zone.record_sets(), 0);

    let steps = setting.steps.lock();
    let kinds: Vec<_> = steps.iter().map(|step| format!("{step:?}")).collect();
    let expected = [
        "Placed",
        "Published",
        "Seen",
        "Answered",
        "Answered",
        "Validated",
        "Finalized",
        "Downloaded",
        "Checked",
        "Withdrawn",
    ];
    assert_eq!(kinds.len(), expected.len(), "{kinds:#?}");
    assert!(kinds.iter().zip(expected).all(|(kind, expected)| kind.starts_with(expected)), "{kinds:#?}");
    let Step::Seen { sightings } = &steps[2] else { panic!() };
    assert_eq!(sightings.len(), 2);
}

/// One identifier takes newOrder, authorization, challenge, order, finalize, certificate. A second one takes its
/// authorization and its challenge. Only the first nonce is fetched.
#[tokio::test]
async fn order_takes_as_few_requests_as_possible() {
    let setting = Setting::new(Script::default()).await;
    issued(drive(&setting).await);
    let traffic = setting.account.client().traffic();
    assert_eq!(traffic.orders, 8, "{:#?}", setting.ca.log());
    assert_eq!((traffic.directory, traffic.new_nonce, traffic.account), (1, 1, 1));
}

#[tokio::test]
async fn order_of_validated_identifiers_takes_three_requests() {
    let setting = Setting::new(Script { reuses: true, ..Script::default() }).await;
    issued(drive(&setting).await);
    assert_eq!(setting.account.client().traffic().orders, 3, "{:#?}", setting.ca.log());
    assert_eq!(setting.ca.answers(), (0, 0));
}

#[tokio::test]
async fn both_values_of_a_wildcard_and_its_base_stay_until_both_are_validated() {
    let setting = Setting::with_wildcard(Script::default()).await;
    let wanted = OrderState::Wanted { order: NewOrder::new(wildcard()) };
    let outcome = setting.drive(wanted, &MemoryJournal::default()).await.unwrap();
    let Outcome::Issued { chain, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(chain.leaf().identifier_set().unwrap(), wildcard());
    // The CA counts an answer as early unless both values are there, at the second answer too.
    assert_eq!(setting.ca.answers(), (2, 0));
    let steps = setting.steps.lock();
    let published = steps.iter().find_map(|step| match step {
        Step::Published { records } => Some(records),
        _ => None,
    });
    let [first, second] = &published.unwrap()[..] else { panic!("{steps:#?}") };
    assert_eq!(first.name, second.name);
    assert_ne!(first.value, second.value);
    assert_eq!(setting.zone.record_sets(), 0);
}

#[tokio::test]
async fn certificate_without_the_wildcard_is_not_delivered() {
    let setting = Setting::new(Script::default()).await;
    let wanted = OrderState::Wanted { order: NewOrder::new("b.fleet.test,*.a.fleet.test".parse().unwrap()) };
    let outcome = setting.drive(wanted, &MemoryJournal::default()).await.unwrap();
    let Outcome::Failed { failure, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(failure.kind, FailureKind::WrongCertificate);
}

#[tokio::test]
async fn slow_ca_is_polled() {
    let script = Script { pending_polls: 3, processing_polls: Some(2), ..Script::default() };
    let setting = Setting::new(script).await;
    issued(drive(&setting).await);
    assert_eq!(setting.ca.answers(), (2, 0));
}

/// Every second nonce, then eleven refusals before each acceptance: all calls succeed.
#[tokio::test]
async fn refused_nonces_are_retried_unseen() {
    for refuses in [(|post| post % 2 == 0) as fn(u64) -> bool, |post| post % 12 != 0] {
        let setting = Setting::new(Script::default()).await;
        setting.ca.set(|script| script.refuses_nonce = Some(refuses));
        issued(drive(&setting).await);
        assert_eq!(setting.ca.orders(), 1);
        assert_eq!(setting.account.client().traffic().new_nonce, 1, "a refusal brings the next nonce");
    }
}

#[tokio::test]
async fn ca_that_refuses_every_nonce_suspends_the_order() {
    let setting = Setting::new(Script::default()).await;
    setting.ca.set(|script| script.refuses_nonce = Some(|_| true));
    let Outcome::Suspended { failure, state, .. } = drive(&setting).await else { panic!() };
    assert_eq!(failure.kind, FailureKind::Ca(AcmeErrorKind::BadNonce));
    assert_eq!(state, wanted());
    assert_eq!(setting.account.client().traffic().orders, 12);
}

#[tokio::test]
async fn failed_validation_has_its_reason_and_leaves_no_record() {
    let setting = Setting::new(Script { fails_validation: true, ..Script::default() }).await;
    let Outcome::Failed { failure, fault, .. } = drive(&setting).await else { panic!() };
    assert_eq!((failure.kind, failure.retry), (FailureKind::Invalid, Retry::Backoff));
    assert_eq!(fault, None, "the CA did all that was asked");
    assert!(failure.message.contains("Incorrect TXT record"), "{failure}");
    assert_eq!(setting.zone.record_sets(), 0);
}

#[tokio::test]
async fn certificate_for_another_key_is_not_delivered_and_can_be_revoked() {
    let setting = Setting::new(Script { wrong_key: true, ..Script::default() }).await;
    let Outcome::Failed { failure, .. } = drive(&setting).await else { panic!() };
    assert_eq!((failure.kind, failure.retry), (FailureKind::WrongCertificate, Retry::Operator));
    assert_eq!(setting.zone.record_sets(), 0);
    let chain = Chain::from_pem(failure.chain.unwrap().as_bytes()).unwrap();
    assert_eq!(chain.leaf().identifier_set().unwrap(), identifiers());
    setting.account.revoke(&chain.certificates()[0], RevocationReason::Superseded).await.unwrap();
    assert_eq!(setting.account.client().traffic().revocations, 1);
}

#[tokio::test]
async fn certificate_with_too_long_a_life_is_not_delivered() {
    let mut setting = Setting::new(Script::default()).await;
    setting.lifetime = Some(Duration::from_secs(3600));
    let Outcome::Failed { failure, .. } = drive(&setting).await else { panic!() };
    assert_eq!((failure.kind, failure.retry), (FailureKind::WrongCertificate, Retry::Operator));
    assert!(failure.message.contains("instead of 3600 s"), "{failure}");

    let mut setting = Setting::new(Script::default()).await;
    setting.lifetime = Some(Duration::from_secs(3000 * 365 * 86_400));
    assert!(matches!(drive(&setting).await, Outcome::Issued { .. }));
}

#[tokio::test]
async fn preferred_chain_is_delivered_if_the_ca_offers_it() {
    for (preference, certificates, root, requests) in [
        (ChainPreference::CaDefault, 2, None, 0),
        (ChainPreference::RootName("Old Root".into()), 2, Some("Old Root"), 2),
        (ChainPreference::RootName("No Root".into()), 2, None, 2),
        (ChainPreference::Shortest, 1, None, 2),
    ] {
        let mut setting = Setting::new(Script { alternates: true, ..Script::default() }).await;
        setting.driver.options.chain = preference.clone();
        let Outcome::Issued { chain, .. } = drive(&setting).await else { panic!("{preference:?}") };
        assert_eq!(chain.certificates().len(), certificates, "{preference:?}");
        assert_eq!(chain.root_name().as_deref() == Some("Old Root"), root.is_some(), "{preference:?}");
        assert_eq!(setting.account.client().traffic().orders, 8 + requests, "{preference:?}");
    }
}

#[tokio::test]
async fn other_chains_that_cannot_be_downloaded_cost_nothing() {
    let mut setting = Setting::new(Script { alternates: true, ..Script::default() }).await;
    setting.driver.options.chain = ChainPreference::RootName("Old Root".into());
    setting.ca.instead("cert-1", Canned { done: false, status: 503, retry_after: None, body: String::new() });
    let Outcome::Issued { chain, .. } = drive(&setting).await else { panic!() };
    assert_ne!(chain.root_name().as_deref(), Some("Old Root"));
}

fn replacing() -> OrderState {
    let replaces = Some("aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE".parse().unwrap());
    OrderState::Wanted { order: NewOrder { replaces, ..NewOrder::new(identifiers()) } }
}

#[tokio::test]
async fn journal_entry_names_the_fault_that_led_to_it() {
    let setting = Setting::new(Script { already_replaced: true, ..Script::default() }).await;
    let journal = MemoryJournal::default();
    issued(setting.drive(replacing(), &journal).await.unwrap());
    let entries = journal.entries();
    let with_fault: Vec<_> = entries.iter().filter(|entry| entry.fault.is_some()).collect();
    let [entry] = with_fault[..] else { panic!("{entries:#?}") };
    let OrderState::Ordering { order } = &entry.state else { panic!("{entry:?}") };
    assert_eq!(order.replaces, None);
    let problem = entry.fault.as_ref().unwrap().problem.as_ref().unwrap();
    assert_eq!(problem.kind, ProblemKind::AlreadyReplaced);
}

#[tokio::test]
async fn refused_replaces_does_not_cost_the_order() {
    let replaced = |state: &OrderState| state.order().replaces.is_some();
    for (script, kept) in [
        (Script::default(), true),
        (Script { already_replaced: true, ..Script::default() }, false),
        (Script { forgets_replaces: true, ..Script::default() }, true),
    ] {
        let setting = Setting::new(script).await;
        let outcome = setting.drive(replacing(), &MemoryJournal::default()).await.unwrap();
        assert_eq!(replaced(&issued(outcome)), kept);
        assert_eq!(setting.ca.orders(), 1);
    }
}

#[tokio::test]
async fn lost_answers_cost_no_order() {
    let lost =
        || Canned { done: true, status: 502, retry_after: None, body: "<html>bad gateway</html>".into() };
    for route in ["authz", "chall", "order", "finalize", "cert"] {
        let setting = Setting::new(Script { processing_polls: Some(0), ..Script::default() }).await;
        setting.ca.instead(route, lost());
        issued(drive(&setting).await);
        assert_eq!((setting.ca.orders(), setting.ca.certificates()), (1, 1), "{route}");
        assert_eq!(setting.zone.record_sets(), 0, "{route}");
    }

    let setting = Setting::new(Script::default()).await;
    setting.ca.instead("new-order", lost());
    let Outcome::Suspended { failure, fault, state } = drive(&setting).await else { panic!() };
    assert_eq!(failure.kind, FailureKind::Ca(AcmeErrorKind::Unavailable));
    assert_eq!(fault.unwrap().kind, AcmeErrorKind::Unavailable);
    assert!(matches!(state, OrderState::Ordering { .. }));
    issued(setting.drive(state, &MemoryJournal::default()).await.unwrap());
    assert_eq!(setting.ca.orders(), 1, "asked for again, the CA gives the same order");
}

#[tokio::test]
async fn wait_beyond_the_time_limit_suspends_and_the_order_goes_on() {
    let setting = Setting::new(Script { pending_polls: 1, ..Script::default() }).await;
    let busy = Canned { done: false, status: 503, retry_after: Some("3600"), body: String::new() };
    setting.ca.instead("order", busy);
    let Outcome::Suspended { failure, fault, state } = drive(&setting).await else { panic!() };
    assert_eq!(fault.unwrap().status, Some(503));
    let Retry::NotBefore(time) = failure.retry else { panic!("{failure:?}") };
    assert_eq!(time.duration_since(failure.at).unwrap().as_secs(), 3600);
    assert!(matches!(&state, OrderState::Ordered(placed) if placed.records.is_empty()));
    assert_eq!(setting.zone.record_sets(), 0, "nothing is left in the zone meanwhile");

    issued(setting.drive(state, &MemoryJournal::default()).await.unwrap());
    assert_eq!(setting.ca.orders(), 1);
}

#[tokio::test]
async fn order_that_the_ca_forgot_is_gone() {
    let setting = Setting::new(Script::default()).await;
    let order = setting.account.new_order(&NewOrder::new(identifiers())).await.unwrap();
    assert_eq!(order.status(), OrderStatus::Pending);
    let url = order.url().replace("/order/0", "/order/77");
    let placed_at = std::time::UNIX_EPOCH;
    let placed = fleetcert_acme::order::Placed {
        order: NewOrder::new(identifiers()),
        url,
        placed_at,
        records: Vec::new(),
    };
    let outcome = setting.drive(OrderState::Ordered(placed), &MemoryJournal::default()).await.unwrap();
    let Outcome::Failed { failure, .. } = outcome else { panic!() };
    assert_eq!((failure.kind, failure.retry), (FailureKind::OrderGone, Retry::Backoff));
}

#[tokio::test]
async fn cancelled_order_leaves_its_records_to_the_sweep() {
    let setting = Setting::new(Script { pending_polls: u32::MAX, ..Script::default() }).await;
    let journal = MemoryJournal::default();
    {
        let work = setting.drive(wanted(), &journal);
        let until_answered = async {
            while setting.ca.answers().0 < 2 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            outcome = work => panic!("{outcome:?}"),
            () = until_answered => {}
        }
    }
    assert_eq!(setting.zone.record_sets(), 2);
    assert_eq!(setting.driver.challenges.sweep().await.unwrap(), 2);
    assert_eq!(setting.zone.record_sets(), 0);
}

#[tokio::test]
async fn twenty_concurrent_orders_share_their_nonces() {
    let setting = Setting::new(Script::default()).await;
    for round in 0..3 {
        let mut all = tokio::task::JoinSet::new();
        for number in 0..20 {
            let account = setting.account.clone();
            all.spawn(async move {
                let name = format!("n{number}-{round}.fleet.test").parse().unwrap();
                let mut order = account.new_order(&NewOrder::new(name)).await.unwrap();
                order.refresh().await.unwrap();
            });
        }
        while let Some(done) = all.join_next().await {
            done.unwrap();
        }
    }
    let traffic = setting.account.client().traffic();
    assert!(traffic.new_nonce <= 20, "{traffic:?}");
}

#[tokio::test]
async fn certificate_has_a_renewal_window_and_is_revoked() {
    let setting = Setting::new(Script::default()).await;
    let Outcome::Issued { chain, .. } = drive(&setting).await else { panic!() };
    let id = chain.leaf().certificate_id().unwrap();
    let info = setting.account.renewal_info(&id).await.unwrap();
    assert_eq!(info.poll_after.as_secs(), 21_600);
    assert!(info.start < info.end);
    setting.account.revoke(&chain.certificates()[0], RevocationReason::Superseded).await.unwrap();
    let traffic = setting.account.client().traffic();
    assert_eq!((traffic.renewal_info, traffic.revocations), (1, 1));
}
