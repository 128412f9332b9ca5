//! The stages of the mission, one file each.
