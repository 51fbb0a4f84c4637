//! A resolver from its URL.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use fleetcert_dns_lookup::{Resolver, Tls};
use fleetcert_https::ClientBuilder;

/// Where Debian, Alpine and Arch keep the roots of public CAs.
const SYSTEM_ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The resolver of a `--resolver` flag.
pub(crate) fn of(url: &str, roots: Option<&Path>) -> Result<Resolver, String> {
    let wrong = |what: &str| format!("--resolver {url}: {what}");
    match url.split_once("://") {
        Some(("udp", rest)) => address(rest, 53).map(Resolver::plain).map_err(|what| wrong(&what)),
        Some(("tcp", rest)) => address(rest, 53).map(Resolver::tcp).map_err(|what| wrong(&what)),
        Some(("tls", rest)) => over_tls(rest, roots).map_err(|what| wrong(&what)),
        Some(("https", _)) => over_https(url, roots).map_err(|what| wrong(&what)),
        _ => Err(wrong("begin with udp://, tcp://, tls:// or https://")),
    }
}

fn over_tls(rest: &str, roots: Option<&Path>) -> Result<Resolver, String> {
    let (server, name) = rest.split_once('#').unwrap_or((rest, ""));
    let server = address(server, Tls::PORT)?;
    // Some certificates are for the address itself.
    let name = if name.is_empty() { server.ip().to_string() } else { name.to_owned() };
    let file = roots.unwrap_or(Path::new(SYSTEM_ROOTS));
    let tls = Tls::trusting_pem(&name, &read(file)?);
    tls.map(|tls| Resolver::tls(server, tls)).map_err(|error| format!("{error} ({})", file.display()))
}

fn over_https(url: &str, roots: Option<&Path>) -> Result<Resolver, String> {
    let mut client = ClientBuilder::new("fleetcert-diagnose");
    if let Some(file) = roots {
        client =
            client.only_roots_pem(&read(file)?).map_err(|error| format!("{error} ({})", file.display()))?;
    }
    let client = client.build().map_err(|error| error.to_string())?;
    Resolver::https(url, client).map_err(|error| error.to_string())
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    let hint = "give the file with the roots by --roots";
    std::fs::read(file)
        .map_err(|error| format!("the roots {} cannot be read: {error}; {hint}", file.display()))
}

/// An address, at this port unless it has another.
pub(crate) fn address(text: &str, port: u16) -> Result<SocketAddr, String> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    text.parse().or_else(|_| bare.parse::<IpAddr>().map(|address| (address, port).into())).map_err(|_| {
        "give an IP address, with a port or without: 192.0.2.1, 192.0.2.1:5353, [2001:db8::1]:53".to_owned()
    })
}
