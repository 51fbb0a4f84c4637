use fleetcert_acme::NewOrder;
use fleetcert_schedule::budget::{Limit, LimitKind, Limits, Rule};
use fleetcert_store::{Expect, Transaction};

use super::{Fixture, HOUR, name};
use crate::budgets::{CaBudgets, Change, Committed, Settlement};
use crate::records::ORDERS;

#[tokio::test(start_paused = true)]
async fn last_token_is_held_by_one_process_and_denied_to_the_other_until_it_is_released() {
    let mut fixture = Fixture::new();
    let rule = Rule::Limited(Limit::new(1, 1, 24 * HOUR).unwrap());
    fixture.parts.options.limits = Some(Limits::unknown().with_rule(LimitKind::NewOrdersPerAccount, rule));
    let process = || CaBudgets::new(fixture.context(), &fixture.parts.options, "https://ca.test/1");
    let (first, second) = (process(), process());
    let order = NewOrder::new(name().into());
    let write = |key: &str| Transaction::new().put(ORDERS, key, Expect::Any, Vec::new(), None);
    let holding = first.holding_to_order(&order, None).await.unwrap();
    let reserve = Change { reserve: Some(holding.clone()), ..Change::default() };

    assert!(matches!(first.commit(write("a"), &reserve).await.unwrap(), Committed::Written(_)));
    assert!(matches!(second.commit(write("b"), &reserve).await.unwrap(), Committed::Denied { .. }));
    assert!(fixture.read(ORDERS, "b").await.is_none(), "a denied write is not made");

    let release = Change { settle: Some((holding, Settlement::Release)), ..Change::default() };
    assert!(matches!(first.commit(write("a"), &release).await.unwrap(), Committed::Written(_)));
    assert!(matches!(second.commit(write("b"), &reserve).await.unwrap(), Committed::Written(_)));
}
