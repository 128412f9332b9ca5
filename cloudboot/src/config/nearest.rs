//! The known key that an unknown one was probably meant to be.

/// The nearest of `known`, if it is near enough to be worth saying.
pub(crate) fn nearest<'k>(key: &str, known: &'k [String]) -> Option<&'k str> {
    let plain = |word: &str| word.to_lowercase().replace(['-', ' '], "_");
    let key = plain(key);
    if key.len() > 64 {
        return None;
    }
    known
        .iter()
        .map(|known| (distance(&key, &plain(known)), known.as_str()))
        .min()
        .filter(|(distance, known)| *distance <= 1 + known.len().min(key.len()) / 4)
        .map(|(_, known)| known)
}

/// Edits between two words: a letter more, less or other, or two neighbours swapped.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let same = a[i - 1] == b[j - 1];
            let mut best = (rows[i - 1][j] + 1)
                .min(row[j - 1] + 1)
                .min(rows[i - 1][j - 1] + usize::from(!same));
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows.last()
        .and_then(|row| row.last())
        .copied()
        .unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swapped_and_lost_letters_are_near() {
        let known = ["channel", "server", "nodes_amount"].map(str::to_owned);
        assert_eq!(nearest("chanel", &known), Some("channel"));
        assert_eq!(nearest("sevrer", &known), Some("server"));
        assert_eq!(nearest("nodes-amount", &known), Some("nodes_amount"));
        assert_eq!(nearest("zebra", &known), None);
        assert_eq!(nearest("", &known), None);
    }
}
