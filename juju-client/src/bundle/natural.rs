//! Natural order: `app-9` before `app-10`.

use std::cmp::Ordering;

/// Compares runs of digits as numbers, the rest as text.
pub(crate) fn compare(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        match (a.is_empty(), b.is_empty()) {
            (true, true) => return Ordering::Equal,
            (true, false) => return Ordering::Less,
            (false, true) => return Ordering::Greater,
            (false, false) => {}
        }
        let (ta, na, ra) = split(a);
        let (tb, nb, rb) = split(b);
        match ta.cmp(tb) {
            Ordering::Equal => {}
            other => return other,
        }
        match na.cmp(&nb) {
            Ordering::Equal => {}
            other => return other,
        }
        (a, b) = (ra, rb);
    }
}

/// Text, the number after it (none if it is not followed by one), the rest.
fn split(s: &str) -> (&str, Option<u64>, &str) {
    let digits = s.find(|c: char| c.is_ascii_digit()).unwrap_or(s.len());
    let (text, rest) = s.split_at(digits);
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    let (number, rest) = rest.split_at(end);
    (text, number.parse().ok(), rest)
}

/// Sorted in natural order.
pub(crate) fn sorted<'a, T: AsRef<str> + ?Sized + 'a>(
    names: impl IntoIterator<Item = &'a T>,
) -> Vec<&'a str> {
    let mut v: Vec<&str> = names.into_iter().map(AsRef::as_ref).collect();
    v.sort_by(|a, b| compare(a, b));
    v
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_count() {
        assert_eq!(
            super::sorted(["app-10", "app-9", "app-1", "app"]),
            ["app", "app-1", "app-9", "app-10"]
        );
        assert_eq!(super::sorted(["10", "9", "0"]), ["0", "9", "10"]);
    }
}
