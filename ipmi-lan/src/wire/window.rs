//! The sliding window over session sequence numbers (IPMI v2.0, section 6.12.13): each number once, stale ones never.

/// Remembers which sequence numbers were seen.
///
/// The specification's windows are 8 (v1.5) and 16 (v2.0) numbers to each side. A console that drops whatever lies further ahead goes deaf after
/// a burst of losses and on BMCs that skip numbers, so `ahead` is its own parameter: on an authenticated session any step forward is safe.
#[derive(Debug, Clone)]
pub struct Window {
    highest: Option<u32>,
    seen: u64,
    behind: u32,
    ahead: u32,
}

impl Window {
    /// A window that accepts up to `behind` (at most 63) numbers back and `ahead` numbers forward of the highest seen.
    #[must_use]
    pub fn new(behind: u32, ahead: u32) -> Self {
        Self {
            highest: None,
            seen: 0,
            behind: behind.min(63),
            ahead,
        }
    }

    /// A window that counts from a known first number: that number is the next one expected.
    #[must_use]
    pub fn starting_at(first: u32, behind: u32, ahead: u32) -> Self {
        Self {
            highest: Some(first.wrapping_sub(1)),
            seen: u64::MAX,
            behind: behind.min(63),
            ahead,
        }
    }

    /// Would this number be accepted? Ask before verifying, [`accept`](Self::accept) after it.
    #[must_use]
    pub fn allows(&self, seq: u32) -> bool {
        let Some(highest) = self.highest else {
            return true;
        };
        let forward = seq.wrapping_sub(highest);
        if forward == 0 {
            return self.seen & 1 == 0;
        }
        if forward <= u32::MAX / 2 {
            return forward <= self.ahead;
        }
        let back = highest.wrapping_sub(seq);
        back <= self.behind && self.seen & (1 << back) == 0
    }

    /// Takes a number: true the first time, false for a duplicate or one outside the window.
    pub fn accept(&mut self, seq: u32) -> bool {
        if !self.allows(seq) {
            return false;
        }
        let Some(highest) = self.highest else {
            self.highest = Some(seq);
            self.seen = 1;
            return true;
        };
        let forward = seq.wrapping_sub(highest);
        if forward <= u32::MAX / 2 {
            self.seen = if forward >= 64 {
                0
            } else {
                self.seen << forward
            };
            self.seen |= 1;
            self.highest = Some(seq);
        } else {
            self.seen |= 1 << highest.wrapping_sub(seq);
        }
        true
    }
}
