//! The backend.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use async_trait::async_trait;
use fleetcert_ambient::timeout;
use fleetcert_dns::{
    BackendError, BackendErrorKind, Capabilities, Change, DnsBackend, Operation, RecordSet, RecordType, Ttl,
    TxtValue,
};
use fleetcert_names::DomainName;
use http::Method;
use serde_json::json;
use tokio::sync::Mutex;

use super::AcmeDnsAccount;
use crate::client::{Api, Repeat, Request};
use crate::{Endpoint, HttpClient};

/// Publishes dns-01 values at one acme-dns server. See the [page of the module](super) for its limits. A clone is the
/// same backend.
#[derive(Clone, Debug)]
pub struct AcmeDnsBackend {
    names: Arc<BTreeMap<DomainName, Arc<Account>>>,
    /// An API without a secret, for errors of calls that have no account.
    anonymous: Arc<Api>,
}

#[derive(Debug)]
struct Account {
    api: Api,
    subdomain: String,
    /// Values that this backend wrote and acme-dns still keeps, the oldest first.
    written: Mutex<VecDeque<TxtValue>>,
}

/// Number of values that acme-dns keeps for a name.
const VALUES: usize = 2;
const MAX_CHANGES: usize = 100;

impl AcmeDnsBackend {
    /// Returns a backend with the accounts of these names, each in the form `_acme-challenge.NAME`. The name at acme-dns
    /// itself works too, for a caller that has followed the CNAME. Sends nothing before the first call.
    pub fn new(
        endpoint: Endpoint,
        names: impl IntoIterator<Item = (DomainName, AcmeDnsAccount)>,
        http: &HttpClient,
    ) -> Self {
        let mut accounts = BTreeMap::new();
        for (name, account) in names {
            let (full_domain, subdomain) = (account.full_domain.clone(), account.subdomain.clone());
            let api = Api::new(http, endpoint.clone(), account);
            let account = Arc::new(Account { api, subdomain, written: Mutex::default() });
            accounts.insert(name, account.clone());
            accounts.insert(full_domain, account);
        }
        let none = AcmeDnsAccount {
            full_domain: "invalid".parse().expect("a label is a name"),
            subdomain: String::new(),
            username: String::new(),
            password: "".into(),
        };
        Self { names: Arc::new(accounts), anonymous: Arc::new(Api::new(http, endpoint, none)) }
    }
}

#[async_trait]
impl DnsBackend for AcmeDnsBackend {
    async fn apply(&self, zone: &DomainName, changes: &[Change]) -> Result<(), BackendError> {
        let call = self.anonymous.call(Operation::Apply, zone);
        call.check_changes(&self.capabilities(), changes)?;
        let mut values = Vec::with_capacity(changes.len());
        for change in changes {
            let Change::AddTxt { name, value, .. } = change else {
                continue; // The capabilities admit no other change.
            };
            let account = self.names.get(name).ok_or_else(|| {
                call.error(BackendErrorKind::NotInZone, format!("there is no acme-dns account for {name}"))
            })?;
            values.push((account, value));
        }
        for (account, value) in values {
            account.add(zone, value).await?;
        }
        Ok(())
    }

    async fn read(
        &self,
        zone: &DomainName,
        name: &DomainName,
        _: RecordType,
    ) -> Result<Option<RecordSet>, BackendError> {
        let call = self.anonymous.call(Operation::Read, zone);
        // Always an error, because the capabilities have no reads.
        call.check_read(&self.capabilities(), name).map(|()| None)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            atomic: false,
            addresses: false,
            reads: false,
            removes: false,
            any_name: false,
            any_text: false,
            max_values: VALUES,
            min_ttl: Ttl::CHALLENGE,
            max_changes: MAX_CHANGES,
        }
    }
}

impl Account {
    async fn add(&self, zone: &DomainName, value: &TxtValue) -> Result<(), BackendError> {
        let call = self.api.call(Operation::Apply, zone);
        let locked = timeout(call.http().clock(), call.left(), self.written.lock()).await;
        let mut written = locked.map_err(|elapsed| call.error(BackendErrorKind::Unavailable, elapsed))?;
        if written.contains(value) {
            return Ok(());
        }
        let body = json!({"subdomain": self.subdomain, "txt": value.to_string()});
        // Sent twice, it takes both places and pushes out the other value.
        let request = Request::new(Method::POST, ["update"], Repeat::Harmful).json(&body);
        let reply = call.send(&request).await?;
        let answer: serde_json::Value = reply.json()?;
        if answer["txt"] != value.to_string() {
            return Err(reply.unusable(crate::ApiFault::UnexpectedJson));
        }
        if written.len() == VALUES {
            written.pop_front();
        }
        written.push_back(value.clone());
        Ok(())
    }
}
