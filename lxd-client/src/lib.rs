//! LXD REST client: operations, events, exec, files, images, preseed; with a fake LXD for tests.
