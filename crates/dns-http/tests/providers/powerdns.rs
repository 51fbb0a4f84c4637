//! Every request that the backend makes, and what it does with every answer.

use fleetcert_dns::{Addresses, BackendErrorKind, Change, DnsBackend, DnsBackendExt, RecordType, Ttl};
use serde_json::{Value, json};

use crate::fixture::{
    Exchange, SECRET, Script, client, expect, json as answer, name, remove, require_refusals,
    require_unfit_refused, status, text, zone,
};
use fleetcert_dns_http::powerdns::{PowerDnsBackend, PowerDnsOptions};
use fleetcert_dns_http::{Endpoint, HttpClient};

const SERVER: &str = "/api/v1/servers/localhost";
const ZONE: &str = "/api/v1/servers/localhost/zones/fleet.test.";
const NAME: &str = "_acme-challenge.a.fleet.test";

fn make(endpoint: Endpoint, http: &HttpClient) -> PowerDnsBackend {
    PowerDnsBackend::new(PowerDnsOptions::new(endpoint, SECRET.into()), http)
}

fn backend(script: &Script) -> PowerDnsBackend {
    // Reads go one after the other, so that the script can tell their order.
    make(script.endpoint("/"), &client(|options| options.requests_at_once = 1))
}

fn add(owner: &str, value: &str) -> Change {
    Change::AddTxt { name: name(owner), value: text(value), ttl: Ttl::from_secs(60).unwrap() }
}

fn get(path: &str) -> Exchange {
    expect("GET", path).header("x-api-key", SECRET).no_header("authorization")
}

fn version(version: &str) -> Exchange {
    get(SERVER).answer(answer(json!({"id": "localhost", "version": version})))
}

fn old() -> Exchange {
    version("4.7.3")
}

fn reading(owner: &str, record_type: &str) -> Exchange {
    get(&format!("{ZONE}?rrset_name={owner}.&rrset_type={record_type}"))
}

fn held(owner: &str, record_type: &str, ttl: u32, records: &Value) -> Exchange {
    let set = json!({"name": format!("{owner}."), "type": record_type, "ttl": ttl, "records": records, "comments": []});
    reading(owner, record_type)
        .answer(answer(json!({"name": "fleet.test.", "dnssec": false, "rrsets": [set]})))
}

fn nothing_held(owner: &str) -> Exchange {
    reading(owner, "TXT").answer(answer(json!({"name": "fleet.test.", "rrsets": []})))
}

fn patch(rrsets: &Value) -> Exchange {
    expect("PATCH", ZONE)
        .header("x-api-key", SECRET)
        .header("content-type", "application/json")
        .json(json!({"rrsets": rrsets}))
        .answer(status(204))
}

#[tokio::test]
async fn values_are_merged_with_what_is_there_and_written_in_one_request() {
    let script = Script::new([
        old(),
        nothing_held(NAME),
        held("b.fleet.test", "TXT", 300, &json!([{"content": "\"theirs\"", "disabled": false}, {"content": "\"gone\""}])),
        held("c.fleet.test", "TXT", 60, &json!([{"content": "\"last\"", "disabled": false}])),
        patch(&json!([
            {"name": "_acme-challenge.a.fleet.test.", "type": "TXT", "changetype": "REPLACE", "ttl": 60,
             "records": [{"content": "\"one\"", "disabled": false}, {"content": "\"two\"", "disabled": false}]},
            {"name": "b.fleet.test.", "type": "TXT", "changetype": "REPLACE", "ttl": 60,
             "records": [{"content": "\"theirs\"", "disabled": false}, {"content": "\"mine\"", "disabled": false}]},
            {"name": "c.fleet.test.", "type": "TXT", "changetype": "DELETE"},
        ])),
        // The version is known now.
        nothing_held(NAME),
    ])
    .await;
    let backend = backend(&script);
    let changes = [
        add(NAME, "two"),
        add("b.fleet.test", "mine"),
        add(NAME, "one"),
        remove("b.fleet.test", "gone"),
        remove("c.fleet.test", "last"),
    ];
    backend.apply(&zone(), &changes).await.unwrap();
    // What is not there is not removed, and nothing is written.
    backend.apply(&zone(), &[remove(NAME, "one")]).await.unwrap();
    backend.apply(&zone(), &[]).await.unwrap();
    script.finish();
}

#[tokio::test]
async fn records_that_we_have_no_value_for_stay() {
    let foreign = json!([
        {"content": "\"\"", "disabled": false},
        {"content": "\"mine\"", "disabled": true},
        {"content": "\"mine\"", "disabled": false},
        {"content": "\"split \" \"in two\"", "disabled": false},
    ]);
    let script = Script::new([
        old(),
        held(NAME, "TXT", 300, &foreign),
        patch(&json!([{
            "name": "_acme-challenge.a.fleet.test.", "type": "TXT", "changetype": "REPLACE", "ttl": 300,
            "records": [
                {"content": "\"\"", "disabled": false},
                {"content": "\"mine\"", "disabled": true},
                {"content": "\"split \" \"in two\"", "disabled": false},
            ],
        }])),
        held(
            NAME,
            "TXT",
            300,
            &json!([{"content": "\"\"", "disabled": false}, {"content": "\"mine\"", "disabled": false}]),
        ),
        patch(&json!([{
            "name": "_acme-challenge.a.fleet.test.", "type": "TXT", "changetype": "REPLACE", "ttl": 300,
            "records": [{"content": "\"\"", "disabled": false}],
        }])),
        held(NAME, "TXT", 300, &foreign),
        held(NAME, "TXT", 300, &json!([{"content": "\"a\"", "disabled": true}])),
    ])
    .await;
    let backend = backend(&script);
    for _ in 0..2 {
        backend.apply(&zone(), &[remove(NAME, "mine")]).await.unwrap();
    }
    assert_eq!(
        backend.texts(&zone(), &name(NAME)).await.unwrap(),
        [text("mine"), text("split in two")].into()
    );
    let disabled = backend.read(&zone(), &name(NAME), RecordType::Txt).await.unwrap();
    assert_eq!(disabled, None, "a set whose records are all disabled is not answered with");
    script.finish();
}

#[tokio::test]
async fn addresses_are_written_in_one_request_without_reading() {
    let set = |texts: &[&str]| Change::SetAddresses {
        name: name("a.fleet.test"),
        addresses: Addresses::new(texts.iter().map(|text| text.parse().unwrap())).unwrap(),
        ttl: Ttl::ADDRESS,
    };
    let script = Script::new([
        patch(&json!([
            {"name": "a.fleet.test.", "type": "A", "changetype": "REPLACE", "ttl": 60,
             "records": [{"content": "10.1.1.4", "disabled": false}, {"content": "10.1.1.5", "disabled": false}]},
            {"name": "a.fleet.test.", "type": "AAAA", "changetype": "REPLACE", "ttl": 60,
             "records": [{"content": "fd00::4", "disabled": false}]},
        ])),
        patch(&json!([
            {"name": "a.fleet.test.", "type": "A", "changetype": "DELETE"},
            {"name": "a.fleet.test.", "type": "AAAA", "changetype": "DELETE"},
        ])),
    ])
    .await;
    let backend = backend(&script);
    backend.apply(&zone(), &[set(&["10.1.1.4", "10.1.1.5", "fd00::4"])]).await.unwrap();
    backend.apply(&zone(), &[set(&[])]).await.unwrap();
    script.finish();
}

#[tokio::test]
async fn a_newer_server_is_told_the_single_records() {
    let script = Script::new([
        version("5.0.2"),
        patch(&json!([
            {"name": "_acme-challenge.a.fleet.test.", "type": "TXT", "changetype": "PRUNE", "ttl": 60,
             "records": [{"content": "\"old\"", "disabled": false}]},
            {"name": "_acme-challenge.a.fleet.test.", "type": "TXT", "changetype": "EXTEND", "ttl": 60,
             "records": [{"content": "\"new\"", "disabled": false}]},
            {"name": "a.fleet.test.", "type": "A", "changetype": "DELETE"},
            {"name": "a.fleet.test.", "type": "AAAA", "changetype": "DELETE"},
        ])),
    ])
    .await;
    let nowhere = Change::SetAddresses {
        name: name("a.fleet.test"),
        addresses: Addresses::default(),
        ttl: Ttl::ADDRESS,
    };
    backend(&script).apply(&zone(), &[remove(NAME, "old"), add(NAME, "new"), nowhere]).await.unwrap();
    script.finish();
}

#[tokio::test]
async fn a_record_gets_the_time_to_live_of_its_set() {
    let extend = |ttl: u32| {
        patch(
            &json!([{"name": "_acme-challenge.a.fleet.test.", "type": "TXT", "changetype": "EXTEND", "ttl": ttl,
                       "records": [{"content": "\"new\"", "disabled": false}]}]),
        )
    };
    let refused = status(422).json(json!({"error": "uses a different TTL"}));
    let theirs = || held(NAME, "TXT", 300, &json!([{"content": "\"theirs\"", "disabled": false}]));
    let script = Script::new([version("4.9.12"), extend(60).answer(refused), theirs(), extend(300)]).await;
    backend(&script).apply(&zone(), &[add(NAME, "new")]).await.unwrap();
    script.finish();

    let refused = || status(422).json(json!({"error": "Conflicts with pre-existing RRset"}));
    let script = Script::new([
        version("4.9.12"),
        extend(60).answer(refused()),
        nothing_held(NAME),
        extend(60).answer(refused()),
    ])
    .await;
    let error = backend(&script).apply(&zone(), &[add(NAME, "new")]).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::InvalidInput);
    script.finish();
}

#[tokio::test]
async fn an_old_server_that_ignores_the_filter_sends_the_whole_zone() {
    let whole = json!({"rrsets": [
        {"name": "fleet.test.", "type": "SOA", "ttl": 3600, "records": [{"content": "a. b. 1 2 3 4 5"}]},
        {"name": "b.fleet.test.", "type": "TXT", "ttl": 60, "records": [{"content": "\"b\""}]},
        {"name": "_acme-challenge.A.fleet.test.", "type": "A", "ttl": 60, "records": [{"content": "10.0.0.1"}]},
        {"name": "_acme-challenge.A.fleet.test.", "type": "TXT", "ttl": 60, "records": [{"content": "\"a\""}]},
    ]});
    let script = Script::new([reading(NAME, "TXT").answer(answer(whole))]).await;
    assert_eq!(backend(&script).texts(&zone(), &name(NAME)).await.unwrap(), [text("a")].into());
    script.finish();
}

#[tokio::test]
async fn invalid_call_is_not_sent() {
    let script = Script::new([]).await;
    let backend = backend(&script);
    require_unfit_refused(&backend, add("a.xfleet.test", "1"), add(NAME, "1"), 500).await;
    script.finish();
}

#[tokio::test]
async fn every_refusal_of_every_request_is_reported() {
    let change = async |backend: PowerDnsBackend| backend.apply(&zone(), &[add(NAME, "1")]).await;
    let read =
        async |backend: PowerDnsBackend| backend.read(&zone(), &name(NAME), RecordType::Txt).await.map(drop);
    require_refusals("/", Vec::new, || get(SERVER), make, change, &[]).await;
    require_refusals("/", || vec![old()], || reading(NAME, "TXT"), make, change, &[]).await;
    require_refusals("/", Vec::new, || reading(NAME, "TXT"), make, read, &[]).await;
}

#[tokio::test]
async fn a_refused_patch_is_told_and_one_that_may_pass_is_sent_again() {
    let one = || {
        patch(
            &json!([{"name": "_acme-challenge.a.fleet.test.", "type": "TXT", "changetype": "REPLACE", "ttl": 60,
                       "records": [{"content": "\"1\"", "disabled": false}]}]),
        )
    };
    for (code, kind) in [
        (401, BackendErrorKind::Unauthenticated),
        (404, BackendErrorKind::NotInZone),
        (413, BackendErrorKind::InvalidInput),
        (422, BackendErrorKind::InvalidInput),
    ] {
        let refused = status(code).json(json!({"error": "no"}));
        let script = Script::new([old(), nothing_held(NAME), one().answer(refused)]).await;
        let error = backend(&script).apply(&zone(), &[add(NAME, "1")]).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        script.finish();
    }
    let locked = status(500).json(json!({"error": "database is locked"}));
    let script = Script::new([old(), nothing_held(NAME), one().answer(locked), one()]).await;
    backend(&script).apply(&zone(), &[add(NAME, "1")]).await.unwrap();
    script.finish();
}

#[tokio::test]
async fn advice_says_what_rectifying_costs() {
    for (own, default, dnssec, advised) in [
        (None, "yes", false, Some("default-api-rectify=no")),
        (None, "yes", true, Some("is signed")),
        (None, "no", false, None),
        (Some("0"), "yes", false, None),
        (Some("1"), "no", false, Some("default-api-rectify=no")),
    ] {
        let metadata: Vec<Value> = own
            .iter()
            .map(|value| json!({"kind": "API-RECTIFY", "metadata": [value], "type": "Metadata"}))
            .collect();
        let script = Script::new([
            get(&format!("{ZONE}?rrsets=false"))
                .answer(answer(json!({"name": "fleet.test.", "dnssec": dnssec}))),
            get(&format!("{ZONE}/metadata")).answer(answer(json!(metadata))),
            get(&format!("{SERVER}/config")).answer(answer(json!([
                {"name": "default-ttl", "type": "ConfigSetting", "value": "3600"},
                {"name": "default-api-rectify", "type": "ConfigSetting", "value": default},
            ]))),
        ])
        .await;
        let advice = backend(&script).advice(&zone()).await.unwrap();
        script.finish();
        assert_eq!(advice.len(), usize::from(advised.is_some()));
        if let Some(words) = advised {
            assert!(advice[0].remedy.contains(words), "{advice:?}");
            assert!(advice[0].finding.contains("1.3 changes a second"), "{advice:?}");
        }
    }
}

#[tokio::test]
async fn advice_says_that_the_serial_stands_still() {
    for (kind, soa_edit_api, advised) in
        [("Master", "", true), ("Master", "DEFAULT", false), ("Native", "", false)]
    {
        let zone_json = json!({"name": "fleet.test.", "kind": kind, "soa_edit_api": soa_edit_api});
        let script = Script::new([
            get(&format!("{ZONE}?rrsets=false")).answer(answer(zone_json)),
            get(&format!("{ZONE}/metadata")).answer(answer(json!([]))),
            get(&format!("{SERVER}/config")).answer(answer(json!([]))),
        ])
        .await;
        let advice = backend(&script).advice(&zone()).await.unwrap();
        script.finish();
        assert_eq!(advice.iter().any(|advice| advice.finding.contains("serial")), advised, "{advice:?}");
    }
}

fn found(zone: &str, owner: &str, record_type: &str, content: &str) -> Value {
    json!({"object_type": "record", "zone": zone, "zone_id": zone, "name": format!("{owner}."), "type": record_type,
           "content": content, "ttl": 300, "disabled": false})
}

fn search(pattern: &str, found: &[Value]) -> Exchange {
    get(&format!("{SERVER}/search-data?q={pattern}&max=5000&object_type=record")).answer(answer(json!(found)))
}

#[tokio::test]
async fn many_challenge_names_are_read_by_one_search() {
    let owner = |number| format!("_acme-challenge.n{number:02}.fleet.test");
    let changes: Vec<_> = (0..16).map(|number| add(&owner(number), "mine")).collect();
    let soa = || found("fleet.test.", "fleet.test", "SOA", "a. b. 1 2 3 4 5");
    let others = [
        found("fleet.test.", "_ACME-challenge.n00.fleet.test", "TXT", "\"theirs\""),
        found("sub.fleet.test.", "_acme-challenge.n01.fleet.test", "TXT", "\"of another zone\""),
        found("fleet.test.", "_acme-challenge.n02.fleet.test", "A", "10.0.0.1"),
        found("fleet.test.", "_acme-challenge.n99.fleet.test", "TXT", "\"not asked for\""),
    ];
    let written: Vec<_> = (0..16)
        .map(|number| {
            let mine = json!({"content": "\"mine\"", "disabled": false});
            let theirs = json!({"content": "\"theirs\"", "disabled": false});
            let records = if number == 0 { vec![theirs, mine] } else { vec![mine] };
            json!({"name": format!("{}.", owner(number)), "type": "TXT", "changetype": "REPLACE", "ttl": 60,
                   "records": records})
        })
        .collect();
    let script = Script::new([
        old(),
        search("fleet.test", &[soa()]),
        search("_acme-challenge.*.fleet.test", &others),
        patch(&json!(written)),
        // That the search can be trusted is known now.
        search("_acme-challenge.*.fleet.test", &[]),
        patch(&json!(
            written
                .iter()
                .cloned()
                .map(|mut set| {
                    set["records"] = json!([{"content": "\"mine\"", "disabled": false}]);
                    set
                })
                .collect::<Vec<_>>()
        )),
    ])
    .await;
    let backend = backend(&script);
    for _ in 0..2 {
        backend.apply(&zone(), &changes).await.unwrap();
    }
    script.finish();
}

#[tokio::test]
async fn a_search_that_may_miss_records_does_not_count() {
    let owner = |number| format!("_acme-challenge.n{number:02}.fleet.test");
    let changes: Vec<_> = (0..16).map(|number| remove(&owner(number), "mine")).collect();
    let one_by_one = || (0..16).map(|number| nothing_held(&owner(number))).collect::<Vec<_>>();

    // It does not even find the zone's SOA.
    let foreign = found("xfleet.test.", "fleet.test", "SOA", "a. b. 1 2 3 4 5");
    let script = Script::new([old(), search("fleet.test", &[foreign])].into_iter().chain(one_by_one())).await;
    backend(&script).apply(&zone(), &changes).await.unwrap();
    script.finish();

    // It finds as many as it may.
    let full = vec![found("fleet.test.", "_acme-challenge.z.fleet.test", "TXT", "\"1\""); 5000];
    let soa = found("fleet.test.", "fleet.test", "SOA", "a. b. 1 2 3 4 5");
    let script = Script::new(
        [old(), search("fleet.test", &[soa]), search("_acme-challenge.*.fleet.test", &full)]
            .into_iter()
            .chain(one_by_one()),
    )
    .await;
    backend(&script).apply(&zone(), &changes).await.unwrap();
    script.finish();
}
