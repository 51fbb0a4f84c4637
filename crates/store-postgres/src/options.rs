//! Settings of the connection to the database.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fleetcert_store::{StoreError, StoreErrorKind};
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use url::Url;

/// The database, the role, and the limits of the connections.
///
/// [`from_url`](Self::from_url) takes the usual URL; everything else has a default:
///
/// ```
/// use fleetcert_store_postgres::PostgresOptions;
/// use std::time::Duration;
///
/// let url = "postgres://fleet:secret@db.example.com/fleet";
/// let options = PostgresOptions::from_url(url)?
///     .with_root_certificate("/etc/fleetcert/database-ca.pem")
///     .with_max_connections(8)
///     .with_statement_timeout(Duration::from_secs(5));
/// assert!(!format!("{options:?}").contains("secret"));
/// # Ok::<(), fleetcert_store::StoreError>(())
/// ```
#[derive(Clone)]
pub struct PostgresOptions {
    host: String,
    port: u16,
    user: String,
    password: Option<SecretString>,
    database: String,
    encryption: Encryption,
    root_certificate: Option<PathBuf>,
    pub(crate) schema: Cow<'static, str>,
    pub(crate) max_connections: u32,
    pub(crate) connect_timeout: Duration,
    pub(crate) statement_timeout: Duration,
}

/// There is nothing in between: encryption to an unauthenticated server protects against no attacker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encryption {
    /// TLS with a certificate for the host.
    Verified,
    /// No TLS: a socket in the file system, or a trusted network.
    Off,
}

impl PostgresOptions {
    /// Parses a URL `postgres://USER:PASSWORD@HOST:PORT/DATABASE?…`, percent-encoded where needed.
    ///
    /// The default port is 5432. For a socket, the host is its folder:
    /// `postgres://USER@%2Frun%2Fpostgresql/DATABASE`. Supported parameters: `host`; `sslmode`, which is
    /// `verify-full` or `disable`; `sslrootcert`, the path of a file as in
    /// [`with_root_certificate`](Self::with_root_certificate). Without `sslmode`, connections to this machine are not
    /// encrypted, and all others are verified.
    ///
    /// The environment is not read, except by sqlx: `PGSSLROOTCERT` if no root certificate is given here, `PGSSLCERT`
    /// with `PGSSLKEY`, and `PGOPTIONS`.
    ///
    /// # Errors
    /// `InvalidInput` with the part that is invalid. The text contains none of the URL's values.
    pub fn from_url(url: &str) -> Result<Self, StoreError> {
        let parsed = Url::parse(url).map_err(|error| invalid(&format!("the database's URL: {error}")))?;
        if !matches!(parsed.scheme(), "postgres" | "postgresql") {
            return Err(invalid("the database's URL does not begin with postgres://"));
        }
        let mut host = decoded(parsed.host_str().unwrap_or_default(), "host")?;
        let (mut sslmode, mut root_certificate) = (None, None);
        for (name, value) in parsed.query_pairs() {
            match &*name {
                "host" => host = value.into_owned(),
                "sslmode" => sslmode = Some(value.into_owned()),
                "sslrootcert" => root_certificate = Some(PathBuf::from(value.into_owned())),
                _ => return Err(invalid("the database's URL has an unknown parameter")),
            }
        }
        // An IPv6 address is in brackets in a URL, and without them everywhere else.
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let encryption = match sslmode.as_deref() {
            Some("verify-full") => Encryption::Verified,
            Some("disable") => Encryption::Off,
            None if is_this_machine(&host) => Encryption::Off,
            None => Encryption::Verified,
            Some(_) => {
                return Err(invalid(
                    "sslmode must be verify-full or disable: the other modes do not authenticate the server",
                ));
            }
        };
        let options = Self {
            host,
            port: parsed.port().unwrap_or(5432),
            user: decoded(parsed.username(), "user")?,
            password: parsed
                .password()
                .map(|text| decoded(text, "password"))
                .transpose()?
                .map(SecretString::from),
            database: decoded(parsed.path().trim_start_matches('/'), "database")?,
            encryption,
            root_certificate,
            schema: Cow::Borrowed("fleetcert"),
            max_connections: 16,
            connect_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(10),
        };
        for (part, value) in
            [("host", &options.host), ("user", &options.user), ("database", &options.database)]
        {
            if value.is_empty() || value.contains('\0') {
                return Err(invalid(&format!("the database's URL has no {part}")));
            }
        }
        Ok(options)
    }

    /// Sets the schema that holds the tables. Default: `fleetcert`. Stores in different schemas are independent.
    ///
    /// # Errors
    /// `InvalidInput` unless it has 1 to 63 lower-case letters, digits and underscores and does not begin with a
    /// digit or with `pg_`.
    pub fn with_schema(self, schema: impl Into<String>) -> Result<Self, StoreError> {
        let schema = schema.into();
        let is_plain = |octet: u8| matches!(octet, b'a'..=b'z' | b'0'..=b'9' | b'_');
        let begins_well = schema.bytes().next().is_some_and(|first| !first.is_ascii_digit());
        if schema.len() > 63 || !schema.bytes().all(is_plain) || !begins_well || schema.starts_with("pg_") {
            return Err(invalid("the schema must have 1 to 63 lower-case letters, digits and underscores"));
        }
        Ok(Self { schema: Cow::Owned(schema), ..self })
    }

    /// Adds a PEM file of root certificates that are trusted besides the public ones (Mozilla's list).
    pub fn with_root_certificate(self, path: impl AsRef<Path>) -> Self {
        Self { root_certificate: Some(path.as_ref().to_owned()), ..self }
    }

    /// Sets the maximum connections of this store. Default: 16; 0 counts as 1. Calls over the maximum wait.
    pub fn with_max_connections(self, number: u32) -> Self {
        Self { max_connections: number.max(1), ..self }
    }

    /// Sets the maximum wait for a connection, including a new connection's TLS handshake and log-in. Default: 5 s.
    pub fn with_connect_timeout(self, time: Duration) -> Self {
        Self { connect_timeout: time, ..self }
    }

    /// Sets the maximum duration of a statement, after which the server rolls it back. Default: 10 s. Values are
    /// clamped to between 1 ms and a day.
    pub fn with_statement_timeout(self, time: Duration) -> Self {
        let bounded = time.clamp(Duration::from_millis(1), Duration::from_secs(24 * 3600));
        Self { statement_timeout: bounded, ..self }
    }

    /// Returns the options of a connection. Sets everything that sqlx allows, so that sqlx's defaults from the
    /// environment do not apply. Settings from `PGOPTIONS` come before ours, and the last one counts.
    pub(crate) fn session(&self) -> PgConnectOptions {
        let timeout = self.statement_timeout.as_millis();
        let mut session = PgConnectOptions::new_without_pgpass()
            .host(&self.host)
            .port(self.port)
            .username(&self.user)
            .database(&self.database)
            .password(self.password.as_ref().map_or("", |password| password.expose_secret()))
            .application_name("fleetcert")
            .ssl_mode(match self.encryption {
                Encryption::Verified => PgSslMode::VerifyFull,
                Encryption::Off => PgSslMode::Disable,
            })
            .options([
                ("search_path", self.schema.as_ref()),
                ("default_transaction_isolation", "read committed"),
                ("default_transaction_read_only", "off"),
                // A commit's promise must not depend on the server's settings.
                ("synchronous_commit", "on"),
                ("statement_timeout", &format!("{timeout}ms")),
                ("idle_in_transaction_session_timeout", &format!("{timeout}ms")),
                // Every statement of the store finds its rows by an index. A plan made while the table was small must
                // not be kept when the table has grown.
                ("enable_seqscan", "off"),
                ("enable_hashjoin", "off"),
                ("enable_mergejoin", "off"),
                ("jit", "off"),
            ])
            .disable_statement_logging();
        if let Some(path) = &self.root_certificate {
            session = session.ssl_root_cert(path);
        }
        session
    }
}

impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("user", &self.user)
            .field("database", &self.database)
            .field("encryption", &self.encryption)
            .field("schema", &self.schema)
            .field("max_connections", &self.max_connections)
            .finish_non_exhaustive()
    }
}

fn decoded(text: &str, part: &str) -> Result<String, StoreError> {
    let decoded = percent_decode_str(text).decode_utf8();
    Ok(decoded.map_err(|_| invalid(&format!("the {part} in the database's URL is not UTF-8")))?.into_owned())
}

/// Returns whether the host is a socket's folder or loopback.
fn is_this_machine(host: &str) -> bool {
    host.starts_with('/')
        || host == "localhost"
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn invalid(why: &str) -> StoreError {
    StoreError::new(StoreErrorKind::InvalidInput, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(url: &str) -> PostgresOptions {
        PostgresOptions::from_url(url).unwrap()
    }

    #[test]
    fn url_is_parsed_into_its_parts() {
        let options = from("postgres://fl%40et:p%3Aw%2F@db.example.com:6432/fleet?sslrootcert=/etc/ca.pem");
        let parts = (options.host.as_str(), options.port, options.user.as_str(), options.database.as_str());
        assert_eq!(parts, ("db.example.com", 6432, "fl@et", "fleet"));
        assert_eq!(options.password.unwrap().expose_secret(), "p:w/");
        assert_eq!(options.root_certificate.unwrap(), Path::new("/etc/ca.pem"));
        assert_eq!(from("postgres://u@%2Frun%2Fpostgresql/d").host, "/run/postgresql");
        assert_eq!(from("postgres://u@localhost/d?host=/tmp").host, "/tmp");
        assert_eq!(from("postgres://u@[::1]/d").host, "::1");
    }

    #[test]
    fn server_is_authenticated_unless_it_is_this_machine() {
        for (url, encryption) in [
            ("postgres://u@db.example.com/d", Encryption::Verified),
            ("postgres://u@192.0.2.1/d", Encryption::Verified),
            ("postgres://u@localhost.example.com/d", Encryption::Verified),
            ("postgres://u@db.example.com/d?sslmode=disable", Encryption::Off),
            ("postgres://u@localhost/d", Encryption::Off),
            ("postgres://u@127.0.0.1/d", Encryption::Off),
            ("postgres://u@[::1]/d", Encryption::Off),
            ("postgres://u@127.0.0.1/d?sslmode=verify-full", Encryption::Verified),
            ("postgres://u@%2Frun%2Fpostgresql/d", Encryption::Off),
        ] {
            assert_eq!(from(url).encryption, encryption, "{url}");
        }
    }

    #[test]
    fn invalid_url_is_rejected_without_showing_the_secret() {
        for url in [
            "",
            "mysql://u:hunter2@h/d",
            "postgres://u:hunter2@h/d?sslmode=require",
            "postgres://u:hunter2@h/d?sslmode=prefer",
            "postgres://u:hunter2@h/d?password=hunter2",
            "postgres://u:hunter2%FF@h/d",
            "postgres://u:hunter2@h:99999/d",
            "postgres://:hunter2@h/d",
            "postgres://u:hunter2@h/",
            "postgres://u:hunter2@/d",
            "postgres://u:hunter2@h/d%00",
        ] {
            let error = PostgresOptions::from_url(url).unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::InvalidInput, "{url}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
        let options = from("postgres://u:hunter2@h/d");
        assert!(!format!("{options:?}").contains("hunter2"));
    }

    #[test]
    fn schema_must_be_a_plain_name() {
        for schema in ["", "a b", "a\"b", "Fleet", "1st", "pg_mine", "a;b", "ü", &"s".repeat(64)] {
            assert!(from("postgres://u@h/d").with_schema(schema).is_err(), "{schema}");
        }
        assert_eq!(from("postgres://u@h/d").with_schema("node_2").unwrap().schema, "node_2");
    }

    #[test]
    fn connections_and_timeout_are_clamped() {
        let options = from("postgres://u@h/d").with_max_connections(0).with_statement_timeout(Duration::MAX);
        assert_eq!(options.max_connections, 1);
        assert_eq!(options.statement_timeout, Duration::from_secs(86400));
        // A statement timeout of 0 would mean none.
        let least = options.with_statement_timeout(Duration::ZERO);
        assert_eq!(least.statement_timeout, Duration::from_millis(1));
    }
}
