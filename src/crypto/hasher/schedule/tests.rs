use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use proptest::prelude::*;

use super::*;

/// A hash in name only.
#[derive(Debug, Clone)]
struct Job {
    id: u32,
    wanted: Rc<Cell<bool>>,
}

impl Job {
    fn new(id: u32) -> Self {
        Self { id, wanted: Rc::new(Cell::new(true)) }
    }
}

impl Waiter for Job {
    fn is_wanted(&self) -> bool {
        self.wanted.get()
    }
}

const SECOND: u64 = 1_000_000;

fn limits(total: usize, per_share: usize) -> Limits {
    Limits { total, per_share, threads: 1, patience: 10 * SECOND }
}

fn order(share: u128, class: Class) -> Order {
    Order { share: Share::of(share), class }
}

fn stranger(share: u128) -> Order {
    order(share, Class::Stranger)
}

/// The next job, as a common thread gets it.
fn next(schedule: &mut Schedule<Job>) -> Option<Taken<Job>> {
    schedule.take(Lane::Common, 0, &mut Vec::new(), &mut Vec::new())
}

/// Offers jobs numbered by their share, and does everything there is; whose they were, in order.
fn order_of_service(schedule: &mut Schedule<Job>, spent: impl Fn(u32) -> u64) -> Vec<u32> {
    let mut served = Vec::new();
    while let Some(taken) = next(schedule) {
        served.push(taken.item.id);
        schedule.done(&taken.ticket, spent(taken.item.id));
    }
    served
}

fn fill(schedule: &mut Schedule<Job>, share: u32, cost: u64, count: usize) {
    for _ in 0..count {
        let offer = schedule.offer(stranger(share.into()), cost, 0, Job::new(share));
        assert!(matches!(offer, Offer::Queued(None)), "{offer:?}");
    }
}

#[test]
fn who_sends_fifty_times_as_much_is_served_in_turn_with_who_sends_little() {
    let mut schedule = Schedule::new(limits(500, 300));
    fill(&mut schedule, 1, 1000, 200);
    let first = next(&mut schedule).unwrap();
    fill(&mut schedule, 2, 1000, 4);
    schedule.done(&first.ticket, 1000);
    let served = order_of_service(&mut schedule, |_| 1000);
    let last = served.iter().rposition(|share| *share == 2).unwrap();
    assert!(last <= 8, "{served:?}");
    assert_eq!(served.len(), 203);
}

#[test]
fn a_costly_hash_counts_for_as_many_as_it_takes_whether_that_was_known_or_not() {
    for estimate in [10_000, 1000] {
        let mut schedule = Schedule::new(limits(500, 300));
        fill(&mut schedule, 1, estimate, 20);
        fill(&mut schedule, 2, 1000, 200);
        let spent = |share| if share == 1 { 10_000 } else { 1000 };
        let served = order_of_service(&mut schedule, spent);
        let costly = served.iter().take(110).filter(|share| **share == 1).count();
        assert!((8..=12).contains(&costly), "{costly} of the first 110");
    }
}

#[test]
fn who_has_had_more_than_his_part_cannot_wash_it_off_by_coming_anew() {
    let mut schedule = Schedule::new(limits(500, 300));
    fill(&mut schedule, 1, 1000, 1);
    fill(&mut schedule, 2, 1000, 100);
    // Thought to be cheap, it took as long as thirty.
    let first = next(&mut schedule).unwrap();
    assert_eq!(first.item.id, 1);
    schedule.done(&first.ticket, 30_000);
    fill(&mut schedule, 1, 1000, 1);
    let served = order_of_service(&mut schedule, |_| 1000);
    let place = served.iter().position(|share| *share == 1).unwrap();
    assert!((28..=32).contains(&place), "{place}");
}

#[test]
fn the_known_go_first_and_every_fifth_is_a_stranger() {
    let mut schedule = Schedule::new(limits(100, 100));
    for id in 0..10 {
        schedule.offer(order(1, Class::Stranger), 1000, 0, Job::new(100 + id));
    }
    for id in 0..10 {
        schedule.offer(order(1, Class::Known), 1000, 0, Job::new(id));
    }
    let served = order_of_service(&mut schedule, |_| 1000);
    assert_eq!(served[..11], [0, 1, 2, 3, 100, 4, 5, 6, 7, 101, 8]);
    assert_eq!(served.len(), 20);
}

#[test]
fn strangers_leave_room_in_a_line_for_the_known() {
    let mut schedule = Schedule::new(limits(100, 8));
    let mut offer = |class| schedule.offer(order(1, class), 1000, 0, Job::new(0));
    for _ in 0..6 {
        assert!(matches!(offer(Class::Stranger), Offer::Queued(None)));
    }
    let refused = offer(Class::Stranger);
    assert!(matches!(refused, Offer::Refused { reason: Reason::Full, .. }), "{refused:?}");
    for _ in 0..2 {
        assert!(matches!(offer(Class::Known), Offer::Queued(None)));
    }
    assert!(matches!(offer(Class::Known), Offer::Refused { reason: Reason::Full, .. }));
}

#[test]
fn what_would_come_too_late_behind_its_own_share_is_refused_and_others_are_not() {
    let mut schedule = Schedule::new(limits(1000, 500));
    // Ten seconds of work: the eleventh would be late.
    fill(&mut schedule, 1, SECOND, 10);
    let refused = schedule.offer(stranger(1), SECOND, 0, Job::new(1));
    let Offer::Refused { reason: Reason::Late, retry } = refused else { panic!("{refused:?}") };
    assert_eq!(retry, SECOND);
    // Somebody else goes in turn with them, and a device that is known before them.
    fill(&mut schedule, 2, SECOND, 4);
    let known = schedule.offer(order(1, Class::Known), SECOND, 0, Job::new(1));
    assert!(matches!(known, Offer::Queued(None)), "{known:?}");
}

#[test]
fn what_takes_longer_than_anybody_waits_is_done_where_nothing_is_ahead() {
    let mut schedule = Schedule::new(limits(10, 10));
    fill(&mut schedule, 1, 60 * SECOND, 1);
    let refused = schedule.offer(stranger(1), 60 * SECOND, 0, Job::new(1));
    assert!(matches!(refused, Offer::Refused { reason: Reason::Late, .. }), "{refused:?}");
}

#[test]
fn a_full_house_sheds_from_the_longest_line_until_all_are_alike() {
    let mut schedule = Schedule::new(limits(12, 8));
    fill(&mut schedule, 1, 1000, 6);
    fill(&mut schedule, 2, 1000, 6);
    let mut pushed = BTreeMap::<u32, usize>::new();
    let mut admitted = 0;
    for _ in 0..20 {
        match schedule.offer(stranger(3), 1000, 0, Job::new(3)) {
            Offer::Queued(Some((Class::Stranger, out))) => {
                *pushed.entry(out.id).or_default() += 1;
                admitted += 1;
            }
            Offer::Refused { reason: Reason::Full, .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(admitted, 4);
    assert_eq!(pushed, BTreeMap::from([(1, 2), (2, 2)]));
    assert_eq!(schedule.total(), 12);
}

#[test]
fn the_express_lane_serves_who_has_not_had_his_part_and_nobody_else() {
    let mut schedule = Schedule::new(limits(100, 50));
    let express = |schedule: &mut Schedule<Job>| {
        schedule.take(Lane::Express, 0, &mut Vec::new(), &mut Vec::new())
    };
    fill(&mut schedule, 1, 1000, 10);
    let common = next(&mut schedule).unwrap();
    assert!(express(&mut schedule).is_none());
    fill(&mut schedule, 2, 1000, 3);
    let quick = express(&mut schedule).unwrap();
    assert_eq!(quick.item.id, 2);
    // One at a time: the rest of them wait in turn.
    assert!(express(&mut schedule).is_none());
    schedule.done(&quick.ticket, 1000);
    assert!(express(&mut schedule).is_none());
    schedule.done(&common.ticket, 1000);
    assert!(next(&mut schedule).is_some());
}

#[test]
fn a_stream_of_shares_that_come_once_keeps_nobody_out() {
    let mut schedule = Schedule::new(limits(64, 32));
    fill(&mut schedule, 0, 1000, 24);
    let (mut since, mut longest) = (0, 0);
    for share in 1..3000 {
        schedule.offer(stranger(share), 1000, 0, Job::new(1));
        let taken = next(&mut schedule).unwrap();
        schedule.done(&taken.ticket, 1000);
        since = if taken.item.id == 0 { 0 } else { since + 1 };
        longest = longest.max(since);
        schedule.offer(stranger(0), 1000, 0, Job::new(0));
    }
    assert!(longest <= 2 * 64, "{longest} others in a row");
}

#[test]
fn shares_that_come_once_are_not_remembered() {
    let mut schedule = Schedule::new(limits(64, 32));
    fill(&mut schedule, 0, 1000, 24);
    let mut most = 0;
    for share in 1..50_000 {
        schedule.offer(stranger(share), 1000, 0, Job::new(1));
        let taken = next(&mut schedule).unwrap();
        // Each took longer than was thought, and so is in debt.
        schedule.done(&taken.ticket, 3000);
        most = most.max(schedule.remembered());
        schedule.offer(stranger(0), 1000, 0, Job::new(0));
    }
    assert!(most <= 2 * 64 + 1, "{most}");
    while let Some(taken) = next(&mut schedule) {
        schedule.done(&taken.ticket, 1000);
    }
    assert_eq!(schedule.remembered(), 0);
}

/// Something that may happen to a schedule.
#[derive(Debug, Clone, Copy)]
enum Event {
    Offer(u128, Class, u64),
    Take(Lane),
    Done(usize, u64),
    Gone(usize),
    Later(u64),
}

fn event() -> impl Strategy<Value = Event> {
    let class = prop_oneof![Just(Class::Known), Just(Class::Stranger)];
    let lane = prop_oneof![3 => Just(Lane::Common), 1 => Just(Lane::Express)];
    prop_oneof![
        6 => (0..5_u128, class, 1..2 * SECOND)
            .prop_map(|(share, class, cost)| Event::Offer(share, class, cost)),
        3 => lane.prop_map(Event::Take),
        3 => (any::<usize>(), 1..4 * SECOND).prop_map(|(which, spent)| Event::Done(which, spent)),
        1 => any::<usize>().prop_map(Event::Gone),
        1 => (0..5 * SECOND).prop_map(Event::Later),
    ]
}

/// A schedule, and what should be in it.
struct Model {
    schedule: Schedule<Job>,
    waiting: BTreeMap<u32, (u128, u64, Rc<Cell<bool>>)>,
    running: Vec<Ticket>,
    seen: BTreeSet<u32>,
    now: u64,
    next: u32,
}

const TOTAL: usize = 12;
const PER_SHARE: usize = 6;

impl Model {
    fn new() -> Self {
        let schedule = Schedule::new(limits(TOTAL, PER_SHARE));
        let (waiting, running, seen) = Default::default();
        Self { schedule, waiting, running, seen, now: 0, next: 0 }
    }

    /// What comes out was in, is out for the first time, and whether it was in time and wanted.
    fn out(&mut self, id: u32) -> (bool, bool) {
        let (_, expires, wanted) = self.waiting.remove(&id).expect("it waits");
        assert!(self.seen.insert(id), "{id} twice");
        (expires > self.now, wanted.get())
    }

    fn take(&mut self, lane: Lane) -> bool {
        let (mut overdue, mut gone) = (Vec::new(), Vec::new());
        let taken = self.schedule.take(lane, self.now, &mut overdue, &mut gone);
        for (_, job) in overdue {
            assert_eq!(self.out(job.id), (false, true));
        }
        let Some(taken) = taken else { return false };
        assert_eq!(self.out(taken.item.id), (true, true));
        self.running.push(taken.ticket);
        true
    }

    fn offer(&mut self, share: u128, class: Class, cost: u64) {
        let job = Job::new(self.next);
        self.next += 1;
        match self.schedule.offer(order(share, class), cost, self.now, job.clone()) {
            Offer::Queued(out) => {
                if let Some((_, out)) = out {
                    self.out(out.id);
                }
                self.waiting.insert(job.id, (share, self.now + 10 * SECOND, job.wanted));
            }
            Offer::Refused { reason, .. } => {
                assert!(matches!(reason, Reason::Full | Reason::Late), "{reason:?}");
            }
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Offer(share, class, cost) => self.offer(share, class, cost),
            Event::Take(lane) => {
                self.take(lane);
            }
            Event::Done(which, spent) if !self.running.is_empty() => {
                let ticket = self.running.swap_remove(which % self.running.len());
                self.schedule.done(&ticket, spent);
            }
            Event::Gone(which) if !self.waiting.is_empty() => {
                let (_, _, wanted) = self.waiting.values().nth(which % self.waiting.len()).unwrap();
                wanted.set(false);
            }
            Event::Later(span) => self.now += span,
            Event::Done(..) | Event::Gone(_) => {}
        }
    }

    fn check(&self) {
        let (total, running) = (self.schedule.total(), self.running.len());
        assert!(total <= TOTAL);
        assert!(self.schedule.remembered() <= total + running + TOTAL);
        let mut of_share = BTreeMap::<u128, usize>::new();
        for (share, _, wanted) in self.waiting.values() {
            *of_share.entry(*share).or_default() += usize::from(wanted.get());
        }
        assert!(of_share.values().all(|count| *count <= PER_SHARE));
        // What nobody wants may have been let go of already; nothing else may.
        assert!((of_share.values().sum::<usize>()..=self.waiting.len()).contains(&total));
    }
}

proptest! {
    #[test]
    fn nothing_is_lost_and_nothing_is_done_twice(
        events in proptest::collection::vec(event(), 0..300),
    ) {
        let mut model = Model::new();
        for event in events {
            model.happen(event);
            model.check();
        }
        while model.take(Lane::Common) {
            let ticket = model.running.pop().unwrap();
            model.schedule.done(&ticket, 1);
        }
        prop_assert!(model.waiting.values().all(|(_, _, wanted)| !wanted.get()));
        while let Some(ticket) = model.running.pop() {
            model.schedule.done(&ticket, 1);
        }
        prop_assert_eq!(model.schedule.total(), 0);
        prop_assert_eq!(model.schedule.remembered(), 0);
    }

    #[test]
    fn whoever_always_wants_something_gets_as_much_as_everybody_else(
        jobs in proptest::collection::vec((1..1000_u64, 1..1000_u64), 50..400),
        shares in 2..6_u32,
    ) {
        let mut schedule = Schedule::new(limits(100, 10));
        let mut served: BTreeMap<u32, u64> = (0..shares).map(|share| (share, 0)).collect();
        for share in 0..shares {
            fill(&mut schedule, share, 500, 2);
        }
        for (thought, spent) in jobs {
            let taken = next(&mut schedule).unwrap();
            let share = taken.item.id;
            schedule.offer(stranger(share.into()), thought, 0, Job::new(share));
            schedule.done(&taken.ticket, spent);
            *served.get_mut(&share).unwrap() += spent;
            let (most, least) = (served.values().max().unwrap(), served.values().min().unwrap());
            prop_assert!(most - least <= 2000, "{:?}", served);
        }
    }
}
