//! The floors of `docs/architecture.md`: a crate depends only on crates of floors below its own.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const FLOORS: [&[&str]; 7] = [
    &["ambient", "names", "jose"],
    &["dns", "x509", "schedule", "store", "protocol", "https"],
    &["dns-wire", "acme", "acme-server", "agent", "store-postgres"],
    &["dns-lookup", "dns-rfc2136", "dns-http", "nameserver"],
    &["engine", "testkit"],
    &["control"],
    &["fleetcert"],
];

#[test]
fn arrows_point_downwards() {
    let floor_of: BTreeMap<&str, usize> = FLOORS
        .iter()
        .enumerate()
        .flat_map(|(floor, crates)| crates.iter().map(move |name| (*name, floor)))
        .collect();
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
    let mut seen = 0;
    for entry in fs::read_dir(crates).unwrap() {
        let folder = entry.unwrap().path();
        let name = folder.file_name().unwrap().to_str().unwrap();
        let floor = *floor_of.get(name).unwrap_or_else(|| panic!("{name} stands on no floor"));
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        // What tests depend on may stand anywhere.
        let (_, rest) = manifest.split_once("\n[dependencies]\n").unwrap_or_default();
        let dependencies = rest.split("\n[").next().unwrap_or_default();
        for line in dependencies.lines().filter_map(|line| line.strip_prefix("fleetcert-")) {
            let below = line.split(['.', ' ', '=']).next().unwrap_or_default();
            assert!(
                floor_of[below] < floor,
                "{name} (floor {floor}) depends on {below} (floor {})",
                floor_of[below]
            );
        }
        seen += 1;
    }
    assert_eq!(seen, floor_of.len(), "the table names crates that are not there");
}
