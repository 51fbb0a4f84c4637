//! What a stranger cannot make grow, and what the issuer can hold back.

use std::time::Duration;

use fleetcert_acme_server::{Problem, ProblemKind};
use serde_json::json;

use crate::client::{TestServer, csr, path};

#[tokio::test]
async fn tables_are_full_at_their_bound() {
    let world = TestServer::with(|options| {
        options.max_accounts = 1;
        options.max_orders = 2;
        options.max_certificates = 1;
    });
    let mut client = world.client().await;
    let account = world.stranger().post("/acme/new-account", json!({})).await;
    assert_eq!((account.status, account.header("retry-after")), (503, "10"));

    client.issue(&["a.fleet.test"]).await;
    let order = client.ready_order(&["b.fleet.test"]).await;
    assert_eq!(client.order(&["c.fleet.test"]).await.status, 503);
    assert_eq!(client.finalize(&order, &csr(&["b.fleet.test"])).await.status, 503);
    assert_eq!(client.read(&order).await.json()["status"], "ready");

    // Room comes back when orders end.
    world.clock.advance(Duration::from_secs(7 * 86_400 + 3600));
    assert_eq!(client.order(&["c.fleet.test"]).await.status, 201);
}

#[tokio::test]
async fn work_that_finds_no_place_is_refused_and_can_be_asked_for_again() {
    let world = TestServer::with(|options| {
        options.max_parallel_work = 1;
        options.max_waiting_work = 1;
    });
    world.issuer.decide(|decisions| decisions.hangs = true);
    let mut client = world.client().await;
    let mut challenges = Vec::new();
    for name in ["a.fleet.test", "b.fleet.test", "c.fleet.test"] {
        let order = client.order(&[name]).await;
        let authorization = path(order.json()["authorizations"][0].as_str().unwrap());
        challenges.push(client.publish(&authorization).await);
    }
    assert_eq!(client.post(&challenges[0], json!({})).await.status, 200);
    tokio::task::yield_now().await;
    assert_eq!(client.post(&challenges[1], json!({})).await.status, 200);
    let refused = client.post(&challenges[2], json!({})).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, "10"));
    assert_eq!(client.read(&challenges[2]).await.json()["status"], "pending");

    world.issuer.decide(|decisions| decisions.hangs = false);
    world.clock.advance(Duration::from_secs(60));
    client.until_not(&challenges[1], &["processing"]).await;
    assert_eq!(client.post(&challenges[2], json!({})).await.json()["status"], "processing");
}

#[tokio::test]
async fn the_issuer_stands_before_every_request() {
    let world = TestServer::new();
    let mut client = world.client().await;
    let problem = Problem::new(ProblemKind::RateLimited, "slowly").with_retry_after(Duration::from_secs(36));
    world.issuer.decide(|decisions| decisions.admission = Some(problem));
    let answer = client.order(&["a.fleet.test"]).await;
    assert_eq!((answer.status, &*answer.error()), (429, "rateLimited"));
    assert_eq!((answer.header("retry-after"), answer.header("replay-nonce").len()), ("36", 22));
    assert_eq!(client.request("GET", "/directory").await.status, 429);
    world.issuer.decide(|decisions| decisions.admission = None);
    assert_eq!(client.order(&["a.fleet.test"]).await.status, 201);
}
