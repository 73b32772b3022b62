//! Lines of a file with marks beneath them, as compilers print them.

use super::source::{Mark, Page};

/// A stretch to underline, with a word beside it.
pub(super) struct Label<'a> {
    pub(super) at: Mark,
    pub(super) underline: char,
    pub(super) text: &'a str,
    /// Whether the value is not shown.
    pub(super) secret: bool,
}

/// Longer lines are cut around the mark.
const WIDTH: usize = 100;
/// Still longer lines are cut, in bytes, before anything else is done with them.
const LONG: usize = 2000;

/// The position of the first label, and the lines of all labels (of one page each) in order.
pub(super) fn render(pages: &[Page<'_>], labels: &[Label<'_>]) -> String {
    let Some(first) = labels.first() else { return String::new() };
    let mut ordered: Vec<&Label<'_>> = labels.iter().collect();
    ordered.sort_by_key(|label| (label.at.page != first.at.page, label.at));
    let lines =
        ordered.iter().filter_map(|label| pages.get(label.at.page).map(|page| page.line_of(label.at.start) + 1));
    let gutter = lines.max().unwrap_or(1).to_string().len();
    let place = |label: &Label<'_>| pages.get(label.at.page).map(|page| page.position(label.at.start));
    let mut text = String::new();
    if let Some(position) = place(first) {
        text = format!("{:gutter$}--> {position}\n{:gutter$} |\n", "", "");
    }
    let mut before: Option<(usize, usize)> = None;
    for label in ordered {
        let Some(page) = pages.get(label.at.page) else { continue };
        let line = page.line_of(label.at.start);
        match before {
            Some((earlier, _)) if earlier != label.at.page => {
                let position = page.position(label.at.start);
                text.push_str(&format!("{:gutter$}::: {position}\n{:gutter$} |\n", "", ""));
            }
            Some((_, earlier)) if line > earlier + 1 => text.push_str("...\n"),
            _ => {}
        }
        let again = before.replace((label.at.page, line)) == Some((label.at.page, line));
        let (shown, marks) = underlined(page, line, label);
        if !again {
            text.push_str(format!("{:gutter$} | {shown}", line + 1).trim_end());
            text.push('\n');
        }
        text.push_str(format!("{:gutter$} | {marks} {}", "", label.text).trim_end());
        text.push('\n');
    }
    text.pop();
    text
}

fn underlined(page: &Page<'_>, line: usize, label: &Label<'_>) -> (String, String) {
    let (mut text, mut start) = page.line(line);
    let mut secret = label.secret;
    if text.len() > LONG {
        // Only a part of the line is looked at, so what its beginning says of secrets is asked of all of it.
        secret |= names_secret(text);
        let from = text.floor_char_boundary(label.at.start.saturating_sub(start + WIDTH));
        let to = text.floor_char_boundary(from + LONG);
        (text, start) = (&text[from..to], start + from);
    }
    let from = text.get(..label.at.start.saturating_sub(start)).map_or(0, |before| before.chars().count());
    let to = match text.get(..label.at.end.saturating_sub(start)) {
        Some(before) => before.chars().count(),
        None => text.chars().count(),
    };
    let to = to.max(from + 1);
    let shown = masked(text, secret);
    let first = if to > WIDTH { from.saturating_sub(WIDTH / 2) } else { 0 };
    let mut line = String::new();
    let mut marks = String::new();
    if first > 0 {
        line.push('…');
        marks.push(' ');
    }
    for (index, c) in shown.iter().enumerate().skip(first).take(WIDTH) {
        let printed = printable(*c);
        let width: usize = printed.chars().map(width).sum();
        line.push_str(&printed);
        let mark = if (from..to).contains(&index) { label.underline } else { ' ' };
        // What is underlined has a mark, even if it takes no column.
        marks.extend(std::iter::repeat_n(mark, width.max(usize::from(index == from))));
    }
    if shown.len() > first + WIDTH {
        line.push('…');
    }
    if from >= shown.len() {
        marks.push(label.underline);
    }
    (line, marks.trim_end().to_owned())
}

/// What a character is shown as: nothing that moves the cursor, hides or reorders text reaches a terminal.
fn printable(c: char) -> String {
    match c {
        '\t' => "→   ".to_owned(),
        c if c.is_control() || invisible(c) => format!("<U+{:04X}>", u32::from(c)),
        c => c.to_string(),
    }
}

/// Whether a character cannot be seen, or changes the order in which others are seen.
pub(super) fn invisible(c: char) -> bool {
    matches!(c,
        '\u{00AD}' | '\u{061C}' | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
}

/// How many columns of a terminal a character takes.
fn width(c: char) -> usize {
    match c {
        '\u{0300}'..='\u{036F}' | '\u{200C}' | '\u{200D}' | '\u{FE00}'..='\u{FE0F}' => 0,
        '\u{1100}'..='\u{115F}' | '\u{2E80}'..='\u{A4CF}' | '\u{AC00}'..='\u{D7A3}' | '\u{F900}'..='\u{FAFF}' => 2,
        '\u{FE30}'..='\u{FE6F}' | '\u{FF00}'..='\u{FF60}' | '\u{1F300}'..='\u{1FAFF}' | '\u{20000}'..='\u{3FFFD}' => 2,
        _ => 1,
    }
}

const SECRET_WORDS: [&str; 10] = [
    "password",
    "passwd",
    "secret",
    "token",
    "apikey",
    "api_key",
    "api-key",
    "private_key",
    "access_key",
    "credential",
];

/// Whether a name says that its value is a secret.
pub(super) fn names_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_WORDS.iter().any(|word| name.contains(word))
}

/// A line with everything that may be a secret replaced, character by character.
fn masked(line: &str, all: bool) -> Vec<char> {
    let mut chars: Vec<char> = line.chars().collect();
    let lower: Vec<char> = chars.iter().map(char::to_ascii_lowercase).collect();
    let find = |word: &str, from: usize| {
        let word: Vec<char> = word.chars().collect();
        (from..lower.len()).find(|start| lower[*start..].starts_with(&word))
    };
    // After a name that says so.
    let named = SECRET_WORDS.iter().filter_map(|word| find(word, 0)).min();
    let from = if all { Some(0) } else { named };
    if let Some(colon) = from.and_then(|from| (from..chars.len()).find(|index| matches!(chars[*index], ':' | '='))) {
        hide(&mut chars[colon + 1..]);
    } else if all {
        hide(&mut chars);
    }
    // Between `://` and `@`.
    if let Some(start) = find("://", 0).map(|start| start + 3) {
        let end =
            (start..chars.len()).take_while(|index| !matches!(chars[*index], '/' | ' ')).find(|at| chars[*at] == '@');
        if let Some(end) = end {
            hide(&mut chars[start..end]);
        }
    }
    // Long runs of mixed letters and digits, as keys are.
    let in_run = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '_' | '=' | '-');
    let mut start = 0;
    while start < chars.len() {
        let end = (start..chars.len()).find(|index| !in_run(chars[*index])).unwrap_or(chars.len());
        let run = &mut chars[start..end];
        let has = |test: fn(&char) -> bool| run.iter().any(test);
        if run.len() >= 20 && has(char::is_ascii_digit) && has(char::is_ascii_uppercase) {
            hide(run);
        }
        start = end + 1;
    }
    chars
}

fn hide(chars: &mut [char]) {
    for c in chars.iter_mut().filter(|c| !c.is_whitespace()) {
        *c = '•';
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snippet(text: &str, start: usize, end: usize) -> String {
        let label = Label { at: Mark { page: 0, start, end }, underline: '^', text: "here", secret: false };
        render(&[Page::new("f.yaml", text)], &[label])
    }

    #[test]
    fn a_mark_stands_beneath_its_text() {
        assert_eq!(snippet("a: 1\nbee: 2\n", 5, 8), " --> f.yaml:2:1\n  |\n2 | bee: 2\n  | ^^^ here");
        assert_eq!(snippet("\t日本: x\n", 1, 7).lines().last(), Some("  |     ^^^^ here"));
        assert_eq!(snippet("a: ", 3, 3).lines().last(), Some("  |    ^ here"));
        assert_eq!(snippet("\u{FE00}", 0, 3).lines().last(), Some("  | ^ here"));
    }

    #[test]
    fn long_lines_are_cut_around_the_mark() {
        let text = format!("{}X{}", "a".repeat(5000), "b".repeat(5000));
        let shown = snippet(&text, 5000, 5001);
        assert!(shown.lines().all(|line| line.chars().count() < 130), "{shown}");
        let (line, marks) = (shown.lines().nth(2).unwrap(), shown.lines().nth(3).unwrap());
        assert_eq!(line.chars().position(|c| c == 'X'), marks.chars().position(|c| c == '^'));
    }

    #[test]
    fn nothing_reaches_the_terminal_that_moves_or_hides_text() {
        let shown = snippet("a: \u{202E}txt\u{1b}[2J\u{0}\n", 0, 1);
        assert!(shown.contains("a: <U+202E>txt<U+001B>[2J<U+0000>"), "{shown}");
    }

    #[test]
    fn secrets_are_not_shown() {
        for text in [
            "DB_PASSWORD: canary",
            "environment: { A: b, API_TOKEN: canary }",
            "url: postgres://canary:canary@db/x",
            "key: AKIAcanaryCANARY012345",
        ] {
            assert!(!snippet(text, 0, 1).contains("canary"), "{text}");
        }
        let label = Label { at: Mark { page: 0, start: 3, end: 9 }, underline: '^', text: "", secret: true };
        assert!(!render(&[Page::new("f", "a: canary")], &[label]).contains("canary"));
    }
}
