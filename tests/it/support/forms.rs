//! Forms of hosted pages, filled in without a browser.

use super::{Answer, Client, applications::encoded};

impl Answer {
    /// The value of a hidden field.
    #[track_caller]
    pub(crate) fn hidden(&self, name: &str) -> String {
        let mark = format!("name=\"{name}\" value=\"");
        let rest = self.text.split(&mark).nth(1);
        let rest = rest.unwrap_or_else(|| panic!("no {name}: {} {}", self.status, self.text));
        rest.split('"').next().unwrap().to_owned()
    }

    /// Whether there is an element with that id.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.text.contains(&format!("id=\"{id}\""))
    }

    /// What is written in the page itself, without what differs each time: what forms prove
    /// themselves with, and what is sealed.
    pub(crate) fn main(&self) -> String {
        let main = self.text.split("<main").nth(1).unwrap();
        let mut plain = String::new();
        for (place, piece) in main.split("type=\"hidden\" name=\"").enumerate() {
            let rest = if place == 0 { piece } else { piece.split_once('>').unwrap().1 };
            plain.push_str(rest);
        }
        plain
    }
}

impl Client {
    /// Opens a page and sends its form, with what it proves itself with and its request.
    pub(crate) async fn fill_page(&mut self, page: &str, fields: &[(&str, &str)]) -> Answer {
        let shown = self.get(page).await;
        let token = shown.hidden("form_token");
        let mut all = vec![("form_token", token.as_str())];
        all.extend_from_slice(fields);
        self.post_form(page.split('?').next().unwrap(), &encoded(&all)).await
    }
}
