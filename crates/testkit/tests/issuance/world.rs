//! A name server, a CA that asks it, and clients of both.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fleetcert_ambient::{Ambient, SystemClock, SystemEntropy};
use fleetcert_dns::{Change, DnsBackend, Ttl};
use fleetcert_https::ClientBuilder;
use fleetcert_jose::{Algorithm, FlattenedJws, KeyReference, ProtectedHeader, Signer};
use fleetcert_names::{DomainName, HostName};
use fleetcert_nameserver::{NameServer, NameServerHost, Options, ZoneSettings};
use fleetcert_testkit::{TestCa, TestCaOptions};
use fleetcert_x509::{Chain, CsrPolicy, KeyKind, KeyPair, VerifiedCsr, csr_for};
use http_body_util::BodyExt;
use instant_acme::{
    Account, AuthorizationStatus, BodyWrapper, BytesResponse, CertificateIdentifier, ChallengeType, Error,
    HttpClient, Identifier, NewAccount, NewOrder, Order, OrderStatus,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) struct TestSetup {
    pub(crate) ca: TestCa,
    server: NameServer,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

pub(crate) fn host(name: &str) -> HostName {
    name.parse().unwrap()
}

fn zone() -> DomainName {
    "fleet.test".parse().unwrap()
}

impl TestSetup {
    pub(crate) async fn start(change: impl FnOnce(&mut TestCaOptions, &mut ZoneSettings)) -> Self {
        let ns = NameServerHost {
            name: "ns1.fleet.test".parse().unwrap(),
            addresses: ["127.0.0.1".parse().unwrap()].into(),
        };
        let mut settings = ZoneSettings::new(zone(), [ns]);
        let mut options = TestCaOptions::new("127.0.0.1:53".parse().unwrap());
        change(&mut options, &mut settings);
        let server = NameServer::new([settings], Options::default(), Ambient::system()).unwrap();
        let listener = server.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        options.dns_server = listener.local_addr();
        let (ca, service) =
            TestCa::start(options, Arc::new(SystemClock), Arc::new(SystemEntropy)).await.unwrap();
        let stop = CancellationToken::new();
        let serving = tokio::spawn(listener.serve(stop.clone()));
        let tasks = vec![
            tokio::spawn(async move {
                let _ = serving.await;
            }),
            tokio::spawn(service.serve(stop.clone())),
        ];
        Self { ca, server, stop, tasks }
    }

    /// Everything ends in good time.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        for task in self.tasks {
            tokio::time::timeout(Duration::from_secs(60), task).await.unwrap().unwrap();
        }
    }

    pub(crate) fn http(&self) -> reqwest::Client {
        let root = self.ca.listener_root_pem().as_bytes();
        ClientBuilder::new("test").only_roots_pem(root).unwrap().build().unwrap()
    }

    pub(crate) async fn account(&self) -> Account {
        self.try_account().await.unwrap()
    }

    pub(crate) async fn try_account(&self) -> Result<Account, Error> {
        let asked = NewAccount { contact: &[], terms_of_service_agreed: true, only_return_existing: false };
        let builder = Account::builder_with_http(Box::new(Http(self.http())));
        Ok(builder.create(&asked, self.ca.directory_url().to_owned(), None).await?.0)
    }

    /// The answer to a request for a new account, with its headers.
    pub(crate) async fn raw_new_account(&self) -> reqwest::Response {
        let http = self.http();
        let directory: serde_json::Value =
            http.get(self.ca.directory_url()).send().await.unwrap().json().await.unwrap();
        let nonce = http.head(directory["newNonce"].as_str().unwrap()).send().await.unwrap();
        let nonce = nonce.headers()["replay-nonce"].to_str().unwrap().to_owned();
        let url = directory["newAccount"].as_str().unwrap();
        let key = fleetcert_jose::KeyPair::generate(Algorithm::Es256).unwrap();
        let header = ProtectedHeader::new(&key, KeyReference::Jwk(key.jwk().clone())).nonce(nonce).url(url);
        let body = FlattenedJws::sign(&header, b"{\"termsOfServiceAgreed\":true}", &key).unwrap().to_json();
        http.post(url).header("content-type", "application/jose+json").body(body).send().await.unwrap()
    }

    pub(crate) fn csr(&self, name: &str) -> VerifiedCsr {
        let csr = csr_for(&name.parse().unwrap(), &KeyPair::generate(KeyKind::P256).unwrap()).unwrap();
        VerifiedCsr::parse(&csr, &CsrPolicy::lets_encrypt()).unwrap()
    }

    pub(crate) async fn order(
        &self,
        account: &Account,
        names: &[&str],
        replaces: Option<&Chain>,
    ) -> Result<Order, Error> {
        let names: Vec<Identifier> = names.iter().map(|name| Identifier::Dns((*name).to_owned())).collect();
        let mut order = NewOrder::new(&names);
        let replaced = replaces.map(|chain| chain.certificates()[0].clone());
        if let Some(certificate) = &replaced {
            order = order.replaces(CertificateIdentifier::try_from(certificate).unwrap());
        }
        account.new_order(&order).await
    }

    /// Publishes what `records` makes of each challenge's record, and answers the challenges.
    pub(crate) async fn answer(&self, order: &mut Order, records: impl Fn(Change) -> Vec<Change>) {
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization.unwrap();
            if authorization.status != AuthorizationStatus::Pending {
                continue;
            }
            let mut challenge = authorization.challenge(ChallengeType::Dns01).unwrap();
            let identifier: fleetcert_names::Identifier = challenge.identifier().to_string().parse().unwrap();
            let name = identifier.challenge_name();
            let value = challenge.key_authorization().dns_value().parse().unwrap();
            let changes = records(Change::AddTxt { name, value, ttl: Ttl::CHALLENGE });
            if !changes.is_empty() {
                self.server.apply(&zone(), &changes).await.unwrap();
            }
            challenge.set_ready().await.unwrap();
        }
    }

    /// Where the order stands once it is no longer pending.
    pub(crate) async fn end_of(&self, order: &mut Order) -> OrderStatus {
        for _ in 0..6000 {
            let status = order.refresh().await.unwrap().status;
            if status != OrderStatus::Pending {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        OrderStatus::Pending
    }

    pub(crate) async fn finish(&self, order: &mut Order, csr: &VerifiedCsr) -> Option<Chain> {
        self.answer(order, |change| vec![change]).await;
        if self.end_of(order).await != OrderStatus::Ready {
            return None;
        }
        order.finalize_csr(csr.der()).await.unwrap();
        let pem = order.certificate().await.unwrap()?;
        Some(Chain::from_pem(pem.as_bytes()).unwrap())
    }

    pub(crate) async fn issue(
        &self,
        account: &Account,
        csr: &VerifiedCsr,
        replaces: Option<&Chain>,
    ) -> Result<Chain, &'static str> {
        let names: Vec<&str> = csr.identifiers().hosts().map(HostName::as_str).collect();
        let mut order = self.order(account, &names, replaces).await.unwrap();
        self.finish(&mut order, csr).await.ok_or("the order did not become ready")
    }
}

/// reqwest under instant-acme.
struct Http(reqwest::Client);

impl HttpClient for Http {
    fn request(
        &self,
        request: http::Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let client = self.0.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let request = reqwest::Request::try_from(http::Request::from_parts(parts, body)).unwrap();
            let response = client.execute(request).await.map_err(|error| Error::Other(Box::new(error)))?;
            let (parts, body) = http::Response::from(response).into_parts();
            let body = body.collect().await.map_err(|error| Error::Other(Box::new(error)))?.to_bytes();
            Ok(BytesResponse { parts, body: Box::new(body) })
        })
    }
}
