//! Compares the catalogues of texts when the program is built, so that a text that a language lacks
//! stops the build and not its reader.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    fs,
    path::Path,
};

use minijinja::Environment;
use toml::Value;

/// The catalogue that the others follow.
const FIRST: &str = "en.toml";
/// What texts call and do not take: `src/text/fill.rs`.
const FUNCTIONS: [&str; 1] = ["plural"];

/// The keys of a catalogue, each with the variables that its text takes.
type Catalogue = BTreeMap<String, BTreeSet<String>>;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=locales");
    println!("cargo::rerun-if-changed=build.rs");
    let first = read(Path::new("locales").join(FIRST).as_path())?;
    let mut paths: Vec<_> = fs::read_dir("locales")?
        .map(|entry| entry.map(|it| it.path()))
        .collect::<Result<_, _>>()?;
    paths.sort();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|it| it == "toml")) {
        for fault in faults(&first, &read(path)?) {
            println!("cargo::error={}: {fault}", path.display());
        }
    }
    Ok(())
}

/// What a catalogue lacks, has too much, or fills otherwise than the first one.
fn faults(first: &Catalogue, other: &Catalogue) -> Vec<String> {
    let missing = first.keys().filter(|key| !other.contains_key(*key));
    let surplus = other.keys().filter(|key| !first.contains_key(*key));
    let listed = |names: &BTreeSet<String>| {
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    };
    let differing = first.iter().filter_map(|(key, wanted)| {
        let taken = other.get(key).filter(|taken| *taken != wanted)?;
        let (taken, wanted) = (listed(taken), listed(wanted));
        Some(format!("the text {key} takes the variables {taken}; in {FIRST}: {wanted}"))
    });
    missing
        .map(|key| format!("the text {key} is missing, which {FIRST} has"))
        .chain(surplus.map(|key| format!("there is a text {key}, which {FIRST} has not")))
        .chain(differing)
        .collect()
}

fn read(path: &Path) -> Result<Catalogue, Box<dyn Error>> {
    let named = |key: &str, fault: &dyn Error| format!("{}: {key}: {fault}", path.display());
    let table: toml::Table =
        toml::from_str(&fs::read_to_string(path)?).map_err(|fault| named("no TOML", &fault))?;
    let mut found = Catalogue::new();
    let mut rest: Vec<(String, Value)> = table.into_iter().collect();
    let engine = Environment::new();
    while let Some((key, value)) = rest.pop() {
        match value {
            Value::String(text) => {
                let text = engine.template_from_str(&text).map_err(|fault| named(&key, &fault))?;
                let mut taken: BTreeSet<_> = text.undeclared_variables(false).into_iter().collect();
                taken.retain(|name| !FUNCTIONS.contains(&name.as_str()));
                found.insert(key, taken);
            }
            Value::Table(table) => {
                rest.extend(table.into_iter().map(|(part, it)| (format!("{key}.{part}"), it)));
            }
            _ => return Err(format!("{}: {key} is no text", path.display()).into()),
        }
    }
    Ok(found)
}
