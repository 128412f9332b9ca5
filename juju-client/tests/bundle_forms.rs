//! How bundles may be written, and what comes of it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use juju_client::Bundle;

#[test]
fn text_is_taken_as_written() {
    let b = Bundle::parse("applications:\n  a: {charm: web, channel: 23.10, num_units: 1, to: [0], annotations: {z: y, n: 010}, options: {flag: yes, letter: y, quoted: \"y\", n: 5}}\nmachines:\n  0: {constraints: mem=1G}\n").unwrap();
    let a = b.data().applications["a"].as_ref().unwrap();
    assert_eq!(a.channel, "23.10");
    assert_eq!(a.to, ["0"]);
    assert_eq!(a.annotations["z"], "y");
    assert_eq!(a.annotations["n"], "010");
    assert_eq!(a.options["flag"], serde_json::json!(true));
    // Juju's YAML is 1.1, where a lone `y` is true.
    assert_eq!(a.options["letter"], serde_json::json!(true));
    assert_eq!(a.options["quoted"], serde_json::json!("y"));
}

#[test]
fn an_overlay_wins_and_takes_out() {
    let b = Bundle::parse_with(
        "applications:\n  a: {charm: web, num_units: 1, options: {x: 1, y: 2}}\n  b: {charm: web}\n  c: {charm: database}\nrelations:\n- [a, c]\n- [b, c]\n",
        &["applications:\n  b:\n  a: {options: {x: 3}, num_units: 2, exposed-endpoints: {website: {expose-to-cidrs: [10.0.0.0/8]}}}\nrelations:\n- [a:ring, c]\n"],
        None,
    )
    .unwrap();
    let a = b.data().applications["a"].as_ref().unwrap();
    assert_eq!(
        (a.num_units, &a.options["x"], &a.options["y"]),
        (2, &serde_json::json!(3), &serde_json::json!(2))
    );
    assert!(!b.data().applications.contains_key("b"));
    assert_eq!(b.data().relations.len(), 2);
    assert_eq!(a.exposed_endpoints["website"].cidrs, ["10.0.0.0/8"]);
}

#[test]
fn every_problem_has_its_place() {
    let problems = Bundle::problems("applications:\n  a: {charm: web, num_units: 1, to: [9]}\n  b: {charm: 'ch:x y'}\nrelations:\n- [a, nope]\n", &[], None).unwrap();
    let places: Vec<&str> = problems.iter().map(|p| p.place.as_str()).collect();
    assert_eq!(
        places,
        [
            "applications.a.to[0]",
            "applications.b.charm",
            "relations[0]"
        ]
    );
    let types = Bundle::problems(
        "applications:\n  a: {charm: web, num_units: many}\n",
        &[],
        None,
    )
    .unwrap();
    assert_eq!(
        types[0].detail.as_deref(),
        Some("applications.a.num_units: expected an integer, found \"many\" (line 2)")
    );
}

#[test]
fn files_are_included() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("f"), "hello").unwrap();
    let b = Bundle::parse_with("applications:\n  a: {charm: web, options: {p: 'include-file://f', q: 'include-base64://f'}}\n", &[], Some(dir.path())).unwrap();
    let a = b.data().applications["a"].as_ref().unwrap();
    assert_eq!(
        (a.options["p"].as_str(), a.options["q"].as_str()),
        (Some("hello"), Some("aGVsbG8="))
    );
}

/// As `charm/overlay.go` merges: a later document's offer stands in place of the earlier one, and a `default-base` counts in the first
/// document only.
#[test]
fn overlays_are_merged_as_juju_merges_them() {
    let bundle = Bundle::parse_with(
        "default-base: ubuntu@22.04\napplications:\n  a: {charm: web}\n---\napplications:\n  a: {offers: {o: {endpoints: [x]}}}\n",
        &["default-base: ubuntu@24.04\napplications:\n  a: {offers: {o: {acl: {bob: read}}}}\n"],
        None,
    )
    .unwrap();
    let plan = bundle.changes().unwrap();
    assert_eq!(plan.changes[0].arg("base"), Some("ubuntu@22.04/stable"));
    let offer = plan
        .changes
        .iter()
        .find(|c| c.method == "createOffer")
        .unwrap();
    assert_eq!(offer.args["endpoints"], serde_json::Value::Null);
    let warnings: Vec<String> = bundle.warnings().collect();
    assert!(
        warnings.iter().any(|w| w.starts_with("default-base:")),
        "{warnings:?}"
    );
}

#[test]
fn a_mapping_in_an_option_is_told_when_nothing_else_is_wrong() {
    let told = |yaml: &str| -> Vec<String> {
        let all = Bundle::problems(yaml, &[], None).unwrap();
        all.into_iter().map(|p| p.message).collect()
    };
    let alone = told("applications:\n  a: {charm: web, options: {o: {k: v}}}\n");
    assert_eq!(
        alone,
        ["json: unsupported type: map[interface {}]interface {}"]
    );
    let both = told("applications:\n  a: {charm: web, options: {o: {k: v}}}\n  b: {charm: ''}\n");
    assert!(!both.iter().any(|m| m.starts_with("json")), "{both:?}");
}
