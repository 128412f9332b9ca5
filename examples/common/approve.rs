//! Who approves what cannot be taken back.

use std::io::Write as _;

use cloudboot::engine::{ApprovalRequest, Approvals};
use tokio::sync::oneshot;

use super::out;
use super::progress::Screen;

/// What to do where nobody can be asked.
pub(crate) const PASS_YES: &str = "pass --yes to approve it beforehand";

/// Everything with `--yes`; else a person is asked; without a terminal everything is denied, with the sentence what to pass.
pub(crate) fn approvals(yes: bool, screen: &Screen) -> Approvals {
    if yes {
        return Approvals::AllowAll;
    }
    let screen = screen.clone();
    Approvals::ask(move |request: ApprovalRequest| {
        let screen = screen.clone();
        async move {
            let question = format!("{} ({}): {}", request.about, request.step, request.question);
            ask(&screen, &question).await
        }
    })
}

/// Asks a person; what is not clearly yes is no.
pub(crate) async fn ask(screen: &Screen, question: &str) -> bool {
    if !out::can_ask() {
        screen.aside(&format!(
            "not approved, as there is no terminal to ask on: {question}; {PASS_YES}"
        ));
        return false;
    }
    let _paused = screen.pause();
    let mut err = std::io::stderr();
    let _ = write!(err, "{question}\n  Go on? [y/N] ").and_then(|()| err.flush());
    // A thread of its own: a read of the terminal can't be cancelled, and must not keep the program from ending.
    let (sender, answer) = oneshot::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = std::io::stdin().read_line(&mut line);
        let _ = sender.send(read.is_ok() && is_yes(&line));
    });
    answer.await.unwrap_or(false)
}

fn is_yes(answer: &str) -> bool {
    ["y", "yes"].contains(&answer.trim().to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::is_yes;

    #[test]
    fn what_is_not_clearly_yes_is_no() {
        assert!(is_yes("y\n") && is_yes(" YES "));
        assert!(!is_yes("") && !is_yes("\n") && !is_yes("yep") && !is_yes("no"));
    }
}
