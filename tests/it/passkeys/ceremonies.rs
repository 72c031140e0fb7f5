//! Ceremonies: each for one purpose, once, for five minutes, and not too many of them.

use std::time::Duration;

use countersign::jobs;
use serde_json::{Value, json};

use super::{
    Begun, EVE, GRACE, ORIGIN, Owner, Step, begin_enrolment, begin_sign_in, begin_step,
    finish_enrolment, finish_sign_in, forget_failures, grace, methods,
    reauthentication::{self, prove},
    signed_in, step, verify, vouch,
};
use crate::support::{Answer, Client, World, authenticator::Authenticator, together};

const LIFETIME: Duration = Duration::from_mins(5);
const MICRO: Duration = Duration::from_micros(1);

/// What a ceremony may be begun for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Enrolment,
    Step,
    SignIn,
    Reauthentication,
}

const PURPOSES: [Purpose; 4] =
    [Purpose::Enrolment, Purpose::Step, Purpose::SignIn, Purpose::Reauthentication];

/// Grace, with a session and a step of her own.
struct Doors<'a> {
    world: &'a World,
    owner: &'a mut Owner,
    step: Step,
}

impl Doors<'_> {
    async fn begin(&mut self, purpose: Purpose) -> Begun {
        let client = &mut self.owner.client;
        match purpose {
            Purpose::Enrolment => Begun::of(&begin_enrolment(client).await),
            Purpose::Step => Begun::of(&begin_step(client, "acme", &self.step).await),
            Purpose::SignIn => Begun::of(&begin_sign_in(client, "acme").await),
            Purpose::Reauthentication => Begun::of(&reauthentication::begin(client).await),
        }
    }

    /// The answer that a finish would take, if its ceremony were this one.
    fn answer(&self, begun: &Begun, purpose: Purpose) -> Value {
        let mut options = begun.options.clone();
        options["rpId"] = json!("localhost");
        options["rp"] = json!({"id": "localhost"});
        options["user"] = json!({"id": "AQID"});
        match purpose {
            Purpose::Enrolment => Authenticator::new().create(&options, ORIGIN).answer(),
            _ => self.owner.device.get(&options, ORIGIN).answer(),
        }
    }

    /// Whether a finish takes the answer.
    async fn takes(&mut self, purpose: Purpose, begun: &Begun, answer: &Value) -> bool {
        match purpose {
            Purpose::Enrolment => {
                let done = finish_enrolment(&mut self.owner.client, &begun.id, answer).await;
                taken(&done, 400, "passkey_rejected")
            }
            Purpose::Step => {
                let step = self.step.clone();
                let mut client = self.world.client();
                let done = verify(&mut client, "acme", &step, (&begun.id, answer)).await;
                done.data()["status"] == "success"
            }
            Purpose::SignIn => {
                let mut client = self.world.client();
                let done = finish_sign_in(&mut client, "acme", &begun.id, answer).await;
                taken(&done, 401, "invalid_credentials")
            }
            Purpose::Reauthentication => {
                let client = &mut self.owner.client;
                let done = prove(client, &begun.id, answer).await;
                vouch(self.world, "acme", client).await;
                taken(&done, 400, "invalid_code")
            }
        }
    }
}

#[track_caller]
fn taken(answer: &Answer, status: u16, code: &str) -> bool {
    if answer.status.is_success() {
        return true;
    }
    assert_eq!(answer.refused(status), code);
    false
}

#[tokio::test]
async fn a_ceremony_of_one_purpose_is_refused_by_every_other() {
    for begun_for in PURPOSES {
        for finished_as in PURPOSES {
            let (world, _, mut owner) = grace("{}").await;
            let step = step(&mut world.client(), "acme", GRACE).await;
            let mut doors = Doors { world: &world, owner: &mut owner, step };
            let begun = doors.begin(begun_for).await;
            let answer = doors.answer(&begun, finished_as);
            let good = doors.takes(finished_as, &begun, &answer).await;
            assert_eq!(good, begun_for == finished_as, "{begun_for:?} as {finished_as:?}");
        }
    }
}

#[tokio::test]
async fn a_ceremony_ends_after_five_minutes() {
    for purpose in PURPOSES {
        for (span, good) in [(LIFETIME - MICRO, true), (LIFETIME, false)] {
            let (world, _, mut owner) = grace("{}").await;
            let step = step(&mut world.client(), "acme", GRACE).await;
            let mut doors = Doors { world: &world, owner: &mut owner, step };
            let begun = doors.begin(purpose).await;
            let answer = doors.answer(&begun, purpose);
            world.advance(span);
            assert_eq!(doors.takes(purpose, &begun, &answer).await, good, "{purpose:?} {span:?}");
        }
    }
}

#[tokio::test]
async fn a_right_answer_is_taken_once() {
    for purpose in PURPOSES {
        let (world, _, mut owner) = grace("{}").await;
        let first = step(&mut world.client(), "acme", GRACE).await;
        let mut doors = Doors { world: &world, owner: &mut owner, step: first };
        let begun = doors.begin(purpose).await;
        let answer = doors.answer(&begun, purpose);
        assert!(doors.takes(purpose, &begun, &answer).await, "{purpose:?}");
        // The step is spent with it.
        if purpose == Purpose::Step {
            doors.step = step(&mut world.client(), "acme", GRACE).await;
        }
        assert!(!doors.takes(purpose, &begun, &answer).await, "{purpose:?}");
    }
}

/// Begins until it is refused; how often it was not.
async fn begun_until_refused(doors: &mut Doors<'_>, purpose: Purpose) -> usize {
    let client = &mut doors.owner.client;
    for number in 0..20 {
        let refused = match purpose {
            Purpose::Enrolment => begin_enrolment(client).await,
            Purpose::Step => begin_step(client, "acme", &doors.step).await,
            Purpose::SignIn => begin_sign_in(client, "acme").await,
            Purpose::Reauthentication => reauthentication::begin(client).await,
        };
        if !refused.status.is_success() {
            assert_eq!(refused.refused(429), "too_many_attempts");
            assert_eq!(refused.retry_after(), 300);
            return number;
        }
    }
    20
}

#[tokio::test]
async fn wan_13_at_most_five_are_alive_for_one_step_session_or_user() {
    for purpose in PURPOSES {
        let (world, _, mut owner) = grace("{}").await;
        let step = step(&mut world.client(), "acme", GRACE).await;
        let mut doors = Doors { world: &world, owner: &mut owner, step };
        let expected = if purpose == Purpose::SignIn { 20 } else { 5 };
        assert_eq!(begun_until_refused(&mut doors, purpose).await, expected, "{purpose:?}");
        // Those of another purpose are not held back, nor is anything after five minutes.
        for other in PURPOSES.into_iter().filter(|other| *other != purpose) {
            doors.begin(other).await;
        }
        world.advance(LIFETIME);
        if purpose != Purpose::Enrolment {
            doors.begin(purpose).await;
        }
    }
}

#[tokio::test]
async fn a_ceremony_that_is_over_makes_room() {
    let (world, _, mut owner) = grace("{}").await;
    let step = step(&mut world.client(), "acme", GRACE).await;
    let mut doors = Doors { world: &world, owner: &mut owner, step };
    let begun = doors.begin(Purpose::Enrolment).await;
    assert_eq!(begun_until_refused(&mut doors, Purpose::Enrolment).await, 4);
    let wrong = json!({});
    assert!(!doors.takes(Purpose::Enrolment, &begun, &wrong).await);
    assert_eq!(begun_until_refused(&mut doors, Purpose::Enrolment).await, 1);
}

/// What became of fifty of the same request at once, spread over the nodes.
async fn fifty<F>(
    nodes: &[&World],
    client: &Client,
    request: impl Fn(Client, usize) -> F,
) -> Vec<Answer>
where
    F: Future<Output = Answer> + Send + 'static,
{
    let clients = (0..50).map(|number: usize| {
        let mut on_node = nodes[number % nodes.len()].client();
        on_node.headers.clone_from(&client.headers);
        on_node.cookies.clone_from(&client.cookies);
        request(on_node, number)
    });
    together(clients.collect::<Vec<_>>()).await
}

fn with_status(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status.as_u16() == status).count()
}

async fn enrol_one_fifty_times(nodes: &[&World], owner: &mut Owner) {
    let begun = Begun::of(&begin_enrolment(&mut owner.client).await);
    let answer = Authenticator::new().create(&begun.options, ORIGIN).answer();
    let answers = fifty(nodes, &owner.client, |mut client, _| {
        let (id, answer) = (begun.id.clone(), answer.clone());
        async move { finish_enrolment(&mut client, &id, &answer).await }
    });
    let answers = answers.await;
    assert_eq!((with_status(&answers, 200), with_status(&answers, 400)), (1, 49));
    assert_eq!(methods(&mut owner.client).await["methods"].as_array().unwrap().len(), 2);
}

async fn answer_one_step_fifty_times(nodes: &[&World], owner: &mut Owner) {
    let mut client = nodes[0].client();
    let step = step(&mut client, "acme", GRACE).await;
    let begun = Begun::of(&begin_step(&mut client, "acme", &step).await);
    let answer = owner.device.get(&begun.options, ORIGIN).answer();
    let answers = fifty(nodes, &client, |mut client, _| {
        let (id, answer, step) = (begun.id.clone(), answer.clone(), step.clone());
        async move { verify(&mut client, "acme", &step, (&id, &answer)).await }
    });
    let answers = answers.await;
    let succeeded = answers.iter().filter(|it| it.json()["data"]["status"] == "success").count();
    assert_eq!(succeeded, 1);
    let opened = answers.iter().filter(|it| it.set_cookie("session").is_some()).count();
    assert_eq!(opened, 1);
    forget_failures(nodes[0]).await;
}

async fn sign_in_once_fifty_times(nodes: &[&World], owner: &mut Owner) {
    let mut client = nodes[0].client();
    let begun = Begun::of(&begin_sign_in(&mut client, "acme").await);
    let answer = owner.device.get(&begun.options, ORIGIN).answer();
    let answers = fifty(nodes, &client, |mut client, _| {
        let (id, answer) = (begun.id.clone(), answer.clone());
        async move { finish_sign_in(&mut client, "acme", &id, &answer).await }
    });
    let answers = answers.await;
    assert_eq!((with_status(&answers, 200), with_status(&answers, 401)), (1, 49));
}

async fn begin_fifty_at_once(nodes: &[&World], owner: &mut Owner) {
    let answers =
        fifty(
            nodes,
            &owner.client,
            |mut client, _| async move { begin_enrolment(&mut client).await },
        );
    let answers = answers.await;
    assert_eq!((with_status(&answers, 200), with_status(&answers, 429)), (5, 45));
    let mut client = nodes[0].client();
    let step = step(&mut client, "acme", GRACE).await;
    let answers = fifty(nodes, &client, |mut client, _| {
        let step = step.clone();
        async move { begin_step(&mut client, "acme", &step).await }
    });
    let answers = answers.await;
    assert_eq!((with_status(&answers, 200), with_status(&answers, 429)), (5, 45));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ceremony_finished_fifty_times_at_once_is_taken_once() {
    let (world, _, mut owner) = grace("{}").await;
    enrol_one_fifty_times(&[&world], &mut owner).await;
    answer_one_step_fifty_times(&[&world], &mut owner).await;
    sign_in_once_fifty_times(&[&world], &mut owner).await;
    begin_fifty_at_once(&[&world], &mut owner).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ceremony_finished_on_two_nodes_at_once_is_taken_once() {
    let (world, _, mut owner) = grace("{}").await;
    let second = world.second_node().await;
    enrol_one_fifty_times(&[&world, &second], &mut owner).await;
    answer_one_step_fifty_times(&[&world, &second], &mut owner).await;
    sign_in_once_fifty_times(&[&world, &second], &mut owner).await;
    begin_fifty_at_once(&[&world, &second], &mut owner).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_count_of_an_authenticator_is_good_for_one_sign_in() {
    let (world, _, mut owner) = grace("{}").await;
    owner.device.counter = 7;
    let mut answers = Vec::new();
    for _ in 0..50 {
        let begun = Begun::of(&begin_sign_in(&mut world.client(), "acme").await);
        let answer = owner.device.get(&begun.options, ORIGIN).answer();
        answers.push((world.client(), begun.id, answer));
    }
    let requests = answers.into_iter().map(|(mut client, id, answer)| async move {
        finish_sign_in(&mut client, "acme", &id, &answer).await
    });
    let answers = together(requests).await;
    assert_eq!((with_status(&answers, 200), with_status(&answers, 401)), (1, 49));
}

#[tokio::test]
async fn what_begins_on_one_node_ends_on_another() {
    let (world, acme, owner) = grace("{}").await;
    let second = world.second_node().await;
    let begun = Begun::of(&begin_sign_in(&mut world.client(), "acme").await);
    let answer = owner.device.get(&begun.options, ORIGIN).answer();
    let mut client = second.client();
    finish_sign_in(&mut client, "acme", &begun.id, &answer).await.data();
    assert_eq!(world.recorded(&acme, "auth.login.passkey", "success").await, 1);
    let mut client = world.client();
    let step = step(&mut client, "acme", GRACE).await;
    let begun = Begun::of(&begin_step(&mut second.client(), "acme", &step).await);
    let answer = owner.device.get(&begun.options, ORIGIN).answer();
    let data = verify(&mut client, "acme", &step, (&begun.id, &answer)).await.data();
    assert_eq!(data["status"], "success");
}

#[tokio::test]
async fn a_stranger_cannot_use_up_what_another_has_begun() {
    let (world, acme, owner) = grace("{}").await;
    world.user(&acme, EVE).await;
    let mut client = world.client();
    let hers = step(&mut client, "acme", GRACE).await;
    let begun = Begun::of(&begin_step(&mut client, "acme", &hers).await);
    let answer = owner.device.get(&begun.options, ORIGIN).answer();
    // Eve knows the ceremony's name; her session's doors do not know it.
    let mut eve = signed_in(&world, "acme", EVE).await;
    let refused = finish_enrolment(&mut eve, &begun.id, &answer).await;
    assert_eq!(refused.refused(400), "passkey_rejected");
    let refused = finish_sign_in(&mut eve, "acme", &begun.id, &answer).await;
    assert_eq!(refused.refused(401), "invalid_credentials");
    assert_eq!(prove(&mut eve, &begun.id, &answer).await.refused(400), "invalid_code");
    let data = verify(&mut client, "acme", &hers, (&begun.id, &answer)).await.data();
    assert_eq!(data["status"], "success");
}

#[tokio::test]
async fn what_is_over_its_time_leaves_the_database() {
    let (world, _, _) = grace("{}").await;
    let begun = Begun::of(&begin_sign_in(&mut world.client(), "acme").await);
    let challenge = begun.options["challenge"].as_str().unwrap();
    assert!(world.dump().await.contains(challenge), "the rows hold what the finish compares");
    world.advance(LIFETIME - MICRO);
    while jobs::purge(&world.app).await.unwrap() {}
    assert_eq!(world.count("SELECT COUNT(*) FROM ceremonies").await, 1);
    world.advance(MICRO);
    while jobs::purge(&world.app).await.unwrap() {}
    assert_eq!(world.count("SELECT COUNT(*) FROM ceremonies").await, 0);
}
