//! The public API as a list: what a change adds or takes away shows in the diff of `api.txt`.
//!
//! `BLESS=1 cargo test --test core api` writes the list again. It is read from the sources: public
//! items that `lib.rs` leads to, their public members, and the traits that are derived or
//! implemented for them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use quote::ToTokens;
use syn::{Attribute, Fields, ImplItem, Item, UseTree, Visibility};

/// Module path (empty for the root) to its items, the modules' own left out.
type Modules = BTreeMap<String, Vec<Item>>;

#[test]
fn the_public_api_is_as_listed() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut modules = Modules::new();
    load(&top.join("src"), "", &mut modules);
    let mut api = Api {
        modules: &modules,
        lines: BTreeSet::new(),
        paths: BTreeSet::new(),
    };
    api.module("", "dumpstream");
    println!(
        "{} public paths, {} lines",
        api.paths.len(),
        api.lines.len()
    );
    let found: String = api.lines.iter().flat_map(|line| [line, "\n"]).collect();
    let file = top.join("tests/core/api.txt");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&file, &found).expect("api.txt can be written");
    }
    let listed = fs::read_to_string(&file).expect("api.txt");
    let (found, listed): (BTreeSet<_>, BTreeSet<_>) =
        (found.lines().collect(), listed.lines().collect());
    let added: Vec<_> = found.difference(&listed).collect();
    let gone: Vec<_> = listed.difference(&found).collect();
    assert!(
        added.is_empty() && gone.is_empty(),
        "the public API is not that of tests/core/api.txt (BLESS=1 rewrites it)\n\
         new: {added:#?}\ngone: {gone:#?}"
    );
}

/// Reads a module and all below it.
fn load(folder: &Path, path: &str, modules: &mut Modules) {
    let file = match path {
        "" => folder.join("lib.rs"),
        _ => folder.join(path.replace("::", "/")).with_extension("rs"),
    };
    let text = fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let items = syn::parse_file(&text).expect("Rust").items;
    for item in &items {
        if let Item::Mod(module) = item
            && module.content.is_none()
        {
            load(folder, &below(path, &module.ident.to_string()), modules);
        }
    }
    modules.insert(path.to_owned(), items);
}

fn below(path: &str, name: &str) -> String {
    match path {
        "" => name.to_owned(),
        _ => format!("{path}::{name}"),
    }
}

struct Api<'a> {
    modules: &'a Modules,
    lines: BTreeSet<String>,
    /// Modules, types, functions and constants by the paths that a user writes.
    paths: BTreeSet<String>,
}

impl Api<'_> {
    /// The public items of a module, known to users as `public`.
    fn module(&mut self, path: &str, public: &str) {
        for item in &self.modules[path] {
            match item {
                Item::Mod(module) if open(&module.vis) => {
                    let name = module.ident.to_string();
                    let public = format!("{public}::{name}");
                    self.add(&public, &format!("{}mod {public}", features(&module.attrs)));
                    self.module(&below(path, &name), &public);
                }
                Item::Use(item) if open(&item.vis) => {
                    let mut names = Vec::new();
                    flatten("", &item.tree, &mut names);
                    for (from, name) in names {
                        self.reexport(path, &from, &name, public);
                    }
                }
                other => self.item(other, public),
            }
        }
    }

    fn reexport(&mut self, path: &str, from: &str, name: &str, public: &str) {
        match self.resolve(path, from) {
            Some((module, original)) => {
                let items = &self.modules[&module];
                let item = items
                    .iter()
                    .find(|item| named(item).as_ref() == Some(&original));
                let item = item.unwrap_or_else(|| panic!("{from} in {module}"));
                assert_eq!(original, name, "a rename within the crate");
                self.item(item, public);
            }
            None => {
                let public = format!("{public}::{name}");
                self.add(&public, &format!("use {from} as {public}"));
            }
        }
    }

    /// The module that defines what `from` names within `path`, and its name there; `None` for what
    /// another crate defines.
    fn resolve(&self, path: &str, from: &str) -> Option<(String, String)> {
        let absolute = match from.split_once("::") {
            Some(("crate", rest)) => rest.to_owned(),
            Some(("self", rest)) => below(path, rest),
            Some(("super", rest)) => below(path.rsplit_once("::").map_or("", |(up, _)| up), rest),
            _ => below(path, from),
        };
        let (module, name) = absolute.rsplit_once("::").unwrap_or(("", &absolute));
        let items = self.modules.get(module)?;
        if items
            .iter()
            .any(|item| named(item).is_some_and(|n| n == name))
        {
            return Some((module.to_owned(), name.to_owned()));
        }
        // It may be re-exported there itself.
        let mut names = Vec::new();
        for item in items {
            if let Item::Use(item) = item {
                flatten("", &item.tree, &mut names);
            }
        }
        let (from, _) = names.into_iter().find(|(_, n)| n == name)?;
        // A crate of that name is another's.
        (from != absolute && below(module, &from) != absolute)
            .then(|| self.resolve(module, &from))
            .flatten()
    }

    /// One item, if it is public.
    fn item(&mut self, item: &Item, public: &str) {
        let Some(name) = named(item) else { return };
        let path = format!("{public}::{name}");
        let (vis, attrs) = match item {
            Item::Struct(item) => (&item.vis, &item.attrs),
            Item::Enum(item) => (&item.vis, &item.attrs),
            Item::Const(item) => (&item.vis, &item.attrs),
            Item::Fn(item) => (&item.vis, &item.attrs),
            other => panic!("{path}: an item of a kind that this reader does not know: {other:?}"),
        };
        if !open(vis) {
            return;
        }
        let marks = features(attrs) + non_exhaustive(attrs);
        match item {
            Item::Const(item) => {
                self.add(&path, &format!("{marks}const {path}: {}", text(&item.ty)))
            }
            Item::Fn(item) => {
                let signature = text(&item.sig).replacen(&name, &path, 1);
                self.add(&path, &format!("{marks}{signature}"));
            }
            Item::Struct(item) => {
                let generics = text(&item.generics);
                self.add(&path, &format!("{marks}struct {path}{generics}"));
                for (i, field) in item.fields.iter().enumerate() {
                    if open(&field.vis) {
                        let name = field
                            .ident
                            .as_ref()
                            .map_or(i.to_string(), |i| i.to_string());
                        self.lines
                            .insert(format!("{path}::{name}: {}", text(&field.ty)));
                    }
                }
                self.derived(&path, &item.attrs);
                self.members(&name, &path);
            }
            Item::Enum(item) => {
                let generics = text(&item.generics);
                self.add(&path, &format!("{marks}enum {path}{generics}"));
                for variant in &item.variants {
                    let mut fields = variant.fields.clone();
                    fields.iter_mut().for_each(|field| field.attrs.clear());
                    let fields = match &fields {
                        Fields::Unit => String::new(),
                        fields => text(fields),
                    };
                    self.lines
                        .insert(format!("{path}::{}{fields}", variant.ident));
                }
                self.derived(&path, &item.attrs);
                self.members(&name, &path);
            }
            _ => unreachable!("these kinds were told apart above"),
        }
    }

    fn derived(&mut self, path: &str, attrs: &[Attribute]) {
        for attr in attrs.iter().filter(|attr| attr.path().is_ident("derive")) {
            let list = &attr.meta.require_list().expect("a list of traits").tokens;
            for name in list.to_string().split(',') {
                let name = name.rsplit("::").next().unwrap_or_default().trim();
                if name == "Error" {
                    self.lines.insert(format!("impl Display for {path}"));
                }
                self.lines.insert(format!("impl {name} for {path}"));
            }
        }
    }

    /// What is implemented for a type, wherever: no two types of the crate that are public have one
    /// name.
    fn members(&mut self, name: &str, path: &str) {
        for (module, items) in self.modules {
            for item in items {
                let Item::Impl(block) = item else { continue };
                let of = text(&block.self_ty);
                let base = of.split('<').next().unwrap_or_default();
                let base = base.rsplit(['&', ' ']).next().unwrap_or_default();
                // A private type of the same name has its implementations beside it.
                let own = items.iter().any(|item| {
                    named(item).is_some_and(|n| n == base)
                        && !matches!(item, Item::Struct(s) if open(&s.vis))
                        && !matches!(item, Item::Enum(e) if open(&e.vis))
                });
                let same = base == name && self.is_public_type(module, base);
                if base != name || own || !same {
                    continue;
                }
                let marks = features(&block.attrs) + &self.gate(module);
                if let Some((of_trait, _)) = &block.trait_ {
                    let shown = of.replacen(name, path, 1);
                    self.lines.insert(format!(
                        "{marks}impl {} for {shown}",
                        text(of_trait.segments.last().expect("a trait has a name"))
                    ));
                    continue;
                }
                for member in &block.items {
                    match member {
                        ImplItem::Fn(member) if open(&member.vis) => {
                            let marks = format!("{marks}{}", features(&member.attrs));
                            let fn_name = member.sig.ident.to_string();
                            let signature = text(&member.sig).replacen(
                                &format!("fn {fn_name}"),
                                &format!("fn {path}::{fn_name}"),
                                1,
                            );
                            self.lines.insert(format!("{marks}{signature}"));
                        }
                        ImplItem::Const(member) if open(&member.vis) => {
                            let (name, ty) = (&member.ident, text(&member.ty));
                            self.lines
                                .insert(format!("{marks}const {path}::{name}: {ty}"));
                        }
                        _ => {}
                    }
                }
            }
        }
    }

    /// Whether a name within a module is a public type's.
    fn is_public_type(&self, module: &str, base: &str) -> bool {
        let Some((home, name)) = self.resolve(module, base) else {
            return false;
        };
        self.modules[&home].iter().any(|item| match item {
            Item::Struct(item) => item.ident == name && open(&item.vis),
            Item::Enum(item) => item.ident == name && open(&item.vis),
            _ => false,
        })
    }

    /// The feature that a module's own declaration asks for.
    fn gate(&self, module: &str) -> String {
        let (parent, name) = module.rsplit_once("::").unwrap_or(("", module));
        let declared = self.modules.get(parent).into_iter().flatten();
        let mut gated = declared.filter_map(|item| match item {
            Item::Mod(item) if item.ident == name => Some(features(&item.attrs)),
            _ => None,
        });
        match gated.next() {
            Some(gate) if !gate.is_empty() => gate,
            _ if parent.is_empty() => String::new(),
            _ => self.gate(parent),
        }
    }

    fn add(&mut self, path: &str, line: &str) {
        self.paths.insert(path.to_owned());
        self.lines.insert(line.to_owned());
    }
}

fn open(vis: &Visibility) -> bool {
    matches!(vis, Visibility::Public(_))
}

fn named(item: &Item) -> Option<String> {
    Some(match item {
        Item::Struct(item) => item.ident.to_string(),
        Item::Enum(item) => item.ident.to_string(),
        Item::Const(item) => item.ident.to_string(),
        Item::Fn(item) => item.sig.ident.to_string(),
        Item::Trait(item) => item.ident.to_string(),
        Item::Type(item) => item.ident.to_string(),
        Item::Static(item) => item.ident.to_string(),
        _ => return None,
    })
}

/// `[explain] ` for what the feature of that name brings.
fn features(attrs: &[Attribute]) -> String {
    let cfg = |attr: &&Attribute| attr.path().is_ident("cfg");
    let gates = attrs.iter().filter(cfg).map(|attr| text(&attr.meta));
    let gates = gates.filter_map(|gate| Some(gate.split('"').nth(1)?.to_owned()));
    gates.map(|feature| format!("[{feature}] ")).collect()
}

fn non_exhaustive(attrs: &[Attribute]) -> &'static str {
    let marked = attrs
        .iter()
        .any(|attr| attr.path().is_ident("non_exhaustive"));
    if marked { "#[non_exhaustive] " } else { "" }
}

/// `a::{b, c as d}` as pairs of where a name comes from and what it is called.
fn flatten(before: &str, tree: &UseTree, names: &mut Vec<(String, String)>) {
    match tree {
        UseTree::Path(path) => flatten(&below(before, &path.ident.to_string()), &path.tree, names),
        UseTree::Name(name) => {
            let name = name.ident.to_string();
            names.push((below(before, &name), name));
        }
        UseTree::Rename(rename) => {
            names.push((
                below(before, &rename.ident.to_string()),
                rename.rename.to_string(),
            ));
        }
        UseTree::Group(group) => {
            for tree in &group.items {
                flatten(before, tree, names);
            }
        }
        UseTree::Glob(_) => panic!("a glob hides what is public"),
    }
}

/// Tokens as a person writes them.
fn text(tokens: &impl ToTokens) -> String {
    let mut out = tokens.to_token_stream().to_string();
    for (from, to) in [
        (" :: ", "::"),
        (":: ", "::"),
        (" < ", "<"),
        ("< ", "<"),
        (" >", ">"),
        (" ,", ","),
        (" (", "("),
        ("( ", "("),
        (" )", ")"),
        ("& ", "&"),
        (" :", ":"),
        (" ;", ";"),
        ("[ ", "["),
        (" ]", "]"),
        (",)", ")"),
        (", }", " }"),
        ("- >", "->"),
        (" ->", " ->"),
        ("->(", "-> ("),
        (",(", ", ("),
        (":(", ": ("),
        ("<'_ >", "<'_>"),
        ("=(", "= ("),
    ] {
        out = out.replace(from, to);
    }
    // `- >` became `->`; a blank stands before and after it.
    out = out
        .replace(")->", ") ->")
        .replace("->", "-> ")
        .replace("->  ", "-> ");
    out.replace("dyn(", "dyn (")
}
