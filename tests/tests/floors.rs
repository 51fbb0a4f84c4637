//! The layers of `docs/architecture.md`: a crate depends only on crates of layers below its own.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const LAYERS: [&[&str]; 7] = [
    &["ambient", "names", "jose"],
    &["dns", "x509", "schedule", "store", "protocol", "https"],
    &["dns-wire", "acme", "acme-server", "agent", "store-postgres", "planner"],
    &["dns-lookup", "dns-rfc2136", "dns-http", "nameserver"],
    &["engine", "testkit"],
    &["control"],
    &["fleetcert"],
];

#[test]
fn crate_depends_only_on_lower_layers() {
    let layer_of: BTreeMap<&str, usize> = LAYERS
        .iter()
        .enumerate()
        .flat_map(|(layer, crates)| crates.iter().map(move |name| (*name, layer)))
        .collect();
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
    let mut seen = 0;
    for entry in fs::read_dir(crates).unwrap() {
        let folder = entry.unwrap().path();
        let name = folder.file_name().unwrap().to_str().unwrap();
        let layer = *layer_of.get(name).unwrap_or_else(|| panic!("{name} is in no layer"));
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        // What tests depend on may stand anywhere.
        let (_, rest) = manifest.split_once("\n[dependencies]\n").unwrap_or_default();
        let dependencies = rest.split("\n[").next().unwrap_or_default();
        for line in dependencies.lines().filter_map(|line| line.strip_prefix("fleetcert-")) {
            let below = line.split(['.', ' ', '=']).next().unwrap_or_default();
            assert!(
                layer_of[below] < layer,
                "{name} (layer {layer}) depends on {below} (layer {})",
                layer_of[below]
            );
        }
        seen += 1;
    }
    assert_eq!(seen, layer_of.len(), "the table names crates that are not there");
}
