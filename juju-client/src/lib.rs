//! Juju RPC client: models, bundles, actions, convergence, the client store; with a fake controller for tests.
