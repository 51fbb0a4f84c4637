//! The adapter over a provider that runs here: RFC 2136 against our own name server. What the seventy others do with
//! their APIs is not tested, because no base URL can be given to them.

use std::net::SocketAddr;
use std::time::Duration;

use dns_update::{DnsUpdater, TsigAlgorithm};
use fleetcert_ambient::{Ambient, SystemClock};
use fleetcert_dns::conformance::{Subject, check};
use fleetcert_dns::{
    Addresses, BackendErrorKind, Change, DnsBackend, DnsBackendExt, RecordType, Ttl, TxtValue,
};
use fleetcert_dns_wire::TsigKey;
use fleetcert_names::DomainName;
use fleetcert_nameserver::{NameServer, NameServerHost, Options, UpdateGrant, ZoneSettings};
use tokio_util::sync::CancellationToken;

use fleetcert_dns_http::long_tail::{LongTailBackend, LongTailFault, LongTailOptions};

fn domain(text: &str) -> DomainName {
    text.parse().unwrap()
}

fn zone() -> DomainName {
    domain("fleet.test")
}

fn name() -> DomainName {
    domain("_acme-challenge.a.fleet.test")
}

fn value(first: char) -> TxtValue {
    format!("{first}{:-<42}", "").parse().unwrap()
}

/// A name server for `fleet.test`. It lives as long as the test's runtime.
async fn serve() -> SocketAddr {
    let host =
        NameServerHost { name: domain("ns1.fleet.test"), addresses: ["127.0.0.1".parse().unwrap()].into() };
    let key = TsigKey::new(domain("ddns"), fleetcert_dns_wire::TsigAlgorithm::HmacSha256, &[7; 32]).unwrap();
    let grants = vec![UpdateGrant { key, subtree: zone(), types: [RecordType::Txt].into() }];
    let options = Options { grants, max_values: 200, ..Options::default() };
    let server = NameServer::new([ZoneSettings::new(zone(), [host])], options, Ambient::system()).unwrap();
    let listener = server.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr();
    tokio::spawn(listener.serve(CancellationToken::new()));
    address
}

fn provider(server: SocketAddr, secret: u8) -> DnsUpdater {
    let address = format!("tcp://{server}");
    DnsUpdater::new_rfc2136_tsig(address, "ddns", vec![secret; 32], TsigAlgorithm::HmacSha256).unwrap()
}

fn options() -> LongTailOptions {
    LongTailOptions::new([zone()])
}

fn backend(server: SocketAddr, options: LongTailOptions) -> LongTailBackend {
    LongTailBackend::new(provider(server, 7), options, Ambient::system())
}

#[tokio::test]
async fn values_come_and_go_at_a_real_server() {
    let backend = backend(serve().await, options());
    for first in ['1', '2'] {
        backend.add_txt(&zone(), &name(), &value(first), Ttl::CHALLENGE).await.unwrap();
    }
    assert_eq!(backend.texts(&zone(), &name()).await.unwrap(), [value('1'), value('2')].into());
    backend.remove_txt(&zone(), &name(), &value('1')).await.unwrap();
    backend.remove_txt(&zone(), &name(), &value('1')).await.unwrap();
    assert_eq!(backend.texts(&zone(), &name()).await.unwrap(), [value('2')].into());
}

/// Through the RFC 2136 provider of `dns-update`, against our own name server.
#[tokio::test(flavor = "multi_thread")]
async fn conformance() {
    let server = serve().await;
    let subject =
        Subject { calls_at_once: 40, ..Subject::new(|| backend(server, options()), zone(), &SystemClock) };
    let report = check(&subject).await;
    println!("{report}");
    report.require_passed().unwrap();
}

#[tokio::test]
async fn what_it_does_not_take_is_refused_before_anything_is_sent() {
    // Nobody listens there.
    let nowhere = "127.0.0.1:1".parse().unwrap();
    let backend = backend(nowhere, LongTailOptions { reads: false, ..options() });
    let add = |name: &DomainName, text: &str| Change::AddTxt {
        name: name.clone(),
        value: text.parse().unwrap(),
        ttl: Ttl::CHALLENGE,
    };
    let addresses = Change::SetAddresses { name: name(), addresses: Addresses::default(), ttl: Ttl::ADDRESS };
    let good = "a".repeat(43);
    for (changes, kind) in [
        (vec![addresses], BackendErrorKind::InvalidInput),
        (vec![add(&name(), "short")], BackendErrorKind::InvalidInput),
        (vec![add(&name(), &"\"".repeat(43))], BackendErrorKind::InvalidInput),
        (vec![add(&name(), &good); 21], BackendErrorKind::InvalidInput),
        (vec![add(&domain("xfleet.test"), &good)], BackendErrorKind::NotInZone),
    ] {
        assert_eq!(backend.apply(&zone(), &changes).await.unwrap_err().kind(), kind, "{changes:?}");
    }
    let elsewhere = backend.apply(&domain("other.test"), &[add(&domain("a.other.test"), &good)]).await;
    assert_eq!(elsewhere.unwrap_err().kind(), BackendErrorKind::NotInZone);
    backend.apply(&zone(), &[]).await.unwrap();
    // What cannot be added is not there.
    let odd = Change::RemoveTxt { name: name(), value: "short".parse().unwrap() };
    backend.apply(&zone(), &[odd]).await.unwrap();
    for (record_type, name) in [(RecordType::Txt, name()), (RecordType::Txt, domain("a.test"))] {
        assert!(backend.read(&zone(), &name, record_type).await.is_err());
    }
}

#[tokio::test]
async fn only_texts_are_read() {
    let backend = backend("127.0.0.1:1".parse().unwrap(), options());
    let error = backend.read(&zone(), &name(), RecordType::A).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::InvalidInput);
}

#[tokio::test]
async fn a_refusal_is_unavailable_and_its_text_is_shown_only_on_request() {
    let server = serve().await;
    let refused = async |show_texts| {
        let provider = provider(server, 8);
        let options = LongTailOptions { show_texts, ..options() };
        let backend = LongTailBackend::new(provider, options, Ambient::system());
        let error = backend.add_txt(&zone(), &name(), &value('1'), Ttl::CHALLENGE).await.unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::Unavailable, "{error}");
        let source = std::error::Error::source(&error).unwrap();
        source.downcast_ref::<LongTailFault>().unwrap().text().map(str::to_owned)
    };
    assert_eq!(refused(false).await, None);
    assert!(refused(true).await.is_some());
}

#[tokio::test]
async fn a_call_ends_with_its_deadline() {
    // It takes connections and says nothing.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = LongTailOptions { call_within: Duration::from_millis(50), ..options() };
    let backend = backend(silent.local_addr().unwrap(), options);
    let error = backend.add_txt(&zone(), &name(), &value('1'), Ttl::CHALLENGE).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Unavailable);
    assert!(error.to_string().contains("the deadline has passed"), "{error}");
}

#[test]
fn the_secret_is_not_printed() {
    let provider = DnsUpdater::new_duckdns("the token", None).unwrap();
    let backend = LongTailBackend::new(provider, options(), Ambient::system());
    assert!(!format!("{backend:?}").contains("the token"));
}
