//! The inventory: certificates, their expiry, and whether their chains are complete.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::SystemTime;

use aws_lc_rs::digest::{SHA256, digest};

use fleetcert_x509::{Leaf, Roots};
use rustls_pki_types::pem::{Error as PemError, PemObject, SectionKind};

use crate::entry::{InventoryEntry, InventoryKey, short_name};
use crate::links::{self, Candidate, Links, Path, PathEnd, is_self_issued};
use crate::state::ChainState;
use crate::table;

/// The certificates of a number of files.
///
/// Files are added one by one as name and contents ([`add`](Self::add)); the inventory reads neither files nor the
/// clock. A file may hold one certificate or a chain in PEM, with or without a private key (which is ignored), a
/// bundle of many, or one certificate in DER. There is an entry for every certificate that is not the issuer of
/// another one in the same file: one for a chain, one for each root of a bundle. A file that cannot be read is an
/// entry of a separate list ([`unreadable`](Self::unreadable)), never an error.
#[derive(Debug, Default)]
pub(crate) struct Inventory {
    roots: Option<Roots>,
    /// Positions of the roots by name.
    roots_by_name: HashMap<Vec<u8>, Vec<usize>>,
    entries: Vec<InventoryEntry>,
    unreadable: Vec<UnreadableFile>,
    without_certificate: Vec<String>,
    /// Positions of the entries by digest.
    seen: HashMap<[u8; 32], usize>,
    cut_off: bool,
}

/// A file, or a certificate in it, that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UnreadableFile {
    file: String,
    reason: String,
}

/// Maximum octets of a file. A bundle of all roots of an operating system has 250 KiB.
const MAX_FILE: usize = 1024 * 1024;
const MAX_CERTIFICATES: usize = 1000;
/// Maximum entries, unreadable files, and files without a certificate.
const MAX_ENTRIES: usize = 100_000;
const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";

impl Inventory {
    /// Returns an empty inventory. With `roots`, chains must lead to one of them; without, see [`ChainState`].
    pub(crate) fn new(roots: Option<Roots>) -> Self {
        let mut roots_by_name = HashMap::<_, Vec<_>>::new();
        for (place, root) in roots.iter().flat_map(Roots::certificates).enumerate() {
            if let Some(parsed) = links::parse(root) {
                roots_by_name.entry(parsed.subject().as_raw().to_vec()).or_default().push(place);
            }
        }
        Self { roots, roots_by_name, ..Self::default() }
    }

    /// Adds a file of at most 1 MiB with at most 1000 certificates. `file` is only a name.
    pub(crate) fn add(&mut self, file: &str, contents: &[u8]) {
        if contents.len() > MAX_FILE {
            return self.add_unreadable(file, "the file is larger than 1 MiB");
        }
        if contents.first() == Some(&0x30) && Leaf::from_der(contents).is_ok() {
            return self.add_certificates(file, &[contents]);
        }
        if !contents.windows(BEGIN.len()).any(|window| window == BEGIN) {
            return Self::push(&mut self.without_certificate, &mut self.cut_off, file.to_owned());
        }
        match certificates(contents) {
            Err(reason) => self.add_unreadable(file, reason),
            Ok(ders) => self.add_certificates(file, &ders.iter().map(Vec::as_slice).collect::<Vec<_>>()),
        }
    }

    /// Adds a file that could not be opened, and the reason.
    pub(crate) fn add_unreadable(&mut self, file: &str, reason: &str) {
        let unreadable = UnreadableFile { file: file.to_owned(), reason: reason.to_owned() };
        Self::push(&mut self.unreadable, &mut self.cut_off, unreadable);
    }

    /// Returns the certificates in the order in which they were added.
    pub(crate) fn entries(&self) -> &[InventoryEntry] {
        &self.entries
    }

    /// Returns the files that could not be read, in whole or in part.
    pub(crate) fn unreadable(&self) -> &[UnreadableFile] {
        &self.unreadable
    }

    /// Returns the files without a certificate, such as keys.
    pub(crate) fn without_certificate(&self) -> &[String] {
        &self.without_certificate
    }

    /// Returns whether the inventory was full: 100,000 of each kind.
    pub(crate) fn is_cut_off(&self) -> bool {
        self.cut_off
    }

    /// Returns the certificates that have expired at `now`, or will expire within `days`, without duplicates.
    pub(crate) fn ending_within(&self, now: SystemTime, days: u32) -> impl Iterator<Item = &InventoryEntry> {
        self.entries
            .iter()
            .filter(move |entry| entry.duplicate_of.is_none() && entry.days_left(now) < i64::from(days))
    }

    /// Returns a table of 100 columns, the first to expire on top, with `!` for those that expire within `warn_days`.
    pub(crate) fn table(&self, now: SystemTime, warn_days: u32) -> String {
        table::of(self, now, warn_days)
    }

    fn push<T>(list: &mut Vec<T>, cut_off: &mut bool, item: T) {
        if list.len() < MAX_ENTRIES {
            list.push(item);
        } else {
            *cut_off = true;
        }
    }

    fn add_certificates(&mut self, file: &str, ders: &[&[u8]]) {
        let (mut places, mut candidates, mut leaves) = (Vec::new(), Vec::new(), Vec::new());
        for (place, der) in ders.iter().enumerate() {
            let read = Leaf::from_der(der).map(|leaf| links::parse(der).map(|parsed| (parsed, leaf)));
            match read {
                Ok(Some((parsed, leaf))) => {
                    places.push(place);
                    candidates.push(Candidate { der, parsed });
                    leaves.push(leaf);
                }
                Ok(None) => self.add_unreadable(file, &in_file(place, "the certificate cannot be parsed")),
                Err(error) => self.add_unreadable(file, &in_file(place, &error.to_string())),
            }
        }
        let links = Links::of(&candidates);
        for path in links.paths() {
            let head = path.places[0];
            let candidate = links.certificate(head);
            let leaf = leaves[head].clone();
            let ends =
                path.places.iter().filter(|place| **place == head || !is_self_issued(&candidates[**place]));
            let ends = ends.map(|place| leaves[*place].not_after()).min().unwrap_or(leaf.not_after());
            let entry = InventoryEntry {
                file: file.to_owned(),
                position: places[head],
                subject: short_name(candidate.parsed.subject()),
                issuer: short_name(candidate.parsed.issuer()),
                key: InventoryKey::of(leaf.key_kind(), leaf.spki()),
                sha256: sha256(candidate.der),
                chain: self.chain_state(&links, &path, leaf.is_authority()),
                ends,
                duplicate_of: None,
                leaf,
            };
            self.push_entry(entry);
        }
    }

    fn push_entry(&mut self, mut entry: InventoryEntry) {
        match self.seen.entry(entry.sha256) {
            Entry::Occupied(before) => {
                entry.duplicate_of = self.entries.get(*before.get()).map(|first| first.file.clone());
            }
            Entry::Vacant(_) if self.entries.len() == MAX_ENTRIES => {}
            Entry::Vacant(place) => {
                place.insert(self.entries.len());
            }
        }
        Self::push(&mut self.entries, &mut self.cut_off, entry);
    }

    fn chain_state(&self, links: &Links<'_>, path: &Path, is_authority: bool) -> ChainState {
        let position = path.places.len() - 1;
        let last = links.certificate(path.places[position]);
        let follow_each_other = path.places.windows(2).all(|pair| pair[1] == pair[0] + 1);
        let whole = |state| if follow_each_other || is_authority { state } else { ChainState::Disordered };
        if path.end == PathEnd::Endless {
            return ChainState::Endless;
        }
        // A cross-signed chain may continue beyond a known root.
        let mut known = path.places.iter().map(|place| self.known_root(links.certificate(*place)));
        if known.any(|root| root == KnownRoot::Signed) {
            return whole(ChainState::Complete);
        }
        let issuer = || short_name(last.parsed.issuer());
        if path.end != PathEnd::SelfSigned && self.known_root(last) == KnownRoot::Impostor {
            return ChainState::BrokenLink { position, issuer: issuer() };
        }
        match path.end {
            PathEnd::SelfSigned if position == 0 => ChainState::SelfSigned,
            PathEnd::SelfSigned if self.roots.is_none() => whole(ChainState::Complete),
            PathEnd::SelfSigned => ChainState::UnknownRoot { root: issuer() },
            PathEnd::Impostor => ChainState::BrokenLink { position, issuer: issuer() },
            _ if self.roots.is_none() && (position > 0 || is_authority) => {
                whole(ChainState::Open { issuer: issuer() })
            }
            _ => ChainState::MissingIssuer { position, issuer: issuer() },
        }
    }

    /// Returns whether the certificate is one of the roots, or signed by one.
    fn known_root(&self, last: &Candidate<'_>) -> KnownRoot {
        let Some(roots) = &self.roots else { return KnownRoot::Absent };
        let named = self.roots_by_name.get(last.parsed.issuer().as_raw()).map_or(&[][..], Vec::as_slice);
        let mut named = named.iter().map(|place| &roots.certificates()[*place]).peekable();
        if named.peek().is_none() {
            KnownRoot::Absent
        } else if named.any(|root| root.as_ref() == last.der || links::is_signed_by(last.der, root)) {
            KnownRoot::Signed
        } else {
            KnownRoot::Impostor
        }
    }
}

#[derive(PartialEq, Eq)]
enum KnownRoot {
    Signed,
    Impostor,
    Absent,
}

impl UnreadableFile {
    /// Returns the file, as it was named to the inventory.
    pub(crate) fn file(&self) -> &str {
        &self.file
    }

    /// Returns the reason.
    pub(crate) fn reason(&self) -> &str {
        &self.reason
    }
}

/// Returns the certificates among the PEM blocks of a file.
fn certificates(contents: &[u8]) -> Result<Vec<Vec<u8>>, &'static str> {
    let mut certificates = Vec::new();
    for (number, block) in <(SectionKind, Vec<u8>)>::pem_slice_iter(contents).enumerate() {
        if number == MAX_CERTIFICATES {
            return Err("the file has more than 1000 PEM blocks");
        }
        match block {
            Ok((SectionKind::Certificate, der)) => certificates.push(der),
            Ok(_) => {}
            Err(PemError::MissingSectionEnd { .. }) => return Err("a PEM block has no end"),
            Err(PemError::Base64Decode(_)) => {
                return Err("a PEM block contains something other than base64");
            }
            Err(_) => return Err("a PEM boundary is misplaced or cut off"),
        }
    }
    Ok(certificates)
}

fn in_file(place: usize, error: &str) -> String {
    format!("certificate {place}: {error}")
}

fn sha256(der: &[u8]) -> [u8; 32] {
    let mut octets = [0; 32];
    octets.copy_from_slice(digest(&SHA256, der).as_ref());
    octets
}
