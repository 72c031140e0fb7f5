//! Under attack: alarms, captchas, and what an operator can see of both.

mod alarms;
mod captcha;
mod providers;

use countersign::{
    flows::{Cx, alarms::watch, notes, risk},
    store::sign_ins::Listed,
};

use crate::support::{Answer, Client, World, captcha::solve};

const GRACE: &str = "grace@example.com";
const WRONG: &str = "wrong horse battery staple";

impl World {
    /// What the background does: the look at what is going on, and the rows that may wait.
    async fn look_around(&self) {
        watch(&self.app).await.unwrap();
        while notes::write(&self.app).await.unwrap() {}
    }

    /// The newest tries to sign in, as an operator sees them.
    async fn sign_ins(&self, cx: &Cx, wanted: risk::Wanted) -> Vec<Listed> {
        self.look_around().await;
        risk::list(cx, risk::Wanted { limit: 1_000, ..wanted }).await.unwrap()
    }

    /// Somebody's list of addresses and passwords, each tried from a network of its own.
    async fn stuff(&self, tenant: &str, pairs: usize) {
        for number in 0..pairs {
            let mut client = self.client_at(&format!("198.51.{}.{}", number / 250, number % 250));
            let answer = client.login(tenant, &format!("user{number}@example.com"), WRONG).await;
            assert!(matches!(answer.status.as_u16(), 400 | 401), "{}", answer.text);
        }
    }
}

/// Signs in with a captcha's answer.
async fn login_with(client: &mut Client, tenant: &str, password: &str, token: &str) -> Answer {
    let mut client = client.clone();
    client.headers.insert("x-captcha-token", token.parse().unwrap());
    client.login(tenant, GRACE, password).await
}

async fn solved_login(client: &mut Client, tenant: &str, password: &str) -> Answer {
    let token = solve(client, tenant, 0).await;
    login_with(client, tenant, password, &token).await
}
