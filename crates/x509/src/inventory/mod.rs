//! What certificates there are, until when, and whether their chains are whole.

mod entry;
mod links;
mod state;
mod table;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::SystemTime;

use aws_lc_rs::digest::{SHA256, digest};

use crate::chain::link;
use crate::{Leaf, Roots, X509Error, pem};
use entry::short_name;
pub use entry::{InventoryEntry, InventoryKey};
use links::{Candidate, Links, Path, PathEnd, is_self_issued};
pub use state::ChainState;

/// The certificates of a number of files, as a value.
///
/// Files are given one by one as name and contents ([`add`](Self::add)); nothing is read here, and no clock. A file may
/// hold one certificate or a chain in PEM, with a private key or without (keys are not looked at), a bundle of
/// many, or one certificate in DER. There is an entry for every certificate that is not the issuer of another one in the
/// same file: for a chain one, for a bundle of roots one for each root. What cannot be read is an entry of its own kind
/// ([`unreadable`](Self::unreadable)), never an error that ends the rest.
///
/// ```
/// use fleetcert_x509::{Inventory, Roots};
/// use std::time::SystemTime;
///
/// let mut inventory = Inventory::new(None);
/// inventory.add("README", b"no certificate");
/// inventory.add("cut-off.pem", b"-----BEGIN CERTIFICATE-----\nMII");
/// assert_eq!(inventory.without_certificate(), ["README"]);
/// assert_eq!(inventory.unreadable()[0].file(), "cut-off.pem");
/// assert!(inventory.table(SystemTime::UNIX_EPOCH, 30).ends_with("1 without a certificate\n"));
/// ```
#[derive(Debug, Default)]
pub struct Inventory {
    roots: Option<Roots>,
    /// The places of the roots by their names.
    roots_by_name: HashMap<Vec<u8>, Vec<usize>>,
    entries: Vec<InventoryEntry>,
    unreadable: Vec<UnreadableFile>,
    without_certificate: Vec<String>,
    /// The places of the entries by their digests.
    seen: HashMap<[u8; 32], usize>,
    cut_off: bool,
}

/// A file, or a certificate in it, that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadableFile {
    file: String,
    reason: String,
}

/// Bundles of all roots of an operating system have 250 KiB.
const MAX_FILE: usize = 1024 * 1024;
const MAX_CERTIFICATES: usize = 1000;
/// Of entries, of unreadable files and of files without a certificate.
const MAX_ENTRIES: usize = 100_000;
const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";

impl Inventory {
    /// An empty inventory. With `roots`, chains must lead to one of them; without, see [`ChainState`].
    pub fn new(roots: Option<Roots>) -> Self {
        let mut roots_by_name = HashMap::<_, Vec<_>>::new();
        for (place, root) in roots.iter().flat_map(Roots::certificates).enumerate() {
            if let Ok(parsed) = link::parse(root) {
                roots_by_name.entry(parsed.subject().as_raw().to_vec()).or_default().push(place);
            }
        }
        Self { roots, roots_by_name, ..Self::default() }
    }

    /// Takes in what is in a file of at most 1 MiB with at most 1000 certificates; `file` is only a name.
    pub fn add(&mut self, file: &str, contents: &[u8]) {
        if contents.len() > MAX_FILE {
            return self.add_unreadable(file, "it is larger than 1 MiB");
        }
        if contents.first() == Some(&0x30) && Leaf::from_der(contents).is_ok() {
            return self.add_certificates(file, &[contents]);
        }
        if !contents.windows(BEGIN.len()).any(|window| window == BEGIN) {
            return Self::push(&mut self.without_certificate, &mut self.cut_off, file.to_owned());
        }
        match pem::blocks(contents, MAX_CERTIFICATES) {
            Err(error) => self.add_unreadable(file, &error.to_string()),
            Ok(blocks) => {
                let certificates = blocks.iter().filter(|block| block.label == pem::CERTIFICATE);
                self.add_certificates(
                    file,
                    &certificates.map(|block| block.der.as_slice()).collect::<Vec<_>>(),
                );
            }
        }
    }

    /// Notes a file that could not even be opened, and why.
    pub fn add_unreadable(&mut self, file: &str, reason: &str) {
        let unreadable = UnreadableFile { file: file.to_owned(), reason: reason.to_owned() };
        Self::push(&mut self.unreadable, &mut self.cut_off, unreadable);
    }

    /// The certificates, in the order in which they were given.
    pub fn entries(&self) -> &[InventoryEntry] {
        &self.entries
    }

    /// The files that could not be read, whole or in part.
    pub fn unreadable(&self) -> &[UnreadableFile] {
        &self.unreadable
    }

    /// The files that have no certificate in them, such as keys.
    pub fn without_certificate(&self) -> &[String] {
        &self.without_certificate
    }

    /// Whether there was more than is kept: 100,000 of each kind.
    pub fn is_cut_off(&self) -> bool {
        self.cut_off
    }

    /// The certificates that have ended at `now`, or will within so many days; each counts once.
    pub fn ending_within(&self, now: SystemTime, days: u32) -> impl Iterator<Item = &InventoryEntry> {
        self.entries
            .iter()
            .filter(move |entry| entry.duplicate_of.is_none() && entry.days_left(now) < i64::from(days))
    }

    /// A table of 100 columns, what ends first on top; what ends within so many days is marked by `!`.
    pub fn table(&self, now: SystemTime, warn_days: u32) -> String {
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
            let read = link::parse(der).and_then(|parsed| Ok((parsed, Leaf::from_der(der)?)));
            match read {
                Ok((parsed, leaf)) => {
                    places.push(place);
                    candidates.push(Candidate { der, parsed });
                    leaves.push(leaf);
                }
                Err(error) => self.add_unreadable(file, &in_file(place, &error)),
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
                key: InventoryKey::of(leaf.spki()),
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
        // A cross-signed chain may lead past a root that is known.
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

    /// Whether it is one of the roots, or one of them signed it.
    fn known_root(&self, last: &Candidate<'_>) -> KnownRoot {
        let Some(roots) = &self.roots else { return KnownRoot::Absent };
        let named = self.roots_by_name.get(last.parsed.issuer().as_raw()).map_or(&[][..], Vec::as_slice);
        let mut named = named.iter().map(|place| &roots.certificates()[*place]).peekable();
        if named.peek().is_none() {
            KnownRoot::Absent
        } else if named.any(|root| root.as_ref() == last.der || link::is_signed_by(last.der, root)) {
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
    /// The file, as it was named to the inventory.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Why it could not be read.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

fn in_file(place: usize, error: &X509Error) -> String {
    format!("certificate {place}: {error}")
}

fn sha256(der: &[u8]) -> [u8; 32] {
    let mut octets = [0; 32];
    octets.copy_from_slice(digest(&SHA256, der).as_ref());
    octets
}
