//! YAML as a tree whose every node knows where it was written; overlays are laid over each other here.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use serde_saphyr::granit_parser::{self, Event, Parser, ScalarStyle, Span};

use super::error::{Fault, FaultKind};
use super::value::Place;

/// More nodes than any configuration has: aliases of aliases of aliases stop here.
const MOST_NODES: usize = 200_000;
/// Deeper than any configuration goes.
const DEEPEST: usize = 60;

#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) place: Place,
}

#[derive(Debug, Clone)]
pub(crate) enum Kind {
    /// A value as it was written: `3.10` stays `3.10`. Plain means unquoted: only then is `null` nothing.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_place: Place,
    pub(crate) value: Node,
}

impl Entry {
    /// Where to point at: the value if it is written on its own, else the key.
    pub(crate) fn place(&self) -> &Place {
        match &self.value.kind {
            Kind::Scalar { .. } if !self.value.is_null() => &self.value.place,
            _ => &self.key_place,
        }
    }
}

impl Node {
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar { text, plain: true }
            if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Entry> {
        match &self.kind {
            Kind::Map(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    /// What it is, for a message.
    pub(crate) fn what(&self) -> &'static str {
        match &self.kind {
            Kind::Scalar { .. } if self.is_null() => "nothing",
            Kind::Scalar { .. } => "a single value",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
        }
    }

    fn count(&self) -> usize {
        1 + match &self.kind {
            Kind::Scalar { .. } => 0,
            Kind::List(items) => items.iter().map(Node::count).sum(),
            Kind::Map(entries) => entries.iter().map(|entry| entry.value.count()).sum(),
        }
    }

    fn depth(&self) -> usize {
        1 + match &self.kind {
            Kind::Scalar { .. } => 0,
            Kind::List(items) => items.iter().map(Node::depth).max().unwrap_or(0),
            Kind::Map(entries) => entries
                .iter()
                .map(|entry| entry.value.depth())
                .max()
                .unwrap_or(0),
        }
    }

    /// Lays `over` over this node: maps merge, everything else replaces, and `null` removes. Answers the keys that
    /// were to be removed and were not there.
    pub(crate) fn overlay(&mut self, over: Node, path: &str) -> Vec<(String, Place)> {
        let mut nothing_removed = Vec::new();
        if let (Kind::Map(base), Kind::Map(_)) = (&mut self.kind, &over.kind) {
            let Kind::Map(over) = over.kind else {
                return nothing_removed;
            };
            for entry in over {
                let path = child(path, &entry.key);
                let at = base.iter().position(|old| old.key == entry.key);
                match at {
                    Some(at) if entry.value.is_null() => {
                        base.remove(at);
                    }
                    None if entry.value.is_null() => nothing_removed.push((path, entry.key_place)),
                    Some(at) => {
                        if let Some(old) = base.get_mut(at) {
                            old.key_place = entry.key_place;
                            nothing_removed.extend(old.value.overlay(entry.value, &path));
                        }
                    }
                    None => base.push(entry),
                }
            }
        } else {
            *self = over;
        }
        nothing_removed
    }

    /// The node as JSON, its plain scalars resolved by YAML 1.2's core schema.
    pub(crate) fn json(&self) -> serde_json::Value {
        use serde_json::Value;
        match &self.kind {
            Kind::Scalar { text, plain } => match (plain, text.as_str()) {
                (true, _) if self.is_null() => Value::Null,
                (true, "true" | "True" | "TRUE") => Value::Bool(true),
                (true, "false" | "False" | "FALSE") => Value::Bool(false),
                (true, word) => number(word).unwrap_or_else(|| Value::String(text.clone())),
                (false, _) => Value::String(text.clone()),
            },
            Kind::List(items) => Value::Array(items.iter().map(Node::json).collect()),
            Kind::Map(entries) => Value::Object(
                entries
                    .iter()
                    .map(|entry| (entry.key.clone(), entry.value.json()))
                    .collect(),
            ),
        }
    }
}

/// A number as YAML 1.2 and JSON both read it; `0755` and `1_000` stay words.
fn number(word: &str) -> Option<serde_json::Value> {
    let digits = word.strip_prefix('-').unwrap_or(word);
    let leading_zero = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
    if leading_zero || !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    if let Ok(whole) = word.parse::<i64>() {
        return Some(whole.into());
    }
    let float: f64 = word.parse().ok()?;
    serde_json::Number::from_f64(float).map(serde_json::Value::Number)
}

/// The path of a key in a map.
pub(crate) fn child(path: &str, key: &str) -> String {
    let key = if key.is_empty() || key.contains(['.', '[', ' ']) {
        format!("{key:?}")
    } else {
        key.to_owned()
    };
    if path.is_empty() {
        key
    } else {
        format!("{path}.{key}")
    }
}

enum Frame {
    List {
        items: Vec<Node>,
        place: Place,
        anchor: usize,
    },
    Map {
        entries: Vec<Entry>,
        key: Option<(String, Place)>,
        place: Place,
        anchor: usize,
    },
}

struct Builder<'f> {
    file: Arc<Path>,
    stack: Vec<Frame>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    root: Option<Node>,
    faults: &'f mut Vec<Fault>,
}

/// Reads one file's text. Faults go to `faults`; what could be read is answered even so. An empty document is an
/// empty map; text that is no YAML gives no node.
pub(crate) fn parse(text: &str, file: &Arc<Path>, faults: &mut Vec<Fault>) -> Option<Node> {
    let start = Place {
        file: file.clone(),
        line: 1,
        column: 1,
    };
    let options = granit_parser::options! {
        emit_comments: false,
        flow_nesting_limit: DEEPEST,
        block_nesting_limit: DEEPEST,
    };
    let mut builder = Builder {
        file: file.clone(),
        stack: Vec::new(),
        anchors: HashMap::new(),
        nodes: 0,
        root: None,
        faults,
    };
    let mut documents = 0;
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = match event {
            Ok(event) => event,
            Err(error) => {
                let mark = error.marker();
                let place = Place {
                    file: file.clone(),
                    line: mark.line().max(1),
                    column: mark.col() + 1,
                };
                let fault = Fault::new(
                    FaultKind::Syntax,
                    "",
                    Some(place),
                    format!("no YAML: {}", error.info()),
                    "YAML, indented by spaces",
                );
                builder.faults.push(fault);
                return None;
            }
        };
        if matches!(event, Event::DocumentStart(..)) {
            documents += 1;
            if documents > 1 {
                let place = builder.place(&span);
                builder.syntax(place, "a second document", "one YAML document a file");
                break;
            }
        }
        builder.event(event, &span)?;
    }
    let root = builder.root.unwrap_or_else(|| Node {
        kind: Kind::Map(Vec::new()),
        place: start.clone(),
    });
    if root.is_null() {
        return Some(Node {
            kind: Kind::Map(Vec::new()),
            place: start,
        });
    }
    if !matches!(root.kind, Kind::Map(_)) {
        let found = root.what();
        faults.push(Fault::new(
            FaultKind::WrongType,
            "",
            Some(root.place),
            found,
            "a map of sections: postgres, maas, lxd, juju, ...",
        ));
        return None;
    }
    Some(root)
}

impl Builder<'_> {
    fn place(&self, span: &Span) -> Place {
        Place {
            file: self.file.clone(),
            line: span.start.line().max(1),
            column: span.start.col() + 1,
        }
    }

    fn syntax(&mut self, place: Place, found: &str, expected: &str) {
        let path = self.path();
        self.faults.push(Fault::new(
            FaultKind::Syntax,
            path,
            Some(place),
            found,
            expected,
        ));
    }

    /// The path of what is being read.
    fn path(&self) -> String {
        self.stack
            .iter()
            .fold(String::new(), |path, frame| match frame {
                Frame::List { items, .. } => format!("{path}[{}]", items.len()),
                Frame::Map {
                    key: Some((key, _)),
                    ..
                } => child(&path, key),
                Frame::Map { key: None, .. } => path,
            })
    }

    /// None when reading cannot go on.
    fn event(&mut self, event: Event<'_>, span: &Span) -> Option<()> {
        let place = self.place(span);
        let tag = event
            .tag()
            .filter(|tag| tag.is_custom())
            .map(ToString::to_string);
        if let Some(tag) = tag {
            self.syntax(
                place.clone(),
                &format!("the tag {tag}"),
                "plain YAML without tags of one's own",
            );
        }
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let plain = matches!(style, ScalarStyle::Plain);
                let kind = Kind::Scalar {
                    text: text.into_owned(),
                    plain,
                };
                self.add(Node { kind, place }, anchor)
            }
            Event::SequenceStart(_, anchor, _) => {
                self.stack.push(Frame::List {
                    items: Vec::new(),
                    place,
                    anchor,
                });
                Some(())
            }
            Event::MappingStart(_, anchor, _) => {
                self.stack.push(Frame::Map {
                    entries: Vec::new(),
                    key: None,
                    place,
                    anchor,
                });
                Some(())
            }
            Event::SequenceEnd | Event::MappingEnd => match self.stack.pop() {
                Some(Frame::List {
                    items,
                    place,
                    anchor,
                }) => self.add(
                    Node {
                        kind: Kind::List(items),
                        place,
                    },
                    anchor,
                ),
                Some(Frame::Map {
                    entries,
                    place,
                    anchor,
                    ..
                }) => {
                    let entries = self.merge_keys(entries);
                    self.add(
                        Node {
                            kind: Kind::Map(entries),
                            place,
                        },
                        anchor,
                    )
                }
                None => Some(()),
            },
            Event::Alias(id) => {
                let Some(node) = self.anchors.get(&id).cloned() else {
                    self.syntax(
                        place,
                        "an alias inside its own anchor",
                        "an anchor that is complete",
                    );
                    return None;
                };
                self.nodes += node.count();
                self.add(node, 0)
            }
            _ => Some(()),
        }
    }

    fn add(&mut self, node: Node, anchor: usize) -> Option<()> {
        self.nodes += 1;
        if self.nodes > MOST_NODES || self.stack.len() + node.depth() > DEEPEST + 2 {
            self.syntax(
                node.place,
                "too many or too deep nodes",
                "a configuration of a humane size",
            );
            return None;
        }
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.stack.last_mut() {
            None => self.root = Some(node),
            Some(Frame::List { items, .. }) => items.push(node),
            Some(Frame::Map { entries, key, .. }) => match key.take() {
                None => match node.kind {
                    Kind::Scalar { text, .. } => *key = Some((text, node.place)),
                    _ => {
                        *key = Some((String::new(), node.place.clone()));
                        self.syntax(
                            node.place,
                            "a key that is a map or a list",
                            "a key that is a word",
                        );
                    }
                },
                Some((name, key_place)) => {
                    let first = entries.iter().find(|entry| entry.key == name);
                    if let Some(first) = first {
                        let (first, path) = (first.key_place.clone(), child(&self.path(), &name));
                        self.faults.push(Fault::new(
                            FaultKind::DuplicateKey,
                            path,
                            Some(key_place),
                            format!("`{name}` for the second time"),
                            format!("it once; the first is at {first}"),
                        ));
                    } else {
                        entries.push(Entry {
                            key: name,
                            key_place,
                            value: node,
                        });
                    }
                }
            },
        }
        Some(())
    }

    /// `<<: *anchor`: what the map itself does not say comes from there.
    fn merge_keys(&mut self, mut entries: Vec<Entry>) -> Vec<Entry> {
        let Some(at) = entries.iter().position(|entry| entry.key == "<<") else {
            return entries;
        };
        let merged = entries.remove(at);
        let sources = match merged.value.kind {
            Kind::List(items) => items,
            _ => vec![merged.value],
        };
        for source in sources {
            match source.kind {
                Kind::Map(more) => {
                    for entry in more {
                        if !entries.iter().any(|own| own.key == entry.key) {
                            entries.push(entry);
                        }
                    }
                }
                _ => self.syntax(
                    merged.key_place.clone(),
                    "`<<` with something that is no map",
                    "`<<: *anchor` of a map",
                ),
            }
        }
        entries
    }
}
