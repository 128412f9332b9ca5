//! Integration tests of the workspace, and the harness that finds the real peers.
