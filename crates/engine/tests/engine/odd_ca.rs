//! The CA of a test, with one fault.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use async_trait::async_trait;
use fleetcert_acme::{Account, AcmeError, Authority, NewOrder, OrderHandle, RenewalInfo, RevocationReason};
use fleetcert_x509::CertificateId;

/// The CA of an account, with one fault.
#[derive(Debug)]
pub(crate) struct OddCa {
    account: Account,
    /// Whether the next order is never answered.
    order_hangs: AtomicBool,
    info: Info,
}

/// Its answers about renewals.
#[derive(Debug)]
enum Info {
    Unchanged,
    Always(fn() -> Result<RenewalInfo, AcmeError>),
    /// No answer for the first certificate that it is asked about.
    SilentAbout(OnceLock<CertificateId>),
}

impl OddCa {
    fn new(account: &Account, order_hangs: bool, info: Info) -> Self {
        Self { account: account.clone(), order_hangs: AtomicBool::new(order_hangs), info }
    }

    pub(crate) fn without_its_first_order(account: &Account) -> Self {
        Self::new(account, true, Info::Unchanged)
    }

    pub(crate) fn with(account: &Account, info: fn() -> Result<RenewalInfo, AcmeError>) -> Self {
        Self::new(account, false, Info::Always(info))
    }

    pub(crate) fn silent_about_the_first(account: &Account) -> Self {
        Self::new(account, false, Info::SilentAbout(OnceLock::new()))
    }

    pub(crate) fn asked_first(&self) -> Option<&CertificateId> {
        match &self.info {
            Info::SilentAbout(first) => first.get(),
            Info::Unchanged | Info::Always(_) => None,
        }
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Authority for OddCa {
    fn account_url(&self) -> &str {
        self.account.account_url()
    }

    fn account_spki(&self) -> Option<Vec<u8>> {
        self.account.account_spki()
    }

    async fn new_order(&self, order: &NewOrder) -> Result<Box<dyn OrderHandle>, AcmeError> {
        if self.order_hangs.swap(false, SeqCst) {
            std::future::pending::<()>().await;
        }
        self.account.new_order(order).await
    }

    async fn resume(&self, order_url: &str) -> Result<Box<dyn OrderHandle>, AcmeError> {
        self.account.resume(order_url).await
    }

    async fn renewal_info(&self, id: &CertificateId) -> Result<RenewalInfo, AcmeError> {
        match &self.info {
            Info::Always(answer) => return answer(),
            Info::SilentAbout(first) if first.get_or_init(|| id.clone()) == id => {
                std::future::pending::<()>().await;
            }
            Info::Unchanged | Info::SilentAbout(_) => {}
        }
        self.account.renewal_info(id).await
    }

    async fn revoke(&self, der: &[u8], reason: RevocationReason) -> Result<(), AcmeError> {
        self.account.revoke(der, reason).await
    }
}
