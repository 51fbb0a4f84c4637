//! The certificate of the control server itself.

use std::path::{Path, PathBuf};

use fleetcert_https::Certificates;

use crate::error::{SetupError, SetupErrorKind};
use crate::state_dir::StateDir;

/// Where the control server's certificate comes from.
#[derive(Clone, Debug)]
pub(crate) enum OwnCertificate {
    /// Two PEM files.
    Files { chain: PathBuf, key: PathBuf },
    /// Made at the first start and kept in the state folder. Devices get the file `control.pem` to trust.
    SelfSigned,
}

/// The self-signed certificate without its key, in the state folder, for devices.
pub(crate) const TRUST_FILE: &str = "control.pem";

impl OwnCertificate {
    /// Puts what is to be served for `host` into `certificates`.
    pub(crate) fn load(
        &self,
        host: &str,
        state: &StateDir,
        certificates: &Certificates,
    ) -> Result<(), SetupError> {
        match self {
            Self::Files { chain, key } => {
                let (chain_pem, key_pem) = (read(chain)?, read(key)?);
                let what = format!("{} with {}", chain.display(), key.display());
                serve(certificates, &chain_pem, &key_pem, &what)
            }
            Self::SelfSigned => {
                // One file for each host, so that another public URL gets another certificate.
                let name = format!("control-{}.pem", host.trim_matches(['[', ']']));
                let pair = match state.read(&name)? {
                    Some(pair) => pair,
                    None => {
                        let (key, certificate) = make(host)?;
                        let pair = format!("{key}{certificate}").into_bytes();
                        state.write(&name, &pair)?;
                        pair
                    }
                };
                serve(certificates, &pair, &pair, &state.file(&name).display().to_string())?;
                state.write(TRUST_FILE, &without_key(&pair))
            }
        }
    }
}

/// A key and a self-signed certificate that is not a CA's: TLS clients refuse a CA's as a server's own.
fn make(host: &str) -> Result<(String, String), SetupError> {
    let made =
        rcgen::generate_simple_self_signed([host.trim_matches(['[', ']']).to_owned()]).map_err(|error| {
            let context = format!("cannot make a certificate for {host}");
            SetupError::new(SetupErrorKind::Tls, context, error, "name a host or an address in public_url()")
        })?;
    Ok((made.signing_key.serialize_pem(), made.cert.pem()))
}

fn without_key(pair: &[u8]) -> Vec<u8> {
    const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
    let start = pair.windows(BEGIN.len()).position(|window| window == BEGIN);
    pair[start.unwrap_or(pair.len())..].to_vec()
}

fn serve(certificates: &Certificates, chain: &[u8], key: &[u8], what: &str) -> Result<(), SetupError> {
    certificates.replace_pem(chain, key).map_err(|error| {
        let remedy =
            "give tls() a PEM file with the chain, leaf first, and a PEM file with the key of its leaf";
        SetupError::new(SetupErrorKind::Tls, format!("cannot serve {what}"), error, remedy)
    })
}

fn read(path: &Path) -> Result<Vec<u8>, SetupError> {
    std::fs::read(path).map_err(|error| {
        let context = format!("cannot read {}", path.display());
        SetupError::new(SetupErrorKind::Tls, context, error, "check the paths that you gave tls()")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn self_signed_pair_is_kept_and_its_key_is_not_in_the_trust_file() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::open(home.path()).unwrap();
        for host in ["control.example.com", "127.0.0.1", "[::1]"] {
            OwnCertificate::SelfSigned.load(host, &state, &Certificates::empty()).unwrap();
            let first = state.read(TRUST_FILE).unwrap().unwrap();
            OwnCertificate::SelfSigned.load(host, &state, &Certificates::empty()).unwrap();
            assert_eq!(state.read(TRUST_FILE).unwrap().unwrap(), first, "{host}: the certificate stays");
            let text = String::from_utf8(first).unwrap();
            assert!(text.starts_with("-----BEGIN CERTIFICATE") && !text.contains("PRIVATE"), "{host}");
        }
    }

    #[test]
    fn missing_file_is_named() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::open(home.path()).unwrap();
        let files = OwnCertificate::Files {
            chain: "/nonexistent/chain.pem".into(),
            key: "/nonexistent/key.pem".into(),
        };
        let error = files.load("control.example.com", &state, &Certificates::empty()).unwrap_err();
        assert_eq!(error.kind(), SetupErrorKind::Tls);
        assert!(error.to_string().contains("/nonexistent/chain.pem"), "{error}");
    }
}
