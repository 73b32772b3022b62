//! Small files that want to become large, and large ones that want to be read.

use landfall_core::Code;

use crate::load;

fn refused(what: &str, text: &str) {
    let error = load(text).unwrap_err();
    let codes: Vec<_> = error.problems().iter().map(|problem| problem.code()).collect();
    assert!(codes.contains(&Code::TooLarge), "{what}: {codes:?}");
    // However much is wrong, the report stays one that can be read.
    assert!(codes.len() < 60, "{what}: {}", codes.len());
    assert!(format!("{error:?}").len() < 64 * 1024, "{what}");
}

#[test]
fn aliases_that_multiply_are_refused() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..=9 {
        let below = level - 1;
        let items = vec![format!("*a{below}"); 9].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{items}]\n"));
    }
    refused("nine levels of nine aliases", &text);
}

#[test]
fn chains_of_aliases_are_refused() {
    let mut text = "a0: &a0 { k: v }\n".to_owned();
    let mut merges = text.clone();
    for level in 1..6_000 {
        text.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1));
        merges.push_str(&format!("a{level}: &a{level} {{ <<: *a{}, k{level}: v }}\n", level - 1));
    }
    refused("a chain of aliases", &text);
    refused("a chain of merge keys", &merges);
}

#[test]
fn deep_nesting_is_refused() {
    refused("flow, in a file that is too large anyway", &"[".repeat(1_000_000));
    refused("flow", &"[".repeat(100_000));
    refused("flow maps", &"{a: ".repeat(60_000));
    refused("block", &(0..600).map(|level| format!("{}a:\n", " ".repeat(level))).collect::<String>());
    refused("block lists", &"- ".repeat(100_000));
}

#[test]
fn large_files_are_refused() {
    refused("100 MB", &"a: b\n".repeat(20_000_000));
    refused("a million keys", &(0..1_000_000).map(|key| format!("k{key}: v\n")).collect::<String>());
    refused(
        "many keys in a file that is not too large",
        &(0..24_000).map(|key| format!("k{key}: v\n")).collect::<String>(),
    );
    refused("a value of 10 MB", &format!("a: {}", "x".repeat(10_000_000)));
    refused("a value of 250 KB", &format!("a: {}", "x".repeat(250_000)));
    refused("10 000 documents", &"---\na: b\n".repeat(10_000));
    refused("empty documents", &"---\n".repeat(60_000));
}

#[test]
fn what_is_wrong_many_times_is_told_some_times() {
    let text =
        format!("apiVersion: landfall.dev/v1\n{}", (0..3_000).map(|key| format!("k{key}: v\n")).collect::<String>());
    let error = load(&text).unwrap_err();
    let problems = error.problems();
    assert_eq!(problems.len(), 51);
    assert!(problems[50].message().starts_with("and "), "{}", problems[50]);
}
