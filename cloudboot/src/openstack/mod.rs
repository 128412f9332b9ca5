//! Keystone and Nova: the calls that the mission needs.
