//! Ctrl-C: the first stops cleanly, the second at once.

use cloudboot::engine::CancellationToken;

use super::exit::Exit;
use super::progress::Screen;

/// Listens for Ctrl-C (and the system's polite request to end) for as long as the program lives.
///
/// # Errors
/// The system gives no signals.
pub(crate) fn listen(cancel: CancellationToken, screen: Screen) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupts = signal(SignalKind::interrupt())?;
    let mut terminations = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        for time in 1.. {
            tokio::select! {
                _ = interrupts.recv() => {}
                _ = terminations.recv() => {}
            }
            if time == 1 {
                screen.aside("stopping after the call under way; run the same command again to go on (Ctrl-C again stops at once)");
                cancel.cancel();
            } else {
                screen.aside("stopped at once; run the same command again to go on");
                std::process::exit(Exit::Interrupted.code().into());
            }
        }
    });
    Ok(())
}
