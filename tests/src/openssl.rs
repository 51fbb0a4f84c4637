//! OpenSSL as a stranger who makes a CSR, and as a judge of what we serve and write.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::{Deadline, Fault, Finished, Process, setting};

/// For one run of the command.
const RUN: Duration = Duration::from_secs(15);

/// The form in which a private key is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyForm {
    /// `BEGIN PRIVATE KEY`, as `openssl genpkey` writes it.
    Pkcs8,
    /// `BEGIN EC PRIVATE KEY` (RFC 5915), as `openssl ecparam -genkey` writes it.
    Sec1,
}

/// A CSR and the P-256 key that it is for, as PEM files.
#[derive(Debug, Clone)]
pub struct CsrFiles {
    /// The PKCS#10 request.
    pub csr: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// Makes a P-256 key and a CSR with an empty subject and one DNS name, in `folder`.
///
/// # Errors
/// If the command is missing or fails.
pub fn make_csr(folder: &Path, name: &str, form: KeyForm) -> Result<CsrFiles, Fault> {
    let files = CsrFiles { csr: folder.join("openssl.csr.pem"), key: folder.join("openssl.key.pem") };
    let (csr, key) = (path_text(&files.csr)?, path_text(&files.key)?);
    match form {
        KeyForm::Pkcs8 => {
            run(&["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key])?;
        }
        KeyForm::Sec1 => {
            run(&["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key])?;
        }
    }
    let san = format!("subjectAltName=DNS:{name}");
    run(&["req", "-new", "-key", key, "-subj", "/", "-addext", &san, "-out", csr])?;
    Ok(files)
}

/// The form of a CSR in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CsrForm {
    /// DER.
    Der,
    /// PEM.
    Pem,
}

/// A CSR as OpenSSL reads it.
#[derive(Debug)]
pub struct ReadCsr {
    /// The DNS names among the subject alternative names, in lower case. OpenSSL shows no others as `DNS:`.
    pub names: BTreeSet<String>,
    /// The common name, if there is one.
    pub common_name: Option<String>,
    /// The SubjectPublicKeyInfo in DER.
    pub spki: Vec<u8>,
    /// All that it shows.
    pub text: String,
}

/// Lets OpenSSL read a CSR and verify its signature.
///
/// # Errors
/// If it cannot be read, or the signature is not good.
pub fn read_csr(file: &Path, form: CsrForm) -> Result<ReadCsr, Fault> {
    let file = path_text(file)?;
    let form = if form == CsrForm::Der { "DER" } else { "PEM" };
    let req = |options: &[&str]| run(&[&["req", "-in", file, "-inform", form, "-noout"], options].concat());
    let verdict = req(&["-verify"])?;
    let said = [verdict.stdout, verdict.stderr].concat().join("\n");
    if !said.contains("verify OK") {
        return Err(Fault::new(format!("openssl req -verify said of {file}:\n    {said}")));
    }
    let text = req(&["-text"])?.stdout;
    let names = text.iter().skip_while(|line| !line.contains("X509v3 Subject Alternative Name:")).nth(1);
    let names = names.into_iter().flat_map(|line| line.split(','));
    let names =
        names.filter_map(|name| name.trim().strip_prefix("DNS:")).map(str::to_ascii_lowercase).collect();
    let subject = req(&["-subject", "-nameopt", "sep_multiline,utf8"])?.stdout;
    let common_name = subject.iter().find_map(|line| line.trim().strip_prefix("CN=")).map(str::to_owned);
    let key = req(&["-pubkey"])?.stdout;
    let base64 = key.iter().filter(|line| !line.starts_with("-----")).map(String::as_str).collect::<String>();
    let spki =
        STANDARD.decode(&base64).map_err(|error| Fault::new(format!("openssl req -pubkey: {error}")))?;
    Ok(ReadCsr { names, common_name, spki, text: text.join("\n") })
}

/// A chain that OpenSSL issued under a root of its own, as PEM files.
#[derive(Debug, Clone)]
pub struct ChainFiles {
    /// The root certificate.
    pub root: PathBuf,
    /// The leaf, issued directly under the root.
    pub chain: PathBuf,
    /// The leaf's private key.
    pub key: PathBuf,
}

/// Makes a root and a leaf for one DNS name, in `folder`; earlier ones there are written over.
///
/// # Errors
/// If the command is missing or fails.
pub fn make_chain(folder: &Path, name: &str) -> Result<ChainFiles, Fault> {
    let root_key = folder.join("openssl.root.key.pem");
    let files = ChainFiles {
        root: folder.join("openssl.root.pem"),
        chain: folder.join("openssl.chain.pem"),
        key: folder.join("openssl.chain.key.pem"),
    };
    let (root, root_key) = (path_text(&files.root)?, path_text(&root_key)?);
    let new =
        ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
    let as_root = ["-subj", "/CN=root", "-addext", "keyUsage=keyCertSign", "-keyout", root_key, "-out", root];
    run(&[new.as_slice(), &as_root].concat())?;
    let san = format!("subjectAltName=DNS:{name}");
    let (chain, key) = (path_text(&files.chain)?, path_text(&files.key)?);
    let under_root = ["-subj", "/", "-CA", root, "-CAkey", root_key, "-keyout", key, "-out", chain];
    let as_leaf = ["-addext", san.as_str(), "-addext", "basicConstraints=critical,CA:FALSE"];
    run(&[new.as_slice(), &under_root, &as_leaf].concat())?;
    Ok(files)
}

/// Makes a root, an intermediate and a leaf for one DNS name, in `folder`; the chain has the last two.
///
/// # Errors
/// If the command is missing or fails.
pub fn make_chain_of_three(folder: &Path, name: &str) -> Result<ChainFiles, Fault> {
    let made = make_chain(folder, name)?;
    let [intermediate, intermediate_key, leaf, key] =
        ["intermediate.pem", "intermediate.key.pem", "leaf.pem", "leaf.key.pem"]
            .map(|file| folder.join(file));
    let root_key = folder.join("openssl.root.key.pem");
    let san = format!("subjectAltName=DNS:{name}");
    let as_authority = ["-subj", "/CN=intermediate", "-addext", "basicConstraints=critical,CA:TRUE"];
    let as_leaf = ["-subj", "/", "-addext", "basicConstraints=critical,CA:FALSE", "-addext", &san];
    for (what, (issuer, issuer_key), (certificate, key)) in [
        (as_authority.as_slice(), (&made.root, &root_key), (&intermediate, &intermediate_key)),
        (as_leaf.as_slice(), (&intermediate, &intermediate_key), (&leaf, &key)),
    ] {
        let new =
            ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
        let under = ["-CA", path_text(issuer)?, "-CAkey", path_text(issuer_key)?];
        let to = ["-keyout", path_text(key)?, "-out", path_text(certificate)?];
        run(&[new.as_slice(), what, &under, &to].concat())?;
    }
    let read = |file: &Path| fs::read(file).map_err(Fault::while_doing("a chain"));
    let chain = folder.join("chain.of.three.pem");
    fs::write(&chain, [read(&leaf)?, read(&intermediate)?].concat())
        .map_err(Fault::while_doing("a chain"))?;
    Ok(ChainFiles { root: made.root, chain, key })
}

/// Makes a certificate of a private key by itself, for one DNS name, in `folder`.
///
/// # Errors
/// If the command is missing or fails.
pub fn make_self_signed(folder: &Path, key: &Path, name: &str) -> Result<PathBuf, Fault> {
    let certificate = folder.join("openssl.self-signed.pem");
    let (key, out) = (path_text(key)?, path_text(&certificate)?);
    let (subject, san) = (format!("/CN={name}"), format!("subjectAltName=DNS:{name}"));
    run(&["req", "-x509", "-key", key, "-subj", &subject, "-addext", &san, "-days", "2", "-out", out])?;
    Ok(certificate)
}

/// A PKCS#12 file as OpenSSL reads it.
#[derive(Debug)]
pub struct ReadPkcs12 {
    /// The certificates and the unencrypted key in PEM, with the attributes of their bags between.
    pub pem: String,
    /// How the file is protected, as `-info` says it.
    pub protection: String,
}

/// Lets OpenSSL verify the MAC of a PKCS#12 file and decrypt it.
///
/// # Errors
/// If it cannot, as with another passphrase.
pub fn read_pkcs12(file: &Path, passphrase: &str) -> Result<ReadPkcs12, Fault> {
    let passphrase = format!("pass:{passphrase}");
    let read = run(&["pkcs12", "-in", path_text(file)?, "-nodes", "-info", "-passin", &passphrase])?;
    Ok(ReadPkcs12 { pem: read.stdout.join("\n"), protection: read.stderr.join("\n") })
}

/// `openssl s_server`, which serves a page of its own at a free loopback port.
#[derive(Debug)]
pub struct PageServer {
    address: SocketAddr,
    _process: Process,
}

impl PageServer {
    /// Serves with this chain and key until dropped.
    ///
    /// # Errors
    /// If the command ends, or does not listen in time.
    pub fn start(files: &ChainFiles) -> Result<Self, Fault> {
        let process = Process::start("openssl s_server", setting::peer_program("openssl")?, |command| {
            command.args(["s_server", "-www", "-accept", "127.0.0.1:0"]);
            command.arg("-cert").arg(&files.chain).arg("-key").arg(&files.key)
        })?;
        let address = process.wait_for_stdout("the port", Deadline::after(RUN), |line| {
            line.strip_prefix("ACCEPT ").and_then(|address| address.parse().ok())
        })?;
        Ok(Self { address, _process: process })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// What `openssl s_client` found at a server.
#[derive(Debug)]
pub struct Judgement {
    /// The protocol, `TLSv1.3` or `TLSv1.2`.
    pub protocol: String,
    /// The name under which it was verified.
    pub verified_name: String,
}

/// Shakes hands with the server and checks its chain against `root` alone, and its leaf against `name`.
///
/// # Errors
/// If the handshake or the check fails; the fault holds what OpenSSL said.
pub fn judge_server(address: SocketAddr, name: &str, root: &Path) -> Result<Judgement, Fault> {
    judge(address, name, root, &[])
}

/// The same where TLS begins after a command of `protocol`, such as `smtp` or `imap`.
///
/// # Errors
/// As [`judge_server`].
pub fn judge_starttls(
    address: SocketAddr,
    protocol: &str,
    name: &str,
    root: &Path,
) -> Result<Judgement, Fault> {
    judge(address, name, root, &["-starttls", protocol])
}

fn judge(address: SocketAddr, name: &str, root: &Path, options: &[&str]) -> Result<Judgement, Fault> {
    let address = address.to_string();
    let arguments = [
        "s_client",
        "-connect",
        &address,
        "-servername",
        name,
        "-verify_return_error",
        "-verify_hostname",
        name,
        "-CAfile",
        path_text(root)?,
        "-no-CApath",
        "-no-CAstore",
        "-brief",
    ];
    let finished = run(&[&arguments, options].concat())?;
    // `-brief` reports to standard error.
    let value = |label: &str| {
        let found = finished.stderr.iter().find_map(|line| line.strip_prefix(label));
        found.map(|value| value.trim().to_owned()).ok_or_else(|| {
            Fault::new(format!(
                "openssl s_client printed no '{label}':\n    {}",
                finished.stderr.join("\n    ")
            ))
        })
    };
    if value("Verification:")? != "OK" {
        return Err(Fault::new(format!(
            "openssl s_client did not verify:\n    {}",
            finished.stderr.join("\n    ")
        )));
    }
    Ok(Judgement { protocol: value("Protocol version:")?, verified_name: value("Verified peername:")? })
}

/// Checks a written chain (leaf first) against `root` alone, and its leaf against `name`.
///
/// # Errors
/// If the check fails; the fault holds what OpenSSL said.
pub fn judge_chain(chain: &Path, name: &str, root: &Path) -> Result<(), Fault> {
    let (chain, root) = (path_text(chain)?, path_text(root)?);
    run(&[
        "verify",
        "-no-CApath",
        "-no-CAstore",
        "-verify_hostname",
        name,
        "-purpose",
        "sslserver",
        "-CAfile",
        root,
        "-untrusted",
        chain,
        chain,
    ])
    .map(|_| ())
}

/// Checks that a written key belongs to the leaf of a written chain.
///
/// # Errors
/// If it does not, or a file is unreadable to OpenSSL.
pub fn judge_key(chain: &Path, key: &Path) -> Result<(), Fault> {
    let of_chain = run(&["x509", "-in", path_text(chain)?, "-noout", "-pubkey"])?.stdout;
    let of_key = run(&["pkey", "-in", path_text(key)?, "-pubout"])?.stdout;
    if of_chain == of_key {
        return Ok(());
    }
    Err(Fault::new(format!("{} is not the key of {}", key.display(), chain.display())))
}

/// Runs the command with these arguments and no configuration of the machine.
fn run(arguments: &[&str]) -> Result<Finished, Fault> {
    let what = format!("openssl {}", arguments.first().copied().unwrap_or_default());
    Process::start(&what, setting::peer_program("openssl")?, |command| {
        command.args(arguments).env("LC_ALL", "C")
    })?
    .finish(Deadline::after(RUN))?
    .success(&what)
}

fn path_text(path: &Path) -> Result<&str, Fault> {
    path.to_str().ok_or_else(|| Fault::new(format!("{} is not UTF-8", path.display())))
}
