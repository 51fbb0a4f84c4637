use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use fleetcert_acme::{
    AcmeError, AcmeErrorKind, Authority, NewOrder, Operation, OrderHandle, RenewalInfo, RevocationReason,
};
use fleetcert_x509::CertificateId;
use parking_lot::Mutex;

use super::{Fixture, HOUR};
use crate::orders::Breakers;
use crate::records::{CERTIFICATES, CertificateRecord, encode};
use crate::renewals::Renewals;

/// Id of a certificate: key identifier and serial number.
const VALID: &str = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AQ";
const EXPIRED: &str = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.Ag";

/// A CA that records polls, and names the window of an hour from now.
#[derive(Debug)]
struct PolledCa {
    now: SystemTime,
    polls: Mutex<Vec<String>>,
}

fn unused<T>() -> Result<T, AcmeError> {
    Err(AcmeError::new(AcmeErrorKind::InvalidInput, Operation::NewOrder, "renewals order nothing"))
}

#[async_trait]
impl Authority for PolledCa {
    fn account_url(&self) -> &str {
        "https://ca.test/account/1"
    }

    async fn new_order(&self, _: &NewOrder) -> Result<Box<dyn OrderHandle>, AcmeError> {
        unused()
    }

    async fn resume(&self, _: &str) -> Result<Box<dyn OrderHandle>, AcmeError> {
        unused()
    }

    async fn renewal_info(&self, id: &CertificateId) -> Result<RenewalInfo, AcmeError> {
        self.polls.lock().push(id.to_string());
        let (start, end) = (self.now + HOUR, self.now + 2 * HOUR);
        Ok(RenewalInfo { start, end, explanation_url: None, poll_after: 6 * HOUR })
    }

    async fn revoke(&self, _: &[u8], _: RevocationReason) -> Result<(), AcmeError> {
        unused()
    }
}

fn certificate(id: &str, not_before: SystemTime, not_after: SystemTime) -> Vec<u8> {
    encode(&CertificateRecord {
        chain: String::new(),
        identifiers: None,
        csr_sha256: String::new(),
        certificate_id: Some(id.to_owned()),
        account_url: String::new(),
        not_before,
        not_after,
        window: None,
        renew_at: None,
        is_urgent: false,
        issued_at: Vec::new(),
    })
}

#[tokio::test(start_paused = true)]
async fn window_of_a_valid_certificate_is_polled_and_an_expired_one_is_left_alone() {
    let fixture = Fixture::new();
    let now = fixture.now();
    for (name, id, not_after) in [("valid", VALID, now + 2000 * HOUR), ("expired", EXPIRED, now - HOUR)] {
        let value = certificate(id, now - 100 * HOUR, not_after);
        fixture.put(CERTIFICATES, &format!("{name}.fleet.test"), value, Some(now)).await;
    }
    let ca = Arc::new(PolledCa { now, polls: Mutex::default() });
    let (context, options) = (fixture.context(), &fixture.parts.options);
    let breakers = Arc::new(Breakers::new(context.clone(), options.breaker));
    let renewals = Arc::new(Renewals::new(context, options, ca.clone(), breakers));
    tokio::time::timeout(5 * HOUR, renewals.run()).await.unwrap_err();
    assert_eq!(*ca.polls.lock(), [VALID]);
    let due = async |key: &str| fixture.read(CERTIFICATES, key).await.unwrap().due;
    assert_eq!(due("expired.fleet.test").await, None);
    let next = due("valid.fleet.test").await.unwrap();
    assert!(next > now + 5 * HOUR && next < now + 7 * HOUR, "the CA asked for a poll in six hours");
}
