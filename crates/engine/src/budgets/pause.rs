//! Names that the CA has paused.

use fleetcert_names::HostName;
use fleetcert_store::{Expect, Transaction};

use super::commit::pausing;
use crate::records::{self, ORDERS, OrderRecord};
use crate::{Engine, EngineError, EngineErrorKind};

const TRIES: usize = 8;

impl Engine {
    /// Lets the order of a name go on at once that the CA had paused: for operators who have lifted the pause at the
    /// CA. Without this call the CA is asked again a day after it refused.
    ///
    /// # Errors
    /// `Unavailable`; a name that is not paused is no error.
    pub async fn name_unpaused(&self, name: &HostName) -> Result<(), EngineError> {
        let key = pausing(self.budgets().account.clone(), name.clone());
        for _ in 0..TRIES {
            let now = self.now();
            let mut rows = self.rows([key.clone()], self.limits().await?, now).await?;
            if rows.paused_until(&key).is_none() {
                return Ok(());
            }
            rows.set_paused(&key, None);
            let mut write = rows.with_writes(Transaction::new(), now);
            let mut waiting = None;
            if let Some(found) = self.parts().store.read(ORDERS, name.as_str()).await? {
                let order: OrderRecord = records::decode(&found)?;
                // One that is not waiting is being worked on.
                if order.failure.is_some() || order.held_back.is_some() {
                    let expect = Expect::Version(found.version);
                    write = write.put(ORDERS, found.key, expect, found.value, Some(now));
                    waiting = Some(order);
                }
            }
            match self.parts().store.commit(write).await {
                Ok(version) => {
                    if let Some(order) = waiting {
                        self.note_order(name.as_str(), version, &order, now).await;
                    }
                    self.wake_order_worker();
                    return Ok(());
                }
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(EngineError::new(EngineErrorKind::Unavailable, "too many writes of the name at the same time"))
    }
}
