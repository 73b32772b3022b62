//! Any text gives services or errors.

use landfall_core::config::{Severity, Source, report};
use landfall_core::{Code, Result};
use proptest::prelude::*;

use crate::load;

const GOOD: &str = include_str!("../../../../examples/config/tabular/deployment-config.yaml");

/// Loads a text, and looks at everything that a caller may look at.
fn survive(text: &str) -> Result<()> {
    match load(text) {
        Ok(loaded) => {
            let _ = (loaded.effective().to_string(), report(Severity::Warning, &loaded.warnings));
            Ok(())
        }
        Err(error) => {
            let lines = text.split(['\n', '\r']).count();
            for problem in error.problems() {
                let at = problem.origin().unwrap();
                assert!((1..=lines).contains(&(at.line as usize)) && at.column >= 1, "{problem}");
                assert!(problem.next_step().is_some_and(|hint| !hint.contains('\n')), "{problem}");
                assert_ne!(problem.code(), Code::Internal, "{problem}");
                let snippet = problem.details().unwrap();
                assert!(snippet.contains("-->") && snippet.contains('^'), "{snippet}");
            }
            let _ = report(Severity::Error, error.problems());
            Err(error)
        }
    }
}

/// A place in the text at which it may be cut.
fn cut(text: &str, at: prop::sample::Index) -> usize {
    text.floor_char_boundary(at.index(text.len() + 1))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(source) = Source::from_bytes("f", bytes) {
            let _ = landfall_core::config::load(&[source], &crate::defaults());
        }
    }

    #[test]
    fn any_text(text in any::<String>()) {
        let _ = survive(&text);
    }

    #[test]
    fn any_text_of_the_characters_that_yaml_minds(text in r#"[-a-c0-1:{}\[\],&*#?|>%!@'"~<= \n\t\r.é]{0,80}"#) {
        let _ = survive(&text);
    }

    #[test]
    fn a_good_file_with_something_else_in_it(
        at in any::<prop::sample::Index>(),
        length in 0..30_usize,
        other in r#"[-a-c0-1:{}\[\],&*#?|>%!@'"~<= \n\t\r.é\x00]{0,12}"#,
    ) {
        let start = cut(GOOD, at);
        let end = GOOD.floor_char_boundary((start + length).min(GOOD.len()));
        let _ = survive(&format!("{}{other}{}", &GOOD[..start], &GOOD[end..]));
    }

    #[test]
    fn a_good_file_with_lines_elsewhere(from in 0..48_usize, to in 0..48_usize, indent in 0..6_usize, copy in any::<bool>()) {
        let mut lines: Vec<String> = GOOD.lines().map(str::to_owned).collect();
        let line = if copy { lines[from].clone() } else { lines.remove(from) };
        lines.insert(to.min(lines.len()), format!("{}{}", " ".repeat(indent), line.trim_start()));
        let _ = survive(&lines.join("\n"));
    }

    #[test]
    fn any_value_in_any_field(value in r#"[-a-c0-9:{}\[\],&*#%!@'"~ .eExXiGMm/]{0,12}"#, line in 3..48_usize) {
        let lines = GOOD.lines().enumerate().map(|(index, text)| match text.split_once(": ") {
            Some((key, _)) if index == line => format!("{key}: {value}\n"),
            _ => format!("{text}\n"),
        });
        let _ = survive(&lines.collect::<String>());
    }

    #[test]
    fn an_overlay_of_any_text(text in r#"[-a-c0-1:{}\[\],&*~spec \n]{0,60}"#) {
        let source = Source::new("base", GOOD).overlay(Source::new("over", text));
        let _ = landfall_core::config::load(&[source], &crate::defaults());
    }
}

#[test]
fn the_good_file_is_good() {
    survive(GOOD).unwrap();
}
