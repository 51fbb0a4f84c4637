//! Links from the certificates of a file to their issuers.

use std::collections::HashMap;

use fleetcert_x509::Chain;
use rustls_pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

/// Maximum signatures tried for one certificate; several issuers may have the same name.
const MAX_CANDIDATES: usize = 4;
/// Maximum length of a path.
const MAX_LENGTH: usize = 10;

/// The certificates of one file, each with the one in the same file that signed it.
pub(crate) struct Links<'a> {
    issuers: Vec<Issuer>,
    certificates: &'a [Candidate<'a>],
}

/// A certificate as bytes and parsed.
pub(crate) struct Candidate<'a> {
    pub(crate) der: &'a [u8],
    pub(crate) parsed: X509Certificate<'a>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Issuer {
    Itself,
    /// The certificate at this position in the file.
    At(usize),
    /// No certificate in the file has the issuer's name.
    Absent,
    /// A certificate has the issuer's name, but did not sign this one.
    Impostor,
}

/// Returns whether subject and issuer are equal, as in a root.
pub(crate) fn is_self_issued(candidate: &Candidate<'_>) -> bool {
    candidate.parsed.subject().as_raw() == candidate.parsed.issuer().as_raw()
}

/// The certificates of a path as positions in the file, and its end.
pub(crate) struct Path {
    pub(crate) places: Vec<usize>,
    pub(crate) end: PathEnd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PathEnd {
    SelfSigned,
    Absent,
    Impostor,
    /// The path is a circle, or longer than any chain.
    Endless,
}

/// Parses exactly one certificate.
pub(crate) fn parse(der: &[u8]) -> Option<X509Certificate<'_>> {
    X509Certificate::from_der(der).ok().filter(|(rest, _)| rest.is_empty()).map(|(_, parsed)| parsed)
}

/// Returns whether `subject` names `issuer` as its issuer and has a valid signature by its key.
pub(crate) fn is_signed_by(subject: &[u8], issuer: &[u8]) -> bool {
    let pair = [subject, issuer].map(|der| CertificateDer::from(der).into_owned());
    Chain::from_certificates(pair.to_vec()).is_ok_and(|chain| chain.check_links().is_ok())
}

impl<'a> Links<'a> {
    pub(crate) fn of(certificates: &'a [Candidate<'a>]) -> Self {
        let mut by_subject = HashMap::<&[u8], Vec<usize>>::new();
        for (place, one) in certificates.iter().enumerate() {
            by_subject.entry(one.parsed.subject().as_raw()).or_default().push(place);
        }
        let issuers = certificates.iter().enumerate().map(|(place, one)| {
            let is_self_issued = is_self_issued(one);
            if is_self_issued && is_signed_by(one.der, one.der) {
                return Issuer::Itself;
            }
            let named = by_subject.get(one.parsed.issuer().as_raw()).map_or(&[][..], Vec::as_slice);
            // The next certificate in the file is the likely issuer, and the one that counts if two have the same key.
            let next = named.iter().filter(|candidate| **candidate == place + 1);
            let others = named.iter().filter(|candidate| ![place, place + 1].contains(candidate));
            let mut tried = next.chain(others).take(MAX_CANDIDATES).peekable();
            if tried.peek().is_none() {
                // A root's own signature does not matter, and old ones use SHA-1, which is not verified here.
                return if is_self_issued { Issuer::Itself } else { Issuer::Absent };
            }
            match tried.find(|candidate| is_signed_by(one.der, certificates[**candidate].der)) {
                Some(candidate) => Issuer::At(*candidate),
                None => Issuer::Impostor,
            }
        });
        Self { issuers: issuers.collect(), certificates }
    }

    /// Returns the paths that do not begin inside another one; together they contain every certificate.
    pub(crate) fn paths(&self) -> Vec<Path> {
        let mut is_issuer = vec![false; self.issuers.len()];
        for issuer in &self.issuers {
            if let Issuer::At(place) = issuer {
                is_issuer[*place] = true;
            }
        }
        let mut reached = vec![false; self.issuers.len()];
        let mut paths = Vec::new();
        let heads = (0..self.issuers.len()).filter(|place| !is_issuer[*place]);
        // Circles have no head: a certificate that was not reached begins a new path.
        for place in heads.chain(0..self.issuers.len()) {
            if reached[place] {
                continue;
            }
            let path = self.path(place);
            path.places.iter().for_each(|place| reached[*place] = true);
            paths.push(path);
        }
        paths.sort_by_key(|path| path.places[0]);
        paths
    }

    fn path(&self, head: usize) -> Path {
        let mut places = vec![head];
        let mut last = head;
        let end = loop {
            match self.issuers[last] {
                Issuer::Itself => break PathEnd::SelfSigned,
                Issuer::Absent => break PathEnd::Absent,
                Issuer::Impostor => break PathEnd::Impostor,
                Issuer::At(next) if places.contains(&next) || places.len() == MAX_LENGTH => {
                    break PathEnd::Endless;
                }
                Issuer::At(next) => {
                    places.push(next);
                    last = next;
                }
            }
        };
        Path { places, end }
    }

    pub(crate) fn certificate(&self, place: usize) -> &'a Candidate<'a> {
        &self.certificates[place]
    }
}
