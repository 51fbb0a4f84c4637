//! Renewals (RFC 9773 section 5).

use fleetcert_x509::{CertificateId, Chain};
use serde_json::{Value, json};

use crate::client::{Answer, Client, TestServer, csr, order_for, path};

async fn issued(client: &mut Client, names: &[&str]) -> CertificateId {
    Chain::from_pem(&client.issue(names).await).unwrap().leaf().certificate_id().unwrap()
}

async fn renew(client: &mut Client, names: &[&str], replaced: &CertificateId) -> Answer {
    let mut order: Value = order_for(names);
    order["replaces"] = json!(replaced);
    client.post("/acme/new-order", order).await
}

#[tokio::test]
async fn a_certificate_is_replaced_once() {
    let world = TestServer::new();
    let mut client = world.client().await;
    let old = issued(&mut client, &["a.fleet.test"]).await;
    let order = renew(&mut client, &["a.fleet.test", "b.fleet.test"], &old).await;
    assert_eq!((order.status, &order.json()["replaces"]), (201, &json!(old)));

    // Even the same order again is refused, as at Let's Encrypt: without `replaces` it is found.
    let again = renew(&mut client, &["a.fleet.test", "b.fleet.test"], &old).await;
    assert_eq!((again.status, &*again.error()), (409, "alreadyReplaced"));
    let found = client.order(&["a.fleet.test", "b.fleet.test"]).await;
    assert_eq!(found.header("location"), order.header("location"));

    let order = client.make_ready(&order).await;
    client.finalize(&order, &csr(&["a.fleet.test", "b.fleet.test"])).await;
    let late = renew(&mut client, &["a.fleet.test"], &old).await;
    assert_eq!((late.status, &*late.error()), (409, "alreadyReplaced"));
}

#[tokio::test]
async fn an_order_that_failed_frees_the_certificate() {
    let world = TestServer::new();
    let mut client = world.client().await;
    let old = issued(&mut client, &["a.fleet.test"]).await;
    let order = renew(&mut client, &["a.fleet.test"], &old).await;
    let authorization = path(order.json()["authorizations"][0].as_str().unwrap());
    client.post(&authorization, json!({ "status": "deactivated" })).await;
    assert_eq!(renew(&mut client, &["a.fleet.test"], &old).await.status, 201);
}

#[tokio::test]
async fn what_cannot_be_replaced() {
    let world = TestServer::new();
    let mut client = world.client().await;
    let old = issued(&mut client, &["a.fleet.test"]).await;
    let unknown: CertificateId = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE".parse().unwrap();
    let answer = renew(&mut client, &["a.fleet.test"], &unknown).await;
    assert_eq!((answer.status, &*answer.error()), (404, "malformed"));
    let answer = renew(&mut client, &["b.fleet.test"], &old).await;
    assert_eq!((answer.status, &*answer.error()), (400, "malformed"));
    let answer = renew(&mut world.client().await, &["a.fleet.test"], &old).await;
    assert_eq!((answer.status, &*answer.error()), (403, "unauthorized"));
}
