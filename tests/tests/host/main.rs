//! The host: the same bodies against the lab's and, where one runs here, the real thing.

mod bodies;
mod lab;
mod real;
