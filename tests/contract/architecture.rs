//! Imports run one way: no circle between files, also inside a folder; no layer imports another; and what the layers
//! stand on imports no layer.
//!
//! The source is read as text: comments and test modules are dropped, and what follows a `crate::` or a `super::` is looked
//! up. A name that a `mod.rs` re-exports counts as an import of the file that it comes from.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each of these may import what all stand on, and itself.
const LAYERS: [&str; 9] =
    ["fallback", "timeout", "retry", "circuit_breaker", "bulkhead", "rate_limit", "hedge", "throttle", "faults"];

/// What is built of layers. Nothing else may import it but itself, and its own kind.
const TOP: [&str; 8] = ["http", "stack", "per_key", "failover", "verify", "dead_letter", "saga", "outbox"];

/// The source files by their module path: `["retry", "future"]`; a `mod.rs` is the path of its folder.
struct Sources {
    files: BTreeMap<Vec<String>, String>,
}

impl Sources {
    fn read() -> Self {
        fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() { walk(&path, files) } else { files.push(path) }
            }
        }

        let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut paths = Vec::new();
        walk(&src, &mut paths);
        let sources = paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
        Self::of(sources.map(|path| {
            let name = path.strip_prefix(&src).expect("below src").with_extension("");
            let name = name.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
            (name, fs::read_to_string(path).expect("a text"))
        }))
    }

    fn of(files: impl Iterator<Item = (Vec<String>, String)>) -> Self {
        let files = files.filter_map(|(mut name, text)| match name.last()?.as_str() {
            "lib" | "tests" => None,
            "mod" => {
                name.pop();
                Some((name, code(&text)))
            }
            _ => Some((name, code(&text))),
        });
        Self { files: files.collect() }
    }

    /// The files that `file` imports.
    fn imports(&self, file: &[String]) -> BTreeSet<Vec<String>> {
        let text = &self.files[file];
        let is_folder = self.files.keys().any(|other| other.len() == file.len() + 1 && other.starts_with(file));
        let parent = &file[..file.len() - usize::from(!is_folder)];
        let mut found = BTreeSet::new();
        for path in paths_after(text, "crate::") {
            found.extend(self.resolve(&[], &path));
        }
        for path in paths_after(text, "super::") {
            let up = path.iter().take_while(|part| *part == "super").count();
            let base = &parent[..parent.len().saturating_sub(up)];
            found.extend(self.resolve(base, &path[up..]));
        }
        found.remove(file);
        found
    }

    /// The file in which the item at `path` below `base` is written.
    fn resolve(&self, base: &[String], path: &[String]) -> Option<Vec<String>> {
        let mut file = base.to_vec();
        for part in path {
            let deeper = [&file[..], std::slice::from_ref(part)].concat();
            if self.files.contains_key(&deeper) {
                file = deeper;
                continue;
            }
            // Not a file: an item of this one, or one that it re-exports.
            if let Some(origin) = self.files.get(&file).and_then(|text| re_exported_from(text, part)) {
                let origin = [&file[..], &[origin]].concat();
                return self.files.contains_key(&origin).then_some(origin).or(Some(file));
            }
            break;
        }
        (!file.is_empty() && self.files.contains_key(&file)).then_some(file)
    }

    /// Every import that its file must not make.
    fn violations(&self) -> Vec<String> {
        let mut found = Vec::new();
        for file in self.files.keys().filter(|file| !file.is_empty()) {
            for other in self.imports(file) {
                if !may_import(file, &other[0]) {
                    found.push(format!("{} imports {}", file.join("/"), other.join("/")));
                }
            }
        }
        found.extend(self.circle().map(|circle| format!("a circle: {}", circle.join(" -> "))));
        found
    }

    /// Files that import each other in a circle, if there are any.
    fn circle(&self) -> Option<Vec<String>> {
        fn visit(
            sources: &Sources,
            file: &Vec<String>,
            done: &mut BTreeSet<Vec<String>>,
            trail: &mut Vec<Vec<String>>,
        ) -> Option<Vec<String>> {
            if let Some(start) = trail.iter().position(|earlier| earlier == file) {
                return Some(trail[start..].iter().chain([file]).map(|file| file.join("/")).collect());
            }
            if !done.contains(file) {
                trail.push(file.clone());
                for other in sources.imports(file) {
                    if let Some(circle) = visit(sources, &other, done, trail) {
                        return Some(circle);
                    }
                }
                trail.pop();
                done.insert(file.clone());
            }
            None
        }

        let mut done = BTreeSet::new();
        self.files.keys().filter(|file| !file.is_empty()).find_map(|file| visit(self, file, &mut done, &mut Vec::new()))
    }
}

fn may_import(file: &[String], other: &str) -> bool {
    let module = file[0].as_str();
    // The adapter that is put around layers is built of them.
    let is_top = TOP.contains(&module) || file.len() > 1 && module == "until_body_end" && file[1] != "guard";
    module == other || is_top || !LAYERS.contains(&other) && !TOP.contains(&other)
}

/// The text without comments, and without what belongs to tests.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// `[retry, Retry]` and `[timeout]` of `crate::{retry::Retry, timeout}`.
fn paths_after(text: &str, prefix: &str) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    for (at, _) in text.match_indices(prefix) {
        let is_whole = !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
        if is_whole {
            tree(&text[at + prefix.len()..], &mut Vec::new(), &mut paths);
        }
    }
    paths
}

/// Adds the paths of a use tree to `paths`, each behind `base`. Returns what follows the tree.
fn tree<'a>(text: &'a str, base: &mut Vec<String>, paths: &mut Vec<Vec<String>>) -> &'a str {
    let text = text.trim_start();
    if let Some(mut group) = text.strip_prefix('{') {
        loop {
            group = group.trim_start_matches([',', ' ', '\n']);
            match group.strip_prefix('}') {
                Some(rest) => return rest,
                None if group.is_empty() => return group,
                None => {
                    let before = group.len();
                    group = tree(group, base, paths);
                    if group.len() == before {
                        group = &group[1..];
                    }
                }
            }
        }
    }
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    base.push(name.to_owned());
    let rest = if let Some(rest) = rest.strip_prefix("::") {
        tree(rest, base, paths)
    } else {
        paths.push(base.clone());
        rest
    };
    base.pop();
    rest
}

/// The module from which `text`, of a `mod.rs`, re-exports `name`.
fn re_exported_from(text: &str, name: &str) -> Option<String> {
    let uses = text.split(';').filter_map(|line| line.trim().rsplit_once("use ")).map(|(_, path)| path);
    for path in uses {
        let mut paths = Vec::new();
        tree(path, &mut Vec::new(), &mut paths);
        if let Some(path) = paths.iter().find(|path| path.last().is_some_and(|last| last == name)) {
            return path.first().cloned();
        }
    }
    None
}

#[test]
fn imports_run_one_way() {
    let found = Sources::read().violations();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn siblings_name_the_file_they_import_from() {
    for (file, text) in &Sources::read().files {
        assert!(!text.contains("use super::{"), "{} imports re-exports of its own folder", file.join("/"));
    }
}

/// Made-up files, by their names.
fn sources(files: &[(&str, &str)]) -> Sources {
    let path = |name: &str| name.split('/').map(String::from).collect();
    Sources::of(files.iter().map(|(name, text)| (path(name), (*text).to_owned())))
}

#[test]
fn a_wrong_import_is_found() {
    let layers = [("timeout/mod", "pub use service::Timeout;"), ("timeout/service", "pub struct Timeout;")];
    for (name, text) in [
        ("retry/service", "use crate::timeout::Timeout;"),
        ("retry/service", "use crate::{error::Error, timeout::{Timeout, TimeoutLayer}};"),
        ("retry/service", "use super::super::timeout;"),
        ("error", "use crate::timeout::Timeout;"),
    ] {
        let found = sources(&[layers[0], layers[1], (name, text)]).violations();
        assert!(!found.is_empty(), "{name}: {text}");
    }
}

#[test]
fn a_circle_is_found_through_re_exports() {
    let circle = sources(&[
        ("rules/mod", "mod a;\npub use a::A;"),
        ("rules/a", "use crate::error::Error;\npub struct A;"),
        ("error", "use crate::rules::A;\npub struct Error;"),
    ]);
    assert_eq!(circle.violations(), ["a circle: error -> rules/a -> error"]);
    let inside = sources(&[("retry/a", "use super::b::B;\nstruct A;"), ("retry/b", "use super::a::A;\nstruct B;")]);
    assert_eq!(inside.violations(), ["a circle: retry/a -> retry/b -> retry/a"]);
}

#[test]
fn a_right_import_is_let_be() {
    let right = sources(&[
        ("rules/mod", "mod a;\nmod b;\npub use a::A;\npub use b::{B, C};"),
        ("rules/a", "pub struct A;"),
        ("rules/b", "use super::a::A;\nuse crate::error::Error;\npub struct B;"),
        ("error", "use crate::rules::A;\npub struct Error;"),
        ("retry/policy", "//! See [the bulkhead](crate::bulkhead).\nuse crate::{rules::{A, B}, error::Error};"),
        ("http/mod", "use crate::retry::policy::Policy;"),
    ]);
    assert_eq!(right.violations(), [""; 0]);
}
