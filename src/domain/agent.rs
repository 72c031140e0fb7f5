//! What a `User-Agent` header tells a person: a browser and a system, for notices and lists.
//! Not a judgement: the header is the client's own word.

const BROWSERS: [(&str, &str); 8] = [
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];

const SYSTEMS: [(&str, &str); 7] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
];

/// At most this many characters of the header are kept anywhere.
pub const MAX_LENGTH: usize = 256;

/// A short name such as `Firefox on Linux`; `curl` and the like by their own first word.
#[must_use]
pub fn label(agent: &str) -> String {
    let find = |list: &[(&str, &'static str)]| {
        list.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name)
    };
    match (find(&BROWSERS), find(&SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        (None, Some(system)) => system.to_owned(),
        (None, None) => {
            let word: String = agent
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
                .take(32)
                .collect();
            if word.is_empty() { "an unknown device".to_owned() } else { word }
        }
    }
}

/// The header as it is kept: at most 256 characters, control characters dropped.
#[must_use]
pub fn kept(agent: &str) -> String {
    agent.chars().filter(|c| !c.is_control()).take(MAX_LENGTH).collect()
}

#[cfg(test)]
mod tests {
    use super::label;

    #[test]
    fn names_the_browser_and_the_system() {
        let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0";
        let edge =
            "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/141.0 Safari/537.36 Edg/141.0";
        assert_eq!(label(firefox), "Firefox on Linux");
        assert_eq!(label(edge), "Edge on Windows");
        assert_eq!(label("curl/8.5.0"), "curl");
        assert_eq!(label("<script>"), "an unknown device");
    }
}
