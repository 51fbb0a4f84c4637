use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use fleetcert_acme::NewOrder;
use tokio_util::sync::CancellationToken;

use super::{Fixture, HOUR, device, name};
use crate::orders::{Breakers, Orders};
use crate::records::{ORDERS, OrderRecord, Stored, encode};
use crate::renewals::Renewals;

pub(super) fn service(fixture: &Fixture) -> Orders {
    let (context, parts) = (fixture.context(), fixture.parts.clone());
    let breakers = Arc::new(Breakers::new(context.clone(), parts.options.breaker));
    let authority = parts.authority.clone();
    let renewals = Arc::new(Renewals::new(context.clone(), &parts.options, authority, Arc::clone(&breakers)));
    Orders::new(context, Arc::new(parts.options), parts.authority, parts.challenges, breakers, renewals)
}

#[tokio::test(start_paused = true)]
async fn stored_order_is_driven_to_the_refusal_of_the_ca_and_stays_with_its_reason() {
    let fixture = Fixture::new();
    let wanted = NewOrder::new(name().into());
    let order = OrderRecord::new(device(), b"not looked at", String::new(), wanted, fixture.now());
    fixture.put(ORDERS, name().as_str(), encode(&order), Some(fixture.now())).await;
    let orders = Arc::new(service(&fixture));
    let shutdown = CancellationToken::new();
    let worked = async {
        tokio::time::sleep(HOUR / 60).await;
        shutdown.cancel();
    };
    tokio::join!(orders.run(&shutdown), worked);
    let stored = fixture.read(ORDERS, name().as_str()).await.unwrap();
    let stored = Stored::<OrderRecord>::decode(stored).unwrap();
    assert!(stored.value.failure.is_some() && stored.value.failures > 0, "{stored:?}");
    assert!(stored.due > Some(fixture.now()), "it is retried later");
}

#[tokio::test(start_paused = true)]
async fn unpausing_a_name_that_is_not_paused_writes_nothing() {
    let fixture = Fixture::new();
    service(&fixture).unpause(&name()).await.unwrap();
    assert_eq!(fixture.calls.commits.load(SeqCst), 0);
}
