//! What every command on the database's contents shares: the opened program, who asks, how
//! results are printed, and the question before something is gone for good.
//!
//! Commands open the database themselves, also while a server runs on it. They act on suspended
//! tenants too, since somebody has to.

use std::{
    io::{self, IsTerminal, Write},
    sync::Arc,
};

use serde_json::Value;

use super::{
    Failure,
    output::{self, Form, Table},
};
use crate::{
    app::App,
    config::Config,
    crypto::breached::filter::Filter,
    domain::tenant::{Slug, Tenant},
    error::{Code, Context, Error, Result},
    flows::{Caller, Cx, fresh_id, tenants},
    id::RequestId,
};

/// An operator on the machine, at the opened database.
#[derive(Debug)]
pub(super) struct Operator {
    /// The program.
    pub(super) app: Arc<App>,
    /// Who asks, for the audit trail.
    pub(super) caller: Arc<Caller>,
    /// How results are printed.
    pub(super) form: Form,
}

impl Operator {
    /// Opens the database that the settings name, and brings it to this version.
    ///
    /// # Errors
    /// As [`App::open`].
    pub(super) async fn open(mut config: Config, form: Form) -> Result<Self> {
        // One command makes one hash at most; threads for more would only take time to start.
        config.passwords.threads = 1;
        // Emergencies are what these commands are for: none waits for a file that judges nothing but
        // new passwords. The server does not start with such a file.
        if let Some(path) = config.passwords.breach_filter.as_deref()
            && let Err(fault) = Filter::open(path)
        {
            output::warning(&format!(
                "going on without the filter of breached passwords: {}: {fault}",
                path.display()
            ));
            config.passwords.breach_filter = None;
        }
        let app = App::open(config).await?;
        let request: RequestId = fresh_id(&app.entropy, app.clock.now())?;
        Ok(Self { app, caller: Arc::new(Caller::operator(request.to_string())), form })
    }

    /// The surroundings of a use case in the tenant called `slug`, whatever the tenant's state.
    ///
    /// # Errors
    /// `tenant_not_found`, or where the database fails.
    pub(super) async fn cx(&self, slug: &str) -> Result<Cx> {
        let tenant = tenants::by_slug(&self.app, &parse_slug(slug)?).await?;
        Ok(self.within(tenant.ok_or_else(|| Error::refused(Code::TenantNotFound))?))
    }

    /// The surroundings of a use case in each tenant that is meant: the one called `slug`, or all.
    ///
    /// # Errors
    /// As [`Operator::cx`].
    pub(super) async fn each(&self, slug: Option<&str>) -> Result<Vec<Cx>> {
        if let Some(slug) = slug {
            return Ok(vec![self.cx(slug).await?]);
        }
        let mut found = Vec::new();
        let mut after = String::new();
        loop {
            let page = tenants::list(&self.app, after.clone()).await?;
            let Some(last) = page.last() else { return Ok(found) };
            last.slug.as_str().clone_into(&mut after);
            for record in page {
                // It may have been deleted since the page was read.
                if let Some(tenant) = tenants::by_slug(&self.app, &record.slug).await? {
                    found.push(self.within(tenant));
                }
            }
        }
    }

    fn within(&self, tenant: Arc<Tenant>) -> Cx {
        Cx {
            app: Arc::clone(&self.app),
            tenant,
            caller: Arc::clone(&self.caller),
            now: self.app.clock.now(),
        }
    }

    /// Prints a result: `table` for people, `json` for machines.
    ///
    /// # Errors
    /// Where standard output cannot be written to.
    pub(super) fn print(&self, table: &Table, json: &Value) -> Result<(), Failure> {
        Ok(output::print(self.form, table, json)?)
    }

    /// Prints what was done: a sentence for people, `json` for machines.
    ///
    /// # Errors
    /// Where standard output cannot be written to.
    pub(super) fn say(&self, sentence: &str, json: &Value) -> Result<(), Failure> {
        match self.form {
            Form::Human => Ok(output::text(&format!("{sentence}\n"))?),
            Form::Json => Ok(output::json(json)?),
        }
    }
}

/// Reads a slug.
///
/// # Errors
/// A fault of the argument that says what a slug is.
pub(super) fn parse_slug(text: &str) -> Result<Slug> {
    Slug::parse(text).map_err(|fault| Error::invalid_field("slug", fault.to_string()))
}

/// The facts of one thing, a line each.
pub(super) fn facts<const N: usize>(facts: [(&str, String); N]) -> Table {
    let mut table = Table::new(&["field", "value"]);
    for (name, value) in facts {
        table.row([name.to_owned(), value]);
    }
    table
}

/// What is said of an absent value.
pub(super) fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |it| it.to_string())
}

/// Goes on only where `yes` was said, as a flag or now; `deed` tells what is about to happen.
///
/// # Errors
/// Where the answer is no, and where nobody is there to be asked.
pub(super) fn confirm(yes: bool, deed: &str) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(Failure::No(format!("this {deed}; say --yes if that is meant")));
    }
    write!(io::stderr().lock(), "This {deed}. Go on? [y/N] ").doing("asking")?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).doing("reading the answer")?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        return Ok(());
    }
    Err(Failure::No("nothing was done".to_owned()))
}
