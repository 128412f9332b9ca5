//! The fuzz targets' bodies over their corpora, and over every beginning and many small changes of each file.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fuzz;

fn replay(name: &str, body: fn(&[u8])) {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/corpus")
        .join(name);
    let mut files: Vec<_> = std::fs::read_dir(&dir)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", dir.display());
    let mut seed = 0x9e37_79b9_u32;
    let mut runs = 0;
    for file in &files {
        let data = std::fs::read(file).unwrap();
        body(&data);
        let step = (data.len() / 24).max(1);
        for end in (0..data.len()).step_by(step) {
            body(&data[..end]);
            // One byte otherwise.
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let mut other = data.clone();
            other[end] = b"\n\"'{}[]:,-&*!|>%@`~0aZ\0\xff"[(seed >> 16) as usize % 24];
            body(&other);
            runs += 2;
        }
    }
    println!("{name}: {} files, {runs} variations", files.len());
}

#[test]
fn frames() {
    replay("frames", fuzz::frames);
}

#[test]
fn deltas() {
    replay("deltas", fuzz::deltas);
}

#[test]
fn bundles() {
    replay("bundles", fuzz::bundles);
}

#[test]
fn store() {
    replay("store", fuzz::store);
}
