//! What the YAML parser found wrong, in words that say what to type.

use granit_parser::{ErrorKind, ErrorKind as K, ScanError};

use super::report::{Finding, quote};
use super::source::{Mark, Page};
use crate::Code;

pub(super) fn explain(page: usize, of: &Page<'_>, error: &ScanError) -> Finding {
    let limit = of.text.len();
    let start = of.text.floor_char_boundary(error.marker().byte_offset().unwrap_or(0).min(limit));
    let number = of.line_of(start);
    let (line, line_start) = of.line(number);
    if *error.kind() == K::MappingValueNotAllowed
        && let Some((mark, hint)) = field_without_colon(of, number)
    {
        let message = "a line that is no field: its colon, or the space after it, is missing";
        return Finding::new(Code::Syntax, Mark { page, ..mark }, message, hint);
    }
    let tab = line.find('\t').map(|tab| line_start + tab);
    let at = match (error.kind(), tab) {
        (K::TabNotAllowed | K::TabInBlockIndentation | K::TabInIndentation | K::TabAtBlockScalarStart, Some(tab)) => {
            Mark { page, start: tab, end: tab + 1 }
        }
        _ => Mark { page, start, end: start },
    };
    let before = line.get(..start.saturating_sub(line_start)).unwrap_or(line);
    let (message, hint) = words(error.kind(), line, before);
    let code = match error.kind() {
        ErrorKind::RecursionLimitExceeded => Code::TooLarge,
        _ => Code::Syntax,
    };
    Finding::new(code, at, message, hint)
}

/// A line without `: ` just above, of which the parser made one value with this line.
fn field_without_colon(of: &Page<'_>, number: usize) -> Option<(Mark, String)> {
    let indentation = |line: &str| line.len() - line.trim_start().len();
    let (line, start) = of.line(number.checked_sub(1)?);
    let text = line.trim();
    let field = text.contains(": ") || text.ends_with(':');
    if text.is_empty() || field || text.starts_with(['#', '-']) || indentation(line) != indentation(of.line(number).0) {
        return None;
    }
    let hint = match text.split_once(':').or_else(|| text.split_once(char::is_whitespace)) {
        Some((name, value)) if !super::snippet::names_secret(text) => {
            format!("write {}: {}", quote(name.trim()), quote(value.trim()))
        }
        _ => "write it as `field: value`".to_owned(),
    };
    let start = start + indentation(line);
    Some((Mark { page: 0, start, end: start + text.len() }, hint))
}

fn words(kind: &ErrorKind, line: &str, before: &str) -> (String, String) {
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
            ("a comma or the closing } is missing in a map", "close the map with }, or separate its fields with commas")
        }
        K::ExpectedFlowSequenceSeparator => (
            "a comma or the closing ] is missing in a list",
            "close the list with ], or separate its items with commas",
        ),
        K::MisplacedFlowCollectionEnd => ("a bracket closes what was never opened", "remove it"),
        K::MismatchedFlowCollectionEnd { open, close } => {
            let right = if *open == '[' { ']' } else { '}' };
            return (format!("{open} is closed with {close}"), format!("close it with {right}"));
        }
        K::UnknownAnchor => {
            let token = line.get(before.len()..).unwrap_or_default();
            let token = token.split([' ', ',', '}', ']']).next().unwrap_or_default();
            return (
                "a value that starts with * is an alias, and no anchor of its name stands above".to_owned(),
                format!("put the value in quotes: \"{}\", or define the anchor first", quote(token)),
            );
        }
        K::UnsupportedYamlMajorVersion | K::DuplicateVersionDirective => {
            ("a version of YAML that is not read", "remove the line that starts with %YAML")
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
        K::MappingValueNotAllowed if before.contains(": ") => {
            ("a second colon makes a map within a value", "put the value in quotes if the colon belongs to it")
        }
        K::MappingValueNotAllowed => {
            ("the line is indented further than its neighbours", "indent it exactly like the fields beside it")
        }
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
        K::ExpectedBlockMappingKey | K::InvalidIndentation | K::InvalidDocumentEnd if before.contains(['"', '\'']) => {
            ("text follows the closing quotes", "put all of the value within the quotes")
        }
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
