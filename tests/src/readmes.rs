//! The code in the README files of the repository and of the crates, compiled and run as doc tests.

macro_rules! readmes {
    ($($name:ident = $path:literal),* $(,)?) => {
        $(#[doc = include_str!(concat!("../../", $path, "README.md"))] mod $name {})*
    };
}

readmes! {
    repository = "",
    fleetcert = "crates/fleetcert/",
    acme = "crates/acme/",
    acme_server = "crates/acme-server/",
    agent = "crates/agent/",
    ambient = "crates/ambient/",
    control = "crates/control/",
    dns = "crates/dns/",
    dns_http = "crates/dns-http/",
    dns_lookup = "crates/dns-lookup/",
    dns_rfc2136 = "crates/dns-rfc2136/",
    dns_wire = "crates/dns-wire/",
    engine = "crates/engine/",
    https = "crates/https/",
    jose = "crates/jose/",
    names = "crates/names/",
    nameserver = "crates/nameserver/",
    protocol = "crates/protocol/",
    schedule = "crates/schedule/",
    store = "crates/store/",
    store_postgres = "crates/store-postgres/",
    testkit = "crates/testkit/",
    x509 = "crates/x509/",
}
