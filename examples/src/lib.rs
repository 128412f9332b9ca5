//! Holds only `[[example]]` targets; see `examples/*.rs`.
