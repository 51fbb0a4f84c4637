//! The conformance suite of authorities: an account at the test CA passes it, and each flaw is found by its check.

#![allow(clippy::unwrap_used, clippy::panic)] // A test may panic.

mod flaws;

use std::sync::Arc;

use fleetcert_acme::conformance::{Subject, check};
use fleetcert_acme::{AccountKey, Client, ClientOptions, TermsOfService};
use fleetcert_ambient::Ambient;
use fleetcert_dns::challenge::{ChallengeOptions, Challenges};
use fleetcert_dns_lookup::{AuthoritativeVisibility, LookOptions, Servers};
use fleetcert_names::DomainName;
use fleetcert_nameserver::{NameServer, NameServerHost, Options, ZoneSettings};
use fleetcert_testkit::{TestCa, TestCaOptions};
use tokio_util::sync::CancellationToken;

use flaws::{Flaw, Flawed};

/// Calls `with` with an account at a test CA, which asks a name server of ours.
async fn with_account(with: impl AsyncFnOnce(Subject)) {
    let zone: DomainName = "fleet.test".parse().unwrap();
    let addresses = ["127.0.0.1".parse().unwrap()].into();
    let host = NameServerHost { name: "ns1.fleet.test".parse().unwrap(), addresses };
    let ambient = Ambient::system();
    let settings = ZoneSettings::new(zone.clone(), [host]);
    let server = NameServer::new([settings], Options::default(), Ambient::system()).unwrap();
    let listener = server.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let dns_server = listener.local_addr();
    let mut options = TestCaOptions::new(dns_server);
    options.zones = vec![zone.clone()];
    let (ca, service) = TestCa::start(options, ambient.clock.clone(), ambient.entropy.clone()).await.unwrap();
    let stop = CancellationToken::new();
    tokio::spawn(listener.serve(stop.clone()));
    tokio::spawn(service.serve(stop.clone()));

    let roots_pem = Some(ca.listener_root_pem().as_bytes().to_vec());
    let options = ClientOptions { roots_pem, ..ClientOptions::default() };
    let client = Client::new(ca.directory_url(), &options, ambient.clone()).unwrap();
    let account = client.register(AccountKey::generate().unwrap(), TermsOfService::Agreed).await.unwrap();
    let servers = Servers::given(vec![dns_server]).unwrap();
    let visibility = AuthoritativeVisibility::new(servers, LookOptions::default(), Ambient::system());
    let challenges = Challenges::new(
        Arc::new(server),
        Arc::new(visibility),
        Ambient::system(),
        ChallengeOptions::default(),
    );
    let refused = "example.org".parse().unwrap();
    with(Subject { authority: Arc::new(account), zone, challenges, refused, ambient }).await;
    stop.cancel();
}

#[tokio::test]
async fn account_at_the_test_ca_conforms() {
    with_account(async |subject| check(&subject).await.unwrap()).await;
}

#[tokio::test]
async fn each_flaw_is_found_by_its_check() {
    with_account(async |subject| {
        for (flaw, promise) in [
            (Flaw::OtherCertificate, "an order leads to the certificate that was ordered"),
            (Flaw::OneValueForAll, "a wildcard and its base have two challenges at one name"),
            (Flaw::RefusesNothing, "a refused identifier is Refused, with a problem"),
            (Flaw::ResumesAnotherOrder, "an order is found again by its URL after a lost answer"),
            (Flaw::UnknownOrderIsBusy, "an unknown order is NotFound"),
            (Flaw::WindowBackwards, "a renewal window ends after it begins, and is polled"),
            (Flaw::NoLock, "orders placed at once on several threads stay apart"),
            (Flaw::RevokesAgain, "a second revocation is Refused as AlreadyRevoked"),
        ] {
            let authority = Arc::new(Flawed::new(Arc::clone(&subject.authority), flaw));
            let broken = check(&Subject { authority, ..subject.clone() }).await.unwrap_err();
            assert_eq!(broken.promise, promise, "{flaw:?}: {broken}");
        }
    })
    .await;
}
