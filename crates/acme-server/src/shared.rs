//! State that the handlers and the background work share.

use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;
use std::time::SystemTime;

use fleetcert_ambient::{Clock, Entropy};
use fleetcert_x509::VerifiedCsr;
use tokio::sync::{mpsc, oneshot};

use crate::nonce::Nonces;
use crate::objects::Objects;
use crate::route::Urls;
use crate::table::Id;
use crate::{AcmeOptions, Issuer, Problem};

/// One piece of background work.
#[derive(Debug)]
pub(crate) enum Job {
    Validate {
        authorization: Id,
    },
    Issue {
        order: Id,
        csr: Box<VerifiedCsr>,
        /// Its receiver may be gone.
        done: oneshot::Sender<()>,
    },
}

/// State of a server.
#[derive(Debug)]
pub(crate) struct ServerState {
    pub(crate) issuer: Arc<dyn Issuer>,
    pub(crate) options: AcmeOptions,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) urls: Urls,
    pub(crate) nonces: Nonces,
    objects: Mutex<Objects>,
    jobs: mpsc::Sender<Job>,
}

impl ServerState {
    /// Returns the state of a server without accounts, and the jobs that it will be given.
    pub(crate) fn new(
        issuer: Arc<dyn Issuer>,
        options: AcmeOptions,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> (Self, mpsc::Receiver<Job>) {
        let waiting = options.max_waiting_work.clamp(1, tokio::sync::Semaphore::MAX_PERMITS);
        let (sender, jobs) = mpsc::channel(waiting);
        let shared = Self {
            urls: Urls::new(&options.base_url),
            nonces: Nonces::new(options.max_nonces),
            objects: Mutex::new(Objects::new(&options)),
            jobs: sender,
            issuer,
            options,
            clock,
            entropy,
        };
        (shared, jobs)
    }

    pub(crate) fn now(&self) -> SystemTime {
        self.clock.now()
    }

    pub(crate) fn objects(&self) -> MutexGuard<'_, Objects> {
        // A panic while the lock is held can leave one object behind another; each is still sound by itself.
        self.objects.lock()
    }

    /// Reserves a place for a job; the server is busy without one.
    pub(crate) fn place_for_work(&self) -> Result<mpsc::Permit<'_, Job>, Problem> {
        self.jobs.try_reserve().map_err(|_| Problem::busy())
    }

    pub(crate) fn rejects_good_nonce(&self) -> bool {
        // Sixteen bits make the bias of the remainder too small to matter.
        let mut number = [0; 2];
        self.entropy.fill(&mut number);
        u16::from_le_bytes(number) % 100 < u16::from(self.options.nonce_rejection_percent)
    }
}
