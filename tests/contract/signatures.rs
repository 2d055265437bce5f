//! What may change without a new major version, as far as the text of the sources tells.

use std::fs;
use std::path::Path;

/// The sources that are compiled for users.
fn sources(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.file_name().is_some_and(|name| name != "tests.rs") {
            found.push(fs::read_to_string(path).expect("a source"));
        }
    }
}

fn all() -> Vec<String> {
    let mut found = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    found
}

#[test]
fn what_may_grow_is_non_exhaustive() {
    let names = [
        "enum Verdict",
        "struct Failure",
        "enum Effect",
        "enum Idempotency",
        "enum Jitter",
        "enum State",
        "enum Rejection",
        "struct Outcome",
        "struct Tally",
        "struct Snapshot",
        "enum Verified",
        "enum Fault",
    ];
    for name in names {
        let marked = format!("#[non_exhaustive]\npub {name} ");
        let generic = format!("#[non_exhaustive]\npub {name}<");
        assert!(all().iter().any(|text| text.contains(&marked) || text.contains(&generic)), "{name}");
    }
}

#[test]
fn what_users_should_not_implement_is_sealed() {
    for name in ["GuardBody<G>", "Guard", "Hold", "Cost<R>", "Observe", "KeySource<R>"] {
        let head = format!("pub trait {name}: ");
        let texts = all();
        let bounds = texts.iter().find_map(|text| text.split_once(&head)).map(|(_, rest)| rest.lines().next());
        assert!(bounds.flatten().is_some_and(|bounds| bounds.contains("Sealed")), "{name}");
    }
}

#[test]
fn no_public_function_takes_a_generator_of_rand() {
    for text in all() {
        let public = text.lines().find(|line| line.trim_start().starts_with("pub fn") && line.contains("Rng"));
        assert_eq!(public, None);
    }
}
