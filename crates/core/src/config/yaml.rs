//! From text to trees: the only place that knows the YAML parser.
//!
//! Everything that could make a small file large or a short one slow has a limit here, checked while reading.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use granit_parser::{Event, Parser, ScalarStyle, Span, options};

use super::node::{Entry, Node};
use super::report::{Finding, Report, quote};
use super::snippet::invisible;
use super::source::{Mark, Page};
use super::syntax;
use crate::Code;

/// Nodes of a file with all aliases written out.
const MAX_NODES: usize = 10_000;
/// Levels of maps and lists.
const MAX_DEPTH: usize = 32;
/// Documents of a file.
const MAX_DOCUMENTS: usize = 100;
/// Bytes of one value.
const MAX_SCALAR: usize = 64 * 1024;

/// The documents of a page that hold something; `None` when it cannot be read, and the report says why.
pub(super) fn read(page: usize, report: &mut Report<'_>) -> Option<Vec<Arc<Node>>> {
    let mut reader = Reader { page, ..Reader::default() };
    let outcome = report.pages.get(page).map_or(Ok(()), |of| reader.read(of));
    let Reader { documents, findings, .. } = reader;
    let sound = findings.is_empty();
    findings.into_iter().for_each(|finding| report.error(finding));
    if let Err(finding) = outcome {
        report.error(*finding);
        return None;
    }
    if documents.is_empty() && sound {
        let start = Mark { page, start: 0, end: 0 };
        let hint =
            "start it with `apiVersion: landfall.dev/v1`, `kind: ServiceConfig` and `metadata: { name: textnlp }`";
        report.error(Finding::new(Code::MissingField, start, "the file is empty", hint));
    }
    (!documents.is_empty()).then_some(documents)
}

/// Refuses characters that hide what a file says.
fn characters(page: usize, of: &Page<'_>) -> Result<(), Box<Finding>> {
    let mut indentation = true;
    for (start, c) in of.text.char_indices() {
        let at = Mark { page, start, end: start + c.len_utf8() };
        let refuse = |message: String, hint: &str| Err(Box::new(Finding::new(Code::Syntax, at, message, hint)));
        match c {
            '\n' | '\r' => indentation = true,
            ' ' | '\t' => {}
            '\u{FEFF}' if start == 0 => {}
            '\0' => return refuse("a NUL byte: U+0000".into(), "remove it; the file may be binary or UTF-16"),
            '\u{A0}' | '\u{2000}'..='\u{200A}' | '\u{202F}' | '\u{3000}' if indentation => {
                let message = format!("a space that is not a plain space indents this line: U+{:04X}", u32::from(c));
                return refuse(message, "indent with plain spaces; such spaces come from copying a web page");
            }
            c if invisible(c) => {
                let message = format!("an invisible character: U+{:04X}", u32::from(c));
                return refuse(message, "remove it: what is read would not be what is seen");
            }
            c if c.is_control() => {
                return refuse(format!("a control character: U+{:04X}", u32::from(c)), "remove it");
            }
            _ => indentation = false,
        }
    }
    Ok(())
}

#[derive(Default)]
struct Reader {
    page: usize,
    documents: Vec<Arc<Node>>,
    findings: Vec<Finding>,
    open: Vec<Frame>,
    anchors: HashMap<usize, Arc<Node>>,
    nodes: usize,
    started: usize,
}

/// A collection that is being read.
struct Frame {
    at: Mark,
    anchor: usize,
    /// The deepest level beneath.
    depth: usize,
    content: Content,
}

enum Content {
    List(Vec<Arc<Node>>),
    Map { entries: Vec<Entry>, seen: HashSet<String>, key: Option<(String, Mark)> },
}

impl Reader {
    fn read(&mut self, page: &Page<'_>) -> Result<(), Box<Finding>> {
        if page.cut {
            let start = Mark { page: self.page, start: 0, end: 1 };
            return Err(self.too_large(start, "the file is larger than 256 KiB".into()));
        }
        characters(self.page, page)?;
        let mut options = options! { flow_nesting_limit: MAX_DEPTH, block_nesting_limit: MAX_DEPTH };
        options.set_emit_comments(false);
        for event in Parser::new_from_str_with_options(page.text, options) {
            let (event, span) = event.map_err(|error| Box::new(syntax::explain(self.page, page, &error)))?;
            let at = self.mark(page, &span);
            if let (Some(tag), Some(start)) = (event.tag(), span.tag_span()) {
                let tag_at = self.mark(page, &start);
                let message = format!("an explicit type: {}", quote(start.slice(page.text).unwrap_or(tag.suffix())));
                let hint = "remove it: each field has its type already";
                self.findings.push(Finding::new(Code::Syntax, tag_at, message, hint));
            }
            match event {
                Event::DocumentStart(..) => {
                    self.anchors.clear();
                    self.started += 1;
                    if self.started > MAX_DOCUMENTS {
                        return Err(self.too_large(at, format!("more than {MAX_DOCUMENTS} documents in one file")));
                    }
                }
                Event::Scalar(text, style, anchor, _) => {
                    if text.len() > MAX_SCALAR {
                        return Err(self.too_large(at, "a value longer than 64 KiB".into()));
                    }
                    let plain = style == ScalarStyle::Plain;
                    // The parser says `~` where nothing stands at all.
                    let text = if plain && at.start == at.end { String::new() } else { text.into_owned() };
                    self.place(Arc::new(Node::scalar(at, text, plain)), anchor)?;
                }
                Event::SequenceStart(_, anchor, _) => self.start(at, anchor, Content::List(Vec::new()))?,
                Event::MappingStart(_, anchor, _) => {
                    let content = Content::Map { entries: Vec::new(), seen: HashSet::new(), key: None };
                    self.start(at, anchor, content)?;
                }
                Event::SequenceEnd | Event::MappingEnd => self.end(at)?,
                Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                    Some(node) => {
                        self.nodes = self.nodes.saturating_add(node.weight);
                        let deeper = self.open.len() + node.depth;
                        if deeper > MAX_DEPTH {
                            return Err(self.too_large(at, format!("aliases lead deeper than {MAX_DEPTH} levels")));
                        }
                        self.place(node, 0)?;
                    }
                    None => {
                        let hint = "write the value out";
                        let finding = Finding::new(Code::Syntax, at, "an alias inside the value it stands for", hint);
                        return Err(Box::new(finding));
                    }
                },
                _ => {}
            }
        }
        Ok(())
    }

    fn mark(&self, page: &Page<'_>, span: &Span) -> Mark {
        let range = span.byte_range().unwrap_or(0..0);
        let limit = page.text.len();
        Mark { page: self.page, start: range.start.min(limit), end: range.end.max(range.start).min(limit) }
    }

    fn too_large(&self, at: Mark, message: String) -> Box<Finding> {
        Box::new(Finding::new(
            Code::TooLarge,
            at,
            message,
            "a service's configuration takes a few KiB: check that this is the right file",
        ))
    }

    fn start(&mut self, at: Mark, anchor: usize, content: Content) -> Result<(), Box<Finding>> {
        if self.open.len() >= MAX_DEPTH {
            return Err(self.too_large(at, format!("more than {MAX_DEPTH} levels")));
        }
        self.open.push(Frame { at, anchor, depth: 0, content });
        Ok(())
    }

    fn end(&mut self, at: Mark) -> Result<(), Box<Finding>> {
        let Some(Frame { at: start, anchor, content, .. }) = self.open.pop() else { return Ok(()) };
        let at = Mark { end: at.end.max(start.end), ..start };
        let node = match content {
            Content::List(items) => Node::list(at, items),
            Content::Map { entries, .. } => Node::map(at, entries),
        };
        self.place(Arc::new(node), anchor)
    }

    /// Puts a finished node where it belongs.
    fn place(&mut self, node: Arc<Node>, anchor: usize) -> Result<(), Box<Finding>> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(self.too_large(node.at, format!("more than {MAX_NODES} values, aliases written out")));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(frame) = self.open.last_mut() else {
            if !node.is_nothing() {
                self.documents.push(node);
            }
            return Ok(());
        };
        frame.depth = frame.depth.max(node.depth);
        match &mut frame.content {
            Content::List(items) => items.push(node),
            Content::Map { entries, seen, key } => match key.take() {
                Some((key, at)) if seen.insert(key.clone()) => entries.push(Entry { key, at, value: node }),
                Some((key, at)) => {
                    let first = entries.iter().find(|entry| entry.key == key).map(|entry| entry.at);
                    // A key that is no text is told already.
                    if !key.is_empty() {
                        let message = format!("the field stands twice: {}", quote(&key));
                        let hint = "keep one of the two; only one of them could take effect";
                        let finding = Finding::new(Code::DuplicateField, at, message, hint);
                        self.findings.push(match first {
                            Some(first) => finding.also(first, "first here"),
                            None => finding,
                        });
                    }
                }
                None => {
                    let text = node.text().unwrap_or_default();
                    if text.is_empty() {
                        self.findings.push(no_key(&node));
                    }
                    *key = Some((text.to_owned(), node.at));
                }
            },
        }
        Ok(())
    }
}

fn no_key(node: &Node) -> Finding {
    let at = Mark { end: node.at.start + 1, ..node.at };
    if node.text().is_some() {
        return Finding::new(
            Code::Syntax,
            at,
            "a name is missing before the colon",
            "write the field's name: `replicas: 3`",
        );
    }
    let hint = "braces start a map; templates such as `{{ … }}` are not read: put what differs into deployment-config.<environment>.yaml";
    Finding::new(Code::Syntax, at, "a map or list stands where a field's name is wanted", hint)
}
