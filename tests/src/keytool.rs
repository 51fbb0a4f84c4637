//! Java's keytool as a reader of the keystores that we write.

use std::path::Path;
use std::time::Duration;

use crate::{Deadline, Fault, Process, setting};

/// For one run; a Java machine takes its time to start.
const RUN: Duration = Duration::from_secs(60);

/// What keytool shows of a PKCS#12 keystore, certificates in PEM: `-list -rfc`.
///
/// # Errors
/// If it cannot read it, as with another passphrase.
pub fn list(keystore: &Path, passphrase: &str) -> Result<String, Fault> {
    Ok(run(&["-list", "-rfc"], keystore, passphrase)?.join("\n"))
}

/// Lets keytool use the key at `alias`: it makes a CSR, in PEM, by which the key signs.
///
/// # Errors
/// If there is no such key, or it cannot be decrypted.
pub fn sign_csr(keystore: &Path, passphrase: &str, alias: &str, name: &str) -> Result<String, Fault> {
    let (san, subject) = (format!("san=dns:{name}"), format!("CN={name}"));
    let request = ["-certreq", "-alias", alias, "-dname", &subject, "-ext", &san];
    Ok(run(&request, keystore, passphrase)?.join("\n"))
}

fn run(arguments: &[&str], keystore: &Path, passphrase: &str) -> Result<Vec<String>, Fault> {
    let what = format!("keytool {}", arguments.first().copied().unwrap_or_default());
    let finished = Process::start(&what, setting::peer_program("keytool")?, |command| {
        command.args(arguments).args(["-storetype", "PKCS12", "-storepass", passphrase]);
        command.arg("-keystore").arg(keystore).env("LC_ALL", "C")
    })?
    .finish(Deadline::after(RUN))?;
    Ok(finished.success(&what)?.stdout)
}
