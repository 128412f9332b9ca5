//! What the fakes of this room have alike: how they are built, addressed, saved and stopped.

/// Written once in each fake's module, which has a `Builder { hooks, port, saved, .. }`, a `Fake { core, server }`, a
/// `Core { state: Mutex<State>, hooks, .. }` and a `State` with the certificate in use as `leaf`.
macro_rules! alike {
    ($name:literal) => {
        impl std::fmt::Debug for Builder {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!($name, "::Builder"))
            }
        }

        impl Builder {
            /// Time, tap and listener.
            pub fn hooks(mut self, hooks: $crate::testing::hooks::Hooks) -> Self {
                self.hooks = hooks;
                self
            }

            /// The port on 127.0.0.1 (0: a free one).
            pub fn port(mut self, port: u16) -> Self {
                self.port = port;
                self
            }

            /// Starts with a state that [`Fake::snapshot`] gave.
            pub fn restore(mut self, saved: serde_json::Value) -> Self {
                self.saved = Some(saved);
                self
            }
        }

        /// A running fake. It stops when dropped.
        pub struct Fake {
            core: std::sync::Arc<Core>,
            server: $crate::testing::serve::Server,
        }

        impl std::fmt::Debug for Fake {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(concat!($name, "::Fake"))
                    .field("url", &self.url().as_str())
                    .finish_non_exhaustive()
            }
        }

        impl Fake {
            async fn serve(
                port: u16,
                core: Core,
                answer: fn(&Core, &$crate::testing::serve::Ask) -> $crate::testing::serve::Reply,
            ) -> std::io::Result<Self> {
                let leaf = core.lock().leaf.clone();
                let (hooks, core) = (core.hooks.clone(), std::sync::Arc::new(core));
                let asked = std::sync::Arc::clone(&core);
                let answer = std::sync::Arc::new(move |ask: &_| answer(&asked, ask));
                let server = $crate::testing::serve::Server::start(port, hooks, answer).await?;
                server.set_tls(leaf.as_ref())?;
                Ok(Self { core, server })
            }

            /// Where it listens.
            pub fn addr(&self) -> std::net::SocketAddr {
                self.server.addr()
            }

            /// Whether it serves https.
            pub fn is_tls(&self) -> bool {
                self.server.is_tls()
            }

            /// Serves https with a certificate of `ca` for these addresses from the next connection on.
            ///
            /// # Errors
            /// When the certificate cannot be made or used.
            pub fn serve_tls(
                &self,
                ca: &$crate::testing::ca::RootCa,
                addresses: &[std::net::IpAddr],
            ) -> std::io::Result<()> {
                let leaf = ca.issue(addresses)?;
                self.server.set_tls(Some(&leaf))?;
                self.core.lock().leaf = Some(leaf);
                (self.core.hooks.changed)();
                Ok(())
            }

            /// The whole state.
            pub fn snapshot(&self) -> serde_json::Value {
                serde_json::to_value(&*self.core.lock()).unwrap_or_default()
            }

            /// Puts a state that [`Fake::snapshot`] gave in the place of the present one.
            ///
            /// # Errors
            /// When it is not such a state.
            pub fn restore(&self, saved: serde_json::Value) -> std::io::Result<()> {
                let state: State = serde_json::from_value(saved)?;
                self.server.set_tls(state.leaf.as_ref())?;
                *self.core.lock() = state;
                Ok(())
            }

            /// Stops and waits until the port is free.
            pub async fn stop(self) {
                self.server.stop().await;
            }
        }

        impl Core {
            fn lock(&self) -> std::sync::MutexGuard<'_, State> {
                self.state
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner)
            }
        }
    };
}
pub(super) use alike;
