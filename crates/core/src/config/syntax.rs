//! What the YAML parser found wrong, in words that say what to type.

use serde_saphyr::granit_parser::{ErrorKind, ScanError};

use super::report::Finding;
use super::source::{Mark, Page};
use crate::Code;

pub(super) fn explain(page: usize, of: &Page<'_>, error: &ScanError) -> Finding {
    let limit = of.text.len();
    let start = of.text.floor_char_boundary(error.marker().byte_offset().unwrap_or(0).min(limit));
    let at = Mark { page, start, end: start };
    let line = of.line(of.line_of(start)).0;
    let (message, hint) = words(error.kind(), line);
    let code = match error.kind() {
        ErrorKind::RecursionLimitExceeded => Code::TooLarge,
        _ => Code::Syntax,
    };
    Finding::new(code, at, message, hint)
}

fn words(kind: &ErrorKind, line: &str) -> (String, String) {
    use ErrorKind as K;
    let (message, hint) = match kind {
        K::RecursionLimitExceeded => {
            ("more than 32 levels", "a service's configuration takes five: check that this is the right file")
        }
        K::TabNotAllowed | K::TabInBlockIndentation | K::TabInIndentation | K::TabAtBlockScalarStart => {
            ("a tab indents this line", "indent with spaces")
        }
        K::TabInPlainScalar => ("a tab within a value", "write a space, or put the value in double quotes"),
        K::UnclosedQuotedScalar | K::DocumentIndicatorInQuotedScalar => {
            ("the quotes that open here are never closed", "close them on the same line")
        }
        K::UnexpectedEofFlowSequence | K::UnclosedFlowCollection { open: '[' } => {
            ("the list that opens with [ is never closed", "close it with ]")
        }
        K::UnexpectedEofFlowMapping | K::UnexpectedEofImplicitFlowMapping | K::UnclosedFlowCollection { .. } => {
            ("the map that opens with { is never closed", "close it with }")
        }
        K::ExpectedFlowMappingSeparator => {
            ("a comma or } is missing in a map", "separate fields with commas: { cpu: 2, memory: 4Gi }")
        }
        K::ExpectedFlowSequenceSeparator => ("a comma or ] is missing in a list", "separate items with commas: [a, b]"),
        K::MisplacedFlowCollectionEnd => ("a bracket closes what was never opened", "remove it"),
        K::MismatchedFlowCollectionEnd { open, close } => {
            let right = if *open == '[' { ']' } else { '}' };
            return (format!("{open} is closed with {close}"), format!("close it with {right}"));
        }
        K::UnknownAnchor => {
            ("an alias to an anchor that is not defined above", "define it with & first, or write the value out")
        }
        K::MissingAnchorOrAliasName if line.contains('*') => {
            ("a value that starts with * is an alias", "put the value in quotes: \"*\"")
        }
        K::MissingAnchorOrAliasName => {
            ("a value that starts with & defines an anchor", "put the value in quotes: \"&\"")
        }
        K::UnexpectedCharacter { character } => {
            return (
                format!("a value cannot start with {character}"),
                format!("put the value in quotes: \"{character}…\""),
            );
        }
        K::MappingValueNotAllowed => (
            "a second colon makes a map within a value, or the line is indented too far",
            "put the value in quotes if the colon belongs to it; else indent the line like its neighbours",
        ),
        K::InvalidColonPlacement | K::FlowMappingValueAdjacentCollection | K::InvalidMappingValueWhitespace => (
            "a colon stands where it cannot",
            "put one space after the colon, and the value in quotes if the colon belongs to it",
        ),
        K::SimpleKeyExpected | K::InvalidSimpleKey | K::ExpectedBlockMappingKey | K::MappingKeyNotAllowed
            if line.trim_start().starts_with('-') =>
        {
            ("a list item stands where a field is wanted", "indent the items beneath the field that holds them")
        }
        K::SimpleKeyExpected | K::InvalidSimpleKey => (
            "a line without a colon stands where a field is wanted",
            "write it as `field: value`, or indent it beneath its field",
        ),
        K::ExpectedBlockMappingKey | K::MappingKeyNotAllowed | K::InvalidIndentation => (
            "the line fits no level of indentation above it",
            "indent it exactly like its neighbours; each level by two spaces",
        ),
        K::ExpectedBlockSequenceEntry => {
            ("a line stands between the items of a list", "start each item with `- `, and indent its fields alike")
        }
        K::BlockSequenceEntryNotAllowed | K::BlockEntryInFlowCollection | K::InvalidBlockEntryWhitespace => {
            ("a list cannot start here", "start the list on the next line, one `- item` a line")
        }
        K::CommentNotSeparated => ("a # without a space before it", "put a space before the #, or the value in quotes"),
        K::CommentInterceptedScalar => ("a comment in the middle of a value", "put the value on one line"),
        K::InvalidTrailingDoubleQuotedScalar | K::InvalidTrailingSingleQuotedScalar => {
            ("text follows the closing quotes", "put all of the value within the quotes")
        }
        K::UnknownQuotedScalarEscape => {
            ("an unknown escape in double quotes", "write \\\\ for a backslash, or use single quotes")
        }
        K::InvalidQuotedScalarHexEscape
        | K::InvalidLowSurrogateHexEscape
        | K::InvalidLowSurrogate
        | K::MissingLowSurrogate
        | K::UnpairedLowSurrogate
        | K::InvalidUnicodeEscape => {
            ("an escape that is no character", "write the character itself, or use single quotes")
        }
        K::InvalidQuotedScalarIndent | K::InvalidFlowScalarIndent => {
            ("a value goes on in a line that is not indented", "put the value on one line")
        }
        K::InvalidBlockScalarHeader | K::InvalidBlockScalarIndent | K::ZeroBlockScalarIndent => (
            "a text block that is not well-formed",
            "write `|` at the end of the line and indent all lines beneath it alike",
        ),
        K::UndeclaredTagHandle
        | K::ExpectedTagBang
        | K::MissingTagUri
        | K::UnclosedVerbatimTag
        | K::InvalidTagEscape
        | K::InvalidTagTerminator
        | K::InvalidGlobalTagCharacter => {
            ("a value that starts with ! has an explicit type", "put the value in quotes if the ! belongs to it")
        }
        K::BomInsideDocument => ("a byte-order mark inside the file", "remove it"),
        K::ExpectedDocumentStart | K::MissingDocumentEndBeforeDirective | K::InvalidDocumentEnd => {
            ("text that belongs to no document", "indent it like the lines above, or start a document with ---")
        }
        other => {
            return (
                format!("not valid YAML: {other}"),
                "check indentation, quotes and colons of this line".to_owned(),
            );
        }
    };
    (message.to_owned(), hint.to_owned())
}
