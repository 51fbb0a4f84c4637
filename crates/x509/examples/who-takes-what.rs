//! Updates the table in `docs/csr-gate.md`: the hostile corpus checked by the gate, x509-parser and rcgen.

#[path = "../tests/corpus/rows.rs"]
#[allow(dead_code, reason = "only the rows are needed, not what the gate says")]
mod corpus;
#[path = "../tests/corpus/table.rs"]
mod table;

fn main() -> std::io::Result<()> {
    let (path, _, renewed) = table::page();
    std::fs::write(path, renewed)
}
