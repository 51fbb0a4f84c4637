//! Record sets in a provider's spelling, which must be sent back octet for octet.

use std::collections::BTreeSet;

use fleetcert_dns::{RecordData, RecordSet, RecordType, Ttl, TxtValue};

#[cfg(any(feature = "route53", feature = "google"))]
use super::{Held, Key, SetChange};
use super::{content, parsed};

/// A record set of a provider that deletes a set only when it is given as it stands: the time to live, and the values
/// in the provider's own spelling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spelled {
    pub(crate) ttl: u32,
    pub(crate) values: Vec<String>,
}

/// How a provider spells TXT values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spelling {
    pub(crate) write: fn(&TxtValue) -> String,
    pub(crate) read: fn(&str) -> Option<TxtValue>,
}

/// A set as it is and as it is to be, in the provider's spelling. The two differ.
#[cfg(any(feature = "route53", feature = "google"))]
#[derive(Debug)]
pub(crate) struct Respelled<'a> {
    pub(crate) key: &'a Key,
    pub(crate) before: Option<&'a Spelled>,
    pub(crate) after: Option<Spelled>,
}

#[cfg(any(feature = "route53", feature = "google"))]
impl Spelling {
    /// Returns the changes in the provider's spelling, without those that change nothing in it.
    pub(crate) fn respelled(self, changes: &[SetChange<Spelled>]) -> Vec<Respelled<'_>> {
        let respelled = changes.iter().map(|SetChange { key, before, after }| {
            let before = before.as_ref().map(|(_, spelled)| spelled);
            Respelled { key, before, after: self.merged(before, after.as_ref(), key.1) }
        });
        respelled.filter(|it| it.before != it.after.as_ref()).collect()
    }

    /// Returns the set that exists after the change.
    pub(crate) fn held(self, Respelled { key, after, .. }: Respelled<'_>) -> (Key, Held<Spelled>) {
        (key.clone(), after.map(|spelled| (self.record_set(&spelled, key.1), spelled)))
    }
}

impl Spelling {
    /// Returns the set as the contract has it, without values that the contract has no form for, such as an empty text.
    pub(crate) fn record_set(self, spelled: &Spelled, record_type: RecordType) -> RecordSet {
        // RFC 2181 section 8: a time to live with the highest bit is zero.
        let ttl = Ttl::from_secs(spelled.ttl).unwrap_or(Ttl::ZERO);
        let values = spelled.values.iter().filter_map(|text| self.value(text, record_type)).collect();
        RecordSet { ttl, values }
    }

    /// Returns the set to write where `before` was read: values that stay keep their spelling, also those that cannot be
    /// parsed. `None` for no set.
    pub(crate) fn merged(
        self,
        before: Option<&Spelled>,
        after: Option<&RecordSet>,
        record_type: RecordType,
    ) -> Option<Spelled> {
        let wanted = after.map(|set| &set.values);
        let mut spelled = BTreeSet::new();
        let mut values = Vec::new();
        for text in before.map(|set| &set.values[..]).unwrap_or_default() {
            let value = self.value(text, record_type);
            let stays = value.as_ref().is_none_or(|value| wanted.is_some_and(|all| all.contains(value)));
            if stays {
                spelled.extend(value);
                values.push(text.clone());
            }
        }
        let new = wanted.into_iter().flatten().filter(|value| !spelled.contains(*value));
        values.extend(new.map(|value| self.text(value)));
        let ttl = after.map(|set| set.ttl.as_secs()).or_else(|| before.map(|set| set.ttl))?;
        Some(Spelled { ttl, values }).filter(|set| !set.values.is_empty())
    }

    fn value(self, text: &str, record_type: RecordType) -> Option<RecordData> {
        match record_type {
            RecordType::Txt => (self.read)(text).map(RecordData::Txt),
            RecordType::A | RecordType::Aaaa => parsed(record_type, text),
        }
    }

    fn text(self, value: &RecordData) -> String {
        match value {
            RecordData::Txt(value) => (self.write)(value),
            RecordData::A(_) | RecordData::Aaaa(_) => content(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::txt::{quoted, unquoted};

    const SPELLING: Spelling = Spelling { write: quoted, read: unquoted };

    fn spelled(ttl: u32, values: &[&str]) -> Spelled {
        Spelled { ttl, values: values.iter().map(|text| (*text).to_owned()).collect() }
    }

    fn txt(ttl: u32, values: &[&str]) -> RecordSet {
        let values = values.iter().map(|text| RecordData::Txt(text.parse().unwrap())).collect();
        RecordSet { ttl: Ttl::from_secs(ttl).unwrap(), values }
    }

    #[test]
    fn what_stays_keeps_its_spelling_and_what_is_not_ours_stays() {
        let before = spelled(300, &["bare", r#""a" "b""#, r#""""#, "\"gone\""]);
        assert_eq!(SPELLING.record_set(&before, RecordType::Txt), txt(300, &["bare", "ab", "gone"]));
        let after = SPELLING.merged(Some(&before), Some(&txt(60, &["bare", "ab", "new"])), RecordType::Txt);
        assert_eq!(after, Some(spelled(60, &["bare", r#""a" "b""#, r#""""#, "\"new\""])));
    }

    #[test]
    fn the_last_value_takes_the_set_with_it_but_not_a_foreign_one() {
        let merged = |before: &[&str]| SPELLING.merged(Some(&spelled(60, before)), None, RecordType::Txt);
        assert_eq!(merged(&["\"gone\""]), None);
        assert_eq!(merged(&["\"gone\"", "\"\""]), Some(spelled(60, &["\"\""])));
        assert_eq!(SPELLING.merged(None, None, RecordType::Txt), None);
    }

    #[test]
    fn addresses() {
        let before = spelled(60, &["fd00:0::4", "fd00::5"]);
        let four: RecordData = RecordData::Aaaa("fd00::4".parse().unwrap());
        let after = RecordSet { ttl: Ttl::ADDRESS, values: [four.clone()].into() };
        let merged = SPELLING.merged(Some(&before), Some(&after), RecordType::Aaaa).unwrap();
        assert_eq!(merged, spelled(60, &["fd00:0::4"]));
        assert_eq!(SPELLING.record_set(&merged, RecordType::Aaaa).values, [four].into());
    }
}
