//! What names, paths, hosts and images must look like.

use super::scalar::Rule;
use crate::Code;

/// A name: what Kubernetes calls a DNS label, starting with a letter.
#[derive(Clone, Debug)]
pub(super) struct Name;

impl Rule for Name {
    const WANTED: &'static str = "1 to 63 lower-case letters, digits and hyphens, a letter first and no hyphen last";
    const PATTERN: &'static str = "^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$";
    const CODE: Code = Code::InvalidName;

    fn check(text: &str) -> Result<(), Option<String>> {
        if is_name(text) {
            return Ok(());
        }
        let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
        let meant: String = text.chars().take(63).map(plain).collect();
        let meant = meant.trim_start_matches(|c: char| !c.is_ascii_lowercase()).trim_end_matches('-');
        Err(is_name(meant).then(|| meant.to_owned()))
    }
}

/// The name of a declaration elsewhere on the platform.
#[derive(Clone, Debug)]
pub(super) struct Target;

impl Rule for Target {
    const WANTED: &'static str = "the name of a declaration";
    const PATTERN: &'static str = Name::PATTERN;
    const CODE: Code = Code::InvalidName;

    fn check(text: &str) -> Result<(), Option<String>> {
        Name::check(text)
    }
}

/// The name of a secret that was given to the builder. What stands here may be the secret itself, by mistake.
#[derive(Clone, Debug)]
pub(super) struct SecretName;

impl Rule for SecretName {
    const WANTED: &'static str =
        "the name of a secret given to the builder (lower-case letters, digits and hyphens), never the secret";
    const PATTERN: &'static str = Name::PATTERN;
    const CODE: Code = Code::InvalidName;
    const SECRET: bool = true;

    fn check(text: &str) -> Result<(), Option<String>> {
        if is_name(text) { Ok(()) } else { Err(None) }
    }
}

/// A path that begins with a slash and is meant literally.
#[derive(Clone, Debug)]
pub(super) struct UrlPath;

impl Rule for UrlPath {
    const WANTED: &'static str = "a path prefix that starts with /, without spaces, queries and wildcards";
    const PATTERN: &'static str = r"^/[^\s?#*]*$";

    fn check(text: &str) -> Result<(), Option<String>> {
        let ok = |text: &str| {
            text.starts_with('/') && !text.contains(|c: char| c.is_whitespace() || c.is_control() || "?#*".contains(c))
        };
        if ok(text) {
            return Ok(());
        }
        let trimmed = text.trim().trim_end_matches('*');
        let trimmed = if trimmed.len() > 1 { trimmed.trim_end_matches('/') } else { trimmed };
        let meant = format!("/{}", trimmed.trim_start_matches('/'));
        Err(ok(&meant).then_some(meant).filter(|_| !text.contains("://")))
    }
}

/// A host name.
#[derive(Clone, Debug)]
pub(super) struct HostName;

impl Rule for HostName {
    const WANTED: &'static str = "a host name without scheme, port and path";
    const PATTERN: &'static str = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+$";

    fn check(text: &str) -> Result<(), Option<String>> {
        let label = |label: &str| {
            let inner = label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
            inner && (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
        };
        let ok = |text: &str| text.len() <= 253 && text.contains('.') && text.split('.').all(label);
        if ok(text) {
            return Ok(());
        }
        let without_scheme = text.split_once("://").map_or(text, |(_, rest)| rest);
        let host = without_scheme.split(['/', ':']).next().unwrap_or_default().to_ascii_lowercase();
        Err(ok(&host).then_some(host))
    }
}

/// A container image: registry, repository, and tag or digest.
#[derive(Clone, Debug)]
pub(super) struct Image;

impl Rule for Image {
    const WANTED: &'static str = "an image like registry/name:tag or registry/name@sha256:…";
    const PATTERN: &'static str =
        r"^[a-z0-9][a-zA-Z0-9.:_/-]*[a-zA-Z0-9](:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@sha256:[0-9a-f]{64})?$";

    fn check(text: &str) -> Result<(), Option<String>> {
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (text, None),
        };
        let hexadecimal = |digits: &str| {
            digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        };
        let digest_ok = digest.is_none_or(|digest| digest.strip_prefix("sha256:").is_some_and(hexadecimal));
        let repository = name.rsplit_once('/').map_or(name, |(_, last)| last).split(':').next().unwrap_or_default();
        let characters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".:_/-".contains(&byte));
        let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
        let edges = edge(name.bytes().next()) && edge(name.bytes().next_back()) && !name.contains("//");
        let lower = !repository.is_empty() && !repository.bytes().any(|byte| byte.is_ascii_uppercase());
        if digest_ok && characters && edges && lower {
            return Ok(());
        }
        let bare = text.trim_matches(['“', '”', '‘', '’', ' ']);
        let bare = bare.split_once("://").map_or(bare, |(_, rest)| rest);
        Err((bare != text && Self::check(bare).is_ok()).then(|| bare.to_owned()))
    }
}

/// The value of a label.
#[derive(Clone, Debug)]
pub(super) struct Label;

impl Rule for Label {
    const WANTED: &'static str = "1 to 128 characters on one line";
    const PATTERN: &'static str = r"^[^\r\n]{1,128}$";

    fn check(text: &str) -> Result<(), Option<String>> {
        let ok = (1..=128).contains(&text.chars().count()) && !text.contains(char::is_control);
        if ok { Ok(()) } else { Err(None) }
    }
}

/// The name of an environment variable.
#[derive(Clone, Debug)]
pub(super) struct EnvironmentName;

impl Rule for EnvironmentName {
    const WANTED: &'static str = "names of letters, digits, _, - and . that do not start with a digit";
    const PATTERN: &'static str = "^[-._a-zA-Z][-._a-zA-Z0-9]*$";
    const CODE: Code = Code::InvalidName;

    fn check(text: &str) -> Result<(), Option<String>> {
        let first = !text.is_empty() && !text.starts_with(|c: char| c.is_ascii_digit());
        if first && made_of(text, "-._") { Ok(()) } else { Err(None) }
    }
}

/// The name of a mounted file.
#[derive(Clone, Debug)]
pub(super) struct FileName;

impl Rule for FileName {
    const WANTED: &'static str = "names of files: letters, digits, ., _ and -, without folders";
    const PATTERN: &'static str = r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,252}$";
    const CODE: Code = Code::InvalidName;
    const SECRET: bool = true;

    fn check(text: &str) -> Result<(), Option<String>> {
        let ok = (1..=253).contains(&text.len()) && !text.starts_with('.') && made_of(text, "-._");
        if ok { Ok(()) } else { Err(None) }
    }
}

/// The key of a label.
#[derive(Clone, Debug)]
pub(super) struct LabelKey;

impl Rule for LabelKey {
    const WANTED: &'static str = "keys of 1 to 63 letters, digits, ., _, - and / that start with a letter";
    const PATTERN: &'static str = "^[A-Za-z][A-Za-z0-9._/-]{0,62}$";
    const CODE: Code = Code::InvalidName;

    fn check(text: &str) -> Result<(), Option<String>> {
        let first = text.starts_with(|c: char| c.is_ascii_alphabetic());
        if first && text.len() <= 63 && made_of(text, "-._/") { Ok(()) } else { Err(None) }
    }
}

fn made_of(text: &str, others: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c))
}

fn is_name(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && !text.ends_with('-')
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_is_told() {
        assert_eq!(Name::check("Text_NLP "), Err(Some("text-nlp".into())));
        assert_eq!(Name::check("42"), Err(None));
        assert_eq!(UrlPath::check("api/tabular/*"), Err(Some("/api/tabular".into())));
        assert_eq!(UrlPath::check("https://x/y"), Err(None));
        assert_eq!(HostName::check("https://api.example.com:443/x"), Err(Some("api.example.com".into())));
        assert_eq!(Image::check("https://ghcr.io/a/b:1"), Err(Some("ghcr.io/a/b:1".into())));
    }

    #[test]
    fn images_are_told_from_what_only_looks_like_one() {
        let digest = format!("a/b@sha256:{}", "0a".repeat(32));
        for image in ["redis", "ghcr.io/inferloop/textnlp:1.4.0", "localhost:5000/a/b", digest.as_str()] {
            assert_eq!(Image::check(image), Ok(()), "{image}");
        }
        for image in ["", "a b", "a/b@sha256:12", "a/B:1", "“a”", "a/b:", "/a", "a//b"] {
            assert!(Image::check(image).is_err(), "{image}");
        }
    }
}
