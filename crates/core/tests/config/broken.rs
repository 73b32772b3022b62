//! Each file of `broken/` with the report beside it: what a person reads who has to mend it.
//!
//! `NAME.yaml` is the file, `NAME.prod.yaml` an overlay of it when there is one, `NAME.txt` the report.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use landfall_core::config::{self, Severity, Source};
use landfall_core::{Code, Error, Result};

use crate::defaults;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config/broken")
}

fn names() -> Vec<String> {
    let entries = fs::read_dir(folder()).unwrap();
    let names = entries
        .filter_map(|entry| entry.unwrap().file_name().into_string().unwrap().strip_suffix(".yaml").map(str::to_owned));
    let mut names: Vec<String> = names.filter(|name| !name.ends_with(".prod")).collect();
    names.sort();
    names
}

/// A file by its name alone, so that no report depends on where the tests run.
fn source(file: &str) -> Result<Source> {
    Source::from_bytes(file, fs::read(folder().join(file)).unwrap())
}

fn errors(name: &str) -> (Vec<Error>, String) {
    let read = || {
        let base = source(&format!("{name}.yaml"))?;
        let overlay = format!("{name}.prod.yaml");
        if !folder().join(&overlay).exists() {
            return Ok(base);
        }
        Ok(base.overlay(source(&overlay)?))
    };
    match read().and_then(|source| config::load(&[source], &defaults())) {
        Ok(loaded) => (loaded.warnings.clone(), config::report(Severity::Warning, &loaded.warnings)),
        Err(error) => {
            let problems: Vec<Error> = error.problems().into_iter().cloned().collect();
            let text = config::report(Severity::Error, &problems);
            (problems, text)
        }
    }
}

#[test]
fn every_broken_file_has_its_report() {
    let names = names();
    assert!(names.len() >= 60, "{}", names.len());
    let mut wrong = Vec::new();
    for name in &names {
        let expected = fs::read_to_string(folder().join(format!("{name}.txt"))).unwrap_or_default();
        let (problems, report) = errors(name);
        assert!(!problems.is_empty(), "{name} is not broken");
        if report != expected {
            wrong.push(format!("== {name}\n{report}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{}\nlook at each; if they are better now: cargo test -p landfall-core --test config rewrite_the_reports -- --ignored",
        wrong.join("\n"),
    );
}

#[test]
#[ignore = "writes the reports that the test above compares with"]
fn rewrite_the_reports() {
    for name in names() {
        fs::write(folder().join(format!("{name}.txt")), errors(&name).1).unwrap();
    }
}

#[test]
fn every_problem_has_a_code_a_place_its_line_and_a_next_step() {
    for name in names() {
        for problem in errors(&name).0 {
            assert_ne!(problem.code(), Code::Internal, "{name}");
            assert!(problem.origin().is_some_and(|at| at.line > 0 && at.column > 0), "{name}: {problem}");
            assert!(problem.next_step().is_some_and(|hint| !hint.is_empty()), "{name}: {problem}");
            assert!(!problem.to_string().contains('\n'), "{name}: {problem}");
        }
    }
}

#[test]
fn the_broken_files_show_every_code_of_configuration() {
    let shown: BTreeSet<Code> = names().iter().flat_map(|name| errors(name).0).map(|error| error.code()).collect();
    let of_files = Code::ALL.iter().filter(|code| code.as_str().starts_with("LF20"));
    // No file can show that it cannot be read.
    let missing: Vec<_> = of_files.filter(|code| **code != Code::Unreadable && !shown.contains(code)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn no_report_shows_a_secret() {
    for name in names() {
        let (problems, report) = errors(&name);
        let all = format!("{report}{problems:?}{}", problems.iter().map(ToString::to_string).collect::<String>());
        assert!(!all.contains("canary"), "{name}: {all}");
    }
}
