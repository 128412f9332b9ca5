//! What came back, as a table.

use ipmi_lan::FleetResult;
use serde_json::Value;

use crate::Action;

/// Where an answer is a list: its name, and for each column the title and where its value is.
type Columns = (&'static str, &'static [(&'static str, &'static str)]);

fn columns(action: &Action) -> Option<Columns> {
    Some(match action {
        Action::Sensors => (
            "/sensors",
            &[
                ("sensor", "/name"),
                ("type", "/type"),
                ("value", "/value"),
                ("unit", "/unit"),
                ("critical below", "/lower_critical"),
                ("critical above", "/upper_critical"),
                ("states", "/states"),
            ],
        ),
        Action::Sel { clear: false } => (
            "/sel",
            &[
                ("entry", "/id"),
                ("time", "/time"),
                ("sensor", "/sensor"),
                ("type", "/type"),
                ("event", "/event"),
                ("deasserted", "/deasserted"),
                ("record", "/record"),
            ],
        ),
        Action::Users => (
            "/users",
            &[
                ("user", "/id"),
                ("name", "/name"),
                ("enabled", "/access/enabled"),
                ("IPMI", "/access/ipmi"),
                ("privilege", "/access/privilege"),
            ],
        ),
        _ => return None,
    })
}

/// One row a BMC, or one for each of its sensors, entries and users.
pub(crate) fn table(action: &Action, all: &[FleetResult<Value>]) -> comfy_table::Table {
    let columns = columns(action);
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::UTF8_FULL_CONDENSED);
    match columns {
        Some((_, columns)) => table.set_header(
            ["BMC", "ms"]
                .into_iter()
                .chain(columns.iter().map(|(title, _)| *title)),
        ),
        None => table.set_header(["BMC", "ms", "result"]),
    };
    for r in all {
        let mut head = vec![
            r.addr.to_string(),
            format!("{:.1}", r.elapsed.as_secs_f64() * 1000.0),
        ];
        let value = match &r.result {
            Ok(value) => value,
            Err(error) => {
                head.push(format!("FAILED: {error}"));
                table.add_row(head);
                continue;
            }
        };
        let list = columns.and_then(|(list, columns)| {
            let list = value.pointer(list)?.as_array()?;
            (!list.is_empty()).then_some((list, columns))
        });
        let Some((list, columns)) = list else {
            head.push(match columns {
                Some(_) => "none".to_owned(),
                None => text(value),
            });
            table.add_row(head);
            continue;
        };
        for element in list {
            let cells = columns
                .iter()
                .map(|(_, at)| element.pointer(at).map_or_else(String::new, text));
            table.add_row(head.drain(..).chain(cells));
            // The BMC is named once.
            head = vec![String::new(), String::new()];
        }
    }
    table
}

/// One line: `key=value` of an object, what is not there left out.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(s) => s.clone(),
        Value::Object(map) => map
            .iter()
            .filter(|(_, v)| !v.is_null())
            .map(|(k, v)| format!("{k}={}", text(v)))
            .collect::<Vec<_>>()
            .join(" "),
        Value::Array(list) => list.iter().map(text).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}
