//! The dashboard's front door: Apache's redirects and Horizon's login form, nothing behind it.

use std::collections::BTreeMap;
use std::io;
use std::sync::Mutex;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::ca::Leaf;
use super::hooks::Hooks;
use super::serve::{Ask, Reply};

super::fake::alike!("dashboard");

/// Starts a [`Fake`].
#[must_use]
#[derive(Default)]
pub struct Builder {
    hooks: Hooks,
    port: u16,
    saved: Option<Value>,
}

impl Builder {
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
        let core = Core {
            state: Mutex::new(state),
            hooks: self.hooks,
        };
        Fake::serve(self.port, core, |_, ask| answer(ask)).await
    }
}

struct Core {
    state: Mutex<State>,
    hooks: Hooks,
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

    /// Its URL on loopback.
    pub fn url(&self) -> Url {
        self.server.url()
    }

    /// Nothing is made here.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        BTreeMap::new()
    }

    /// Nothing here takes time.
    pub fn advance(&self, _now: Duration) {}
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
