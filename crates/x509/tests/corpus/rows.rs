//! The rows of the corpus: `index.tsv`, and the keys in `known/`.

#![allow(clippy::panic, reason = "a corpus that is not whole is no corpus")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fleetcert_x509::{BlockedKeys, CsrPolicy, CsrRefusal, KeyKind, KnownKeys, NameGrant, VerifiedCsr};

/// One file and the expected answer of the gate.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) file: String,
    pub(crate) policy: String,
    pub(crate) grant: String,
    /// `ok`, or the code of the refusal.
    pub(crate) expected: String,
    pub(crate) made_by: String,
    pub(crate) what: String,
    pub(crate) bytes: Vec<u8>,
}

/// Returns the rows whose files are in `good` or in `hostile`.
pub(crate) fn rows(folder: &str) -> Vec<Row> {
    let index = fs::read_to_string(corpus().join("index.tsv")).expect("the index is in the repository");
    let lines = index.lines().filter(|line| !line.starts_with('#'));
    let rows = lines.map(|line| {
        let columns = line.split('\t').map(str::to_owned).collect::<Vec<_>>();
        let [file, policy, grant, expected, _tool, made_by, what] =
            columns.try_into().expect("a row has seven columns");
        let bytes = fs::read(corpus().join(&file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        Row { file, policy, grant, expected, made_by, what, bytes }
    });
    rows.filter(|row| row.file.starts_with(folder)).collect()
}

impl Row {
    /// Returns the policy that the row names, with its grant and the list of blocked keys.
    pub(crate) fn policy(&self) -> CsrPolicy {
        let preset = match self.policy.as_str() {
            "device" => CsrPolicy::device(),
            "device-rsa" => CsrPolicy::device().with_keys(&KeyKind::ALL),
            "device-no-null" => CsrPolicy::device().with_ecdsa_null_parameters(false),
            "device-new-key" => CsrPolicy::device().with_new_key_each_time(true),
            "lets_encrypt" => CsrPolicy::lets_encrypt(),
            other => panic!("{}: there is no policy {other}", self.file),
        };
        let blocked =
            BlockedKeys::from_file(corpus().join("known/blocked-keys.txt")).expect("the list is good");
        let policy = preset.with_blocklist(Arc::new(blocked));
        match self.grant.as_str() {
            "-" => policy,
            grant => policy.with_grant(grant.split(',').fold(NameGrant::default(), granted)),
        }
    }

    /// Checks these bytes by the policy, and then whether the key is in another use.
    pub(crate) fn judge(&self, policy: &CsrPolicy, bytes: &[u8]) -> Result<VerifiedCsr, CsrRefusal> {
        let csr = VerifiedCsr::parse(bytes, policy)?;
        csr.require_key(&known_keys(), policy)?;
        Ok(csr)
    }
}

/// Parses a grant: `*.base` is an optional wildcard, `.base` a subtree, anything else a required name.
fn granted(grant: NameGrant, name: &str) -> NameGrant {
    match (name.strip_prefix("*."), name.strip_prefix('.')) {
        (Some(_), _) => grant.and_optional(&name.parse().expect("a wildcard")),
        (_, Some(base)) => grant.and_subtree(base.parse().expect("a name")),
        _ => grant.and_exact(&name.parse().expect("a name")),
    }
}

fn known_keys() -> KnownKeys {
    let key = |name: &str| fs::read(corpus().join("known").join(name)).expect("the key is in the repository");
    KnownKeys::new()
        .with_other_device(&key("other-device.spki"))
        .with_identity(&key("identity.spki"))
        .with_account(&key("account.spki"))
        .with_previous(&key("previous.spki"))
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}
