//! How objects change (RFC 8555 section 7.1.6).

use std::time::Duration;

use fleetcert_acme_server::{Problem, ProblemKind};
use serde_json::json;

use crate::client::{TestServer, csr, order_for, path};

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn a_failed_validation_ends_the_order() {
    for kind in [ProblemKind::Dns, ProblemKind::Caa, ProblemKind::Unauthorized] {
        let world = TestServer::new();
        world
            .issuer
            .decide(|decisions| decisions.validation = Some(Problem::new(kind.clone(), "as the test says")));
        let mut client = world.client().await;
        let order = client.order(&["a.fleet.test"]).await;
        let authorization = path(order.json()["authorizations"][0].as_str().unwrap());
        let challenge = client.publish(&authorization).await;
        client.post(&challenge, json!({})).await;

        let failed = client.until_not(&authorization, &["pending"]).await.json();
        assert_eq!(failed["status"], "invalid");
        assert_eq!(failed["challenges"][0]["error"]["type"], kind.to_string());
        assert_eq!(failed["challenges"][0]["error"]["detail"], "as the test says");
        let order_path = path(order.header("location"));
        assert_eq!(client.read(&order_path).await.json()["status"], "invalid");
        let answer = client.finalize(&order_path, &csr(&["a.fleet.test"])).await;
        assert_eq!((answer.status, &*answer.error()), (403, "orderNotReady"));
        // The next order starts over.
        let next = client.order(&["a.fleet.test"]).await;
        assert_ne!(next.header("location"), order.header("location"));
    }
}

#[tokio::test]
async fn a_failed_issuance_ends_the_order() {
    let world = TestServer::new();
    let mut client = world.client().await;
    let order = client.ready_order(&["a.fleet.test"]).await;
    let error = Problem::new(ProblemKind::ServerInternal, "the HSM is on fire");
    world.issuer.decide(|decisions| decisions.issuance = Some(error));
    let answer = client.finalize(&order, &csr(&["a.fleet.test"])).await.json();
    assert_eq!(answer["status"], "invalid");
    assert_eq!(answer["error"]["detail"], "the HSM is on fire");
}

#[tokio::test]
async fn a_validation_that_hangs_is_given_up() {
    let world = TestServer::with(|options| options.validation_timeout = Duration::from_secs(60));
    world.issuer.decide(|decisions| decisions.hangs = true);
    let mut client = world.client().await;
    let order = client.order(&["a.fleet.test"]).await;
    let authorization = path(order.json()["authorizations"][0].as_str().unwrap());
    let challenge = client.publish(&authorization).await;
    client.post(&challenge, json!({})).await;
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert_eq!(client.read(&challenge).await.json()["status"], "processing");
    world.clock.advance(Duration::from_secs(60));
    let failed = client.until_not(&authorization, &["pending"]).await.json();
    assert_eq!(failed["challenges"][0]["error"]["type"], ProblemKind::Dns.to_string());
}

#[tokio::test]
async fn the_same_order_is_used_again_while_it_is_open() {
    let world = TestServer::new();
    let mut client = world.client().await;
    let first = client.order(&["b.fleet.test", "a.fleet.test"]).await;
    let again = client.order(&["a.fleet.test", "b.fleet.test"]).await;
    assert_eq!((again.status, again.header("location")), (201, first.header("location")));

    let mut with_profile = order_for(&["a.fleet.test", "b.fleet.test"]);
    with_profile["profile"] = json!("classic");
    let other = client.post("/acme/new-order", with_profile).await;
    assert_eq!(other.json()["profile"], "classic");
    assert_ne!(other.header("location"), first.header("location"));
    let foreign = world.client().await.order(&["a.fleet.test", "b.fleet.test"]).await;
    assert_ne!(foreign.header("location"), first.header("location"));

    // Ready is open too; valid is not.
    let order = client.make_ready(&first).await;
    let ready = client.order(&["a.fleet.test", "b.fleet.test"]).await;
    assert_eq!((path(ready.header("location")), &ready.json()["status"]), (order.clone(), &json!("ready")));
    client.finalize(&order, &csr(&["a.fleet.test", "b.fleet.test"])).await;
    let next = client.order(&["a.fleet.test", "b.fleet.test"]).await;
    assert_ne!(path(next.header("location")), order);
}

#[tokio::test]
async fn without_reuse_every_order_is_new() {
    let world = TestServer::with(|options| options.reuse_orders = false);
    let mut client = world.client().await;
    let first = client.order(&["a.fleet.test"]).await;
    assert_ne!(client.order(&["a.fleet.test"]).await.header("location"), first.header("location"));
}

#[tokio::test]
async fn a_valid_authorization_serves_again_where_that_is_allowed() {
    let world = TestServer::with(|options| options.authorization_reuse = 30 * DAY);
    let mut client = world.client().await;
    client.issue(&["a.fleet.test"]).await;
    world.clock.advance(29 * DAY);
    let order = client.order(&["a.fleet.test"]).await;
    assert_eq!(order.json()["status"], "ready");
    // The order cannot outlive its authorization.
    assert_eq!(order.json()["expires"], "2027-02-14T08:00:00Z");

    world.clock.advance(2 * DAY);
    assert_eq!(client.read(&path(order.header("location"))).await.json()["status"], "invalid");
    assert_eq!(client.order(&["a.fleet.test"]).await.json()["status"], "pending");
}

#[tokio::test]
async fn open_orders_end_and_valid_ones_stay_readable() {
    let world = TestServer::new();
    let mut client = world.client().await;
    let ready = client.ready_order(&["a.fleet.test"]).await;
    let pending = path(client.order(&["b.fleet.test"]).await.header("location"));
    let certificate = client.issue(&["c.fleet.test"]).await;
    assert!(!certificate.is_empty());
    world.clock.advance(7 * DAY);
    for order in [&ready, &pending] {
        assert_eq!(client.read(order).await.json()["status"], "invalid");
    }
    let authorization = path(client.read(&pending).await.json()["authorizations"][0].as_str().unwrap());
    assert_eq!(client.read(&authorization).await.status, 404);

    // An hour later they are gone, as soon as somebody orders.
    world.clock.advance(Duration::from_secs(3600));
    client.order(&["d.fleet.test"]).await;
    assert_eq!(client.read(&pending).await.status, 404);
}

#[tokio::test]
async fn a_deactivated_authorization_ends_its_order() {
    let world = TestServer::new();
    let mut client = world.client().await;
    let order = client.order(&["a.fleet.test"]).await;
    let authorization = path(order.json()["authorizations"][0].as_str().unwrap());
    let refused = client.post(&authorization, json!({ "status": "valid" })).await;
    assert_eq!((refused.status, &*refused.error()), (400, "malformed"));
    let answer = client.post(&authorization, json!({ "status": "deactivated" })).await;
    assert_eq!(answer.json()["status"], "deactivated");
    assert_eq!(client.read(&path(order.header("location"))).await.json()["status"], "invalid");
}
