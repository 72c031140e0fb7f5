//! From the flags of `tenant create` and `tenant update` to a [`Change`].
//!
//! Settings are set one by one in the JSON form of their layer and read back, so that which names
//! there are and what each takes stays said in one place, the layer itself.

use std::{fs::File, io::Read as _, path::Path};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{
    cli::TenantChange,
    domain::{
        settings::SettingsLayer,
        tenant::{
            Branding, Picture, TenantRecord,
            picture::{self, PictureUse},
            style,
        },
    },
    error::{Context, Error, Fault, Loc, Result as Answer},
    flows::{
        pictures::{self, NewPicture},
        tenants::Change,
    },
};

/// What the flags ask for, on top of the tenant as it is.
///
/// # Errors
/// Every name that is not a setting and every value that does not fit one, all at once; a file
/// that cannot be read.
pub(super) fn read(flags: &TenantChange, old: Option<&TenantRecord>) -> Answer<Change> {
    let mut faults = Vec::new();
    let settings = settings(flags, old.map(|it| &it.settings), &mut faults)?;
    let (branding, pictures) = branding(flags, old.map(|it| &it.branding), &mut faults)?;
    if !faults.is_empty() {
        return Err(Error::Invalid(faults));
    }
    let (name, contact_email) = (flags.name.clone(), flags.contact_email.clone());
    Ok(Change { name, contact_email, settings, branding, pictures })
}

/// Whether nothing is to be changed.
pub(super) fn is_empty(change: &Change) -> bool {
    let Change { name, contact_email, settings, branding, pictures: _ } = change;
    name.is_none() && contact_email.is_none() && settings.is_none() && branding.is_none()
}

fn settings(
    flags: &TenantChange,
    old: Option<&SettingsLayer>,
    faults: &mut Vec<Fault>,
) -> Answer<Option<SettingsLayer>> {
    if flags.settings_file.is_none() && flags.set.is_empty() && flags.unset.is_empty() {
        return Ok(None);
    }
    let layer = match &flags.settings_file {
        Some(path) => file(path)?,
        None => old.cloned().unwrap_or_default(),
    };
    let mut layer = serde_json::to_value(layer).doing("writing settings")?;
    for key in &flags.unset {
        // What stands at the top is a group, which is empty rather than absent.
        let group = layer.get(key).is_some_and(Value::is_object);
        let nothing = if group { Value::Object(Map::new()) } else { Value::Null };
        faults.extend(set::<SettingsLayer>(&mut layer, key, nothing).err());
    }
    for pair in &flags.set {
        let Some((key, value)) = pair.split_once('=') else {
            faults.push(fault(pair, "give it as KEY=VALUE".to_owned()));
            continue;
        };
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
        faults.extend(set::<SettingsLayer>(&mut layer, key, value).err());
    }
    serde_json::from_value(layer).doing("reading settings").map(Some)
}

fn branding(
    flags: &TenantChange,
    old: Option<&Branding>,
    faults: &mut Vec<Fault>,
) -> Answer<(Option<Branding>, Vec<NewPicture>)> {
    let TenantChange { branding, logo, logo_dark, favicon, css, .. } = flags;
    if branding.is_empty() && [logo, logo_dark, favicon, css].iter().all(|it| it.is_none()) {
        return Ok((None, Vec::new()));
    }
    let looks = old.cloned().unwrap_or_default();
    let mut looks = serde_json::to_value(looks).doing("writing branding")?;
    for pair in &flags.branding {
        let Some((key, value)) = pair.split_once('=') else {
            faults.push(fault(&format!("branding.{pair}"), "give it as KEY=VALUE".to_owned()));
            continue;
        };
        let value = if value.is_empty() { Value::Null } else { Value::String(value.to_owned()) };
        if let Err(wrong) = set::<Branding>(&mut looks, key, value) {
            faults.push(fault(&format!("branding.{key}"), wrong.message));
        }
    }
    let mut looks: Branding = serde_json::from_value(looks).doing("reading branding")?;
    let mut pictures = Vec::new();
    for (flag, path, purpose, place) in [
        ("--logo", logo, PictureUse::Logo, &mut looks.logo),
        ("--logo-dark", logo_dark, PictureUse::Logo, &mut looks.logo_dark),
        ("--favicon", favicon, PictureUse::Favicon, &mut looks.favicon),
    ] {
        let Some(path) = path else { continue };
        match picture(path, purpose) {
            Ok((picture, kept)) => {
                *place = Some(picture);
                pictures.push(kept);
            }
            Err(said) => faults.push(fault(flag, said)),
        }
    }
    if let Some(path) = css {
        // What comes through is kept, so that one sees what counts.
        let read = std::fs::read_to_string(path).map_err(|it| format!("cannot be read: {it}"));
        match read.and_then(|text| style::safe(&text).map_err(|it| it.to_string())) {
            Ok(sheet) => looks.css = Some(sheet),
            Err(said) => faults.push(fault("--css", said)),
        }
    }
    Ok((Some(looks), pictures))
}

fn picture(path: &Path, purpose: PictureUse) -> Result<(Picture, NewPicture), String> {
    let cannot = |it: std::io::Error| format!("cannot be read: {it}");
    // A file that is far too large is not read whole.
    let mut bytes = Vec::new();
    let most = u64::try_from(picture::LARGEST + 1).unwrap_or(u64::MAX);
    let opened = File::open(path).map_err(cannot)?;
    opened.take(most).read_to_end(&mut bytes).map_err(cannot)?;
    pictures::read(bytes, purpose, None).map_err(|it| it.to_string())
}

fn file(path: &Path) -> Answer<SettingsLayer> {
    let refuse = |said: String| Error::Invalid(vec![fault("--settings-file", said)]);
    let text =
        std::fs::read_to_string(path).map_err(|it| refuse(format!("cannot be read: {it}")))?;
    let value: Value =
        serde_json::from_str(&text).map_err(|it| refuse(format!("is not JSON: {it}")))?;
    read_layer(value, "").map_err(|wrong| Error::Invalid(vec![wrong]))
}

/// Puts `value` at the dotted `key` of a layer, which stays as it was where that does not fit.
fn set<T: DeserializeOwned>(layer: &mut Value, key: &str, value: Value) -> Result<(), Fault> {
    let mut changed = layer.clone();
    let mut at = &mut changed;
    for step in key.split('.') {
        let Some(group) = at.as_object_mut() else {
            return Err(fault(key, "there is no such setting".to_owned()));
        };
        let next = group.entry(step).or_insert(Value::Null);
        if next.is_null() {
            *next = Value::Object(Map::new());
        }
        at = next;
    }
    *at = value;
    read_layer::<T>(changed.clone(), key)?;
    *layer = changed;
    Ok(())
}

/// Reads a layer; a fault is at `key`, or where it was met if that is empty.
fn read_layer<T: DeserializeOwned>(value: Value, key: &str) -> Result<T, Fault> {
    serde_path_to_error::deserialize(value).map_err(|wrong| {
        let place = if key.is_empty() { wrong.path().to_string() } else { key.to_owned() };
        fault(&place, allowed(&wrong.inner().to_string()))
    })
}

fn fault(name: &str, message: String) -> Fault {
    Fault { loc: vec![Loc::Name(name.to_owned())], kind: "value_error", message }
}

/// What would be right, drawn from a sentence of the JSON reader, which tells it last. What comes
/// before may repeat the value, which must not be said.
fn allowed(said: &str) -> String {
    let expected = said.rsplit_once("expected ").map_or("", |(_, expected)| expected);
    if said.starts_with("unknown field") {
        let names = expected.trim_start_matches("one of ").replace('`', "");
        return format!("there is no such setting; here there are: {names}");
    }
    let expected = match expected {
        "a sequence" => r#"a list, such as ["one", "two"]"#,
        "usize" | "u32" => "a whole number, 0 or more",
        text if text.starts_with("struct ") || text == "a map" => "a group of settings",
        text => text,
    };
    format!("must be {}", expected.replace('`', ""))
}

#[cfg(test)]
mod tests;
