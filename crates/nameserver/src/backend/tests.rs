use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fleetcert_ambient::{Ambient, ManualClock};
use fleetcert_dns::{Addresses, Ttl};
use fleetcert_dns_wire::{TsigAlgorithm, TsigKey};

use super::*;
use crate::{NameServerHost, Options, SettingsError, UpdateGrant, ZoneSettings};

fn name(text: &str) -> DomainName {
    text.parse().unwrap()
}

fn settings(origin: &str) -> ZoneSettings {
    let addresses = ["192.0.2.1".parse().unwrap()].into();
    ZoneSettings::new(name(origin), [NameServerHost { name: name("ns1.fleet.test"), addresses }])
}

fn server(zones: &[&str], options: Options) -> Result<NameServer, SettingsError> {
    let clock = ManualClock::starting_at(SystemTime::UNIX_EPOCH + Duration::from_secs(1000));
    NameServer::new(
        zones.iter().map(|zone| settings(zone)),
        options,
        Ambient { clock: Arc::new(clock), ..Ambient::system() },
    )
}

fn text(at: &str, value: &str) -> Change {
    Change::AddTxt { name: name(at), value: value.parse().unwrap(), ttl: Ttl::CHALLENGE }
}

async fn fault(server: &NameServer, zone: &str, changes: &[Change]) -> BackendErrorKind {
    server.apply(&name(zone), changes).await.unwrap_err().kind()
}

#[tokio::test]
async fn rejected_change_changes_nothing() {
    let options = Options { max_names: 5, max_values: 2, ..Options::default() };
    let server = server(&["fleet.test"], options).unwrap();
    let good = text("a.fleet.test", "1");
    let with = |bad: Change| [good.clone(), bad];
    let at_server = Change::SetAddresses {
        name: name("ns1.fleet.test"),
        addresses: Addresses::default(),
        ttl: Ttl::ADDRESS,
    };
    use BackendErrorKind::{InvalidInput, NotInZone, Quota, Refused};
    assert_eq!(fault(&server, "fleet.test", &with(at_server)).await, Refused);
    assert_eq!(fault(&server, "fleet.test", &with(text("a.test", "1"))).await, NotInZone);
    assert_eq!(fault(&server, "example.com", &[]).await, NotInZone);
    // The apex, ns1 and a exist already: these are three more.
    assert_eq!(fault(&server, "fleet.test", &with(text("d.c.b.fleet.test", "1"))).await, Quota);
    let three = ["1", "2", "3"].map(|value| text("a.fleet.test", value));
    assert_eq!(fault(&server, "fleet.test", &three).await, Quota);
    assert_eq!(fault(&server, "fleet.test", &vec![good.clone(); 1001]).await, InvalidInput);
    assert_eq!(server.serial(&name("fleet.test")), Some(1000));
    let read = server.read(&name("fleet.test"), &name("a.fleet.test"), RecordType::Txt).await.unwrap();
    assert_eq!(read, None);
    server.apply(&name("fleet.test"), &[good.clone(), good]).await.unwrap();
    assert_eq!(server.serial(&name("fleet.test")), Some(1001));
    assert_eq!(server.serial(&name("example.com")), None);
}

#[test]
fn invalid_settings_make_no_server() {
    let grant = |subtree: &str, secret: u8| UpdateGrant {
        key: TsigKey::new(name("key"), TsigAlgorithm::HmacSha256, &[secret; 32]).unwrap(),
        subtree: name(subtree),
        types: [RecordType::Txt].into(),
    };
    let granting = |grants: Vec<UpdateGrant>| Options { grants, ..Options::default() };
    let error = |zones: &[&str], options| server(zones, options).unwrap_err();
    assert_eq!(
        error(&["fleet.test", "fleet.test"], Options::default()),
        SettingsError::DuplicateZone(name("fleet.test"))
    );
    assert_eq!(
        error(&["fleet.test"], granting(vec![grant("test", 1)])),
        SettingsError::GrantOutsideZones(name("test"))
    );
    let two_keys = vec![grant("fleet.test", 1), grant("a.fleet.test", 2)];
    assert_eq!(error(&["fleet.test"], granting(two_keys)), SettingsError::DuplicateKey(name("key")));
    assert!(
        server(&["fleet.test"], granting(vec![grant("fleet.test", 1), grant("a.fleet.test", 1)])).is_ok()
    );
}
