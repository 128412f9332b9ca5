//! Storage and device constraints as bundles write them, for the wire.

use serde_json::{Value, json};

/// `pool,count,size` in any order, e.g. `ebs,10G` or `tmpfs,1,512M`; the wire's fields are `pool`, `size` (MiB), `count`.
pub(crate) fn storage(s: &str) -> Result<Value, String> {
    let mut v = json!({});
    for part in s.split(',').map(str::trim).filter(|p| !p.is_empty()) {
        if let Ok(n) = part.parse::<i64>() {
            if n <= 0 {
                return Err(format!(
                    "parsing storage count: count must be greater than zero, got {part:?}"
                ));
            }
            v["count"] = json!(n);
        } else if part.starts_with(|c: char| c.is_ascii_digit()) {
            v["size"] = json!(size(part).ok_or_else(|| format!("parsing storage size: cannot parse size: expected a non-negative number, got {part:?}"))?);
        } else {
            v["pool"] = json!(part);
        }
    }
    if v.as_object().is_none_or(serde_json::Map::is_empty) {
        return Err("storage constraints require at least one field to be specified".into());
    }
    if v.get("count").is_none() {
        v["count"] = json!(1);
    }
    Ok(v)
}

fn size(s: &str) -> Option<u64> {
    let digits = s.trim_end_matches("iB").trim_end_matches('B');
    let (number, factor) = match digits.as_bytes().last()? {
        b'M' => (&digits[..digits.len() - 1], 1.0),
        b'G' => (&digits[..digits.len() - 1], 1024.0),
        b'T' => (&digits[..digits.len() - 1], 1024.0 * 1024.0),
        b'P' => (&digits[..digits.len() - 1], 1024.0 * 1024.0 * 1024.0),
        _ => return None,
    };
    let v: f64 = number.parse().ok()?;
    (v >= 0.0 && v.is_finite()).then(|| (v * factor).ceil() as u64)
}

/// `count,type,attribute=value;...`.
pub(crate) fn device(s: &str) -> Result<Value, String> {
    let mut parts: Vec<&str> = s.split(',').collect();
    let mut count = 1;
    if let Some(n) = parts.first().and_then(|p| p.parse::<i64>().ok()) {
        if n <= 0 {
            return Err(format!(
                "count must be greater than zero, got {:?}",
                parts[0]
            ));
        }
        count = n;
        parts.remove(0);
    }
    let kind = parts
        .first()
        .filter(|k| !k.is_empty())
        .ok_or("device type is missing")?;
    let mut attributes = serde_json::Map::new();
    for pair in parts
        .iter()
        .skip(1)
        .flat_map(|p| p.split(';'))
        .filter(|p| !p.is_empty())
    {
        let (k, v) = pair
            .split_once('=')
            .ok_or_else(|| format!("device attribute {pair:?} is not key=value"))?;
        attributes.insert(k.into(), json!(v));
    }
    Ok(json!({"type": kind, "count": count, "attributes": attributes}))
}
