//! The messages of the Route 53 API. Pure.

use std::fmt::Write;

use fleetcert_dns::{BackendErrorKind, RecordType};
use http::StatusCode;

use super::xml::{Element, escaped};
use crate::record_sets::{Spelled, type_name};

/// The limits of one batch (the API reference, `ChangeResourceRecordSets`).
const MAX_VALUES: usize = 1000;
const MAX_CHARACTERS: usize = 32_000;

/// One `ChangeResourceRecordSets`, as it grows.
#[derive(Debug, Default)]
pub(super) struct Batch {
    changes: String,
    values: usize,
    characters: usize,
}

impl Batch {
    /// The set must be exactly this, and is gone afterwards.
    pub(super) fn delete(&mut self, name: &str, record_type: RecordType, set: &Spelled) {
        self.change("DELETE", name, record_type, set);
    }

    /// There must be no such set, and it is there afterwards.
    pub(super) fn create(&mut self, name: &str, record_type: RecordType, set: &Spelled) {
        self.change("CREATE", name, record_type, set);
    }

    fn change(&mut self, action: &str, name: &str, record_type: RecordType, set: &Spelled) {
        self.values += set.values.len();
        let mut values = String::new();
        for value in &set.values {
            self.characters += value.chars().count();
            write!(values, "<ResourceRecord><Value>{}</Value></ResourceRecord>", escaped(value))
                .expect("a string takes all that is written");
        }
        write!(
            self.changes,
            "<Change><Action>{action}</Action><ResourceRecordSet><Name>{name}.</Name><Type>{}</Type><TTL>{}</TTL>\
             <ResourceRecords>{values}</ResourceRecords></ResourceRecordSet></Change>",
            type_name(record_type),
            set.ttl,
        )
        .expect("a string takes all that is written");
    }

    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Why the batch is not taken; `None` when it is.
    pub(super) fn excess(&self) -> Option<String> {
        let Self { values, characters, .. } = self;
        let fits = *values <= MAX_VALUES && *characters <= MAX_CHARACTERS;
        (!fits).then(|| {
            format!(
                "the old and the new values of all sets are {values} with {characters} characters, and one batch has \
                 at most {MAX_VALUES} with {MAX_CHARACTERS}; make fewer changes in one call"
            )
        })
    }

    pub(super) fn document(&self) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <ChangeResourceRecordSetsRequest xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\">\
             <ChangeBatch><Changes>{}</Changes></ChangeBatch></ChangeResourceRecordSetsRequest>",
            self.changes
        )
    }
}

/// What stands at a name in a list of record sets.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Listed {
    Nothing,
    Plain(Spelled),
    /// An alias, or one of several sets with a routing policy.
    Special,
}

/// What a `ListResourceRecordSetsResponse` that begins at this name and type has there. `None` for another document.
pub(super) fn listed(document: &Element, name: &str, record_type: RecordType) -> Option<Listed> {
    if document.name != "ListResourceRecordSetsResponse" {
        return None;
    }
    let Some(set) = document.child("ResourceRecordSets")?.child("ResourceRecordSet") else {
        return Some(Listed::Nothing);
    };
    let owner = set.text_of("Name")?.trim_end_matches('.');
    if !owner.eq_ignore_ascii_case(name) || set.text_of("Type")? != type_name(record_type) {
        return Some(Listed::Nothing);
    }
    if set.child("SetIdentifier").is_some() || set.child("AliasTarget").is_some() {
        return Some(Listed::Special);
    }
    let ttl = set.text_of("TTL")?.trim().parse().ok()?;
    let values = set.child("ResourceRecords")?.children("ResourceRecord");
    let values = values.map(|value| value.text_of("Value").map(str::to_owned)).collect::<Option<Vec<_>>>()?;
    Some(Listed::Plain(Spelled { ttl, values }))
}

/// A page of `ListHostedZonesByName`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ZonePage {
    /// The public zones of the name.
    pub(super) ids: Vec<String>,
    /// Name and id at which the list goes on, if more of the name may come.
    pub(super) next: Option<(String, String)>,
}

/// What the page has of this zone. `None` for another document.
pub(super) fn zone_page(document: &Element, zone: &str) -> Option<ZonePage> {
    if document.name != "ListHostedZonesByNameResponse" {
        return None;
    }
    let is_it = |name: &str| name.trim_end_matches('.').eq_ignore_ascii_case(zone);
    let mut ids = Vec::new();
    for listed in document.child("HostedZones")?.children("HostedZone") {
        let private = listed.child("Config").and_then(|config| config.text_of("PrivateZone")) == Some("true");
        if is_it(listed.text_of("Name")?) && !private {
            ids.push(listed.text_of("Id")?.to_owned());
        }
    }
    let next = (document.text_of("IsTruncated")? == "true")
        .then(|| Some((document.text_of("NextDNSName")?, document.text_of("NextHostedZoneId")?)))
        .flatten()
        .filter(|(name, _)| is_it(name))
        .map(|(name, id)| (name.to_owned(), id.to_owned()));
    Some(ZonePage { ids, next })
}

/// The id as it stands in paths: letters and digits.
pub(super) fn bare_id(id: &str) -> Option<&str> {
    let id = id.trim_start_matches("/hostedzone/");
    let good = (1..=32).contains(&id.len()) && id.bytes().all(|octet| octet.is_ascii_alphanumeric());
    good.then_some(id)
}

/// What an error of the API means, by its code.
pub(super) fn kind_of(_: StatusCode, body: &[u8]) -> Option<BackendErrorKind> {
    let document = Element::parse(body).ok()?;
    let code = match document.name.as_str() {
        // This error has a form of its own, too.
        "InvalidChangeBatch" => "InvalidChangeBatch",
        _ => document.child("Error")?.text_of("Code")?,
    };
    match code {
        "AccessDenied" | "AccessDeniedException" | "NotAuthorizedException" | "OptInRequired" => {
            Some(BackendErrorKind::Refused)
        }
        "AuthFailure"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "IncompleteSignature"
        | "InvalidAccessKeyId"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "MissingAuthenticationToken"
        | "RequestExpired"
        | "RequestTimeTooSkewed"
        | "SignatureDoesNotMatch"
        | "UnrecognizedClientException" => Some(BackendErrorKind::Unauthenticated),
        "NoSuchHostedZone" => Some(BackendErrorKind::NotInZone),
        // The last: the one before it for the same zone is still under way.
        "Throttling" | "ThrottlingException" | "RequestLimitExceeded" | "PriorRequestNotComplete" => {
            Some(BackendErrorKind::Quota)
        }
        // A set is not as the batch has it, or the batch is wrong in itself: who sent it finds out.
        "InvalidChangeBatch" => Some(BackendErrorKind::Conflict),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_has_bounds() {
        let set = |count: usize, text: &str| Spelled { ttl: 60, values: vec![text.to_owned(); count] };
        let mut batch = Batch::default();
        batch.create("a.fleet.test", RecordType::A, &set(1000, "10.0.0.1"));
        assert_eq!(batch.excess(), None);
        batch.delete("b.fleet.test", RecordType::A, &set(1, "10.0.0.1"));
        assert!(batch.excess().unwrap().contains("1001"));

        let mut batch = Batch::default();
        batch.create("a.fleet.test", RecordType::Txt, &set(32, &"a".repeat(1000)));
        assert_eq!(batch.excess(), None);
        batch.create("b.fleet.test", RecordType::Txt, &set(1, "a"));
        assert!(batch.excess().unwrap().contains("32001 characters"));
    }

    #[test]
    fn ids() {
        assert_eq!(bare_id("/hostedzone/Z1D633PJN98FT9"), Some("Z1D633PJN98FT9"));
        assert_eq!(bare_id("Z1D633PJN98FT9"), Some("Z1D633PJN98FT9"));
        for id in ["", "/hostedzone/", "Z1/../x", "Z1?a", &"Z".repeat(33)] {
            assert_eq!(bare_id(id), None, "{id}");
        }
    }

    #[test]
    fn codes() {
        let kind = |body: &str| kind_of(StatusCode::BAD_REQUEST, body.as_bytes());
        let error = |code: &str| format!("<ErrorResponse><Error><Code>{code}</Code></Error></ErrorResponse>");
        assert_eq!(kind(&error("Throttling")), Some(BackendErrorKind::Quota));
        assert_eq!(kind(&error("ExpiredToken")), Some(BackendErrorKind::Unauthenticated));
        assert_eq!(kind(&error("AccessDenied")), Some(BackendErrorKind::Refused));
        assert_eq!(kind(&error("NoSuchHostedZone")), Some(BackendErrorKind::NotInZone));
        assert_eq!(kind(&error("InvalidChangeBatch")), Some(BackendErrorKind::Conflict));
        assert_eq!(
            kind("<InvalidChangeBatch><Messages/></InvalidChangeBatch>"),
            Some(BackendErrorKind::Conflict)
        );
        assert_eq!(kind(&error("SomethingNew")), None);
        assert_eq!(kind("<html>"), None);
    }
}
