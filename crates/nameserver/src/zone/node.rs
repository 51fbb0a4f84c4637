//! The content of one name.

use fleetcert_dns::{RecordSet, RecordType};

/// A name that exists: it has records, or a name below it exists (RFC 8020).
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(super) name: Box<[u8]>,
    pub(crate) sets: Sets,
    /// Number of names that exist one label below.
    pub(super) children: u32,
}

/// The record sets of a name that changes can touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sets {
    a: Option<RecordSet>,
    aaaa: Option<RecordSet>,
    txt: Option<RecordSet>,
}

impl Sets {
    pub(crate) fn of(&self, record_type: RecordType) -> Option<&RecordSet> {
        match record_type {
            RecordType::A => self.a.as_ref(),
            RecordType::Aaaa => self.aaaa.as_ref(),
            RecordType::Txt => self.txt.as_ref(),
        }
    }

    pub(super) fn of_mut(&mut self, record_type: RecordType) -> &mut Option<RecordSet> {
        match record_type {
            RecordType::A => &mut self.a,
            RecordType::Aaaa => &mut self.aaaa,
            RecordType::Txt => &mut self.txt,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.a.is_none() && self.aaaa.is_none() && self.txt.is_none()
    }
}
