//! Reading typed values out of the located tree, collecting faults instead of stopping at the first.
//!
//! A [`Section`] is a map (or its absence). Each getter answers `None` when the value is wrong or missing, having
//! noted the fault; so a section's reader first gets everything and only then uses `?`. When a section goes out of
//! scope, the keys that nobody asked for are unknown keys.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use super::error::{Fault, FaultKind};
use super::notes::{Notes, Unknown};
use super::tree::{Entry, Kind, Node, child};
use super::value::Place;

/// How one value is read: what is expected, in words, and the reading.
pub(crate) struct Scalar<T> {
    pub(crate) expected: &'static str,
    pub(crate) parse: fn(&str) -> Option<T>,
}

/// A value with its path: what a getter hands to a reader of one's own.
#[derive(Clone)]
pub(crate) struct Value<'a> {
    pub(crate) notes: &'a Notes<'a>,
    pub(crate) path: String,
    pub(crate) open_path: String,
    pub(crate) node: &'a Node,
    pub(crate) place: Place,
}

impl<'a> Value<'a> {
    pub(crate) fn fault(
        &self,
        kind: FaultKind,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) {
        let fault = Fault::new(
            kind,
            self.path.clone(),
            Some(self.place.clone()),
            found,
            expected,
        );
        self.notes.fault(fault);
    }

    pub(crate) fn invalid(&self, expected: impl Into<String>) {
        self.fault(FaultKind::Invalid, self.shown(), expected);
    }

    /// The value as a message may show it.
    pub(crate) fn shown(&self) -> String {
        match &self.node.kind {
            Kind::Scalar { text, .. } if !self.node.is_null() => format!("`{}`", shown(text)),
            _ => self.node.what().to_owned(),
        }
    }

    /// Whether there is text, and it is one of those that stand for a value to come.
    pub(crate) fn is_blank(&self) -> bool {
        matches!(&self.node.kind, Kind::Scalar { text, .. } if !text.trim().is_empty() && is_blank(text))
    }

    /// The text of a single value that is not blank.
    pub(crate) fn text(&self, expected: &str) -> Option<&'a str> {
        match &self.node.kind {
            Kind::Scalar { text, .. } if self.node.is_null() || is_blank(text) => {
                let found = if self.node.is_null() || text.trim().is_empty() {
                    "nothing".to_owned()
                } else {
                    format!("`{}`, a blank to be filled in", shown(text))
                };
                self.fault(FaultKind::Blank, found, expected);
                None
            }
            Kind::Scalar { text, .. } => Some(text),
            _ => {
                self.fault(FaultKind::WrongType, self.node.what(), expected);
                None
            }
        }
    }

    pub(crate) fn scalar<T>(&self, kind: &Scalar<T>) -> Option<T> {
        let text = self.text(kind.expected)?;
        let value = (kind.parse)(text);
        if value.is_none() {
            self.invalid(kind.expected);
        }
        value
    }

    /// The folder that paths in this value are relative to: that of the file where it stands.
    pub(crate) fn dir(&self) -> PathBuf {
        self.node
            .place
            .file
            .parent()
            .map(Path::to_path_buf)
            .unwrap_or_default()
    }

    pub(crate) fn section(&self) -> Section<'a> {
        Section::new(
            self.notes,
            self.path.clone(),
            self.open_path.clone(),
            Some(self.node),
            Some(self.place.clone()),
        )
    }

    /// The items of a list, or the value itself as the only one.
    pub(crate) fn items(&self) -> Vec<Value<'a>> {
        match &self.node.kind {
            Kind::List(items) => items
                .iter()
                .enumerate()
                .map(|(index, node)| Value {
                    notes: self.notes,
                    path: format!("{}[{index}]", self.path),
                    open_path: format!("{}[]", self.open_path),
                    node,
                    place: node.place.clone(),
                })
                .collect(),
            _ => vec![self.clone()],
        }
    }
}

/// A map of known keys, or its absence.
pub(crate) struct Section<'a> {
    pub(crate) notes: &'a Notes<'a>,
    pub(crate) path: String,
    /// The path with list indices and free names left open.
    open_path: String,
    node: Option<&'a Node>,
    place: Option<Place>,
    /// It is not a map: this is said, and what it lacks is not.
    broken: bool,
    known: RefCell<Vec<String>>,
}

impl<'a> Section<'a> {
    pub(crate) fn new(
        notes: &'a Notes<'a>,
        path: String,
        open_path: String,
        node: Option<&'a Node>,
        place: Option<Place>,
    ) -> Self {
        let node = node.filter(|node| !node.is_null());
        let broken = node.is_some_and(|node| !matches!(node.kind, Kind::Map(_)));
        if let Some(node) = node.filter(|_| broken) {
            let found = node.what();
            notes.fault(Fault::new(
                FaultKind::WrongType,
                &path,
                place.clone(),
                found,
                "a map",
            ));
        }
        Self {
            notes,
            path,
            open_path,
            node,
            place,
            broken,
            known: RefCell::default(),
        }
    }

    /// Whether the file says the key, and not `null`.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.entry(key).is_some_and(|entry| !entry.value.is_null())
    }

    /// Whether the section is there at all.
    pub(crate) fn is_there(&self) -> bool {
        self.node.is_some()
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Lets a key pass that another place has read.
    pub(crate) fn allow(&self, key: &str) {
        self.known.borrow_mut().push(key.to_owned());
    }

    pub(crate) fn path_of(&self, key: &str) -> String {
        child(&self.path, key)
    }

    fn entry(&self, key: &str) -> Option<&'a Entry> {
        self.node.and_then(|node| node.get(key))
    }

    /// The value of a key, `null` included; the key becomes a known one.
    pub(crate) fn raw(&self, key: &str) -> Option<Value<'a>> {
        let open_path = child(&self.open_path, key);
        let entry = self.entry(key);
        *self
            .notes
            .asked
            .borrow_mut()
            .entry(open_path.clone())
            .or_default() |= entry.is_some();
        self.known.borrow_mut().push(key.to_owned());
        let entry = entry?;
        Some(Value {
            notes: self.notes,
            path: self.path_of(key),
            open_path,
            node: &entry.value,
            place: entry.place().clone(),
        })
    }

    /// The value of a key, if it is there and not `null`.
    pub(crate) fn value(&self, key: &str) -> Option<Value<'a>> {
        self.raw(key).filter(|value| !value.node.is_null())
    }

    /// Says that a required key is not there, or has no value.
    pub(crate) fn missing(&self, key: &str, expected: &str, help: Option<&str>) {
        if self.broken {
            return;
        }
        let entry = self.entry(key);
        let (kind, place) = match entry {
            Some(entry) => (FaultKind::Blank, Some(entry.key_place.clone())),
            None => (FaultKind::Missing, self.place.clone()),
        };
        let found = if entry.is_some() {
            "nothing"
        } else {
            "no such key"
        };
        let mut fault = Fault::new(kind, self.path_of(key), place, found, expected);
        if let Some(help) = help {
            fault = fault.help(help);
        }
        self.notes.fault(fault);
    }

    pub(crate) fn required_value(&self, key: &str, expected: &str) -> Option<Value<'a>> {
        let value = self.value(key);
        if value.is_none() {
            self.missing(key, expected, None);
        }
        value
    }

    pub(crate) fn required<T>(&self, key: &str, kind: &Scalar<T>) -> Option<T> {
        self.required_value(key, kind.expected)?.scalar(kind)
    }

    /// Outer `None`: it is wrong. Inner `None`: it is not there.
    #[allow(clippy::option_option)] // The two absences are what the caller must tell apart.
    pub(crate) fn optional<T>(&self, key: &str, kind: &Scalar<T>) -> Option<Option<T>> {
        match self.value(key) {
            Some(value) => value.scalar(kind).map(Some),
            None => Some(None),
        }
    }

    pub(crate) fn or<T>(&self, key: &str, kind: &Scalar<T>, default: T) -> Option<T> {
        Some(self.optional(key, kind)?.unwrap_or(default))
    }

    /// One value or a list of them; empty if it is not there.
    pub(crate) fn list<T>(&self, key: &str, kind: &Scalar<T>) -> Option<Vec<T>> {
        let Some(value) = self.value(key) else {
            return Some(Vec::new());
        };
        let items: Vec<Option<T>> = value.items().iter().map(|item| item.scalar(kind)).collect();
        items.into_iter().collect()
    }

    pub(crate) fn section(&self, key: &str) -> Section<'a> {
        match self.raw(key) {
            Some(value) => value.section(),
            None => {
                let (path, open_path) = (self.path_of(key), child(&self.open_path, key));
                let mut absent =
                    Section::new(self.notes, path, open_path, None, self.place.clone());
                absent.broken = self.broken;
                absent
            }
        }
    }

    /// The items of a list of maps.
    pub(crate) fn each(&self, key: &str) -> Vec<Section<'a>> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        if !matches!(value.node.kind, Kind::List(_)) {
            value.fault(FaultKind::WrongType, value.node.what(), "a list");
            return Vec::new();
        }
        value.items().iter().map(Value::section).collect()
    }

    /// The entries of a map whose keys are names of the user's own. They become known keys.
    pub(crate) fn entries(&self) -> Vec<(&'a str, Value<'a>)> {
        let Some(Node {
            kind: Kind::Map(entries),
            ..
        }) = self.node
        else {
            return Vec::new();
        };
        let open_path = child(&self.open_path, "*");
        entries
            .iter()
            .map(|entry| {
                self.allow(&entry.key);
                self.notes
                    .asked
                    .borrow_mut()
                    .insert(open_path.clone(), true);
                let value = Value {
                    notes: self.notes,
                    path: self.path_of(&entry.key),
                    open_path: open_path.clone(),
                    node: &entry.value,
                    place: entry.place().clone(),
                };
                (entry.key.as_str(), value)
            })
            .collect()
    }

    /// Notes a fault about a key, `a.b` for one further in, whose value could be read.
    pub(crate) fn fault(
        &self,
        key: &str,
        kind: FaultKind,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) {
        let place = self.place_of(key);
        self.notes.fault(Fault::new(
            kind,
            self.path_of_inner(key),
            place,
            found,
            expected,
        ));
    }

    fn path_of_inner(&self, key: &str) -> String {
        key.split('.')
            .fold(self.path.clone(), |path, key| child(&path, key))
    }

    /// Where a key stands, `a.b` for one further in; the section itself if it is not there.
    pub(crate) fn place_of(&self, key: &str) -> Option<Place> {
        let mut node = self.node;
        let mut place = self.place.clone();
        for key in key.split('.') {
            let Some(entry) = node.and_then(|node| node.get(key)) else {
                break;
            };
            place = Some(entry.place().clone());
            node = Some(&entry.value);
        }
        place
    }
}

impl Drop for Section<'_> {
    fn drop(&mut self) {
        let Some(Node {
            kind: Kind::Map(entries),
            ..
        }) = self.node
        else {
            return;
        };
        let known = self.known.borrow();
        for entry in entries {
            if !known.contains(&entry.key) {
                self.notes.unknown.borrow_mut().push(Unknown {
                    path: self.path_of(&entry.key),
                    key: entry.key.clone(),
                    place: entry.key_place.clone(),
                    siblings: known.clone(),
                });
            }
        }
    }
}

/// Values that somebody left to be filled in: nothing, `x.x.x.x`, `<password>`, `TODO`, `CHANGEME`, `...`.
fn is_blank(text: &str) -> bool {
    let text = text.trim();
    let lower = text.to_ascii_lowercase();
    let exes = lower.contains('x')
        && lower
            .chars()
            .all(|c| matches!(c, 'x' | '.' | ':' | '/' | '-'));
    text.is_empty()
        || exes && (lower.len() > 1)
        || (text.starts_with('<') && text.ends_with('>'))
        || matches!(
            lower.as_str(),
            "todo" | "changeme" | "change-me" | "change_me" | "..." | "???" | "tbd"
        )
}

/// A value as a message may show it: cut, in one line, without the password of a URL.
pub(crate) fn shown(text: &str) -> String {
    if let (Some(scheme), Some(at)) = (text.find("://"), text.rfind('@'))
        && scheme < at
    {
        return format!("{}://***{}", cut(&text[..scheme]), cut(&text[at..]));
    }
    cut(text)
}

pub(crate) fn cut(text: &str) -> String {
    let line: String = text
        .chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .take(60)
        .collect();
    if line.chars().count() < text.chars().count() {
        format!("{line}...")
    } else {
        line
    }
}
