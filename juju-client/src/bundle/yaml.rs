//! YAML as Juju reads it: documents as nodes with their lines, scalars as they are written.
//!
//! Juju decodes straight into typed fields with a YAML 1.1 reader of its own (`juju/yaml`): text fields take what is written
//! (`channel: 23.10`), numbers are cut to integers, `y` is true, a key that stands twice counts as it stands last. So the type of a
//! scalar is decided where it is used ([`super::scalar`]), not while reading.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Tag};

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    /// Text, whether it was written plain (not quoted), and its tag (`!!int`).
    Scalar {
        text: String,
        plain: bool,
        tag: String,
    },
    List(Vec<Node>),
    /// As written: a key may stand twice.
    Map(Vec<(Node, Node)>),
}

/// A node and the line where it begins.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) line: usize,
}

/// What a bundle may grow to by aliases: an honest one has some thousand nodes.
const MOST_NODES: usize = 100_000;

/// What deep nesting a bundle may have.
const DEEPEST: usize = 100;

struct Reader<'a> {
    parser: Parser<'a, granit_parser::StrInput<'a>>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
}

/// Reads all documents.
///
/// # Errors
/// What is wrong with the YAML, with line and column.
pub(crate) fn documents(yaml: &str) -> Result<Vec<Node>, String> {
    let mut r = Reader {
        parser: Parser::new_from_str(yaml.strip_prefix('\u{feff}').unwrap_or(yaml)),
        anchors: HashMap::new(),
        nodes: 0,
    };
    let mut all = Vec::new();
    while let Some((event, _)) = r.next()? {
        match event {
            Event::DocumentStart(..) => {
                let Some((event, line)) = r.next()? else {
                    break;
                };
                all.push(match event {
                    Event::DocumentEnd => null(line),
                    event => r.node(event, line, 0)?,
                });
                r.anchors.clear();
            }
            Event::StreamEnd => break,
            _ => {}
        }
    }
    Ok(all)
}

fn null(line: usize) -> Node {
    let kind = Kind::Scalar {
        text: String::new(),
        plain: true,
        tag: String::new(),
    };
    Node { kind, line }
}

fn tag(t: Option<std::borrow::Cow<'_, Tag>>) -> String {
    t.map_or(String::new(), |t| match t.handle() {
        "tag:yaml.org,2002:" => format!("!!{}", t.suffix()),
        handle => format!("{handle}{}", t.suffix()),
    })
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Option<(Event<'a>, usize)>, String> {
        loop {
            match self.parser.next() {
                None => return Ok(None),
                Some(Err(e)) => return Err(wrong(&e)),
                Some(Ok((Event::Comment(..), _))) => {}
                Some(Ok((event, span))) => return Ok(Some((event, span.start.line()))),
            }
        }
    }

    fn inner(&mut self) -> Result<(Event<'a>, usize), String> {
        self.next()?
            .ok_or_else(|| "the document ends too soon".to_owned())
    }

    fn node(&mut self, event: Event<'a>, line: usize, depth: usize) -> Result<Node, String> {
        self.nodes += 1;
        if depth > DEEPEST {
            return Err(format!("line {line}: nested too deeply"));
        }
        let (kind, anchor) = match event {
            Event::Scalar(text, style, anchor, t) => (
                Kind::Scalar {
                    text: text.into_owned(),
                    plain: style == ScalarStyle::Plain,
                    tag: tag(t),
                },
                anchor,
            ),
            Event::SequenceStart(_, anchor, _) => {
                let mut list = Vec::new();
                loop {
                    let (event, line) = self.inner()?;
                    if event == Event::SequenceEnd {
                        break;
                    }
                    list.push(self.node(event, line, depth + 1)?);
                }
                (Kind::List(list), anchor)
            }
            Event::MappingStart(_, anchor, _) => {
                let mut map = Vec::new();
                loop {
                    let (event, line) = self.inner()?;
                    if event == Event::MappingEnd {
                        break;
                    }
                    let key = self.node(event, line, depth + 1)?;
                    let (event, line) = self.inner()?;
                    map.push((key, self.node(event, line, depth + 1)?));
                }
                (Kind::Map(map), anchor)
            }
            Event::Alias(id) => {
                let node = self
                    .anchors
                    .get(&id)
                    .ok_or_else(|| format!("line {line}: an alias of nothing"))?;
                self.nodes += node.size();
                if self.nodes > MOST_NODES {
                    return Err(format!("line {line}: the aliases make too much of it"));
                }
                let kind = node.kind.clone();
                return Ok(Node { kind, line });
            }
            other => return Err(format!("line {line}: unexpected {other:?}")),
        };
        let node = Node { kind, line };
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }
}

fn wrong(e: &ScanError) -> String {
    format!(
        "line {}, column {}: {}",
        e.marker().line(),
        e.marker().col() + 1,
        e.info()
    )
}

impl Node {
    fn size(&self) -> usize {
        1 + match &self.kind {
            Kind::Scalar { .. } => 0,
            Kind::List(l) => l.iter().map(Node::size).sum(),
            Kind::Map(m) => m.iter().map(|(k, v)| k.size() + v.size()).sum(),
        }
    }

    /// Whether it is `~`, `null` or nothing at all.
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar { text, plain: true, tag } if (tag.is_empty() || tag == "!!null") && super::scalar::is_null(text))
    }

    /// The entries of a mapping, keys as text: merges (`<<`) first, then each key as it stands last. `None` for a key that is no
    /// scalar.
    pub(crate) fn entries(&self) -> Option<Vec<(String, &Node)>> {
        let Kind::Map(map) = &self.kind else {
            return None;
        };
        let mut all: Vec<(String, &Node)> = Vec::new();
        let mut put = |key: String, v| match all.iter_mut().find(|(k, _)| *k == key) {
            Some(slot) => slot.1 = v,
            None => all.push((key, v)),
        };
        for (key, v) in map {
            let Kind::Scalar { text, plain, .. } = &key.kind else {
                return None;
            };
            if *plain && text == "<<" {
                let merged = match &v.kind {
                    Kind::List(l) => l.iter().rev().collect(),
                    _ => vec![v],
                };
                for m in merged {
                    for (k, v) in m.entries()? {
                        put(k, v);
                    }
                }
            } else {
                put(
                    if key.is_null() {
                        String::new()
                    } else {
                        text.clone()
                    },
                    v,
                );
            }
        }
        Some(all)
    }

    /// A mapping's entry.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entries()?
            .into_iter()
            .find(|(k, _)| k == key)
            .map(|(_, v)| v)
    }

    /// Whether a mapping has the key, be it with nothing.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }
}
