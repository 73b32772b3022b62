//! Names and labels as Kubernetes wants them.

/// The longest name of what is addressed as a host, and the longest label value.
pub(crate) const LABEL_LIMIT: usize = 63;

/// Whether text is a DNS label that starts with a letter (RFC 1035), as names of services and namespaces must be.
pub(crate) fn is_dns_label(text: &str) -> bool {
    text.len() <= LABEL_LIMIT
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && !text.ends_with('-')
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Whether text is a host name of DNS labels (RFC 1123), perhaps with a wildcard in front.
pub(crate) fn is_host(text: &str) -> bool {
    let text = text.strip_prefix("*.").unwrap_or(text);
    text.len() <= 253
        && text.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= LABEL_LIMIT
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        })
}

/// The text as a label value: what is not allowed in one becomes `_`, and its ends are letters or digits.
pub(crate) fn label_value(text: &str) -> String {
    let replaced: String = text.chars().map(|c| if is_inner(c) { c } else { '_' }).take(LABEL_LIMIT).collect();
    replaced.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned()
}

/// The text as a label key without a prefix, or `None` when nothing of it is allowed in one.
pub(crate) fn label_key(text: &str) -> Option<String> {
    let key = label_value(text);
    (!key.is_empty()).then_some(key)
}

/// The text as the name of an environment variable: `model-storage` is `MODEL_STORAGE`.
pub(crate) fn variable(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

fn is_inner(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dns_labels() {
        for right in ["a", "textnlp", "model-storage-2", &"a".repeat(63)] {
            assert!(is_dns_label(right), "{right}");
        }
        for wrong in ["", "2a", "-a", "a-", "A", "a_b", "a.b", "ä", &"a".repeat(64)] {
            assert!(!is_dns_label(wrong), "{wrong}");
        }
    }

    #[test]
    fn hosts() {
        for right in ["api.inferloop.io", "*.inferloop.io", "localhost"] {
            assert!(is_host(right), "{right}");
        }
        for wrong in ["", "a..b", "API.inferloop.io", "https://a", "a/b", "*.*.b", "-a.b"] {
            assert!(!is_host(wrong), "{wrong}");
        }
    }

    #[test]
    fn labels_keep_what_they_can() {
        assert_eq!(label_value("nlp@inferloop.io"), "nlp_inferloop.io");
        assert_eq!(label_value("  Data Team "), "Data_Team");
        assert_eq!(label_value("öäü"), "");
        assert_eq!(label_value(&"a".repeat(80)).len(), 63);
        assert_eq!(label_key("cost center/eu").as_deref(), Some("cost_center_eu"));
        assert_eq!(label_key("ö"), None);
    }

    #[test]
    fn variables() {
        assert_eq!(variable("model-storage"), "MODEL_STORAGE");
    }
}
