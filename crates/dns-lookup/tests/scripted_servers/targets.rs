//! Where a challenge must be written.

use fleetcert_ambient::Ambient;
use fleetcert_dns::Visibility;
use fleetcert_dns_lookup::{AuthoritativeVisibility, CaaSet, LookOptions, LookupErrorKind, Servers, Ways};
use hickory_proto::rr::rdata::CNAME;
use hickory_proto::rr::{Name, RData};

use crate::records::Records;
use crate::server::{record, reply_to, serve};
use crate::{domain, finder};

fn world() -> Records {
    let mut text = "test SOA 1 30
         fleet.test SOA 1 30
         fleet.test NS ns.fleet.test
         ns.fleet.test A 127.0.0.1
         a.fleet.test TXT here
         _acme-challenge.alias.fleet.test CNAME alias.acme.test
         _acme-challenge.chain.fleet.test CNAME one.acme.test
         one.acme.test CNAME two.acme.test
         acme.test SOA 1 30
         acme.test NS ns.acme.test
         ns.acme.test A 127.0.0.1
         alias.acme.test TXT 1
         _acme-challenge.own.fleet.test SOA 1 30
         _acme-challenge.own.fleet.test NS ns.acme.test
         _acme-challenge.self.fleet.test CNAME _acme-challenge.self.fleet.test
         _acme-challenge.loop.fleet.test CNAME b.loop.test
         b.loop.test CNAME c.loop.test
         c.loop.test CNAME b.loop.test\n"
        .to_owned();
    for number in 0..9 {
        text += &format!(
            "_acme-challenge.l{number}.fleet.test CNAME _acme-challenge.l{}.fleet.test\n",
            number + 1
        );
    }
    Records::new(&text)
}

#[tokio::test]
async fn a_challenge_is_followed_to_the_zone_that_holds_it() {
    let records = world();
    let finder = finder(serve(move |_, query| Some(records.resolved(query))).await);
    for (host, expected) in [
        ("a", "_acme-challenge.a.fleet.test in the zone fleet.test"),
        ("alias", "_acme-challenge.alias.fleet.test → alias.acme.test in the zone acme.test"),
        ("chain", "_acme-challenge.chain.fleet.test → one.acme.test → two.acme.test in the zone acme.test"),
        ("own", "_acme-challenge.own.fleet.test in the zone _acme-challenge.own.fleet.test"),
    ] {
        let name = domain(&format!("_acme-challenge.{host}.fleet.test"));
        let target = finder.challenge_target(&name).await.unwrap();
        assert_eq!(target.to_string(), expected);
        assert!(target.name.is_within(&target.zone));
        assert_eq!((target.path.first(), target.path.last()), (Some(&name), Some(&target.name)));
    }
    // Eight aliases are followed, the ninth is not.
    let target = finder.challenge_target(&domain("_acme-challenge.l1.fleet.test")).await.unwrap();
    assert_eq!(target.path.len(), 9);
}

#[tokio::test]
async fn circles_and_long_chains_are_refused_with_their_path() {
    let records = world();
    let finder = finder(serve(move |_, query| Some(records.resolved(query))).await);
    for (host, kind, path) in [
        (
            "self",
            LookupErrorKind::AliasLoop,
            "_acme-challenge.self.fleet.test → _acme-challenge.self.fleet.test",
        ),
        (
            "loop",
            LookupErrorKind::AliasLoop,
            "_acme-challenge.loop.fleet.test → b.loop.test → c.loop.test → b.loop.test",
        ),
        (
            "l0",
            LookupErrorKind::TooManyAliases,
            "_acme-challenge.l8.fleet.test → _acme-challenge.l9.fleet.test",
        ),
    ] {
        let name = domain(&format!("_acme-challenge.{host}.fleet.test"));
        let error = finder.challenge_target(&name).await.unwrap_err();
        assert_eq!(error.kind(), kind);
        assert!(error.to_string().ends_with(path), "{error}");
        assert_eq!(error.path().first(), Some(&name));
    }
}

#[tokio::test]
async fn an_alias_that_cannot_be_written_is_refused() {
    let server = serve(|_, query| {
        let mut reply = reply_to(query);
        let target = CNAME(Name::from_labels([&b"a.b"[..], b"test"]).unwrap());
        reply.add_answer(record(query.queries[0].name(), RData::CNAME(target)));
        Some(reply)
    })
    .await;
    let error = finder(server).challenge_target(&domain("_acme-challenge.a.test")).await.unwrap_err();
    assert_eq!(error.kind(), LookupErrorKind::ForeignAlias);
}

#[tokio::test]
async fn a_look_follows_an_alias_to_the_servers_of_its_zone() {
    let records = world();
    let zones = records.clone();
    let resolver = serve(move |_, query| Some(records.resolved(query))).await;
    let server = serve(move |_, query| Some(zones.authoritative(query, &["fleet.test", "acme.test"]))).await;
    let servers = Servers::found_by(resolver).at_port(server.port());
    let options = LookOptions { ways: Ways::Udp, ..LookOptions::default() };
    let all = AuthoritativeVisibility::new(servers, options, Ambient::system());
    let look = async |host: &str| {
        let name = domain(&format!("_acme-challenge.{host}.fleet.test"));
        all.look(&domain("fleet.test"), &name, &"1".parse().unwrap()).await.unwrap().to_string()
    };
    assert_eq!(look("alias").await, format!("{server} udp for alias.acme.test: seen"));
    assert_eq!(look("chain").await, format!("{server} udp for two.acme.test: not there"));
    let circle = look("loop").await;
    assert!(circle.starts_with("b.loop.test: is where the name leads"), "{circle}");
    assert!(circle.ends_with("b.loop.test → c.loop.test → b.loop.test"), "{circle}");
}

#[tokio::test]
async fn caa_records_are_those_of_the_nearest_name() {
    let records = Records::new(
        "test SOA 1 30
         example.test CAA 0 issue ca1.example.net
         fleet.example.test CAA 0 issue ca2.example.net
         alias.example.test CNAME fleet.example.test
         bare.test TXT 1",
    );
    let finder = finder(serve(move |_, query| Some(records.resolved(query))).await);
    for (name, at, issuer) in [
        ("a.b.fleet.example.test", "fleet.example.test", "ca2"),
        ("fleet.example.test", "fleet.example.test", "ca2"),
        ("other.example.test", "example.test", "ca1"),
        ("alias.example.test", "alias.example.test", "ca2"),
        // RFC 8659 section 3: above the alias itself, not above where it leads.
        ("x.alias.example.test", "alias.example.test", "ca2"),
    ] {
        let CaaSet { at: found, records } = finder.caa(&domain(name)).await.unwrap().unwrap();
        assert_eq!(found, domain(at), "{name}");
        assert_eq!(records[0].to_string(), format!("0 issue \"{issuer}.example.net\""));
    }
    assert_eq!(finder.caa(&domain("a.bare.test")).await.unwrap(), None);
}

#[tokio::test]
async fn caa_records_that_are_cut_count_as_hidden() {
    let server = serve(|_, query| {
        let mut reply = reply_to(query);
        reply.metadata.truncation = true;
        Some(reply)
    })
    .await;
    let error = finder(server).caa(&domain("a.test")).await.unwrap_err();
    assert_eq!(error.kind(), LookupErrorKind::BadAnswer);
}

#[tokio::test]
async fn servers_that_tell_of_foreign_aliases_or_of_one_after_another() {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    let records = world();
    let resolver = serve(move |_, query| Some(records.resolved(query))).await;
    let told = AtomicUsize::new(0);
    let server = serve(move |_, query| {
        let mut reply = reply_to(query);
        let target = match told.fetch_add(1, SeqCst) {
            0 => Name::from_labels([&b"a.b"[..], b"test"]).unwrap(),
            number => Name::from_ascii(format!("x{number}.elsewhere.test.")).unwrap(),
        };
        reply.add_answer(record(query.queries[0].name(), RData::CNAME(CNAME(target))));
        Some(reply)
    })
    .await;
    let options = LookOptions { ways: Ways::Udp, ..LookOptions::default() };
    let servers = Servers::found_by(resolver).at_port(server.port());
    let all = AuthoritativeVisibility::new(servers, options, Ambient::system());
    let look = async || {
        let name = domain("_acme-challenge.a.fleet.test");
        all.look(&domain("fleet.test"), &name, &"1".parse().unwrap()).await.unwrap().to_string()
    };
    assert!(look().await.contains("alias of one that cannot be written here"));
    let told = look().await;
    assert!(
        told.starts_with("x1.elsewhere.test: is where the name leads, and cannot be looked at"),
        "{told}"
    );
}

#[tokio::test]
async fn servers_that_all_tell_of_another_alias_are_followed_up_to_four() {
    let mut text = "test SOA 1 30\nfleet.test SOA 1 30\n".to_owned();
    for last in 1..=6 {
        text += &format!("fleet.test NS ns{last}.fleet.test\nns{last}.fleet.test A 127.0.0.{last}\n");
    }
    let records = Records::new(&text);
    let resolver = serve(move |_, query| Some(records.resolved(query))).await;
    let answer = |last: u8| {
        move |_: fleetcert_dns_lookup::Transport, query: &hickory_proto::op::Message| {
            let mut reply = reply_to(query);
            let target = Name::from_ascii(format!("x{last}.fleet.test.")).unwrap();
            reply.add_answer(record(query.queries[0].name(), RData::CNAME(CNAME(target))));
            Some(reply)
        }
    };
    let first = serve(answer(1)).await;
    for last in 2..=6 {
        let beside = std::net::SocketAddr::new([127, 0, 0, last].into(), first.port());
        crate::server::serve_at(beside, answer(last)).await;
    }
    let options = LookOptions { ways: Ways::Udp, ..LookOptions::default() };
    let servers = Servers::found_by(resolver).at_port(first.port());
    let all = AuthoritativeVisibility::new(servers, options, Ambient::system());
    let name = domain("_acme-challenge.a.fleet.test");
    let sighting = all.look(&domain("fleet.test"), &name, &"1".parse().unwrap()).await.unwrap();
    let text = sighting.to_string();
    // Each of the four is looked at on six servers; two are not looked at.
    assert_eq!(sighting.servers.len(), 4 * 6 + 2, "{text}");
    assert_eq!(text.matches("one alias too many").count(), 2, "{text}");
    // Where an alias leads, a server that tells of another one is wrong: the resolver knows of none.
    assert!(text.contains("udp for x1.fleet.test: says that the name is an alias of x"), "{text}");
}
