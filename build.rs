//! What is done once, when the program is built, and not at each start.
//!
//! The catalogues of texts are compared, so that a text that a language lacks stops the build and
//! not its reader, and written flat (`src/text.rs` reads them). The files that pages load are packed
//! (`src/view/assets.rs` serves them).

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    error::Error,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use minijinja::Environment;
use toml::Value;

/// The catalogue that the others follow.
const FIRST: &str = "en.toml";
/// What texts call and do not take: `src/text/fill.rs`.
const FUNCTIONS: [&str; 1] = ["plural"];

/// What stands between a key and its text, and between two of them: characters that no text has.
const UNIT: char = '\u{1f}';
const RECORD: char = '\u{1e}';

/// What all pages gain from a script, the way to passkeys, the captcha, and backup codes, in one: a
/// page asks for one script, whatever it needs of it.
const SCRIPTS: [&str; 4] = ["app.js", "passkey.js", "captcha.js", "account.js"];

/// A text, and the variables that it takes.
struct Text {
    text: String,
    variables: BTreeSet<String>,
}

/// The keys of a catalogue, each with its text.
type Catalogue = BTreeMap<String, Text>;

#[expect(clippy::disallowed_methods, reason = "it is how a build learns where to write")]
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=locales");
    println!("cargo::rerun-if-changed=static");
    println!("cargo::rerun-if-changed=build.rs");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    compare(&out)?;
    let script = SCRIPTS.map(|name| fs::read_to_string(Path::new("static").join(name)));
    let script = script.into_iter().collect::<Result<String, _>>()?;
    pack(&out, "app.js", script.as_bytes())?;
    pack(&out, "app.css", &fs::read("static/app.css")?)
}

/// Writes a file as it is, and packed by gzip and Brotli.
fn pack(out: &Path, name: &str, plain: &[u8]) -> Result<(), Box<dyn Error>> {
    fs::write(out.join(name), plain)?;
    let gzip = fs::File::create(out.join(format!("{name}.gz")))?;
    let mut gzip = flate2::write::GzEncoder::new(gzip, flate2::Compression::best());
    gzip.write_all(plain)?;
    gzip.finish()?;
    let (quality, window) = (11, 22);
    let packed = fs::File::create(out.join(format!("{name}.br")))?;
    brotli::CompressorWriter::new(packed, 4096, quality, window).write_all(plain)?;
    Ok(())
}

/// Compares the catalogues, and writes each down flat.
fn compare(out: &Path) -> Result<(), Box<dyn Error>> {
    let first = read(Path::new("locales").join(FIRST).as_path())?;
    let mut paths: Vec<_> = fs::read_dir("locales")?
        .map(|entry| entry.map(|it| it.path()))
        .collect::<Result<_, _>>()?;
    paths.sort();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|it| it == "toml")) {
        let catalogue = read(path)?;
        for fault in faults(&first, &catalogue) {
            println!("cargo::error={}: {fault}", path.display());
        }
        let flat = catalogue.iter().map(|(key, it)| format!("{key}{UNIT}{}{RECORD}", it.text));
        let name = path.file_stem().ok_or("a catalogue without a name")?;
        fs::write(out.join(name).with_extension("texts"), flat.collect::<String>())?;
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
        let taken = other.get(key).filter(|taken| taken.variables != wanted.variables)?;
        let (taken, wanted) = (listed(&taken.variables), listed(&wanted.variables));
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
                if text.contains([UNIT, RECORD]) {
                    return Err(format!("{}: {key} has a control character", path.display()).into());
                }
                let read = engine.template_from_str(&text).map_err(|fault| named(&key, &fault))?;
                let mut variables: BTreeSet<_> =
                    read.undeclared_variables(false).into_iter().collect();
                variables.retain(|name| !FUNCTIONS.contains(&name.as_str()));
                found.insert(key, Text { text, variables });
            }
            Value::Table(table) => {
                rest.extend(table.into_iter().map(|(part, it)| (format!("{key}.{part}"), it)));
            }
            _ => return Err(format!("{}: {key} is no text", path.display()).into()),
        }
    }
    Ok(found)
}
