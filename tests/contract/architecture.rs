//! Imports run one way: `http`, then the layers, then what they all stand on. No layer imports another.
//!
//! The source is read as text: comments are dropped, and what follows a `crate::` or a `super::` is looked up.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What the layers stand on. These may import each other.
const GROUND: [&str; 9] = ["backoff", "classify", "deadline", "error", "extent", "oneshot", "sync", "timer", "window"];
/// The layers. Each may import the ground and itself.
const LAYERS: [&str; 6] = ["fallback", "timeout", "retry", "circuit_breaker", "bulkhead", "per_key"];
/// May import all of the above; nobody imports it.
const TOP: &str = "http";

/// Whether a file of `module` may import from the module `other`.
fn may_import(module: &str, other: &str) -> bool {
    module == other || GROUND.contains(&other) || module == TOP && LAYERS.contains(&other)
}

/// The modules of the crate's root that `source` names, and whatever it takes from the root itself: the re-exports
/// there would be a way around.
fn imports(source: &str) -> BTreeSet<String> {
    let code: String =
        source.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut found = BTreeSet::new();
    for (prefix, is_root) in [("crate::", true), ("super::", false)] {
        for name in code.match_indices(prefix).flat_map(|(at, _)| first_names(&code[at + prefix.len()..])) {
            // What is above may be a module of the root, but mostly is not: only known names count.
            if is_root || GROUND.contains(&name) || LAYERS.contains(&name) || name == TOP {
                found.insert(name.to_owned());
            }
        }
    }
    found
}

/// `retry` of `retry::Retry`; `retry` and `timeout` of `{retry::{Retry, RetryLayer}, timeout}`.
fn first_names(path: &str) -> Vec<&str> {
    let Some(group) = path.strip_prefix('{') else { return vec![first_name(path)] };
    let (mut depth, mut names, mut start) = (0_u32, Vec::new(), 0);
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                names.push(first_name(group[start..at].trim_start()));
                start = at + 1;
                if character == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

fn first_name(path: &str) -> &str {
    let end = path.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(path.len());
    &path[..end]
}

/// Every import that a file of `module` must not make.
fn violations(module: &str, source: &str) -> Vec<String> {
    imports(source).into_iter().filter(|other| !may_import(module, other)).collect()
}

/// The source files of each module of the root, other than `lib.rs`.
fn files() -> Vec<(String, PathBuf)> {
    fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { walk(&path, files) } else { files.push(path) }
        }
    }

    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    walk(&src, &mut files);
    let module = |path: &Path| {
        let first = path.strip_prefix(&src).expect("below src").components().next().expect("a name");
        Path::new(&first).with_extension("").to_string_lossy().into_owned()
    };
    files.into_iter().map(|path| (module(&path), path)).filter(|(module, _)| module != "lib").collect()
}

#[test]
fn imports_run_one_way() {
    for (module, path) in files() {
        let found = violations(&module, &fs::read_to_string(&path).unwrap());
        assert_eq!(found, [""; 0], "{} must not import these", path.display());
    }
}

#[test]
fn every_module_has_its_place() {
    let found: BTreeSet<_> = files().into_iter().map(|(module, _)| module).collect();
    let known = GROUND.into_iter().chain(LAYERS).chain([TOP]).map(String::from).collect();
    assert_eq!(found, known);
}

#[test]
fn a_wrong_import_is_found() {
    for (module, source, expected) in [
        ("retry", "use crate::timeout::Timeout;", &["timeout"][..]),
        ("retry", "use crate::{error::Error, timeout::{Timeout, TimeoutLayer}, bulkhead};", &["bulkhead", "timeout"]),
        ("retry", "use crate::{\n    error,\n    circuit_breaker,\n};", &["circuit_breaker"]),
        ("retry", "use super::super::fallback;", &["fallback"]),
        ("retry", "fn f() -> crate::bulkhead::Places { unreachable!() }", &["bulkhead"]),
        ("retry", "mod tests {\n    use crate::http::Http;\n}", &["http"]),
        ("retry", "use crate::Circuit;", &["Circuit"]),
        ("error", "use crate::retry::RetryPolicy;", &["retry"]),
        ("error", "use super::retry::RetryPolicy;", &["retry"]),
        ("window", "use crate::http::Http;", &["http"]),
        ("http", "use crate::RetryLayer;", &["RetryLayer"]),
    ] {
        assert_eq!(violations(module, source), expected, "{module}: {source}");
    }
}

#[test]
fn a_right_import_is_let_be() {
    for (module, source) in [
        ("retry", "use crate::{classify::Classify, error::{Error, Rejectable}};"),
        ("retry", "use super::policy::Progress;\npub(crate) struct X;"),
        (
            "retry",
            "//! See [the bulkhead](crate::bulkhead).\n/// Or [it](super::super::timeout).\n    // crate::fallback",
        ),
        ("http", "use crate::retry::RetryPolicy;\nuse crate::classify::Verdict;"),
        ("error", "use crate::window::Tally;"),
    ] {
        assert_eq!(violations(module, source), [""; 0], "{module}: {source}");
    }
}
