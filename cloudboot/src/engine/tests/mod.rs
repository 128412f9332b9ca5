//! The engine's tests: a world that counts what is made in it, and steps that make things there.

mod flow;
mod kit;
