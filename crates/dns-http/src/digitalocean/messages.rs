//! The JSON of the API. Pure.

use fleetcert_dns::{RecordData, RecordType};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::record_sets::{parsed, type_name};

/// One page of `GET /domains/{domain}/records`.
#[derive(Debug, Deserialize)]
pub(super) struct Page {
    pub(super) domain_records: Vec<Record>,
    #[serde(default)]
    links: Links,
}

#[derive(Debug, Default, Deserialize)]
struct Links {
    #[serde(default)]
    pages: Option<Pages>,
}

#[derive(Debug, Deserialize)]
struct Pages {
    #[serde(default)]
    next: Option<Url>,
}

impl Page {
    pub(super) fn next(&self) -> Option<Url> {
        self.links.pages.as_ref()?.next.clone()
    }
}

/// A record that there is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Record {
    pub(super) id: u64,
    #[serde(rename = "type")]
    record_type: String,
    /// Relative to the domain, or `@`.
    pub(super) name: String,
    data: String,
    pub(super) ttl: u32,
}

impl Record {
    /// Its value, if it is of this type and we have one for it.
    pub(super) fn data(&self, record_type: RecordType) -> Option<RecordData> {
        if self.record_type != type_name(record_type) {
            return None;
        }
        match record_type {
            // Some texts come in quotes and some bare; a dns-01 value has neither quotes nor spaces in it.
            RecordType::Txt => parsed(record_type, self.data.trim()),
            _ => parsed(record_type, &self.data),
        }
    }
}

/// The body of `POST /domains/{domain}/records`.
#[derive(Debug, Serialize)]
pub(super) struct NewRecord<'a> {
    #[serde(rename = "type")]
    record_type: &'static str,
    name: &'a str,
    data: String,
    ttl: u32,
}

impl<'a> NewRecord<'a> {
    pub(super) fn new(name: &'a str, data: &RecordData, ttl: u32) -> Self {
        let text = match data {
            RecordData::A(address) => address.to_string(),
            RecordData::Aaaa(address) => address.to_string(),
            // Only texts of letters, digits, `-` and `_` come here.
            RecordData::Txt(value) => value.to_string(),
        };
        Self { record_type: type_name(data.record_type()), name, data: text, ttl }
    }
}
