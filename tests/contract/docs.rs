//! The documentation says what the code does, where the compiler cannot see it.

use std::fs;
use std::path::Path;

fn text(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("a text")
}

/// The example is a package of its own, so the recipe is no doc test.
#[test]
fn the_tonic_recipe_is_the_code_of_the_example() {
    let example = text("examples/tonic/src/grpc.rs");
    let (_, code) = example.split_once("\n\n").expect("a head and the code");
    assert!(text("docs/cookbook.md").contains(&format!("```rust,ignore\n{code}```")));
}

/// Plain Markdown, and crates.io, know nothing of the links of rustdoc.
#[test]
fn every_link_of_the_readme_and_of_the_cookbook_leads_somewhere() {
    for file in ["README.md", "docs/cookbook.md", "CONTRIBUTING.md", "SECURITY.md", "BENCHMARKS.md", "CHANGELOG.md"] {
        let text = text(file);
        for code_link in text.match_indices("[`").map(|(at, _)| &text[at..]) {
            let after = code_link.split_once("`]").map(|(_, after)| after.chars().next());
            assert!(matches!(after, Some(Some('(' | '['))), "{file}: {}", code_link.lines().next().unwrap_or_default());
        }
        let defined: Vec<_> = text.lines().filter_map(|line| line.strip_prefix('[')?.split_once("]: ")).collect();
        for (name, _) in text.match_indices("][").filter_map(|(at, _)| text[at + 2..].split_once(']')) {
            assert!(defined.iter().any(|(defined, _)| *defined == name), "{file}: [{name}] is not defined");
        }
        let inline = text.match_indices("](").filter_map(|(at, _)| text[at + 2..].split_once(')'));
        for target in inline.map(|(target, _)| target).chain(defined.iter().map(|(_, target)| *target)) {
            let path = target.split('#').next().unwrap_or_default();
            if !path.is_empty() && !path.contains("://") {
                let base = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
                assert!(base.with_file_name(path).exists(), "{file}: {target} is not there");
            }
        }
    }
}

/// reqwest retries by itself, below the layers, unless it is told not to.
#[test]
fn every_reqwest_client_of_the_documentation_leaves_retries_to_the_layers() {
    let files = [
        "README.md",
        "docs/cookbook.md",
        "src/http/mod.rs",
        "src/http/progress_timeout/mod.rs",
        "examples/quickstart.rs",
        "examples/reqwest.rs",
    ];
    for file in files {
        let text = text(file);
        assert!(!text.contains("reqwest::Client::new()"), "{file}");
        let clients = text.matches("reqwest::Client::builder()").count();
        assert_eq!(clients, text.matches(".retry(reqwest::retry::never())").count().min(clients), "{file}");
    }
}
