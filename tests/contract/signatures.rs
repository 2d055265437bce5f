//! What may change without a new major version, as far as the text of the sources tells.

use std::fs;
use std::path::Path;

/// Public enums of which users may count on every variant.
const COMPLETE: [&str; 4] = [
    "Error",  // every layer matches on it, and a fourth kind of failure would be another design
    "Keep",   // users return it
    "Said",   // has no variant: it marks a type
    "Unsaid", // the same
];

/// The traits that are there for users to implement.
const OPEN: [&str; 13] = [
    "Classify",
    "Discard",
    "Evict",
    "Handler",
    "HttpError",
    "HttpRequest",
    "HttpResponse",
    "Obey",
    "Rejectable",
    "Repeat",
    "Replay",
    "Rules",
    "Sink",
];

/// The sources that are compiled for users.
fn sources(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.file_name().is_some_and(|name| name != "tests.rs") {
            let text = fs::read_to_string(path).expect("a source");
            found.push(text.split("#[cfg(test)]").next().unwrap_or_default().to_owned());
        }
    }
}

/// All that is declared by a line that starts with `head`: its name, the lines above it and from there on.
fn declared<'a>(texts: &'a [String], head: &str) -> Vec<(&'a str, &'a str, &'a str)> {
    let mut found = Vec::new();
    for text in texts {
        for (at, _) in text.match_indices(head).filter(|&(at, _)| at == 0 || text[..at].ends_with('\n')) {
            let rest = &text[at + head.len()..];
            let name = rest.split(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default();
            found.push((name, &text[..at], rest));
        }
    }
    assert!(found.len() > 10, "there are some");
    found
}

fn all() -> Vec<String> {
    let mut found = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    found
}

/// Whether the attributes that end `above` say so.
fn is_non_exhaustive(above: &str) -> bool {
    above.lines().rev().take_while(|line| !line.is_empty() && *line != "}").any(|line| line == "#[non_exhaustive]")
}

#[test]
fn every_public_enum_may_grow_but_those_that_are_complete() {
    for (name, above, _) in declared(&all(), "pub enum ") {
        assert_eq!(is_non_exhaustive(above), !COMPLETE.contains(&name), "{name}");
    }
}

/// A number with a name, `ResendCount(pub u32)`, is all that it will ever be.
#[test]
fn every_struct_with_public_fields_that_have_names_may_grow() {
    for (name, above, rest) in declared(&all(), "pub struct ") {
        let has_fields = rest.lines().next().is_some_and(|line| !line.ends_with(';'));
        let mut fields = rest.split("\n}").next().unwrap_or_default().lines();
        let is_open = has_fields && fields.any(|line| line.starts_with("    pub "));
        assert!(!is_open || is_non_exhaustive(above), "{name}");
    }
}

#[test]
fn what_users_should_not_implement_is_sealed() {
    for (name, _, rest) in declared(&all(), "pub trait ") {
        let bounds = rest.split(['{', '\n']).next().unwrap_or_default();
        let is_sealed = bounds.contains("Sealed") || bounds.contains("private::");
        assert_eq!(is_sealed, !OPEN.contains(&name), "{name}");
    }
}

#[test]
fn no_public_function_names_a_type_of_rand() {
    for text in all() {
        for (at, _) in text.match_indices("fn ") {
            let before = text[..at].rsplit('\n').next().unwrap_or_default().trim_start();
            let signature = text[at..].split(['{', ';']).next().unwrap_or_default();
            let named = ["Rng", "rand::"].iter().any(|name| signature.contains(name));
            assert!(!(before.starts_with("pub ") && named), "{signature}");
        }
    }
}
