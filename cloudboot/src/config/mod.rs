//! The user's YAML: typed, validated, with secrets by reference.
