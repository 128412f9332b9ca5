//! The configurations that are shown to users.

use std::path::{Path, PathBuf};

use cloudboot::config::{Config, Loader};

use crate::{DIR, sound};

#[test]
fn the_examples_hold_the_same_text() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/configs");
    if !examples.exists() {
        println!("skipped: examples/configs is not beside this crate; run it in the workspace");
        return;
    }
    for name in ["thesis.yaml", "bundle.yaml"] {
        let read = |dir: PathBuf| std::fs::read_to_string(dir.join(name)).unwrap();
        assert_eq!(
            read(examples.clone()),
            read(DIR.into()),
            "{name}: copy src/testing/data to examples/configs"
        );
    }
    sound(Config::load(examples.join("thesis.yaml"), &[]));
    let racks = Loader::new()
        .env(|name| Some(format!("{name} value")))
        .overlay(examples.join("racks.overlay.yaml"));
    let config = sound(racks.load(examples.join("thesis.yaml")));
    assert_eq!(
        (
            config.maas.nodes_amount,
            config.maas.quorum,
            config.machines.len()
        ),
        (4, 3, 4)
    );
    assert_eq!(config.warnings.len(), 0, "{:?}", config.warnings);
}

#[test]
fn the_least_that_works_in_the_readme_works() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/configs/README.md");
    let Ok(readme) = std::fs::read_to_string(readme) else {
        println!("skipped: examples/configs is not beside this crate; run it in the workspace");
        return;
    };
    let (_, block) = readme.split_once("```yaml\n").unwrap();
    let (yaml, _) = block.split_once("```").unwrap();
    sound(
        Loader::new()
            .env(|name| Some(format!("{name} value")))
            .load_text(yaml, DIR),
    );
}
