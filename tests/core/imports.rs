//! Imports run one way: no file takes from one that takes from it, by whatever way round, but a
//! parent and its own children.
//!
//! `cargo test --release imports -- --nocapture` prints each package's files, lowest first, and what
//! each takes from.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Module path (`grammar::walk`) to the modules that it takes from.
type Graph = BTreeMap<String, BTreeSet<String>>;

#[test]
fn imports_run_one_way() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    for package in ["src", "flow/src", "cli/src"] {
        let graph = graph(&top.join(package));
        assert!(graph.len() > 5, "{package} has hardly any files");
        println!("{package}, lowest first:");
        for module in groups(&graph, false).iter().flatten() {
            let below: Vec<_> = graph[module].iter().map(String::as_str).collect();
            println!("    {module:<28} {}", below.join(" "));
        }
        let circles = circles(&graph);
        assert!(circles.is_empty(), "{package} has circles: {circles:#?}");
    }
}

#[test]
fn a_circle_is_found() {
    let edges = |pairs: &[(&str, &str)]| {
        let mut graph = Graph::new();
        for (from, to) in pairs {
            graph.entry((*to).into()).or_default();
            graph
                .entry((*from).into())
                .or_default()
                .insert((*to).into());
        }
        circles(&graph).len()
    };
    assert_eq!(edges(&[("a", "b"), ("b", "c")]), 0);
    assert_eq!(edges(&[("a", "b"), ("b", "c"), ("c", "a")]), 1);
    // A parent and its own child.
    assert_eq!(edges(&[("a", "a::b"), ("a::b", "a"), ("a::b", "c")]), 0);
    assert_eq!(
        edges(&[("a", "a::b"), ("a::b", "a"), ("a", "a::c"), ("a::c", "a")]),
        0
    );
    // Two children of one parent.
    assert_eq!(
        edges(&[("a", "a::b"), ("a::b", "a::c"), ("a::c", "a::b")]),
        1
    );
    // A child that takes from what stands above its parent.
    assert_eq!(edges(&[("c", "a"), ("a", "a::b"), ("a::b", "c")]), 1);
}

/// Every file below a folder, and what it takes from.
fn graph(folder: &Path) -> Graph {
    let mut files = Vec::new();
    walk(folder, &mut files);
    let module = |file: &PathBuf| {
        let path = file.strip_prefix(folder).expect("below").with_extension("");
        let path = path.to_str().expect("UTF-8").replace('/', "::");
        (path, fs::read_to_string(file).expect("a source file"))
    };
    let texts: BTreeMap<String, String> = files.iter().map(module).collect();
    let root = ["lib", "main"]
        .into_iter()
        .find(|root| texts.contains_key(*root));
    let root = root.expect("a package has a root");
    // What the root re-exports stands for the file it comes from.
    let mut exported = BTreeMap::new();
    for path in uses(&texts[root]) {
        let path = path
            .strip_prefix("self::")
            .or(path.strip_prefix("crate::"))
            .unwrap_or(&path);
        let (from, name) = path.rsplit_once("::").unwrap_or(("", path));
        exported.insert(name.to_owned(), from.to_owned());
    }
    let resolve = |path: &str| -> Option<String> {
        let mut path = path.to_owned();
        let first = path.split("::").next().unwrap_or_default();
        if !texts.contains_key(first)
            && let Some(from) = exported.get(first).filter(|from| !from.is_empty())
        {
            path = format!("{from}::{path}");
        }
        while !texts.contains_key(&path) {
            path = path.rsplit_once("::")?.0.to_owned();
        }
        Some(path)
    };
    let mut graph = Graph::new();
    for (module, text) in &texts {
        let mut below = BTreeSet::new();
        if module != root {
            for path in uses(text) {
                let parent = module.rsplit_once("::").map_or("", |(parent, _)| parent);
                let absolute = match path.split_once("::") {
                    Some(("crate", rest)) => rest.to_owned(),
                    Some(("self", rest)) => format!("{module}::{rest}"),
                    Some(("super", rest)) => match rest.strip_prefix("super::") {
                        Some(rest) => {
                            let above = parent.rsplit_once("::").map_or("", |(above, _)| above);
                            format!("{above}::{rest}")
                        }
                        None => format!("{parent}::{rest}"),
                    },
                    _ => continue,
                };
                below.extend(resolve(absolute.trim_start_matches("::")));
            }
        }
        below.remove(module);
        graph.insert(module.clone(), below);
    }
    graph.remove(root);
    graph
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            walk(&path, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    files.sort();
}

/// Paths that begin with `crate`, `super` or `self` (in `use` also a bare module), braces expanded,
/// without comments and the tests at the end.
fn uses(text: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let code: String = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| [line, "\n"])
        .collect();
    let mut paths = Vec::new();
    for statement in code.split(';') {
        let statement = statement.trim_start();
        let tree = ["use ", "pub use ", "pub(crate) use ", "pub(super) use "]
            .iter()
            .find_map(|word| {
                statement
                    .rsplit_once(&format!("\n{word}"))
                    .map(|(_, t)| t)
                    .or(statement.strip_prefix(word))
            });
        if let Some(tree) = tree {
            expand(
                "",
                &tree.split_whitespace().collect::<Vec<_>>().join(" "),
                &mut paths,
            );
        }
    }
    for word in ["crate::", "super::", "self::"] {
        for (at, _) in code.match_indices(word) {
            if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            let end = code[at..].find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
            let path = &code[at..end.map_or(code.len(), |end| at + end)];
            paths.push(path.trim_end_matches(':').to_owned());
        }
    }
    paths
}

/// `a::{b, c::{d, e}}` becomes `a::b`, `a::c::d`, `a::c::e`.
fn expand(before: &str, tree: &str, paths: &mut Vec<String>) {
    let Some(open) = tree.find('{') else {
        let name = tree.split(" as ").next().unwrap_or_default().trim();
        let path = format!("{before}{name}");
        paths.push(path.trim_end_matches("::self").to_owned());
        return;
    };
    let before = format!("{before}{}", tree[..open].trim());
    let close = tree.rfind('}').filter(|close| *close > open);
    let inner = &tree[open + 1..close.unwrap_or(tree.len())];
    let (mut depth, mut from) = (0, 0);
    for (at, c) in inner.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                expand(&before, &inner[from..at], paths);
                from = at + 1;
            }
            _ => {}
        }
    }
    if !inner[from..].trim().is_empty() {
        expand(&before, &inner[from..], paths);
    }
}

/// Whether a module lies inside another.
fn inside(module: &str, parent: &str) -> bool {
    module
        .strip_prefix(parent)
        .is_some_and(|rest| rest.starts_with("::"))
}

/// Modules that take from each other. Siblings may not, nor a child and what stands beside its
/// parent; a parent and its own children may.
fn circles(graph: &Graph) -> Vec<Vec<String>> {
    let family = |group: &Vec<String>| {
        group
            .iter()
            .any(|parent| group.iter().all(|m| m == parent || inside(m, parent)))
    };
    let siblings = groups(graph, false)
        .into_iter()
        .filter(|group| group.len() > 1);
    let all = groups(graph, true)
        .into_iter()
        .filter(|group| group.len() > 1 && !family(group));
    let mut circles: Vec<Vec<String>> = siblings.chain(all).collect();
    circles.iter_mut().for_each(|group| group.sort());
    circles.sort();
    circles.dedup();
    circles
}

/// Groups of modules that reach each other, lowest first (Tarjan's algorithm). Without `family` the
/// imports between a parent and its own children do not count.
fn groups(graph: &Graph, family: bool) -> Vec<Vec<String>> {
    struct Search<'a> {
        graph: &'a Graph,
        family: bool,
        /// The number of each module, and the lowest that it reaches.
        numbers: BTreeMap<&'a str, (usize, usize)>,
        stack: Vec<&'a str>,
        groups: Vec<Vec<String>>,
    }
    fn visit<'a>(search: &mut Search<'a>, module: &'a str) {
        let number = search.numbers.len();
        search.numbers.insert(module, (number, number));
        search.stack.push(module);
        for below in &search.graph[module] {
            if !search.family && (inside(below, module) || inside(module, below)) {
                continue;
            }
            let low = match search.numbers.get(below.as_str()) {
                None => {
                    visit(search, below);
                    search.numbers[below.as_str()].1
                }
                Some((number, _)) if search.stack.contains(&below.as_str()) => *number,
                Some(_) => continue,
            };
            let own = search.numbers.get_mut(module).expect("visited");
            own.1 = own.1.min(low);
        }
        let (number, low) = search.numbers[module];
        if number == low {
            let at = search
                .stack
                .iter()
                .position(|m| *m == module)
                .expect("on the stack");
            let group = search.stack.split_off(at);
            search
                .groups
                .push(group.into_iter().map(str::to_owned).collect());
        }
    }
    let mut search = Search {
        graph,
        family,
        numbers: BTreeMap::new(),
        stack: Vec::new(),
        groups: Vec::new(),
    };
    for module in graph.keys() {
        if !search.numbers.contains_key(module.as_str()) {
            visit(&mut search, module);
        }
    }
    search.groups
}
