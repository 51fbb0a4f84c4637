//! An authority that keeps to the CA's limits of requests per second.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fleetcert_ambient::Ambient;
use fleetcert_names::Identifier;
use fleetcert_schedule::pacer::{Endpoint, Pace, Pacer};
use fleetcert_x509::CertificateId;
use parking_lot::Mutex;

use crate::{
    AcmeError, AcmeErrorKind, Authority, Dns01, Fault, NewOrder, Operation, OrderHandle, OrderStatus,
    Reading, RenewalInfo, RevocationReason,
};

/// An [`Authority`] with a limit of requests per second.
///
/// Clones share the pacer. A call waits for its turn; a call that is dropped while it waits is not counted. A call
/// that would wait for more than half a minute, for example because a busy server named an hour, fails at once with
/// [`RateLimited`](AcmeErrorKind::RateLimited) and that time, and nothing is sent: the caller may hold a lease.
///
/// It counts calls. A call is one request, and sometimes one more for a new nonce, for which the pacer keeps a margin.
#[derive(Clone)]
pub struct PacedAuthority {
    authority: Arc<dyn Authority>,
    pace: Arc<SharedPacer>,
}

struct SharedPacer {
    pacer: Mutex<Pacer>,
    ambient: Ambient,
}

impl PacedAuthority {
    /// Returns the authority with the limits of the pacer.
    pub fn new(authority: Arc<dyn Authority>, pacer: Pacer, ambient: Ambient) -> Self {
        Self { authority, pace: Arc::new(SharedPacer { pacer: Mutex::new(pacer), ambient }) }
    }
}

impl SharedPacer {
    /// Makes a call when its turn comes, and reports a busy server to the pacer.
    async fn paced<T>(
        &self,
        (endpoint, operation): (Endpoint, Operation),
        call: impl Future<Output = Result<T, AcmeError>>,
    ) -> Result<T, AcmeError> {
        while let Some(wait) = self.wait(endpoint) {
            if wait > MAX_WAIT {
                return Err(not_sent(wait).during(operation));
            }
            // In steps, because the clock may be set meanwhile.
            self.ambient.sleep(wait.min(PACER_POLL)).await;
        }
        let answer = call.await;
        if let Err(error) = &answer
            && is_of_load_balancer(error)
        {
            let retry_after = error.fault().retry_after;
            self.pacer().refused(endpoint, retry_after, self.ambient.now());
        }
        answer
    }

    /// Returns the time to wait, or `None` if the call is counted and may start.
    fn wait(&self, endpoint: Endpoint) -> Option<Duration> {
        match self.pacer().take(endpoint, self.ambient.now()) {
            Pace::Now => None,
            Pace::After { wait, .. } => Some(wait.max(Duration::from_millis(1))),
        }
    }

    fn pacer(&self) -> parking_lot::MutexGuard<'_, Pacer> {
        self.pacer.lock()
    }
}

/// Longest wait of a call; less than the margin of an order's lease.
const MAX_WAIT: Duration = Duration::from_secs(30);
/// Longest sleep before the clock is read again.
const PACER_POLL: Duration = Duration::from_secs(1);

/// Returns a fault without a status, which tells it from a refusal of the CA.
fn not_sent(wait: Duration) -> Fault {
    let detail = "not sent: the CA's server is busy and asked for a pause";
    Fault { retry_after: Some(wait), ..Fault::new(AcmeErrorKind::RateLimited, detail) }
}

/// Returns whether the error is a 503 of the load balancer. A limit of the account is a problem document instead.
fn is_of_load_balancer(error: &AcmeError) -> bool {
    error.kind() == AcmeErrorKind::Unavailable && error.fault().status == Some(503)
}

// A method that the contract gets later must not fall back to its default here.
#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Authority for PacedAuthority {
    fn account_url(&self) -> &str {
        self.authority.account_url()
    }

    fn account_spki(&self) -> Option<Vec<u8>> {
        self.authority.account_spki()
    }

    async fn new_order(&self, order: &NewOrder) -> Result<Box<dyn OrderHandle>, AcmeError> {
        let handle = self
            .pace
            .paced((Endpoint::NewOrder, Operation::NewOrder), self.authority.new_order(order))
            .await?;
        Ok(Box::new(PacedOrder { handle, pace: Arc::clone(&self.pace) }))
    }

    async fn resume(&self, order_url: &str) -> Result<Box<dyn OrderHandle>, AcmeError> {
        let handle = self
            .pace
            .paced((Endpoint::Other, Operation::ReadOrder), self.authority.resume(order_url))
            .await?;
        Ok(Box::new(PacedOrder { handle, pace: Arc::clone(&self.pace) }))
    }

    async fn renewal_info(&self, id: &CertificateId) -> Result<RenewalInfo, AcmeError> {
        self.pace
            .paced((Endpoint::RenewalInfo, Operation::RenewalInfo), self.authority.renewal_info(id))
            .await
    }

    async fn revoke(&self, certificate_der: &[u8], reason: RevocationReason) -> Result<(), AcmeError> {
        self.pace
            .paced((Endpoint::RevokeCert, Operation::Revoke), self.authority.revoke(certificate_der, reason))
            .await
    }
}

#[derive(Debug)]
struct PacedOrder {
    handle: Box<dyn OrderHandle>,
    pace: Arc<SharedPacer>,
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl OrderHandle for PacedOrder {
    fn url(&self) -> &str {
        self.handle.url()
    }

    fn reading(&self) -> &Reading {
        self.handle.reading()
    }

    fn status(&self) -> OrderStatus {
        self.handle.status()
    }

    async fn challenges(&mut self) -> Result<Vec<Dns01>, AcmeError> {
        self.pace.paced((Endpoint::Other, Operation::ReadChallenges), self.handle.challenges()).await
    }

    fn known_challenges(&self) -> Vec<Dns01> {
        self.handle.known_challenges()
    }

    async fn answer(&mut self, identifier: &Identifier) -> Result<(), AcmeError> {
        self.pace.paced((Endpoint::Other, Operation::Answer), self.handle.answer(identifier)).await
    }

    async fn refresh(&mut self) -> Result<(), AcmeError> {
        self.pace.paced((Endpoint::Other, Operation::ReadOrder), self.handle.refresh()).await
    }

    async fn finalize(&mut self, csr_der: &[u8]) -> Result<(), AcmeError> {
        self.pace.paced((Endpoint::Other, Operation::Finalize), self.handle.finalize(csr_der)).await
    }

    async fn certificate(&mut self) -> Result<Vec<u8>, AcmeError> {
        self.pace.paced((Endpoint::Other, Operation::Download), self.handle.certificate()).await
    }

    async fn alternate_chains(&mut self) -> Result<Vec<Vec<u8>>, AcmeError> {
        self.pace.paced((Endpoint::Other, Operation::Download), self.handle.alternate_chains()).await
    }
}

impl fmt::Debug for PacedAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PacedAuthority").field("authority", &self.authority).finish_non_exhaustive()
    }
}

impl fmt::Debug for SharedPacer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedPacer").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use fleetcert_ambient::{Clock, SeededEntropy};
    use fleetcert_schedule::pacer::{Rate, Rates};

    use super::*;

    /// A clock that only sleeping advances.
    #[derive(Clone, Debug)]
    struct SleepClock(Arc<Mutex<SystemTime>>);

    impl Clock for SleepClock {
        fn now(&self) -> SystemTime {
            *self.0.lock()
        }

        fn sleep(&self, duration: Duration) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>> {
            Box::pin(async move { *self.0.lock() += duration })
        }
    }

    /// An authority that records when it is called, and can be made busy for one call.
    #[derive(Debug)]
    struct RecordingAuthority {
        clock: SleepClock,
        at: Mutex<Vec<SystemTime>>,
        busy: Mutex<Option<Option<Duration>>>,
    }

    #[async_trait]
    impl Authority for RecordingAuthority {
        fn account_url(&self) -> &str {
            "https://ca.test/1"
        }

        async fn new_order(&self, _: &NewOrder) -> Result<Box<dyn OrderHandle>, AcmeError> {
            self.at.lock().push(self.clock.now());
            let busy = self.busy.lock().take();
            let (status, retry_after) = (busy.map(|_| 503), busy.flatten());
            let fault = Fault { status, retry_after, ..Fault::new(AcmeErrorKind::Unavailable, "") };
            Err(fault.during(Operation::NewOrder))
        }

        async fn resume(&self, _: &str) -> Result<Box<dyn OrderHandle>, AcmeError> {
            unreachable!("no test resumes")
        }

        async fn renewal_info(&self, _: &CertificateId) -> Result<RenewalInfo, AcmeError> {
            unreachable!("no test reads a window")
        }

        async fn revoke(&self, _: &[u8], _: RevocationReason) -> Result<(), AcmeError> {
            self.at.lock().push(self.clock.now());
            Ok(())
        }
    }

    fn order() -> NewOrder {
        NewOrder::new("a.fleet.test".parse().unwrap())
    }

    fn setting(rates: Rates) -> (PacedAuthority, Arc<RecordingAuthority>, SleepClock) {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let clock = SleepClock(Arc::new(Mutex::new(start)));
        let asked = Arc::new(RecordingAuthority {
            clock: clock.clone(),
            at: Mutex::default(),
            busy: Mutex::default(),
        });
        let pacer = Pacer::new(rates, 1000);
        let ambient = Ambient { clock: Arc::new(clock.clone()), entropy: Arc::new(SeededEntropy::new(1)) };
        (PacedAuthority::new(asked.clone(), pacer, ambient), asked, clock)
    }

    #[tokio::test]
    async fn no_second_has_more_than_its_rate() {
        let rate = |per_second, burst| Rate { per_second, burst, counts_as_other: false };
        let rates =
            Rates::none().with(Endpoint::NewOrder, rate(20, 5)).with(Endpoint::RevokeCert, rate(10, 1));
        let (paced, asked, clock) = setting(rates);
        let start = clock.now();
        for _ in 0..105 {
            let _ = paced.new_order(&order()).await;
        }
        let at = asked.at.lock().clone();
        assert_eq!(at.iter().filter(|at| **at == start).count(), 5, "at once");
        for window in at.windows(26) {
            assert!(window[25].duration_since(window[0]).unwrap() >= Duration::from_secs(1));
        }
        // A hundred after the burst, and not slower than that.
        let took = clock.now().duration_since(start).unwrap();
        assert!(took >= Duration::from_secs(5) && took < Duration::from_millis(5200), "{took:?}");
        // Another endpoint has a rate of its own.
        paced.revoke(&[], RevocationReason::Unspecified).await.unwrap();
        assert_eq!(clock.now().duration_since(start).unwrap(), took);
    }

    #[tokio::test]
    async fn busy_server_gets_its_pause() {
        for (told, least) in [(Some(Duration::from_secs(30)), 30), (None, 1)] {
            let (paced, asked, _) = setting(Rates::none());
            *asked.busy.lock() = Some(told);
            for _ in 0..2 {
                let _ = paced.new_order(&order()).await;
            }
            let at = asked.at.lock().clone();
            let rest = at[1].duration_since(at[0]).unwrap().as_secs();
            assert!((least..least + 2).contains(&rest), "{rest}");
        }
    }

    #[tokio::test]
    async fn call_with_a_long_wait_fails_at_once() {
        let hour = Duration::from_secs(3600);
        let (paced, asked, clock) = setting(Rates::none());
        *asked.busy.lock() = Some(Some(hour));
        let _ = paced.new_order(&order()).await;
        let start = clock.now();
        for (passed, left) in [(0, 3600), (3000, 600), (3569, 31)] {
            *clock.0.lock() = start + Duration::from_secs(passed);
            let error = paced.new_order(&order()).await.unwrap_err();
            assert_eq!((error.kind(), error.operation()), (AcmeErrorKind::RateLimited, Operation::NewOrder));
            assert_eq!(error.retry_after(), Some(Duration::from_secs(left)));
        }
        assert_eq!(asked.at.lock().len(), 1, "nothing was sent");
        *clock.0.lock() = start + hour - MAX_WAIT;
        let _ = paced.new_order(&order()).await;
        assert_eq!(*asked.at.lock(), [start, start + hour]);
    }

    #[tokio::test]
    async fn other_faults_slow_nothing() {
        let (paced, asked, _) = setting(Rates::none());
        for _ in 0..10 {
            let _ = paced.new_order(&order()).await;
        }
        let at = asked.at.lock().clone();
        assert_eq!(at.first(), at.last());
    }
}
