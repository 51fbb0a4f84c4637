//! A CA that speaks RFC 8555 and fails by script, as no good CA does.
//!
//! It checks nonces and URLs, and that a value is in the zone when a challenge is answered; it checks no signatures.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fleetcert_ambient::{Clock, SystemClock};
use fleetcert_dns::{DnsBackend, MemoryBackend, RecordType};
use fleetcert_https::{Certificates, Limits, Server};
use fleetcert_names::{Identifier, IdentifierSet};
use parking_lot::Mutex;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::script::{Canned, Script};

pub(crate) struct ScriptedCa {
    pub(crate) directory_url: String,
    pub(crate) root_pem: String,
    shared: Arc<CaState>,
    stop: CancellationToken,
}

struct CaState {
    base: String,
    zone: MemoryBackend,
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// The issuer's certificate under another root, in PEM.
    cross_signed: String,
    state: Mutex<Objects>,
}

#[derive(Default)]
struct Objects {
    script: Script,
    canned: HashMap<&'static str, VecDeque<Canned>>,
    nonces: HashSet<String>,
    next: u64,
    posts: u64,
    orders: Vec<ScriptedOrder>,
    answers: u32,
    early_answers: u32,
    finalized: u32,
    log: Vec<String>,
    bodies: HashMap<String, Vec<Bytes>>,
}

struct ScriptedOrder {
    names: IdentifierSet,
    replaces: Option<String>,
    status: &'static str,
    proved: HashSet<String>,
    polls_left: u32,
    chain: Option<String>,
    failed: bool,
}

impl ScriptedCa {
    pub(crate) async fn start(script: Script, zone: &MemoryBackend) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let mut old_root = CertificateParams::new(Vec::new()).unwrap();
        old_root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        old_root.distinguished_name.push(DnType::CommonName, "Old Root");
        let old_root = CertifiedIssuer::self_signed(old_root, KeyPair::generate().unwrap()).unwrap();
        let cross_signed = params.clone().signed_by(&key, &old_root).unwrap().pem();
        let issuer = CertifiedIssuer::self_signed(params, key).unwrap();
        let key = KeyPair::generate().unwrap();
        let own =
            CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        let certificates = Certificates::empty();
        certificates.replace_pem(own.pem().as_bytes(), key.serialize_pem().as_bytes()).unwrap();
        let server = Server::bind("127.0.0.1:0".parse().unwrap(), certificates).await.unwrap();
        let base = format!("https://localhost:{}", server.local_addr().port());
        let root_pem = issuer.pem();
        let state = Mutex::new(Objects { script, ..Objects::default() });
        let shared =
            Arc::new(CaState { base: base.clone(), zone: zone.clone(), issuer, cross_signed, state });
        let router = Router::new().fallback(answer).with_state(shared.clone());
        let stop = CancellationToken::new();
        tokio::spawn(server.serve(router, Limits::default(), stop.clone()));
        Self { directory_url: format!("{base}/dir"), root_pem, shared, stop }
    }

    /// Answers the next request to `route` with `canned`; a second call is for the request after it.
    pub(crate) fn instead(&self, route: &'static str, canned: Canned) {
        self.shared.state.lock().canned.entry(route).or_default().push_back(canned);
    }

    /// Drops the answers that were set by [`instead`](Self::instead).
    pub(crate) fn forget_canned(&self) {
        self.shared.state.lock().canned.clear();
    }

    pub(crate) fn set(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.shared.state.lock().script);
    }

    /// Returns the number of orders.
    pub(crate) fn orders(&self) -> usize {
        self.shared.state.lock().orders.len()
    }

    /// Returns the number of answered challenges, and of those answered before the zone had all values.
    pub(crate) fn answers(&self) -> (u32, u32) {
        let state = self.shared.state.lock();
        (state.answers, state.early_answers)
    }

    pub(crate) fn certificates(&self) -> u32 {
        self.shared.state.lock().finalized
    }

    /// Returns the bodies of the requests to a route.
    pub(crate) fn bodies(&self, route: &str) -> Vec<Bytes> {
        self.shared.state.lock().bodies.get(route).cloned().unwrap_or_default()
    }

    /// Returns every request, as method and path.
    pub(crate) fn log(&self) -> Vec<String> {
        self.shared.state.lock().log.clone()
    }
}

impl Drop for ScriptedCa {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn answer(
    State(shared): State<Arc<CaState>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path().trim_start_matches('/').to_owned();
    let (route, id) = path.split_once('/').unwrap_or((&path, ""));
    let nonce = {
        let mut state = shared.state.lock();
        state.log.push(format!("{method} /{path}"));
        state.bodies.entry(route.to_owned()).or_default().push(body.clone());
        state.next += 1;
        let nonce = format!("nonce{:07}", state.next);
        state.nonces.insert(nonce.clone());
        nonce
    };
    assert_eq!(headers["user-agent"], "acme-test/1");
    let canned = shared.state.lock().canned.get_mut(route).and_then(VecDeque::pop_front);
    let reply = match canned {
        Some(canned) => {
            if canned.done {
                shared.handle(&method, &path, route, id, &body).await;
            }
            let retry = canned.retry_after.map(|value| [("retry-after", value)]);
            (StatusCode::from_u16(canned.status).unwrap(), retry.unwrap_or([("x-none", "")]), canned.body)
                .into_response()
        }
        None => shared.handle(&method, &path, route, id, &body).await,
    };
    // As Let's Encrypt: a GET brings no nonce.
    let brings = if method == Method::GET { "x-none" } else { "replay-nonce" };
    ([(brings, nonce)], reply).into_response()
}

impl CaState {
    async fn handle(&self, method: &Method, path: &str, route: &str, id: &str, body: &Bytes) -> Response {
        match (method.as_str(), route) {
            ("GET", "dir") => return self.directory(),
            ("HEAD", "nonce") => return StatusCode::OK.into_response(),
            ("GET", "ari") => {
                let window = json!({"start": "2026-01-02T04:00:00Z", "end": "2026-01-03T04:00:00Z"});
                return ([("retry-after", "21600")], json!({"suggestedWindow": window}).to_string())
                    .into_response();
            }
            ("POST", _) => {}
            _ => return problem(405, "malformed"),
        }
        let jws: Value = serde_json::from_slice(body).unwrap();
        let part = |name: &str| URL_SAFE_NO_PAD.decode(jws[name].as_str().unwrap()).unwrap();
        let header: Value = serde_json::from_slice(&part("protected")).unwrap();
        let payload: Value = serde_json::from_slice(&part("payload")).unwrap_or(Value::Null);
        {
            let mut state = self.state.lock();
            state.posts += 1;
            let known = state.nonces.remove(header["nonce"].as_str().unwrap());
            let refused = state.script.refuses_nonce.is_some_and(|refuses| refuses(state.posts));
            if !known || refused {
                return problem(400, "badNonce");
            }
        }
        assert_eq!(header["url"], format!("{}/{path}", self.base));
        {
            let script = &mut self.state.lock().script;
            if route == "finalize" && script.deactivates_at_finalize.is_some() {
                script.deactivated = script.deactivates_at_finalize;
            }
            if let Some(status) = script.deactivated {
                return problem(status, "unauthorized");
            }
        }
        if route == "chall" {
            self.look(id).await;
        }
        self.object(route, id, &payload)
    }

    fn directory(&self) -> Response {
        let base = &self.base;
        json!({
            "newNonce": format!("{base}/nonce"), "newAccount": format!("{base}/account"),
            "newOrder": format!("{base}/new-order"), "revokeCert": format!("{base}/revoke"),
            "renewalInfo": format!("{base}/ari"), "junk": "https://example.com",
            "meta": {"termsOfService": "https://ca.test/tos", "profiles": {"short": "a short one"}},
        })
        .to_string()
        .into_response()
    }

    /// Counts the answer, and whether the zone has the values of all challenges at its name.
    async fn look(&self, id: &str) {
        let (number, name) = id.split_once('/').unwrap();
        let name = name.parse::<Identifier>().unwrap().challenge_name();
        let ordered = self.state.lock().orders[number.parse::<usize>().unwrap()].names.clone();
        let at_name = ordered.iter().filter(|it| it.challenge_name() == name).count();
        let zone = "fleet.test".parse().unwrap();
        let found = self.zone.read(&zone, &name, RecordType::Txt).await.unwrap();
        let mut state = self.state.lock();
        state.answers += 1;
        state.early_answers += u32::from(found.is_none_or(|set| set.values.len() < at_name));
    }

    fn object(&self, route: &str, id: &str, payload: &Value) -> Response {
        let mut state = self.state.lock();
        let state = &mut *state;
        let number = id.split('/').next().unwrap().parse::<usize>().unwrap_or(usize::MAX);
        let name = id.split_once('/').map_or("", |(_, name)| name);
        if route == "account" {
            if state.script.requires_external_account && payload["externalAccountBinding"].is_null() {
                return problem(403, "externalAccountRequired");
            }
            let location = [("location", format!("{}/account/1", self.base))];
            return (location, json!({"status": "valid"}).to_string()).into_response();
        }
        if route == "revoke" {
            return StatusCode::OK.into_response();
        }
        if route == "new-order" {
            return self.new_order(state, payload);
        }
        let Some(order) = state.orders.get_mut(number) else { return problem(404, "malformed") };
        match route {
            "order" => {
                order.go_on(&state.script);
                self.order(number, order, &state.script)
            }
            "authz" => {
                let challenge_status = match (order.failed, order.proved.contains(name)) {
                    (true, _) => "invalid",
                    (_, true) => "valid",
                    _ => "pending",
                };
                let status = match order.failed && state.script.leaves_authorization_pending {
                    true => "pending",
                    false => challenge_status,
                };
                let host = if state.script.foreign_challenge { "https://other.test" } else { &self.base };
                let error = json!({"type": "urn:ietf:params:acme:error:unauthorized", "detail": "Incorrect TXT record"});
                let identifier: Identifier = name.parse().unwrap();
                let token = format!("token{}", identifier.is_wildcard());
                let value = state.script.authorizes_parent.unwrap_or(identifier.base().as_str());
                let mut authorization = json!({"identifier": {"type": "dns", "value": value}, "status": status, "challenges": [
                    {"type": "http-01", "url": format!("{host}/none"), "token": "t", "status": "pending"},
                    {"type": "dns-01", "url": format!("{host}/chall/{number}/{name}"), "token": token,
                     "status": challenge_status, "error": order.failed.then_some(error)},
                    {"type": "odd-99", "url": format!("{host}/none"), "status": "pending"},
                ]});
                if identifier.is_wildcard() {
                    authorization["wildcard"] = true.into();
                }
                if let Some(change) = state.script.odd_authorization {
                    change(&mut authorization);
                }
                authorization.to_string().into_response()
            }
            "chall" => {
                order.failed = state.script.fails_validation;
                if !order.failed {
                    order.proved.insert(name.to_owned());
                }
                order.polls_left = state.script.pending_polls;
                let url = format!("{}/chall/{number}/{name}", self.base);
                let status = match (state.script.validates_before_it_replies, order.failed) {
                    (false, _) => "processing",
                    (true, false) => "valid",
                    (true, true) => "invalid",
                };
                let error = json!({"type": "urn:ietf:params:acme:error:unauthorized", "detail": "Incorrect TXT record"});
                let error = (status == "invalid").then_some(error);
                json!({"type": "dns-01", "url": url, "token": "token", "status": status, "error": error})
                    .to_string()
                    .into_response()
            }
            "finalize" => {
                if order.status != "ready" {
                    return problem(403, "orderNotReady");
                }
                let csr = URL_SAFE_NO_PAD.decode(payload["csr"].as_str().unwrap()).unwrap();
                order.chain = Some(self.certify(csr, &state.script));
                state.finalized += 1;
                (order.status, order.polls_left) = match state.script.processing_polls {
                    Some(polls) => ("processing", polls),
                    None => ("valid", 0),
                };
                self.order(number, order, &state.script)
            }
            "cert" if state.script.alternates => {
                let links = format!(
                    "</cert-1/{number}>;rel=\"alternate\", <{}/cert-2/{number}>; rel=alternate",
                    self.base
                );
                ([("link", links)], order.chain.clone().unwrap()).into_response()
            }
            "cert" => order.chain.clone().unwrap().into_response(),
            "cert-1" => (leaf(order) + &self.cross_signed).into_response(),
            "cert-2" => leaf(order).into_response(),
            _ => problem(404, "malformed"),
        }
    }

    fn new_order(&self, state: &mut Objects, payload: &Value) -> Response {
        let identifiers = payload["identifiers"].as_array().unwrap().iter();
        let identifiers = identifiers.map(|it| it["value"].as_str().unwrap().parse::<Identifier>().unwrap());
        let names = IdentifierSet::new(identifiers).unwrap();
        let replaces = payload["replaces"].as_str().map(str::to_owned);
        if replaces.is_some() && state.script.already_replaced {
            return problem(409, "alreadyReplaced");
        }
        // As Let's Encrypt: the same names give the same order while it is open.
        let open = state
            .orders
            .iter()
            .position(|order| order.names == names && matches!(order.status, "pending" | "ready"));
        let number = open.unwrap_or_else(|| {
            state.orders.push(ScriptedOrder {
                proved: if state.script.reuses {
                    names.iter().map(Identifier::to_string).collect()
                } else {
                    HashSet::new()
                },
                names,
                replaces: replaces.filter(|_| !state.script.forgets_replaces),
                status: "pending",
                polls_left: 0,
                chain: None,
                failed: false,
            });
            state.orders.len() - 1
        });
        let order = &mut state.orders[number];
        order.go_on(&state.script);
        let base = if state.script.relative_urls { "" } else { &self.base };
        let location = [("location", format!("{base}/order/{number}"))];
        if state.script.unreadable_new_order {
            return (StatusCode::CREATED, location, "{}").into_response();
        }
        (StatusCode::CREATED, location, self.order(number, order, &state.script)).into_response()
    }

    fn order(&self, number: usize, order: &ScriptedOrder, script: &Script) -> Response {
        let base = if script.relative_urls { "" } else { &self.base };
        let identifiers: Vec<_> =
            order.names.iter().map(|name| json!({"type": "dns", "value": name})).collect();
        let authz: Vec<_> = order
            .names
            .iter()
            .take(order.needed(script))
            .map(|name| format!("{base}/authz/{number}/{name}"))
            .collect();
        let valid = order.status == "valid";
        let mut object = json!({
            "status": order.status, "identifiers": identifiers, "authorizations": authz,
            "replaces": order.replaces, "finalize": format!("{base}/finalize/{number}"),
            "certificate": valid.then(|| format!("{base}/cert/{number}")),
        });
        if let Some(change) = script.odd_order {
            change(&mut object);
        }
        object.to_string().into_response()
    }

    fn certify(&self, csr: Vec<u8>, script: &Script) -> String {
        let mut request = CertificateSigningRequestParams::from_der(&csr.into()).unwrap();
        request.params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        request.params.use_authority_key_identifier_extension = true;
        if let Some(ahead) = script.begins_ahead {
            request.params.not_before = (SystemClock.now() + ahead).into();
        }
        let leaf = if script.wrong_key {
            request.params.signed_by(&KeyPair::generate().unwrap(), &self.issuer).unwrap()
        } else {
            request.signed_by(&self.issuer).unwrap()
        };
        let chain = script.chain.unwrap_or(|leaf, issuer| format!("{leaf}{issuer}"));
        chain(&leaf.pem(), &self.issuer.pem())
    }
}

impl ScriptedOrder {
    fn needed(&self, script: &Script) -> usize {
        script.authorizations.unwrap_or(self.names.len())
    }

    /// Does what a CA does in the background; it happens at each reading.
    fn go_on(&mut self, script: &Script) {
        if self.failed && !script.leaves_authorization_pending {
            self.status = "invalid";
        } else if self.polls_left > 0 {
            self.polls_left -= 1;
        } else if self.status == "pending" && self.proved.len() >= self.needed(script) {
            self.status = "ready";
        } else if self.status == "processing" {
            self.status = "valid";
        }
    }
}

/// Returns the leaf of the order's chain, in PEM.
fn leaf(order: &ScriptedOrder) -> String {
    let chain = order.chain.as_ref().unwrap();
    let end = "-----END CERTIFICATE-----";
    chain.split_inclusive(end).next().unwrap().to_owned() + "\n"
}

pub(crate) fn problem(status: u16, kind: &str) -> Response {
    let body = json!({"type": format!("urn:ietf:params:acme:error:{kind}"), "detail": "so"}).to_string();
    (StatusCode::from_u16(status).unwrap(), body).into_response()
}
