//! Names that the cloud accepts, made from where a resource stands: deterministic, recognisable, never too long.

use landfall_core::resource::StackId;
use landfall_core::scope::Scope;
use landfall_core::{Code, Error, Result};
use sha2::{Digest, Sha256};

/// How long a name of one type may be. The characters are the same for all: `a-z`, `0-9` and single hyphens, a letter
/// first, so that the strictest service accepts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    /// What is named, for errors.
    what: &'static str,
    /// The cloud's limit.
    max: usize,
}

/// IAM roles, which are unique in the whole account, so that the region is part of the name.
pub(crate) const ROLE: Rule = Rule { what: "an IAM role", max: 64 };
/// EKS clusters.
pub(crate) const CLUSTER: Rule = Rule { what: "an EKS cluster", max: 100 };
/// EKS node groups, unique in their cluster.
pub(crate) const NODE_GROUP: Rule = Rule { what: "an EKS node group", max: 63 };
/// EC2 launch templates.
pub(crate) const LAUNCH_TEMPLATE: Rule = Rule { what: "a launch template", max: 128 };

/// Room for the suffix `-gN` that the planner gives to the Nth replacement.
const GENERATION: usize = 4;
/// Hyphen and eight digits.
const HASH: usize = 9;

impl Rule {
    /// A rule for another type: what it names, and the cloud's limit.
    pub(crate) const fn new(what: &'static str, max: usize) -> Self {
        Self { what, max }
    }
}

/// `project-environment-segments…`, shortened with a hash of the whole when the cloud's limit asks for it.
///
/// The stack's part is never cut: permissions are granted by that prefix, and people recognise it.
///
/// # Errors
/// [`Code::NameTooLong`] when project and environment leave no room for the hash.
pub(crate) fn name(stack: &StackId, segments: &[&str], rule: Rule) -> Result<String> {
    let prefix = stack.to_string();
    let room = rule.max - GENERATION;
    if prefix.len() + HASH > room {
        let most = room - HASH;
        return Err(Error::new(
            Code::NameTooLong,
            format!(
                "project and environment leave no room in the name of {} ({} of {most} characters): {prefix}",
                rule.what,
                prefix.len()
            ),
        )
        .hint(format!("shorten them to {most} characters together, the hyphen between them included")));
    }
    let mut whole = prefix;
    for segment in segments {
        whole.push('-');
        whole.push_str(segment);
    }
    Ok(fit(whole, room))
}

/// A name that is unique within something of ours already, so that the stack is no part of it.
pub(crate) fn local(name: &str, rule: Rule) -> String {
    fit(name.to_owned(), rule.max - GENERATION)
}

/// [`name`] for a part of the declaration that is expanded: `project-environment-kind-name-part`.
///
/// # Errors
/// As [`name`].
pub(crate) fn of_part(scope: &Scope<'_>, part: &str, rule: Rule) -> Result<String> {
    let address = scope.address(part)?;
    name(&scope.stack().id, &[address.kind(), address.name(), part], rule).map_err(|error| error.at(&address))
}

fn fit(whole: String, room: usize) -> String {
    if whole.len() <= room {
        return whole;
    }
    let digest = landfall_core::graph::hex(&Sha256::digest(whole.as_bytes()));
    let head = whole.get(..room - HASH).unwrap_or_default().trim_end_matches('-');
    format!("{head}-{}", &digest[..HASH - 1])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stack() -> StackId {
        StackId::new("inferloop", "dev")
    }

    #[test]
    fn short_names_are_whole() {
        assert_eq!(name(&stack(), &["cluster", "prod", "node"], ROLE).unwrap(), "inferloop-dev-cluster-prod-node");
    }

    #[test]
    fn long_names_keep_the_stack_and_differ() {
        let (one, two) = ("a".repeat(70), format!("{}b", "a".repeat(69)));
        let (one, two) = (name(&stack(), &[&one], ROLE).unwrap(), name(&stack(), &[&two], ROLE).unwrap());
        assert!(one.starts_with("inferloop-dev-aaa") && one.len() == 60, "{one}");
        assert_ne!(one, two);
    }

    #[test]
    fn a_stack_that_fills_the_name_is_refused() {
        let long = StackId::new("a".repeat(60), "production");
        assert_eq!(name(&long, &["x"], ROLE).unwrap_err().code(), Code::NameTooLong);
        assert!(name(&long, &["x"], LAUNCH_TEMPLATE).is_ok());
    }

    proptest! {
        #[test]
        fn names_are_legal(segments in prop::collection::vec("[a-z][a-z0-9]{0,20}(-[a-z0-9]{1,10}){0,3}", 1..4), max in 40_usize..130) {
            let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
            let made = name(&stack(), &segments, Rule::new("a thing", max)).unwrap();
            prop_assert!(made.len() + GENERATION <= max);
            prop_assert!(made.starts_with("inferloop-dev"));
            prop_assert!(!made.contains("--") && !made.ends_with('-'));
            prop_assert!(made.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
        }
    }
}
