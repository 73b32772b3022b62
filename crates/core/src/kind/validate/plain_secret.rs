//! What looks like a secret in a plain field. Only the sort of it is told, never the value.

use std::collections::BTreeSet;

use url::Url;

/// Prefixes of tokens that say whose they are.
const TOKENS: [(&str, &str); 12] = [
    ("ghp_", "a GitHub token"),
    ("gho_", "a GitHub token"),
    ("ghs_", "a GitHub token"),
    ("github_pat_", "a GitHub token"),
    ("glpat-", "a GitLab token"),
    ("xoxb-", "a Slack token"),
    ("xoxp-", "a Slack token"),
    ("sk_live_", "a Stripe key"),
    ("sk-", "an API key"),
    ("hf_", "a Hugging Face token"),
    ("AIza", "a Google API key"),
    ("ya29.", "a Google access token"),
];

/// Last words of names that hold something about a secret rather than the secret.
const ABOUT: [&str; 22] = [
    "FILE",
    "PATH",
    "DIR",
    "DIRECTORY",
    "NAME",
    "ARN",
    "ID",
    "TTL",
    "LIMIT",
    "LENGTH",
    "COUNT",
    "SIZE",
    "EXPIRY",
    "TIMEOUT",
    "SECONDS",
    "MINUTES",
    "TYPE",
    "HEADER",
    "ALGORITHM",
    "ISSUER",
    "AUDIENCE",
    "ENABLED",
];

/// Says what an environment variable seems to hold, when that is a secret.
pub(super) fn sort_of_variable(key: &str, value: &str) -> Option<&'static str> {
    sort_of(value).or_else(|| names_a_secret(key, value).then_some("a secret by its name"))
}

/// Says what a value seems to be, when that is a secret.
pub(super) fn sort_of(value: &str) -> Option<&'static str> {
    let value = value.trim();
    let known = TOKENS.iter().find(|(prefix, _)| {
        value.strip_prefix(prefix).is_some_and(|rest| {
            rest.len() >= 16 && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
        })
    });
    if let Some((_, sort)) = known {
        return Some(sort);
    }
    if is_aws_key(value) {
        return Some("an AWS access key");
    }
    if value.contains("-----BEGIN") && value.contains("PRIVATE KEY-----") {
        return Some("a private key");
    }
    if is_jwt(value) {
        return Some("a signed token");
    }
    if Url::parse(value).is_ok_and(|url| url.password().is_some_and(|password| !password.is_empty())) {
        return Some("a URL with a password");
    }
    if has_password_field(value) {
        return Some("a connection string with a password");
    }
    None
}

fn is_aws_key(value: &str) -> bool {
    value.len() == 20
        && (value.starts_with("AKIA") || value.starts_with("ASIA"))
        && value.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

fn is_jwt(value: &str) -> bool {
    let parts: Vec<_> = value.split('.').collect();
    parts.len() == 3
        && parts[0].starts_with("eyJ")
        && parts[1].starts_with("eyJ")
        && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.=".contains(&b))
}

fn has_password_field(value: &str) -> bool {
    value.split([';', '&', '?', ' ']).filter_map(|field| field.split_once('=')).any(|(key, value)| {
        matches!(key.trim().to_ascii_lowercase().as_str(), "password" | "pwd" | "accountkey" | "sharedaccesskey")
            && !value.trim().is_empty()
    })
}

fn names_a_secret(key: &str, value: &str) -> bool {
    if value.trim().is_empty() || value.parse::<f64>().is_ok() || value.parse::<bool>().is_ok() {
        return false;
    }
    let key = key.to_ascii_uppercase();
    let words: BTreeSet<_> = key.split(['_', '-', '.']).collect();
    if key.rsplit(['_', '-', '.']).next().is_some_and(|last| ABOUT.contains(&last)) {
        return false;
    }
    // "MAX_TOKENS" counts tokens of a model: the word must stand alone.
    words.contains("TOKEN")
        || words.contains("PWD")
        || [
            "PASSWORD",
            "PASSWD",
            "PASSPHRASE",
            "SECRET",
            "CREDENTIAL",
            "APIKEY",
            "API_KEY",
            "PRIVATE_KEY",
            "ACCESS_KEY",
        ]
        .iter()
        .any(|part| key.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_seen() {
        for (key, value) in [
            ("DB_PASSWORD", "hunter2"),
            ("dbpassword", "hunter2"),
            ("STRIPE_SECRET", "x"),
            ("HF_TOKEN", "abc"),
            ("OPENAI_API_KEY", "abc"),
            ("TLS_PRIVATE_KEY", "abc"),
            ("A", "AKIAIOSFODNN7EXAMPLE"),
            ("A", "-----BEGIN RSA PRIVATE KEY-----\nMIIE"),
            ("A", "ghp_0123456789abcdefghijABCDEFGHIJ012345"),
            ("A", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"),
            ("A", "postgres://app:hunter2@db:5432/app"),
            ("A", "Server=db;User=app;Password=hunter2"),
        ] {
            assert!(sort_of_variable(key, value).is_some(), "{key}={value}");
        }
    }

    #[test]
    fn plain_values_are_let_through() {
        for (key, value) in [
            ("DB_PASSWORD", ""),
            ("DB_PASSWORD_FILE", "/etc/secrets/db"),
            ("SECRET_NAME", "db"),
            ("MAX_TOKENS", "many"),
            ("TOKEN_LIMIT", "4096"),
            ("TOKEN", "4096"),
            ("REQUIRE_TOKEN", "true"),
            ("CACHE_URL", "rediss://cache:6379"),
            ("CA", "-----BEGIN CERTIFICATE-----\nMIIB"),
            ("A", "sk-short"),
            ("A", "https://user@host/path"),
            ("MODE", "password"),
        ] {
            assert_eq!(sort_of_variable(key, value), None, "{key}={value}");
        }
    }
}
