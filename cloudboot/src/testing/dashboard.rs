//! The dashboard's front door: Apache's redirects and Horizon's login form, nothing behind it.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::ca::{Leaf, RootCa};
use super::hooks::Hooks;
use super::serve::{Ask, Reply, Server, local_url};

/// Starts a [`Fake`].
#[must_use]
#[derive(Debug, Default)]
pub struct Builder {
    hooks: Hooks,
    port: u16,
    saved: Option<Value>,
}

impl Builder {
    /// Time, tap and listener.
    pub fn hooks(mut self, hooks: Hooks) -> Self {
        self.hooks = hooks;
        self
    }

    /// The port on 127.0.0.1 (0: a free one).
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Starts with a state that [`Fake::snapshot`] gave.
    pub fn restore(mut self, saved: Value) -> Self {
        self.saved = Some(saved);
        self
    }

    /// Starts it: on plain http, unless restored.
    ///
    /// # Errors
    /// When the port is taken or the saved state is not one.
    pub async fn start(self) -> io::Result<Fake> {
        let state: State = self
            .saved
            .map(serde_json::from_value)
            .transpose()?
            .unwrap_or_default();
        let server = Server::start(self.port, self.hooks.clone(), Arc::new(answer)).await?;
        server.set_tls(state.leaf.as_ref())?;
        Ok(Fake {
            state: Mutex::new(state),
            hooks: self.hooks,
            server,
        })
    }
}

/// A running fake. It stops when dropped.
pub struct Fake {
    state: Mutex<State>,
    hooks: Hooks,
    server: Server,
}

impl fmt::Debug for Fake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("dashboard::Fake")
            .field("url", &self.url().as_str())
            .finish_non_exhaustive()
    }
}

#[derive(Default, Serialize, Deserialize)]
struct State {
    leaf: Option<Leaf>,
}

impl Fake {
    /// A fake to be started.
    pub fn builder() -> Builder {
        Builder::default()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    /// Its URL on loopback.
    pub fn url(&self) -> Url {
        local_url(
            if self.server.is_tls() {
                "https"
            } else {
                "http"
            },
            self.addr(),
        )
    }

    /// Serves https with a certificate of `ca` for these addresses from the next connection on.
    ///
    /// # Errors
    /// When the certificate cannot be made or used.
    pub fn serve_tls(&self, ca: &RootCa, addresses: &[IpAddr]) -> io::Result<()> {
        let leaf = ca.issue(addresses)?;
        self.server.set_tls(Some(&leaf))?;
        self.lock().leaf = Some(leaf);
        (self.hooks.changed)();
        Ok(())
    }

    /// Whether it serves https.
    pub fn is_tls(&self) -> bool {
        self.server.is_tls()
    }

    /// Nothing is made here.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        BTreeMap::new()
    }

    /// The whole state.
    pub fn snapshot(&self) -> Value {
        serde_json::to_value(&*self.lock()).unwrap_or_default()
    }

    /// Puts a state that [`Fake::snapshot`] gave in the place of the present one.
    ///
    /// # Errors
    /// When it is not such a state.
    pub fn restore(&self, saved: Value) -> io::Result<()> {
        let state: State = serde_json::from_value(saved)?;
        self.server.set_tls(state.leaf.as_ref())?;
        *self.lock() = state;
        Ok(())
    }

    /// Nothing here takes time.
    pub fn advance(&self, _now: Duration) {}

    /// Stops and waits until the port is free.
    pub async fn stop(self) {
        self.server.stop().await;
    }
}

/// What the charm's Apache answers: `/` goes to `/horizon`, that to Horizon's login page.
fn answer(ask: &Ask) -> Reply {
    let to = |place: &str| Reply::html(302, "").header("location", place);
    match ask.path.as_str() {
        "/" => to("/horizon"),
        "/horizon" => to("/horizon/"),
        "/horizon/" => to("/horizon/auth/login/?next=/horizon/"),
        "/horizon/auth/login/" => Reply::html(200, LOGIN),
        _ => Reply::html(404, "<html><body><h1>Not Found</h1></body></html>"),
    }
}

const LOGIN: &str = r#"<!DOCTYPE html>
<html>
  <head><title>Login - OpenStack Dashboard</title></head>
  <body id="splash">
    <form id="" class="ng-pristine" method="POST" action="/horizon/auth/login/" autocomplete="off">
      <input type="hidden" name="csrfmiddlewaretoken" value="lab">
      <input id="id_domain" name="domain" type="text">
      <input id="id_username" name="username" type="text" autofocus="autofocus">
      <input id="id_password" name="password" type="password">
      <button id="loginBtn" type="submit"><span>Sign In</span></button>
    </form>
  </body>
</html>
"#;
