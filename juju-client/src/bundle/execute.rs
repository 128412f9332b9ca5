//! Storage and device constraints as bundles write them, for the wire.

use serde_json::{Value, json};

use super::names::quoted;

/// `pool,count,size` in any order, e.g. `ebs,10G` or `tmpfs,1,512M`; the wire's fields are `pool`, `size` (MiB), `count`.
pub(crate) fn storage(s: &str) -> Result<Value, String> {
    // As there, zero is not given.
    let given = |v: &Value, key: &str| v.get(key).filter(|x| **x != json!(0)).cloned();
    let mut v = json!({});
    let twice = |what: &str, old: &Value, new: &Value| {
        Err(format!(
            "{what} is already set to {old}, new value {new} not valid"
        ))
    };
    for part in s.split(',').filter(|p| !p.is_empty()) {
        if is_pool(part) {
            if let Some(old) = v.get("pool") {
                return twice("pool name", old, &json!(part));
            }
            v["pool"] = json!(part);
        } else if let Some(count) = count(part) {
            let count = json!(count.map_err(|e| format!("parsing storage count: {e}"))?);
            if let Some(old) = v.get("count") {
                return twice("storage instance count", old, &count);
            }
            v["count"] = count;
        } else if let Some(size) = size(part) {
            let size = json!(size.map_err(|e| format!("parsing storage size: {e}"))?);
            if let Some(old) = given(&v, "size") {
                return twice("storage size", &old, &size);
            }
            v["size"] = size;
        } else {
            return Err(format!(
                "unrecognized storage directive {} not valid",
                quoted(part)
            ));
        }
    }
    if ["pool", "count", "size"]
        .iter()
        .all(|k| given(&v, k).is_none())
    {
        return Err("storage directives require at least one field to be specified".into());
    }
    if v.get("count").is_none() {
        v["count"] = json!(1);
    }
    Ok(v)
}

/// `[a-zA-Z]+[-?a-zA-Z0-9]*`
fn is_pool(s: &str) -> bool {
    s.bytes().next().is_some_and(|b| b.is_ascii_alphabetic())
        && s.bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'?'))
}

/// `-?[0-9]+`, of which only the positive ones will do.
fn count(s: &str) -> Option<Result<u64, String>> {
    let digits = s.strip_prefix('-').unwrap_or(s);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    if s.starts_with('-') {
        return Some(Err(format!(
            "count must be greater than zero, got {}",
            quoted(s)
        )));
    }
    match s.parse::<u64>().ok()? {
        0 => Some(Err(format!(
            "count must be greater than zero, got {}",
            quoted(s)
        ))),
        n => Some(Ok(n)),
    }
}

/// `-?[0-9]+(\.[0-9]+)?[MGTPEZY](i?B)?`, in MiB.
fn size(s: &str) -> Option<Result<u64, String>> {
    let bare = s
        .strip_suffix("iB")
        .or_else(|| s.strip_suffix('B'))
        .unwrap_or(s);
    let (number, suffix) = bare.split_at_checked(bare.len().checked_sub(1)?)?;
    let power = "MGTPEZY".find(suffix)?;
    let digits = number.strip_prefix('-').unwrap_or(number);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if !all(whole) || !all(fraction) {
        return None;
    }
    match number.parse::<f64>() {
        Ok(v) if !number.starts_with('-') => {
            let factor = 1024_f64.powi(i32::try_from(power).unwrap_or(0));
            Some(Ok((v * factor).ceil() as u64))
        }
        _ => Some(Err(format!(
            "expected a non-negative number, got {}",
            quoted(s)
        ))),
    }
}

/// `[count,]type[,key=value;...]`.
pub(crate) fn device(s: &str) -> Result<Value, String> {
    let fields: Vec<&str> = s.split(',').collect();
    let (count, kind, attributes) = match fields[..] {
        [kind] => (1, kind, None),
        [count, kind] => (positive(count)?, kind, None),
        [count, kind, attributes] => (positive(count)?, kind, Some(attributes)),
        _ => {
            return Err("cannot parse device constraints string, supported format is [<count>,]<device-class>|<vendor/type>[,<key>=<value>;...]".into());
        }
    };
    let mut map = serde_json::Map::new();
    for pair in attributes.into_iter().flat_map(|a| a.split(';')) {
        match pair.split('=').collect::<Vec<_>>()[..] {
            [k, v] => drop(map.insert(k.into(), json!(v))),
            _ => {
                return Err(format!(
                    "device attribute key/value pair has bad format: {}",
                    quoted(pair)
                ));
            }
        }
    }
    Ok(json!({"type": kind, "count": count, "attributes": map}))
}

fn positive(s: &str) -> Result<i64, String> {
    match s.parse::<i64>() {
        Ok(n) if n > 0 => Ok(n),
        _ => Err(format!(
            "count must be greater than zero, got {}",
            quoted(s)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::{device, storage};
    use serde_json::json;

    #[test]
    fn storage_and_devices_are_read_as_juju_reads_them() {
        assert_eq!(
            storage("3,p,0.125P").unwrap(),
            json!({"pool": "p", "count": 3, "size": 134_217_728})
        );
        assert_eq!(
            storage("10GiB").unwrap(),
            json!({"size": 10240, "count": 1})
        );
        assert_eq!(storage("2").unwrap(), json!({"count": 2}));
        for (text, says) in [
            ("p,-100M", "expected a non-negative number"),
            ("p,0", "greater than zero"),
            (",", "at least one field"),
            ("0M", "at least one field"),
            ("1д", "unrecognized storage directive"),
            ("a,b", "already set to \"a\", new value \"b\""),
            ("1 G", "unrecognized storage directive \"1 G\""),
        ] {
            assert!(storage(text).unwrap_err().contains(says), "{text}");
        }
        assert_eq!(
            device("2,gpu,a=b;c=d").unwrap(),
            json!({"type": "gpu", "count": 2, "attributes": {"a": "b", "c": "d"}})
        );
        assert_eq!(device("nvidia.com/gpu").unwrap()["count"], 1);
        assert!(device("gpu,2").unwrap_err().contains("greater than zero"));
        assert!(device("1,gpu,a").unwrap_err().contains("bad format"));
    }
}
