//! The text of a configuration file with its overlays, and where in it things stand.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::snippet;
use crate::error::Position;
use crate::{Code, Error, Result};

/// Files are refused above this many bytes, before they are parsed. A service takes a few KiB; so much is still parsed in
/// less than 100 ms by a debug build.
pub(super) const MAX_BYTES: usize = 256 * 1024;

/// The text of one configuration file, with the overlays of the chosen environment on top of it.
///
/// ```
/// use landfall_core::config::Source;
///
/// let source = Source::new("tabular/deployment-config.yaml", "apiVersion: landfall.dev/v1")
///     .overlay(Source::new("tabular/deployment-config.prod.yaml", "spec: { service: { replicas: 6 } }"));
/// assert_eq!(source.file(), "tabular/deployment-config.yaml");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Source {
    file: String,
    text: String,
    overlays: Vec<Source>,
}

impl Source {
    /// A file by the name under which reports show it, and its text.
    #[must_use]
    pub fn new(file: impl Into<String>, text: impl Into<String>) -> Self {
        Self { file: file.into(), text: text.into(), overlays: Vec::new() }
    }

    /// A file by its bytes.
    ///
    /// # Errors
    /// [`Code::TooLarge`] above 256 KiB; [`Code::Syntax`] with the place of the first byte that is not UTF-8.
    pub fn from_bytes(file: impl Into<String>, bytes: Vec<u8>) -> Result<Self> {
        let file = file.into();
        if bytes.len() > MAX_BYTES {
            return Err(too_large(&file));
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self::new(file, text)),
            Err(error) => {
                let bytes = error.as_bytes();
                let at = error.utf8_error().valid_up_to();
                let text = String::from_utf8_lossy(&bytes[..bytes.len().min(at + 80)]);
                let page = Page::new(&file, &text);
                let message = format!("a byte that is no UTF-8: 0x{:02X}", bytes.get(at).copied().unwrap_or_default());
                let error = Error::new(Code::Syntax, message).position(page.position(at));
                if let [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] = bytes {
                    return Err(error.hint("the file is UTF-16: save it as UTF-8"));
                }
                let at = Mark { page: 0, start: at, end: at };
                let label = snippet::Label { at, underline: '^', text: "", secret: false };
                Err(error.detail(snippet::render(&[page], &[label])).hint("save the file as UTF-8"))
            }
        }
    }

    /// Reads a file, and the overlay of an environment when it lies beside it: `deployment-config.prod.yaml` beside
    /// `deployment-config.yaml`. Reports name the files by the path given here.
    ///
    /// # Errors
    /// [`Code::Unreadable`] with the operating system's words, and those of [`Source::from_bytes`].
    pub fn read(path: impl AsRef<Path>, environment: Option<&str>) -> Result<Self> {
        let path = path.as_ref();
        let base = read(path)?.ok_or_else(|| {
            Error::new(Code::Unreadable, format!("no such file: {}", path.display()))
                .hint("check the path; it is relative to the working directory")
        })?;
        let overlay = match environment.and_then(|environment| overlay_path(path, environment)) {
            Some(path) => read(&path)?,
            None => None,
        };
        Ok(overlay.into_iter().fold(base, Self::overlay))
    }

    /// Lays another file over this one: maps merge, lists of named things merge by `name`, everything else replaces,
    /// and an explicit `null` removes.
    #[must_use]
    pub fn overlay(mut self, overlay: Self) -> Self {
        self.overlays.push(overlay);
        self
    }

    /// The name under which reports show the file.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// This file and its overlays, from the bottom up.
    pub(super) fn layers(&self) -> Vec<&Self> {
        let mut layers = vec![self];
        for overlay in &self.overlays {
            layers.extend(overlay.layers());
        }
        layers
    }

    pub(super) fn page(&self) -> Page<'_> {
        Page::new(&self.file, &self.text)
    }
}

/// Text of configuration files may hold what should have been a secret, so it is not printed.
impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source").field("file", &self.file).field("overlays", &self.overlays).finish_non_exhaustive()
    }
}

/// A file's text by lines.
pub(super) struct Page<'a> {
    pub(super) file: &'a str,
    pub(super) text: &'a str,
    /// Whether the text was cut because the file is too large to be read.
    pub(super) cut: bool,
    starts: Vec<usize>,
}

/// A stretch of a page, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark {
    pub(super) page: usize,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl<'a> Page<'a> {
    pub(super) fn new(file: &'a str, text: &'a str) -> Self {
        let cut = text.len() > MAX_BYTES;
        let text = if cut { &text[..text.floor_char_boundary(1024)] } else { text };
        let bytes = text.as_bytes();
        let mut starts = vec![0];
        for (index, byte) in bytes.iter().enumerate() {
            if *byte == b'\n' || (*byte == b'\r' && bytes.get(index + 1) != Some(&b'\n')) {
                starts.push(index + 1);
            }
        }
        Self { file, text, cut, starts }
    }

    /// Line (from 0) of a byte.
    pub(super) fn line_of(&self, byte: usize) -> usize {
        self.starts.partition_point(|start| *start <= byte).saturating_sub(1)
    }

    /// A line (from 0) without its end, and the byte it starts at.
    pub(super) fn line(&self, line: usize) -> (&'a str, usize) {
        let start = self.starts.get(line).copied().unwrap_or(self.text.len());
        let end = self.starts.get(line + 1).copied().unwrap_or(self.text.len());
        let text = self.text.get(start..end).unwrap_or_default().trim_end_matches(['\n', '\r']);
        // A byte-order mark takes no column.
        match text.strip_prefix('\u{FEFF}').filter(|_| start == 0) {
            Some(rest) => (rest, '\u{FEFF}'.len_utf8()),
            None => (text, start),
        }
    }

    pub(super) fn position(&self, byte: usize) -> Position {
        let line = self.line_of(byte);
        let (text, start) = self.line(line);
        let before = text.get(..text.floor_char_boundary(byte.saturating_sub(start))).unwrap_or_default();
        let number = |count: usize| u32::try_from(count + 1).unwrap_or(u32::MAX);
        Position { file: self.file.to_owned(), line: number(line), column: number(before.chars().count()) }
    }
}

pub(super) fn too_large(file: &str) -> Error {
    let position = Position { file: file.to_owned(), line: 1, column: 1 };
    Error::new(Code::TooLarge, "the file is larger than 256 KiB")
        .position(position)
        .hint("a service's configuration takes a few KiB: check that this is the right file")
}

fn overlay_path(base: &Path, environment: &str) -> Option<PathBuf> {
    let stem = base.file_stem()?.to_str()?;
    let extension = base.extension()?.to_str()?;
    Some(base.with_file_name(format!("{stem}.{environment}.{extension}")))
}

/// A file's text; `None` when there is no such file. Never reads more than it may take.
fn read(path: &Path) -> Result<Option<Source>> {
    let unreadable = |error: std::io::Error| {
        Error::new(Code::Unreadable, format!("the file cannot be read: {}: {error}", path.display()))
            .hint("check that it is a file and that this process may read it")
            .because(error)
    };
    let file = match std::fs::File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(unreadable)?,
    };
    let mut bytes = Vec::new();
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    Source::from_bytes(path.display().to_string(), bytes).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_with_any_line_break_and_columns_count_characters() {
        let page = Page::new("f", "\u{FEFF}aé: 1\r\nb: 2\rc: 3\n");
        let at = |byte| {
            let Position { line, column, .. } = page.position(byte);
            (line, column)
        };
        assert_eq!(at(3), (1, 1));
        assert_eq!(at(page.text.find(": 1").unwrap()), (1, 3));
        assert_eq!(at(page.text.find('b').unwrap()), (2, 1));
        assert_eq!(at(page.text.find('3').unwrap()), (3, 4));
        assert_eq!(at(page.text.len()), (4, 1));
        assert_eq!(page.line(1).0, "b: 2");
    }

    #[test]
    fn bytes_that_are_no_text_have_a_place() {
        let error = Source::from_bytes("f", b"a: 1\nb: \xFF\n".to_vec()).unwrap_err();
        assert_eq!((error.code(), error.origin().unwrap().to_string()), (Code::Syntax, "f:2:4".to_owned()));
        let error = Source::from_bytes("f", vec![b'a'; MAX_BYTES + 1]).unwrap_err();
        assert_eq!(error.code(), Code::TooLarge);
        let error = Source::read("no/such/file.yaml", Some("prod")).unwrap_err();
        assert_eq!(error.code(), Code::Unreadable);
    }

    #[test]
    fn an_overlay_lies_beside_its_base() {
        let path = overlay_path(Path::new("textnlp/deployment-config.yaml"), "prod").unwrap();
        assert_eq!(path, Path::new("textnlp/deployment-config.prod.yaml"));
    }
}
