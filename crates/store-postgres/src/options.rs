//! How to reach the database.

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

/// Which database, as whom, and within which bounds.
///
/// [`from_url`](Self::from_url) takes what most tools take; everything else has a default that can be changed:
///
/// ```
/// use fleetcert_store_postgres::PostgresOptions;
/// use std::time::Duration;
/// let options = PostgresOptions::from_url("postgres://fleet:secret@db.example.com/fleet")?
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

/// There is nothing between: encryption towards whoever answers protects from no attacker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encryption {
    /// TLS with a certificate that names the host.
    Verified,
    /// None: a socket in the file system, or a network where nobody else listens.
    Off,
}

impl PostgresOptions {
    /// The options in a URL `postgres://USER:PASSWORD@HOST:PORT/DATABASE?…`, percent-encoded where needed.
    ///
    /// Without a port it is 5432. A socket is named by its folder: `postgres://USER@%2Frun%2Fpostgresql/DATABASE`.
    /// These parameters are known: `host`; `sslmode`, which is `verify-full` or `disable`; `sslrootcert`, the path of a
    /// file as in [`with_root_certificate`](Self::with_root_certificate). Without `sslmode`, connections to this
    /// machine are not encrypted, and all others are verified.
    ///
    /// The environment is not asked, with an exception that is sqlx's: `PGSSLROOTCERT`, where no root certificate is
    /// given here, `PGSSLCERT` with `PGSSLKEY`, and `PGOPTIONS`.
    ///
    /// # Errors
    /// `InvalidInput` with the part that cannot be used. The text holds nothing of the URL's values.
    pub fn from_url(url: &str) -> Result<Self, StoreError> {
        let parsed = Url::parse(url).map_err(|error| invalid(&format!("the database's URL: {error}")))?;
        if !matches!(parsed.scheme(), "postgres" | "postgresql") {
            return Err(invalid("the database's URL begins with postgres://"));
        }
        let mut host = decoded(parsed.host_str().unwrap_or_default(), "host")?;
        let (mut sslmode, mut root_certificate) = (None, None);
        for (name, value) in parsed.query_pairs() {
            match &*name {
                "host" => host = value.into_owned(),
                "sslmode" => sslmode = Some(value.into_owned()),
                "sslrootcert" => root_certificate = Some(PathBuf::from(value.into_owned())),
                _ => return Err(invalid("the database's URL has a parameter that is not known")),
            }
        }
        // An address of version 6 stands in brackets in a URL and without them everywhere else.
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let encryption = match sslmode.as_deref() {
            Some("verify-full") => Encryption::Verified,
            Some("disable") => Encryption::Off,
            None if is_this_machine(&host) => Encryption::Off,
            None => Encryption::Verified,
            Some(_) => {
                return Err(invalid(
                    "sslmode is verify-full or disable: the others do not find out who answers",
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
                return Err(invalid(&format!("the database's URL names no {part}")));
            }
        }
        Ok(options)
    }

    /// The schema that holds the tables, `fleetcert` by default. Stores in two schemas know nothing of each other.
    ///
    /// # Errors
    /// `InvalidInput` unless it is 1 to 63 lower-case letters, digits and underscores, not beginning with a digit or
    /// with `pg_`.
    pub fn with_schema(self, schema: impl Into<String>) -> Result<Self, StoreError> {
        let schema = schema.into();
        let is_plain = |octet: u8| matches!(octet, b'a'..=b'z' | b'0'..=b'9' | b'_');
        let begins_well = schema.bytes().next().is_some_and(|first| !first.is_ascii_digit());
        if schema.len() > 63 || !schema.bytes().all(is_plain) || !begins_well || schema.starts_with("pg_") {
            return Err(invalid("a schema is 1 to 63 lower-case letters, digits and underscores"));
        }
        Ok(Self { schema: Cow::Owned(schema), ..self })
    }

    /// A PEM file of roots that the server's certificate may be issued by, besides the public ones (Mozilla's list).
    pub fn with_root_certificate(self, path: impl AsRef<Path>) -> Self {
        Self { root_certificate: Some(path.as_ref().to_owned()), ..self }
    }

    /// The most connections of this store at a time, 16 by default; 0 is taken for 1. More calls than that wait.
    pub fn with_max_connections(self, number: u32) -> Self {
        Self { max_connections: number.max(1), ..self }
    }

    /// How long a call waits for a connection, 5 s by default. That holds a new connection's TLS and log-in too.
    pub fn with_connect_timeout(self, time: Duration) -> Self {
        Self { connect_timeout: time, ..self }
    }

    /// How long a statement may take, 10 s by default: the server ends it then, and nothing of it is made. It is
    /// brought to between 1 ms and a day.
    pub fn with_statement_timeout(self, time: Duration) -> Self {
        let bounded = time.clamp(Duration::from_millis(1), Duration::from_secs(24 * 3600));
        Self { statement_timeout: bounded, ..self }
    }

    /// The options of a connection, set here as far as sqlx lets them be set, so that its defaults from the environment
    /// do not count. What is set in `PGOPTIONS` stands before ours, and the last one counts.
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
                // What a commit promises does not depend on the server's settings.
                ("synchronous_commit", "on"),
                ("statement_timeout", &format!("{timeout}ms")),
                ("idle_in_transaction_session_timeout", &format!("{timeout}ms")),
                // Every statement of the store finds its rows by an index. A plan that was made while the table was
                // small must not be kept when it has grown.
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

/// A socket's folder, or the loopback.
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
    fn a_url_is_taken_apart() {
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
    fn who_answers_is_found_out_unless_it_is_this_machine() {
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
    fn what_cannot_be_used_is_refused_and_the_secret_kept() {
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
    fn a_schema_is_a_plain_name() {
        for schema in ["", "a b", "a\"b", "Fleet", "1st", "pg_mine", "a;b", "ü", &"s".repeat(64)] {
            assert!(from("postgres://u@h/d").with_schema(schema).is_err(), "{schema}");
        }
        assert_eq!(from("postgres://u@h/d").with_schema("node_2").unwrap().schema, "node_2");
    }

    #[test]
    fn bounds_hold() {
        let options = from("postgres://u@h/d").with_max_connections(0).with_statement_timeout(Duration::MAX);
        assert_eq!(options.max_connections, 1);
        assert_eq!(options.statement_timeout, Duration::from_secs(86400));
        // A statement time-out of 0 would be none.
        let least = options.with_statement_timeout(Duration::ZERO);
        assert_eq!(least.statement_timeout, Duration::from_millis(1));
    }
}
