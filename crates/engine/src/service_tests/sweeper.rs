use fleetcert_dns::challenge::ChallengeRecord;
use fleetcert_dns::{DnsBackend, DnsBackendExt, RecordType, Ttl};

use super::{Fixture, HOUR};
use crate::records::{CHALLENGES, TOKENS, TokenRecord, encode};
use crate::sweeper::Sweeper;

#[tokio::test(start_paused = true)]
async fn expired_records_and_tokens_are_removed_and_valid_ones_stay() {
    let fixture = Fixture::new();
    let (now, parts) = (fixture.now(), fixture.parts.clone());
    let zone = parts.options.zone.clone();
    let mut records = Vec::new();
    for (label, expires) in [("expired", now - HOUR), ("valid", now + HOUR)] {
        let record = ChallengeRecord {
            zone: zone.clone(),
            name: format!("_acme-challenge.{label}.fleet.test").parse().unwrap(),
            value: label.parse().unwrap(),
            owner: label.parse().unwrap(),
            expires,
        };
        parts.backend.add_txt(&zone, &record.name, &record.value, Ttl::CHALLENGE).await.unwrap();
        fixture.put(CHALLENGES, label, encode(&record), Some(expires)).await;
        let token = TokenRecord { expires, used: None, tenant: 0 };
        fixture.put(TOKENS, label, encode(&token), Some(expires)).await;
        records.push(record);
    }
    let sweeper = Sweeper::new(fixture.context(), zone.clone(), parts.challenges);
    tokio::time::timeout(HOUR / 60, sweeper.run()).await.unwrap_err();
    for (record, stays) in records.iter().zip([false, true]) {
        let label = record.owner.to_string();
        let found = parts.backend.read(&zone, &record.name, RecordType::Txt).await.unwrap();
        assert_eq!(found.is_some(), stays, "{label}");
        for collection in [CHALLENGES, TOKENS] {
            assert_eq!(fixture.read(collection, &label).await.is_some(), stays, "{collection:?} {label}");
        }
    }
}
