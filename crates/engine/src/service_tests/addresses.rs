use std::sync::Arc;

use async_trait::async_trait;
use fleetcert_protocol::AddressReport;
use fleetcert_store::{
    Expect, InterceptedStore, Interceptor, MemoryStore, Store, StoreCall, StoreError, Transaction,
};

use super::{Fixture, grant, name};
use crate::Action;
use crate::addresses::Addresses;
use crate::orders::Breakers;
use crate::records::{ADDRESSES, AddressRecord, encode};

/// Stores a newer report before each report.
#[derive(Debug)]
struct NewerReport {
    store: Arc<MemoryStore>,
    value: Vec<u8>,
}

#[async_trait]
impl Interceptor for NewerReport {
    async fn before(&self, call: StoreCall<'_>) -> Result<(), StoreError> {
        if let StoreCall::Commit { .. } = call {
            let key = name();
            let write =
                Transaction::new().put(ADDRESSES, key.as_str(), Expect::Any, self.value.clone(), None);
            self.store.commit(write).await?;
        }
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn report_that_loses_against_a_newer_one_fails_and_leaves_the_newer_one() {
    let mut fixture = Fixture::new();
    let newer = encode(&AddressRecord { addresses: vec![[10, 0, 0, 2].into()], failures: 0 });
    let interceptor = Arc::new(NewerReport { store: fixture.store.clone(), value: newer.clone() });
    fixture.parts.store = Arc::new(InterceptedStore::new(fixture.store.clone(), interceptor));
    let context = fixture.context();
    let breakers = Arc::new(Breakers::new(context.clone(), fixture.parts.options.breaker));
    let parts = fixture.parts.clone();
    let addresses = Addresses::new(context, &parts.options, parts.backend, parts.addresses, breakers);
    let older = AddressReport::new([[10, 0, 0, 1].into()]).unwrap();
    addresses.report(&grant(Action::ReportAddresses), &older).await.unwrap_err();
    assert_eq!(fixture.read(ADDRESSES, name().as_str()).await.unwrap().value, newer);
}
