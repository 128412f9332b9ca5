//! The fuzz targets on stable: their corpora, and what comes of shaking them.
#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a test fails by panicking"
)]

#[path = "fuzz/bodies.rs"]
mod bodies;

/// Every seed as it is, cut, and with some bytes changed: the same ones each time.
fn shake(corpus: &str, target: fn(&[u8]), times: usize) {
    let folder = format!("{}/tests/corpus/{corpus}", env!("CARGO_MANIFEST_DIR"));
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    paths.sort();
    let seeds: Vec<Vec<u8>> = paths.iter().map(|p| std::fs::read(p).unwrap()).collect();
    assert!(seeds.len() > 10, "{corpus}: {} seeds", seeds.len());
    // xorshift64*.
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = move |below: usize| {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        usize::try_from(state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33).unwrap() % below.max(1)
    };
    let spices: [&[u8]; 12] = [
        b"null",
        b"[]",
        b"{}",
        b"-1",
        b"1e999",
        b"\"\"",
        b"\"\\ud800\"",
        b"\0",
        b"<",
        b"[[[[",
        b"}",
        b"18446744073709551616",
    ];
    let mut runs = 0;
    for seed in &seeds {
        target(seed);
        for cut in 0..times {
            target(&seed[..seed.len() * cut / times]);
        }
        for _ in 0..times {
            let mut data = seed.clone();
            for _ in 0..=random(3) {
                let at = random(data.len());
                match random(3) {
                    0 if !data.is_empty() => data[at] = u8::try_from(random(256)).unwrap(),
                    1 => {
                        let to = (at + random(40)).min(data.len());
                        data.splice(at..to, spices[random(spices.len())].iter().copied());
                    }
                    _ => {
                        let other = &seeds[random(seeds.len())];
                        let from = random(other.len());
                        let to = (from + random(200)).min(other.len());
                        data.splice(at..at, other[from..to].iter().copied());
                    }
                }
            }
            target(&data);
            runs += 1;
        }
    }
    println!("{corpus}: {} seeds, {runs} shaken", seeds.len());
}

#[test]
fn errors() {
    shake("errors", bodies::errors, 60);
}

#[test]
fn lists() {
    shake("lists", bodies::lists, 12);
}
