//! The captcha of a form: what of it is shown, and which answer came.

use crate::{
    domain::settings::CaptchaUse,
    error::{Code, Context, Error, Result},
    flows::{
        Cx,
        captcha::{self, Asked},
        risk,
    },
    view::pages::captcha::{CaptchaShown, WidgetShown},
};

/// What there is of each provider for a page.
const WIDGETS: [(&str, &str, &str, &str); 3] = [
    (
        "hcaptcha",
        "h-captcha",
        "https://js.hcaptcha.com/1/api.js",
        "https://hcaptcha.com https://*.hcaptcha.com",
    ),
    (
        "turnstile",
        "cf-turnstile",
        "https://challenges.cloudflare.com/turnstile/v0/api.js",
        "https://challenges.cloudflare.com",
    ),
    (
        "recaptcha",
        "g-recaptcha",
        "https://www.google.com/recaptcha/api.js",
        "https://www.google.com/recaptcha/ https://www.gstatic.com/recaptcha/ \
         https://recaptcha.google.com/recaptcha/",
    ),
];

/// The captcha of a form for which the tenant wants one; `None`: it does not.
pub(super) fn shown(cx: &Cx, asked: CaptchaUse) -> Result<Option<CaptchaShown>> {
    if risk::is_asked(cx, asked) { fresh(cx).map(Some) } else { Ok(None) }
}

/// The same, where the form was refused: also where a captcha would help.
pub(super) fn shown_after(
    cx: &Cx,
    asked: CaptchaUse,
    error: &Error,
) -> Result<Option<CaptchaShown>> {
    let helps = asked != CaptchaUse::Off && helps(error);
    if helps { fresh(cx).map(Some) } else { shown(cx, asked) }
}

fn fresh(cx: &Cx) -> Result<CaptchaShown> {
    Ok(match captcha::ask(cx)? {
        Asked::Puzzle(puzzle) => {
            CaptchaShown::Puzzle(serde_json::to_string(&puzzle).doing("writing a puzzle")?)
        }
        Asked::Widget { provider, site_key } => {
            let known = WIDGETS.iter().find(|(name, ..)| *name == provider);
            let (_, class, script, sources) =
                known.ok_or("there is no such provider").doing("showing a captcha")?;
            CaptchaShown::Widget(WidgetShown { class, site_key, script, sources })
        }
    })
}

/// Whether a captcha helps where something was refused.
fn helps(error: &Error) -> bool {
    match error {
        Error::Throttled { .. } => true,
        Error::Refused(no) => matches!(no.code, Code::CaptchaRequired | Code::CaptchaFailed),
        _ => false,
    }
}
