//! Our ACME client at Pebble: external accounts, contacts, deactivation, and the other chains of a certificate.

#![allow(clippy::unwrap_used, clippy::panic)] // A test may panic.

use std::sync::Arc;
use std::time::Duration;

use fleetcert_acme::order::OrderState;
use fleetcert_acme::{
    AccountKey, AcmeErrorKind, ChainPreference, Client, ClientOptions, Driver, DriverOptions,
    ExternalAccount, Job, MemoryJournal, NewOrder, NoObserver, Outcome, Registration, RevocationReason,
    TermsOfService,
};
use fleetcert_ambient::Ambient;
use fleetcert_dns::challenge::{ChallengeOptions, Challenges};
use fleetcert_dns_lookup::{AuthoritativeVisibility, LookOptions, Servers};
use fleetcert_jose::{Algorithm, KeyPair as SigningKeyPair};
use fleetcert_names::{DomainName, IdentifierSet};
use fleetcert_nameserver::{NameServer, NameServerHost, Options, ZoneSettings};
use fleetcert_tests::Fault;
use fleetcert_tests::pebble::{Pebble, PebbleConfig};
use fleetcert_x509::{Chain, CsrPolicy, KeyPair, NameGrant, VerifiedCsr, csr_for};
use tokio_util::sync::CancellationToken;

/// Key of an external account: 64 octets.
const MAC_KEY: &str =
    "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12WAAAAAAAAAAAAAAAAAAAAAA";

fn client(pebble: &Pebble) -> Client {
    let roots_pem = Some(std::fs::read(pebble.directory().ca_root()).unwrap());
    let options = ClientOptions { roots_pem, ..ClientOptions::default() };
    Client::new(pebble.directory().url(), &options, Ambient::system()).unwrap()
}

#[tokio::test]
async fn external_account_is_bound_by_each_mac() -> Result<(), Fault> {
    let mut config = PebbleConfig::with_resolver(([127, 0, 0, 1], 1).into());
    config.external_accounts.insert("kid-1".to_owned(), MAC_KEY.to_owned());
    let pebble = Pebble::start(&config)?;
    let client = client(&pebble);
    let register = async |external_account: Option<ExternalAccount>| {
        let contacts = vec!["mailto:ops@example.com".to_owned()];
        let registration =
            Registration { contacts, external_account, ..Registration::from(TermsOfService::Agreed) };
        client.register(AccountKey::generate().unwrap(), registration).await
    };
    let refused = register(None).await.unwrap_err();
    assert_eq!(refused.kind(), AcmeErrorKind::Account, "{refused}");
    let unknown = ExternalAccount::new("kid-2", MAC_KEY).unwrap();
    assert!(register(Some(unknown)).await.is_err());

    let external = ExternalAccount::new("kid-1", MAC_KEY).unwrap();
    let (hs384, hs512) = (external.clone().with_hs384().unwrap(), external.clone().with_hs512().unwrap());
    for external in [external, hs384, hs512] {
        let account = register(Some(external)).await.unwrap();
        account.update_contacts(&["mailto:new@example.com"]).await.unwrap();
        account.deactivate().await.unwrap();
        let error = account.update_contacts(&[]).await.unwrap_err();
        assert!(matches!(error.kind(), AcmeErrorKind::Account | AcmeErrorKind::Refused), "{error}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn chain_of_the_preferred_root_is_delivered_and_its_key_revokes_it() -> Result<(), Fault> {
    let zone: DomainName = "fleet.test".parse().unwrap();
    let addresses = ["127.0.0.1".parse().unwrap()].into();
    let host = NameServerHost { name: "ns1.fleet.test".parse().unwrap(), addresses };
    let ambient = Ambient::system();
    let settings = ZoneSettings::new(zone.clone(), [host]);
    let server = NameServer::new([settings], Options::default(), ambient.clone()).unwrap();
    let listener = server.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let mut config = PebbleConfig::with_resolver(listener.local_addr());
    let servers = Servers::given(vec![listener.local_addr()]).unwrap();
    config.alternate_roots = 2;
    config.retry_after.authz = 0;
    let stop = CancellationToken::new();
    tokio::spawn(listener.serve(stop.clone()));
    let pebble = Pebble::start(&config)?;
    let wanted_root = pebble.root(1)?;
    let name = Chain::from_pem(&wanted_root).unwrap().root_name().unwrap();

    let client = client(&pebble);
    let account = client.register(AccountKey::generate().unwrap(), TermsOfService::Agreed).await.unwrap();
    let visibility = AuthoritativeVisibility::new(servers, LookOptions::default(), ambient.clone());
    let options = ChallengeOptions::default();
    let challenges = Challenges::new(Arc::new(server), Arc::new(visibility), ambient.clone(), options);
    let options =
        DriverOptions { chain: ChainPreference::RootName(name.clone()), ..DriverOptions::default() };
    let driver = Driver { authority: Arc::new(account), challenges, ambient, options };
    let names: IdentifierSet = "a.fleet.test,*.a.fleet.test".parse().unwrap();
    let secret = SigningKeyPair::generate(Algorithm::Es256).unwrap();
    let key = KeyPair::from_pkcs8_der(&secret.to_pkcs8_der().unwrap()).unwrap();
    let policy = CsrPolicy::lets_encrypt().with_grant(NameGrant::exact(&names));
    let csr = VerifiedCsr::parse(&csr_for(&names, &key).unwrap(), &policy).unwrap();
    let wanted = OrderState::Wanted { order: NewOrder::new(names) };
    let (job, journal) = (Job::new(&zone, &csr), MemoryJournal::default());
    let work = driver.drive(&job, wanted, &journal, &NoObserver);
    let outcome = tokio::time::timeout(Duration::from_secs(60), work).await.unwrap().unwrap();
    let Outcome::Issued { chain, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(chain.root_name(), Some(name));

    let der = &chain.certificates()[0];
    client.revoke_by_certificate_key(der, RevocationReason::KeyCompromise, &secret).await.unwrap();
    stop.cancel();
    Ok(())
}
