//! Arbitrary files added to an inventory, with and without known roots.
#![no_main]

use std::time::SystemTime;

use fleetcert_x509::Roots;
use inventory::Inventory;

#[path = "../../examples/inventory/entry.rs"]
mod entry;
#[path = "../../examples/inventory/inventory.rs"]
mod inventory;
#[path = "../../examples/inventory/links.rs"]
mod links;
#[path = "../../examples/inventory/state.rs"]
mod state;
#[path = "../../examples/inventory/table.rs"]
mod table;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let (before, after) = bytes.split_at(bytes.len() / 2);
    for roots in [None, Roots::from_pem(bytes).ok()] {
        let mut inventory = Inventory::new(roots);
        inventory.add("whole", bytes);
        inventory.add("before", before);
        inventory.add("after", after);
        let once = inventory.entries().len();
        inventory.add("again", bytes);
        for entry in &inventory.entries()[once..] {
            assert!(entry.duplicate_of().is_some(), "{entry:?}");
        }
        let table = inventory.table(SystemTime::UNIX_EPOCH, 30);
        assert!(table.chars().all(|character| character == '\n' || !character.is_control()), "{table:?}");
    }
});
