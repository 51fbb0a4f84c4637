//! The sentence of a refusal, which names the fault for the owner of the device.

use super::builder::*;
use crate::der::encode;
use crate::{CsrPolicy, CsrRefusalCode as Code, NameGrant, VerifiedCsr};

fn sentence(names: &[Vec<u8>]) -> String {
    VerifiedCsr::parse(&with_names(names), &CsrPolicy::device()).unwrap_err().to_string()
}

#[test]
fn sentence_names_the_fault_of_a_malformed_name() {
    let (label, name) = ("a".repeat(64), format!("{}.test", vec!["a".repeat(50); 5].join(".")));
    for (name, fault) in [
        ("a..b.test", "has an empty label"),
        (&format!("{label}.test"), "has a label of more than 63 characters"),
        (&name, "is too long"),
        ("-a.test", "has a label with a hyphen at its edge"),
        ("test", "has only one label"),
        ("a.test.", "ends with a dot"),
        ("a.b.c.d.e.f.g.h.i.j.test", "has more than ten labels"),
        ("ab--c.test", "has a label with hyphens in third and fourth place"),
        ("a.127", "ends with a number, as an IP address does"),
        ("a_b.test", "has a character other than letters, digits, hyphen and dot"),
    ] {
        let told = sentence(&[dns(name)]);
        assert!(told.contains(fault), "{told}");
    }
}

#[test]
fn sentence_names_the_kind_of_a_foreign_name() {
    for (tag, kind) in [
        (0xa0, "an otherName"),
        (0x81, "an email address"),
        (0xa3, "an X.400 address"),
        (0xa4, "a directory name"),
        (0xa5, "an EDI party name"),
        (0x86, "a URI"),
        (0x87, "an IP address"),
        (0x88, "a registered identifier"),
        (0x89, "something unknown"),
    ] {
        let constructed = tag & 0x20 != 0;
        let content: &[u8] = if constructed { &[0x05, 0] } else { &[10, 0, 0, 1] };
        let told = sentence(&[encode(tag, &[content])]);
        assert!(told.contains(kind), "{tag:#x}: {told}");
    }
}

/// Also with a grant, and not as a bad character: the asterisk belongs to a wildcard.
#[test]
fn second_asterisk_is_a_wildcard_that_was_not_granted() {
    let grant = NameGrant::optional(&"*.fleet.test".parse().unwrap());
    let policy = CsrPolicy::device().with_grant(grant);
    let refusal = VerifiedCsr::parse(&with_names(&[dns("*.*.test")]), &policy).unwrap_err();
    assert_eq!(refusal.code(), Code::WildcardNotGranted);
}
