//! Against a DNS server on real sockets that answers as a test says.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use fleetcert_acme_server::{Dns01Challenge, ProblemKind};
use fleetcert_ambient::{SystemClock, SystemEntropy};
use fleetcert_dns_wire::{frame, message, name};
use hickory_proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{CAA, CNAME, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::net::{TcpListener, UdpSocket};

use super::{Lookup, LookupSettings, Records, Validator, allowed_failures};

const VALUE: &str = "gfj9Xq-the-expected-value";

/// What the server says to a question; `None` for silence.
type Script = fn(&Query) -> Option<Message>;

struct Query {
    query: Message,
    octets: Vec<u8>,
    by_tcp: bool,
    /// How many questions came before.
    before: u32,
}

impl Query {
    fn is(&self, owner: &str, record_type: RecordType) -> bool {
        let question = &self.query.queries[0];
        question.query_type() == record_type && name::from_wire(question.name()).unwrap().as_str() == owner
    }

    fn answer(&self, code: ResponseCode, data: Vec<RData>) -> Option<Message> {
        let owner = self.query.queries[0].name().clone();
        self.records(code, data.into_iter().map(|data| (owner.clone(), data)).collect())
    }

    fn records(&self, code: ResponseCode, records: Vec<(Name, RData)>) -> Option<Message> {
        let mut reply = Message::new(self.query.metadata.id, MessageType::Response, OpCode::Query);
        reply.add_query(self.query.queries[0].clone());
        reply.metadata.response_code = code;
        reply.add_answers(records.into_iter().map(|(owner, data)| Record::from_rdata(owner, 1, data)));
        Some(reply)
    }

    /// The good answer: the value, and no CAA records.
    fn good(&self) -> Option<Message> {
        let is_txt = self.query.queries[0].query_type() == RecordType::TXT;
        self.answer(ResponseCode::NoError, if is_txt { vec![txt(VALUE)] } else { Vec::new() })
    }
}

fn txt(value: &str) -> RData {
    RData::TXT(TXT::new(vec![value.to_owned()]))
}

fn cname(target: &str) -> RData {
    RData::CNAME(CNAME(Name::from_ascii(target).unwrap()))
}

/// The port is free for both protocols.
async fn serve(script: Script) -> (SocketAddr, tokio::task::JoinHandle<()>) {
    let (udp, tcp) = loop {
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
            break (udp, tcp);
        }
    };
    let address = udp.local_addr().unwrap();
    let count = Arc::new(AtomicU32::new(0));
    let reply_to = move |octets: &[u8], by_tcp| {
        let query = message::decode(octets).unwrap();
        let before = count.fetch_add(1, Ordering::Relaxed);
        let asked = Query { query, octets: octets.to_vec(), by_tcp, before };
        script(&asked).map(|reply| message::encode(&reply).unwrap())
    };
    let server = tokio::spawn(async move {
        let mut buffer = [0; 4096];
        loop {
            tokio::select! {
                received = udp.recv_from(&mut buffer) => {
                    let (length, peer) = received.unwrap();
                    if let Some(reply) = reply_to(&buffer[..length], false) {
                        udp.send_to(&reply, peer).await.unwrap();
                    }
                }
                accepted = tcp.accept() => {
                    let (mut stream, _) = accepted.unwrap();
                    let query = frame::read(&mut stream).await.unwrap().unwrap();
                    if let Some(reply) = reply_to(&query, true) {
                        frame::write(&mut stream, &reply).await.unwrap();
                    }
                }
            }
        }
    });
    (address, server)
}

/// The server answers, so nobody waits so long; a machine that is only slow must not be taken for silence.
const LONG_DEADLINE: Duration = Duration::from_secs(30);
/// For servers that are silent.
const SHORT_DEADLINE: Duration = Duration::from_millis(400);

async fn validate_from(
    perspectives: usize,
    script: Script,
    timeout: Duration,
) -> Result<(), (ProblemKind, String)> {
    let (server, task) = serve(script).await;
    let settings = LookupSettings {
        server,
        timeout,
        tries: 2,
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
    };
    let challenge = Dns01Challenge {
        identifier: "a.fleet.test".parse().unwrap(),
        txt_value: VALUE.to_owned(),
        account_url: "https://ca.test/acme/account/7".to_owned(),
    };
    let records = Records::Server(Lookup::new(settings));
    let outcome = Validator::new(records, perspectives - 1, "ca.test".to_owned()).validate(&challenge).await;
    task.abort();
    outcome.map_err(|problem| (problem.kind(), problem.detail().to_owned()))
}

async fn validate(script: Script) -> Result<(), (ProblemKind, String)> {
    validate_from(1, script, LONG_DEADLINE).await
}

fn failed<T>(kind: ProblemKind, detail: &str) -> Result<T, (ProblemKind, String)> {
    Err((kind, detail.to_owned()))
}

#[tokio::test]
async fn the_value_may_stand_among_others() {
    assert_eq!(validate(Query::good).await, Ok(()));
    let among = |asked: &Query| asked.answer(ResponseCode::NoError, vec![txt("other"), txt(VALUE)]);
    assert_eq!(validate(among).await, Ok(()));
}

#[tokio::test]
async fn a_missing_and_a_wrong_value() {
    let none = validate(|asked| asked.answer(ResponseCode::NoError, Vec::new())).await;
    let detail = "No TXT record found at _acme-challenge.a.fleet.test";
    assert_eq!(none, failed(ProblemKind::Unauthorized, detail));
    let wrong = validate(|asked| asked.answer(ResponseCode::NoError, vec![txt("x\ny"), txt("z")])).await;
    let detail = r#"Incorrect TXT record "x\ny" (and 1 more) found at _acme-challenge.a.fleet.test"#;
    assert_eq!(wrong, failed(ProblemKind::Unauthorized, detail));
}

#[tokio::test]
async fn every_failure_of_the_dns_has_its_sentence() {
    let rows: [(Script, &str); 5] = [
        (
            |asked| asked.answer(ResponseCode::NXDomain, Vec::new()),
            "NXDOMAIN looking up TXT for _acme-challenge.a.fleet.test - check that a DNS record exists for this \
             domain",
        ),
        (
            |asked| asked.answer(ResponseCode::ServFail, Vec::new()),
            "SERVFAIL looking up TXT for _acme-challenge.a.fleet.test - the domain's nameservers may be \
             malfunctioning",
        ),
        (
            |asked| asked.answer(ResponseCode::Refused, Vec::new()),
            "REFUSED looking up TXT for _acme-challenge.a.fleet.test",
        ),
        (
            |asked| {
                let mut reply = asked.good()?;
                let lower = name::from_wire(asked.query.queries[0].name()).unwrap();
                reply.queries[0].set_name(name::to_wire(&lower));
                Some(reply)
            },
            "the case of the question was not kept looking up TXT for _acme-challenge.a.fleet.test",
        ),
        (
            |asked| asked.answer(ResponseCode::NoError, vec![cname("loop.fleet.test.")]),
            "too many CNAMEs looking up TXT for _acme-challenge.a.fleet.test",
        ),
    ];
    for (script, detail) in rows {
        assert_eq!(validate(script).await, failed(ProblemKind::Dns, &format!("DNS problem: {detail}")));
    }
    let detail = "DNS problem: query timed out looking up TXT for _acme-challenge.a.fleet.test";
    assert_eq!(validate_from(1, |_| None, SHORT_DEADLINE).await, failed(ProblemKind::Dns, detail));
}

#[tokio::test]
async fn a_query_that_was_lost_is_asked_again() {
    let script: Script = |asked| if asked.before == 0 { None } else { asked.good() };
    // The first is given up soon, and each of the others may take as long.
    assert_eq!(validate_from(1, script, Duration::from_secs(3)).await, Ok(()));
}

#[tokio::test]
async fn a_cut_answer_is_asked_for_by_tcp() {
    let script: Script = |asked| {
        if asked.by_tcp {
            return asked.good();
        }
        let mut reply = asked.answer(ResponseCode::NoError, Vec::new())?;
        reply.metadata.truncation = true;
        Some(reply)
    };
    assert_eq!(validate(script).await, Ok(()));
}

#[tokio::test]
async fn aliases_are_followed_within_an_answer_and_beyond() {
    let within: Script = |asked| {
        let target = Name::from_ascii("elsewhere.test.").unwrap();
        let owner = asked.query.queries[0].name().clone();
        let records = vec![(owner, cname("elsewhere.test.")), (target, txt(VALUE))];
        if asked.is("_acme-challenge.a.fleet.test", RecordType::TXT) {
            asked.records(ResponseCode::NoError, records)
        } else {
            asked.answer(ResponseCode::NoError, Vec::new())
        }
    };
    assert_eq!(validate(within).await, Ok(()));
    let beyond: Script = |asked| {
        if asked.is("_acme-challenge.a.fleet.test", RecordType::TXT) {
            asked.answer(ResponseCode::NoError, vec![cname("elsewhere.test.")])
        } else {
            asked.good()
        }
    };
    assert_eq!(validate(beyond).await, Ok(()));
}

fn caa(tag: &str, value: &str) -> RData {
    let mut caa = CAA::new_issue(false, None, Vec::new());
    caa.tag = tag.to_owned();
    caa.value = value.as_bytes().to_vec();
    RData::CAA(caa)
}

#[tokio::test]
async fn the_closest_caa_records_decide() {
    let forbidden: Script = |asked| {
        if asked.is("fleet.test", RecordType::CAA) {
            asked.answer(ResponseCode::NoError, vec![caa("issue", "other.test")])
        } else {
            asked.good()
        }
    };
    let detail =
        "CAA records for fleet.test prevent issuance: no issue property is for ca.test and this account";
    assert_eq!(validate(forbidden).await, failed(ProblemKind::Caa, detail));

    let closer: Script = |asked| {
        if asked.is("a.fleet.test", RecordType::CAA) {
            let value = "ca.test; validationmethods=dns-01; accounturi=https://ca.test/acme/account/7";
            asked.answer(ResponseCode::NoError, vec![caa("issue", value)])
        } else if asked.is("fleet.test", RecordType::CAA) {
            asked.answer(ResponseCode::NoError, vec![caa("issue", "other.test")])
        } else {
            asked.good()
        }
    };
    assert_eq!(validate(closer).await, Ok(()));
}

#[tokio::test]
async fn caa_lookups_that_fail() {
    let servfail: Script = |asked| {
        if asked.is("fleet.test", RecordType::CAA) {
            asked.answer(ResponseCode::ServFail, Vec::new())
        } else {
            asked.good()
        }
    };
    assert!(matches!(validate(servfail).await, Err((ProblemKind::Dns, _))));
    // No such name is no CAA; and the way up ends where an authoritative server knows no more.
    let top: Script = |asked| {
        if asked.is("a.fleet.test", RecordType::CAA) {
            asked.answer(ResponseCode::NXDomain, Vec::new())
        } else if asked.is("test", RecordType::CAA) {
            asked.answer(ResponseCode::Refused, Vec::new())
        } else {
            asked.good()
        }
    };
    assert_eq!(validate(top).await, Ok(()));
}

#[tokio::test]
async fn letters_are_in_random_case() {
    let script: Script = |asked| {
        let name = || asked.octets[message::HEADER_LEN..].iter().take_while(|octet| **octet != 0);
        // With 23 letters, all in one case would be a chance of one in four million.
        let is_mixed = name().any(u8::is_ascii_uppercase) && name().any(u8::is_ascii_lowercase);
        if asked.is("_acme-challenge.a.fleet.test", RecordType::TXT) && !is_mixed {
            return None;
        }
        asked.good()
    };
    assert_eq!(validate(script).await, Ok(()));
}

#[tokio::test]
async fn one_of_three_remote_perspectives_may_fail() {
    // The primary one asks 4 questions: TXT, and CAA of three names.
    let one: Script = |asked| {
        if asked.before == 4 { asked.answer(ResponseCode::NXDomain, Vec::new()) } else { asked.good() }
    };
    assert_eq!(validate_from(4, one, LONG_DEADLINE).await, Ok(()));
    let all: Script = |asked| {
        if asked.before >= 4 { asked.answer(ResponseCode::NoError, Vec::new()) } else { asked.good() }
    };
    let detail = "During secondary validation: No TXT record found at _acme-challenge.a.fleet.test";
    assert_eq!(validate_from(4, all, LONG_DEADLINE).await, failed(ProblemKind::Unauthorized, detail));
}

#[test]
fn quorum() {
    let allowed: Vec<usize> = (0..8).map(allowed_failures).collect();
    assert_eq!(allowed, [0, 0, 1, 1, 1, 1, 2, 2]);
}
