//! An issuer that signs for real, and whose decisions a test sets.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;
use fleetcert_acme_server::{
    Dns01Challenge, IssueRequest, Issuer, OrderRequest, Problem, ProblemKind, RenewalInfo, Resource,
};
use fleetcert_names::Identifier;
use fleetcert_x509::{Chain, Leaf};
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType, SerialNumber,
    SubjectPublicKeyInfo,
};

#[derive(Debug)]
pub(crate) struct TestIssuer {
    ca: rcgen::Issuer<'static, KeyPair>,
    decisions: Mutex<Decisions>,
}

#[derive(Debug, Default)]
pub(crate) struct Decisions {
    /// What stands in the TXT records of a name.
    pub(crate) texts: HashMap<Identifier, Vec<String>>,
    /// How validation fails, whatever stands there.
    pub(crate) validation: Option<Problem>,
    pub(crate) issuance: Option<Problem>,
    pub(crate) admission: Option<Problem>,
    pub(crate) refused_names: Vec<Identifier>,
    /// Validation never ends.
    pub(crate) hangs: bool,
    pub(crate) issued: u64,
    /// The account URLs that were handed over.
    pub(crate) account_urls: Vec<String>,
}

impl TestIssuer {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = rcgen::Issuer::new(params, KeyPair::generate().unwrap());
        Self { ca, decisions: Mutex::default() }
    }

    pub(crate) fn decide(&self, change: impl FnOnce(&mut Decisions)) {
        change(&mut self.decisions.lock());
    }

    pub(crate) fn decisions<T>(&self, read: impl FnOnce(&Decisions) -> T) -> T {
        read(&self.decisions.lock())
    }
}

#[async_trait]
impl Issuer for TestIssuer {
    async fn admit(&self, _: Resource, _: Option<IpAddr>) -> Result<(), Problem> {
        self.decisions(|decisions| decisions.admission.clone()).map_or(Ok(()), Err)
    }

    async fn admit_order(&self, order: &OrderRequest<'_>) -> Result<(), Problem> {
        let refused = self.decisions(|decisions| decisions.refused_names.clone());
        let refusals = order.identifiers.iter().filter(|name| refused.contains(name)).map(|name| {
            (name.clone(), Problem::new(ProblemKind::RejectedIdentifier, format!("{name} is not ours")))
        });
        Problem::of_identifiers(refusals.collect()).map_or(Ok(()), Err)
    }

    async fn validate(&self, challenge: &Dns01Challenge) -> Result<(), Problem> {
        if self.decisions(|decisions| decisions.hangs) {
            std::future::pending::<()>().await;
        }
        self.decide(|decisions| decisions.account_urls.push(challenge.account_url.clone()));
        self.decisions(|decisions| match &decisions.validation {
            Some(problem) => Err(problem.clone()),
            None if decisions
                .texts
                .get(&challenge.identifier)
                .is_some_and(|t| t.contains(&challenge.txt_value)) =>
            {
                Ok(())
            }
            None => Err(Problem::new(ProblemKind::Unauthorized, "the TXT record is not there")),
        })
    }

    async fn issue(&self, request: &IssueRequest) -> Result<Chain, Problem> {
        if let Some(problem) = self.decisions(|decisions| decisions.issuance.clone()) {
            return Err(problem);
        }
        let mut serial = 0;
        self.decide(|decisions| {
            decisions.issued += 1;
            serial = decisions.issued;
        });
        let mut params = CertificateParams::default();
        params.serial_number = Some(SerialNumber::from(serial));
        params.use_authority_key_identifier_extension = true;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let names = &request.identifiers;
        params.subject_alt_names =
            names.iter().map(|name| SanType::DnsName(name.as_str().try_into().unwrap())).collect();
        let key = SubjectPublicKeyInfo::from_der(request.csr.spki()).unwrap();
        let leaf = params.signed_by(&key, &self.ca).unwrap();
        Ok(Chain::from_certificates(vec![leaf.der().clone()]).unwrap())
    }

    async fn renewal_info(&self, leaf: &Leaf) -> Result<RenewalInfo, Problem> {
        let start = leaf.not_before();
        let day = Duration::from_secs(86_400);
        let explanation_url = Some("https://ca.test/why".to_owned());
        Ok(RenewalInfo { start, end: start + day, explanation_url, retry_after: day / 4 })
    }
}
