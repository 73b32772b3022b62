//! A PostgreSQL server with a logical database and a role for each service that depends on it.

use serde::{Deserialize, Serialize};

use super::{NetworkSpec, Ref};
use crate::Result;
use crate::resource::Value;
use crate::scope::Scope;
use crate::units::GiB;

/// How one cloud makes a PostgreSQL server.
pub trait Database: Send + Sync {
    /// Adds to `scope` the native resources that make up `spec`. Pure: no clock, no randomness, no I/O.
    ///
    /// # Errors
    /// What is wrong with the spec on this cloud.
    fn expand_database(&self, spec: &DatabaseSpec, scope: &mut Scope<'_>) -> Result<DatabaseOutputs>;
}

/// A PostgreSQL server as a user means it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct DatabaseSpec {
    /// The network whose data subnets it stands in.
    pub network: Ref<NetworkSpec>,
    /// PostgreSQL's major version, such as `17`.
    pub version: String,
    /// How large the server is.
    pub size: Size,
    /// Storage at the start.
    pub storage: GiB,
    /// Storage it may grow to by itself.
    pub storage_limit: GiB,
    /// Whether a second server in another zone stands by.
    pub high_availability: bool,
    /// How many days of backups to keep; 0 keeps none.
    pub backup_days: u16,
    /// When the cloud may restart it.
    pub maintenance: Maintenance,
    /// Whether the cloud refuses to delete it.
    pub deletion_protection: bool,
}

/// How large a server is, in terms that each cloud translates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Size {
    /// At least this many CPUs and this much memory.
    AtLeast {
        /// Virtual CPUs.
        vcpu: u32,
        /// Memory.
        memory: GiB,
    },
    /// Exactly this class of the cloud, such as `db.m7g.large`.
    Named(String),
}

/// A weekly hour, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maintenance {
    /// The day.
    pub day: Weekday,
    /// The hour it starts, 0 to 23.
    pub hour: u8,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Weekday {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl DatabaseSpec {
    /// A PostgreSQL server of two CPUs and 8 GiB with 50 GiB of storage that may grow to 500, in two zones, with 14 days
    /// of backups, maintained on Sundays at 03:00 UTC, that the cloud refuses to delete.
    #[must_use]
    pub fn postgres(network: &Ref<NetworkSpec>, version: &str) -> Self {
        Self {
            network: network.clone(),
            version: version.to_owned(),
            size: Size::AtLeast { vcpu: 2, memory: GiB(8) },
            storage: GiB(50),
            storage_limit: GiB(500),
            high_availability: true,
            backup_days: 14,
            maintenance: Maintenance { day: Weekday::Sunday, hour: 3 },
            deletion_protection: true,
        }
    }

    /// Sets the size.
    #[must_use]
    pub fn size(mut self, size: Size) -> Self {
        self.size = size;
        self
    }

    /// Storage at the start, and what it may grow to.
    #[must_use]
    pub fn storage(mut self, start: GiB, limit: GiB) -> Self {
        self.storage = start;
        self.storage_limit = limit;
        self
    }

    /// Has a second server stand by in another zone, or not.
    #[must_use]
    pub fn high_availability(mut self, on: bool) -> Self {
        self.high_availability = on;
        self
    }

    /// Keeps this many days of backups.
    #[must_use]
    pub fn backup_days(mut self, days: u16) -> Self {
        self.backup_days = days;
        self
    }

    /// Sets when the cloud may restart it.
    #[must_use]
    pub fn maintenance(mut self, day: Weekday, hour: u8) -> Self {
        self.maintenance = Maintenance { day, hour };
        self
    }

    /// Makes the cloud refuse to delete it, or not.
    #[must_use]
    pub fn deletion_protection(mut self, on: bool) -> Self {
        self.deletion_protection = on;
        self
    }
}

/// What others need of a database. Values are references until it exists.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DatabaseOutputs {
    /// Host name.
    pub host: Value,
    /// Port.
    pub port: Value,
    /// The administrative user.
    pub user: Value,
    /// Id of the secret in the cloud's store that holds the administrative user's password.
    pub secret: Value,
    /// The cloud's id of the server.
    pub id: Value,
    /// The address of the server's native resource.
    pub native: crate::resource::Address,
}

impl DatabaseOutputs {
    /// Outputs of a database.
    #[must_use]
    pub fn new(native: crate::resource::Address, id: Value) -> Self {
        Self { host: Value::Null, port: Value::Null, user: Value::Null, secret: Value::Null, id, native }
    }
}

/// The native type of a logical database: `{Server, Name, Owner}`. `Server` is the host name.
pub const POSTGRES_DATABASE: &str = "PostgreSQL/Database";
/// The native type of a role: `{Server, Name, Password}`. `Server` is the host name.
pub const POSTGRES_ROLE: &str = "PostgreSQL/Role";

/// Logical databases and roles, which no cloud's API keeps: they are made over the PostgreSQL protocol.
pub(super) fn types() -> Vec<crate::resource::ResourceType> {
    use crate::resource::{Api, IdentityClass, ResourceType, Usual, Verbs};
    let common = ResourceType {
        api: Api::Postgres,
        identity: IdentityClass::Named(&["Server", "Name"]),
        identifier: "Name",
        create: Usual::seconds(0, 1, 2),
        update: Usual::seconds(0, 1, 2),
        delete: Usual::seconds(0, 1, 2),
        lag: std::time::Duration::ZERO,
        ..ResourceType::DEFAULT
    };
    vec![
        ResourceType {
            name: POSTGRES_DATABASE.into(),
            replaces: &["Server", "Name"],
            holds_data: true,
            verbs: Verbs {
                create: &["CREATE DATABASE"],
                read: &["SELECT pg_database"],
                update: &["ALTER DATABASE"],
                delete: &["DROP DATABASE"],
            },
            ..common.clone()
        },
        ResourceType {
            name: POSTGRES_ROLE.into(),
            replaces: &["Server", "Name"],
            secrets: &["Password"],
            write_only: &["Password"],
            verbs: Verbs {
                create: &["CREATE ROLE"],
                read: &["SELECT pg_roles"],
                update: &["ALTER ROLE"],
                delete: &["DROP ROLE"],
            },
            ..common
        },
    ]
}

/// How to reach a database: where, as whom, and where the cloud keeps the password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// `postgres://user@host:port/postgres?sslmode=require`, without a password.
    pub url: url::Url,
    /// Where the password is.
    pub password: StoredSecret,
}

/// A secret in the cloud's own store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSecret {
    /// Its id there.
    pub id: String,
    /// The key within its JSON text.
    pub key: String,
}

impl DatabaseOutputs {
    /// How to reach the server as its administrative user. Nothing secret is in it.
    ///
    /// # Errors
    /// [`crate::Code::NotFound`] before the database exists.
    ///
    /// ```
    /// use landfall_core::kind::DatabaseOutputs;
    /// use landfall_core::resource::Value;
    ///
    /// let mut outputs = DatabaseOutputs::new("aws/database/main/instance".parse()?, Value::from("main"));
    /// assert!(outputs.url().is_err(), "it does not exist yet");
    /// outputs.host = "main.abc.eu-west-1.rds.amazonaws.com".into();
    /// outputs.port = 5432.into();
    /// outputs.user = "landfall".into();
    /// outputs.secret = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:main".into();
    /// let connection = outputs.url()?;
    /// assert_eq!(connection.url.host_str(), Some("main.abc.eu-west-1.rds.amazonaws.com"));
    /// assert_eq!(connection.password.key, "password");
    /// # Ok::<(), landfall_core::Error>(())
    /// ```
    pub fn url(&self) -> Result<Connection> {
        use crate::{Code, Error};
        let text = |value: &Value| match value {
            Value::Text(text) => Some(text.clone()),
            Value::Integer(number) => Some(number.to_string()),
            _ => None,
        };
        let parts = (text(&self.host), text(&self.port), text(&self.user), text(&self.secret));
        let (Some(host), Some(port), Some(user), Some(id)) = parts else {
            return Err(Error::new(Code::NotFound, "the database does not exist yet")
                .at(&self.native)
                .hint("call converge first"));
        };
        let url = format!("postgres://{user}@{host}:{port}/postgres?sslmode=require");
        let url =
            url::Url::parse(&url).map_err(|error| Error::internal("a database's address is no URL").because(error))?;
        Ok(Connection { url, password: StoredSecret { id, key: "password".to_owned() } })
    }
}
