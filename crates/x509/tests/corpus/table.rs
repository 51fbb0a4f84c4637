//! The hostile corpus checked by x509-parser and rcgen, as the table in `docs/csr-gate.md`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use rcgen::CertificateSigningRequestParams;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::pem::parse_x509_pem;
use x509_parser::prelude::FromDer;

use crate::corpus::{Row, rows};

const BEGIN: &str = "<!-- who takes what: begin -->\n";
const END: &str = "<!-- who takes what: end -->\n";

/// Returns the path of the page, its content, and its updated content.
pub(crate) fn page() -> (PathBuf, String, String) {
    let path = root().join("docs/csr-gate.md");
    let page = fs::read_to_string(&path).expect("the page is in the repository");
    let (before, rest) = page.split_once(BEGIN).expect("the page has the mark where the table begins");
    let (_, after) = rest.split_once(END).expect("the page has the mark where the table ends");
    let renewed = format!("{before}{BEGIN}{}{END}{after}", table());
    (path, page, renewed)
}

fn table() -> String {
    let hostile =
        rows("hostile").into_iter().map(|row| (x509_parser(&row), rcgen(&row), row)).collect::<Vec<_>>();
    let good = rows("good");
    let [by_parser, by_rcgen] = [
        hostile.iter().filter(|(parser, ..)| parser.is_some()).count(),
        hostile.iter().filter(|(_, rcgen, _)| *rcgen).count(),
    ];
    let mut text = format!(
        "\nx509-parser {}, parse and `verify_signature`; rcgen {}, `CertificateSigningRequestParams::from_der` or `from_pem`, \
         which verifies too.\n\n\
         | | files | this gate takes | x509-parser takes | rcgen takes |\n| --- | --- | --- | --- | --- |\n\
         | good | {} | {} | {} | {} |\n| hostile | {} | 0 | {by_parser} | {by_rcgen} |\n\n\
         | rule | hostile files | x509-parser takes | rcgen takes |\n| --- | --- | --- | --- |\n",
        version("x509-parser"),
        version("rcgen"),
        good.len(),
        good.len(),
        good.iter().filter(|row| x509_parser(row).is_some()).count(),
        good.iter().filter(|row| rcgen(row)).count(),
        hostile.len(),
    );
    let mut by_rule = BTreeMap::<&str, [usize; 3]>::new();
    for (parser, rcgen, row) in &hostile {
        let counts = by_rule.entry(rule(row)).or_default();
        for (count, one) in counts.iter_mut().zip([true, parser.is_some(), *rcgen]) {
            *count += usize::from(one);
        }
    }
    for (rule, [files, parser, rcgen]) in by_rule {
        let _ = writeln!(text, "| {rule} | {files} | {parser} | {rcgen} |");
    }
    text.push_str("\nEach file that one of them takes:\n\n| file | what | refused here as | x509-parser | rcgen |\n| --- | --- | --- | --- | --- |\n");
    for (parser, rcgen, row) in hostile.iter().filter(|(parser, rcgen, _)| parser.is_some() || *rcgen) {
        let parser = match parser {
            Some(0) => "takes".to_owned(),
            Some(left) => format!("takes, {left} octets left"),
            None => String::new(),
        };
        let rcgen = if *rcgen { "takes" } else { "" };
        let what = row.what.replace('|', "\\|");
        let name = row.file.trim_start_matches("hostile/");
        let _ = writeln!(text, "| {name} | {what} | `{}` | {parser} | {rcgen} |", row.expected);
    }
    text.push('\n');
    text
}

fn rule(row: &Row) -> &str {
    let number = row.file.trim_start_matches("hostile/");
    number.split('-').next().unwrap_or(number)
}

/// Returns the octets that it leaves unread, if it parses the CSR and verifies the signature.
fn x509_parser(row: &Row) -> Option<usize> {
    let pem;
    let der = if row.file.ends_with(".pem") {
        pem = parse_x509_pem(&row.bytes).ok()?.1;
        if !pem.label.ends_with("CERTIFICATE REQUEST") {
            return None;
        }
        &pem.contents
    } else {
        &row.bytes
    };
    let (rest, csr) = X509CertificationRequest::from_der(der).ok()?;
    csr.verify_signature().ok().map(|()| rest.len())
}

fn rcgen(row: &Row) -> bool {
    match std::str::from_utf8(&row.bytes) {
        Ok(text) if row.file.ends_with(".pem") => CertificateSigningRequestParams::from_pem(text).is_ok(),
        _ => CertificateSigningRequestParams::from_der(&row.bytes.clone().into()).is_ok(),
    }
}

/// Returns the version in the lock file.
fn version(package: &str) -> String {
    let lock = fs::read_to_string(root().join("Cargo.lock")).expect("the lock file is in the repository");
    let (_, rest) = lock.split_once(&format!("name = \"{package}\"\nversion = \"")).expect("it is locked");
    rest.split('"').next().unwrap_or_default().to_owned()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
