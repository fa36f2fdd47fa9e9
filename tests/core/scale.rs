//! The page about sizes has what its program computes from the figures beside it.

#[path = "../../examples/scale.rs"]
mod program;

#[test]
fn the_tables_of_the_page_are_computed() {
    let read = |name: &str| std::fs::read_to_string(given::project().join(name)).unwrap();
    let measured = serde_json::from_str(&read("docs/scale.json")).unwrap();
    let tables = program::tables(&measured);
    assert!(
        read("docs/scale.md").contains(&tables),
        "docs/scale.md lacks this:\n{tables}"
    );
}
