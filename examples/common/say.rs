//! Times and marks, as people read them.

use std::time::Duration;

use jiff::Timestamp;

/// `2:17:56`, rounded to the second.
pub(crate) fn clock(time: Duration) -> String {
    let seconds = time.as_secs_f64().round() as u64;
    format!(
        "{}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// From one moment to a later one; nothing where the clock was set back.
pub(crate) fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

/// The first line of a text, cut to `width` characters.
pub(crate) fn cut(text: &str, width: usize) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() <= width {
        return line.to_owned();
    }
    let mut short: String = line.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// `1 step`, `2 steps`.
pub(crate) fn count(number: usize, thing: &str) -> String {
    match number {
        1 => format!("1 {thing}"),
        _ => format!("{number} {thing}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rounded_to_the_second() {
        assert_eq!(clock(Duration::from_secs(8276)), "2:17:56");
        assert_eq!(clock(Duration::from_millis(59_700)), "0:01:00");
        assert_eq!(clock(Duration::ZERO), "0:00:00");
    }

    #[test]
    fn a_text_is_cut_at_its_first_line() {
        assert_eq!(cut("as it is", 8), "as it is");
        assert_eq!(cut("longer than that", 8), "longer …");
        assert_eq!(cut("one\ntwo", 8), "one");
        assert_eq!(cut("ééééé", 5), "ééééé");
    }
}
