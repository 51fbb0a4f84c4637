//! Faults on order.

use parking_lot::{Mutex, MutexGuard};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use fleetcert_acme_server::{Problem, Resource};
use tokio_util::sync::CancellationToken;

/// The faults that a [`TestCa`](crate::TestCa) is to show. Good nonces are refused at a rate by
/// [`AcmeOptions::nonce_rejection_percent`](fleetcert_acme_server::AcmeOptions::nonce_rejection_percent).
#[derive(Debug, Default)]
pub struct Faults {
    script: Mutex<Script>,
}

#[derive(Debug, Default)]
struct Script {
    refusals: BTreeMap<Resource, VecDeque<Refusal>>,
    validation_delay: Duration,
    /// What releases the validations that are held, while they are.
    held: Option<CancellationToken>,
}

#[derive(Debug)]
struct Refusal {
    left: u32,
    problem: Problem,
}

impl Faults {
    /// The next `count` requests for `resource` are answered with `problem`, after what was scripted for it
    /// before.
    ///
    /// ```
    /// use fleetcert_acme_server::{Problem, ProblemKind, Resource};
    /// # fn example(ca: &fleetcert_testkit::TestCa) {
    /// let problem = Problem::new(ProblemKind::RateLimited, "the load balancer is full")
    ///     .with_status(503)
    ///     .with_retry_after(std::time::Duration::from_secs(2));
    /// ca.faults().refuse_next(Resource::NewOrder, 3, problem);
    /// # }
    /// ```
    pub fn refuse_next(&self, resource: Resource, count: u32, problem: Problem) {
        if count > 0 {
            self.lock().refusals.entry(resource).or_default().push_back(Refusal { left: count, problem });
        }
    }

    /// Every validation from now on begins only after this time.
    pub fn delay_validations(&self, delay: Duration) {
        self.lock().validation_delay = delay;
    }

    /// No validation begins from now on, until they are [released](Self::release_validations): for tests that do something
    /// while one is under way.
    ///
    /// The time that a validation is held counts against the CA's
    /// [`validation_timeout`](fleetcert_acme_server::AcmeOptions::validation_timeout), after which it has failed, and
    /// against the client's patience with its order. Both have to be longer than the slowest machine needs.
    pub fn hold_validations(&self) {
        self.lock().held.get_or_insert_default();
    }

    /// Lets the validations begin that are held, and those that come.
    pub fn release_validations(&self) {
        // Taken in a statement of its own, so that nobody is woken under the lock.
        let held = self.lock().held.take();
        if let Some(held) = held {
            held.cancel();
        }
    }

    pub(crate) async fn validations_may_begin(&self) {
        let held = self.lock().held.clone();
        if let Some(held) = held {
            held.cancelled().await;
        }
    }

    pub(crate) fn next_refusal(&self, resource: Resource) -> Option<Problem> {
        let mut script = self.lock();
        let refusals = script.refusals.get_mut(&resource)?;
        let refusal = refusals.front_mut()?;
        refusal.left -= 1;
        let problem = refusal.problem.clone();
        if refusal.left == 0 {
            refusals.pop_front();
        }
        Some(problem)
    }

    pub(crate) fn validation_delay(&self) -> Duration {
        self.lock().validation_delay
    }

    fn lock(&self) -> MutexGuard<'_, Script> {
        self.script.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleetcert_acme_server::ProblemKind;

    #[tokio::test]
    async fn what_is_held_begins_when_it_is_released() {
        let faults = Faults::default();
        faults.validations_may_begin().await;
        faults.hold_validations();
        let mut held = std::pin::pin!(faults.validations_may_begin());
        tokio::select! {
            biased;
            () = &mut held => panic!("it was held"),
            () = std::future::ready(()) => {}
        }
        faults.release_validations();
        held.await;
    }

    #[test]
    fn faults_come_in_order_and_end() {
        let faults = Faults::default();
        let problem = |detail: &str| Problem::new(ProblemKind::ServerInternal, detail);
        faults.refuse_next(Resource::NewOrder, 2, problem("first"));
        faults.refuse_next(Resource::NewOrder, 1, problem("second"));
        faults.refuse_next(Resource::Order, 0, problem("never"));
        let next = |resource| faults.next_refusal(resource).map(|problem| problem.detail().to_owned());
        assert_eq!(next(Resource::Order), None);
        let got: Vec<_> = (0..4).map(|_| next(Resource::NewOrder)).collect();
        assert_eq!(got, [Some("first"), Some("first"), Some("second"), None].map(|d| d.map(str::to_owned)));
    }
}
