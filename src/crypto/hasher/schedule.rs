//! Who is next, and who is not let in: the rules of the queue, without threads or a clock.
//!
//! Start-time fair queueing (Goyal, Vin and Cheng, 1996). Every share has a line of its own and a
//! tag: how much it has had, in microseconds of hashing, on a scale common to all. The line with
//! the lowest tag is next; what its hash costs is added to the tag, first by estimate and
//! afterwards as measured. A share that comes anew starts where the others are by now: it has no
//! credit for the time when it wanted nothing, and those who were busy have none over it. Within a
//! line the known go first, but for every fifth.
//!
//! What cannot be done before its deadline, given what its own share has waiting and what the
//! others may take meanwhile, is refused. A line is bounded, and so is the sum; where the sum is
//! full, the longest line gives way to a shorter one. A share is remembered only while something
//! of it waits or runs, or while it has had more than its part.

use std::collections::{BTreeSet, HashMap};

use super::order::{Class, Order, Share};
use line::{Entry, Fate, Line};

mod line;

/// Something that waits, and for which perhaps nobody waits any longer.
pub(super) trait Waiter {
    /// Whether somebody still waits for it.
    fn is_wanted(&self) -> bool;
}

/// The bounds of a schedule.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// What may wait in all.
    pub(super) total: usize,
    /// What may wait in one line; strangers fill three quarters of it.
    pub(super) per_share: usize,
    /// What runs at once, by which a wait is estimated.
    pub(super) threads: usize,
    /// How long one waits at most, in microseconds.
    pub(super) patience: u64,
}

/// Why something is not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// Its share's line is full, or all lines are and its own is among the longest.
    Full,
    /// It could not be done before its deadline.
    Late,
    /// A shorter line took its place.
    PushedOut,
    /// Its deadline passed while it waited.
    Expired,
    /// Its caller has gone.
    Gone,
}

/// What became of an offer.
#[derive(Debug)]
pub(super) enum Offer<T> {
    /// It waits. Whatever had to give way, with its class.
    Queued(Option<(Class, T)>),
    /// It does not.
    Refused {
        /// Why.
        reason: Reason,
        /// In how many microseconds there may be room.
        retry: u64,
    },
}

/// Which thread asks for something to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// One that does whatever is next.
    Common,
    /// The one that is kept for shares that have not had their part, so that they need not wait
    /// for a hash of somebody else's to end.
    Express,
}

/// Something to be done now.
#[derive(Debug)]
pub(super) struct Taken<T> {
    /// What.
    pub(super) item: T,
    /// To be given back with the time that it took.
    pub(super) ticket: Ticket,
    /// Its class.
    pub(super) class: Class,
    /// How long it has waited, in microseconds.
    pub(super) waited: u64,
}

/// The running of one hash.
#[derive(Debug)]
pub(super) struct Ticket {
    share: Share,
    cost: u64,
}

/// Where a line with something waiting stands: its tag, then who came first.
type Place = (u64, u64, Share);

/// The lines of all shares.
#[derive(Debug)]
pub(super) struct Schedule<T> {
    limits: Limits,
    lines: HashMap<Share, Line<T>>,
    /// Lines with something waiting.
    ready: BTreeSet<Place>,
    /// Those of them that may use the express lane.
    fresh: BTreeSet<Place>,
    /// The same lines by length.
    lengths: BTreeSet<(usize, Share)>,
    /// Lines with nothing waiting or running that have had more than their part.
    indebted: BTreeSet<(u64, Share)>,
    /// Where a share that comes anew starts.
    clock: u64,
    arrivals: u64,
    waiting: [usize; 2],
    waiting_cost: u64,
    running: usize,
    running_cost: u64,
}

impl<T: Waiter> Schedule<T> {
    /// Nothing waits.
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            lines: HashMap::new(),
            ready: BTreeSet::new(),
            fresh: BTreeSet::new(),
            lengths: BTreeSet::new(),
            indebted: BTreeSet::new(),
            clock: 0,
            arrivals: 0,
            waiting: [0; 2],
            waiting_cost: 0,
            running: 0,
            running_cost: 0,
        }
    }

    /// What waits of a class.
    pub(super) fn depth(&self, class: Class) -> usize {
        self.waiting.get(class.index()).copied().unwrap_or(0)
    }

    /// What waits in all.
    pub(super) fn total(&self) -> usize {
        self.waiting.iter().sum()
    }

    /// Whether something waits that the express lane may take.
    pub(super) fn has_fresh(&self) -> bool {
        !self.fresh.is_empty()
    }

    /// How much of the memory grows with the number of shares.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.lines.len()
    }

    /// Asks for room for `item`, which is thought to take `cost` microseconds.
    pub(super) fn offer(&mut self, order: Order, cost: u64, now: u64, item: T) -> Offer<T> {
        let Order { share, class } = order;
        let cost = cost.max(1);
        if self.line_is_full(share, class) {
            self.purge(share);
        }
        if self.line_is_full(share, class) {
            let retry = self.lines.get(&share).map_or(0, Line::cost);
            return Offer::Refused { reason: Reason::Full, retry: self.spread(retry) };
        }
        if let Some(retry) = self.lateness(order, cost) {
            return Offer::Refused { reason: Reason::Late, retry };
        }
        let Ok(out) = self.make_room(share) else {
            let retry = self.spread(self.waiting_cost / 2);
            return Offer::Refused { reason: Reason::Full, retry };
        };
        let clock = self.clock;
        let entry = Entry { item, cost, arrived: now, expires: now + self.limits.patience };
        self.change(share, |line| line.enter(class, entry, clock));
        Offer::Queued(out)
    }

    /// The next that is wanted and in time; those whose time was up are pushed to `overdue`, those
    /// that nobody wants are counted in `gone`.
    pub(super) fn take(
        &mut self,
        lane: Lane,
        now: u64,
        overdue: &mut Vec<(Class, T)>,
        gone: &mut Vec<Class>,
    ) -> Option<Taken<T>> {
        loop {
            let place = match lane {
                Lane::Common => self.ready.first(),
                Lane::Express => self.fresh.first(),
            };
            let Some((tag, _, share)) = place.copied() else {
                self.forget();
                return None;
            };
            let (class, entry, fate) = self.change(share, |line| line.leave(now))?;
            match fate {
                Fate::Gone => gone.push(class),
                Fate::Late => overdue.push((class, entry.item)),
                Fate::Begins => {
                    self.begin(tag, entry.cost);
                    let ticket = Ticket { share, cost: entry.cost };
                    let waited = now.saturating_sub(entry.arrived);
                    return Some(Taken { item: entry.item, ticket, class, waited });
                }
            }
        }
    }

    /// The end of what was taken: it took `spent` microseconds.
    pub(super) fn done(&mut self, ticket: &Ticket, spent: u64) {
        self.running = self.running.saturating_sub(1);
        self.running_cost = self.running_cost.saturating_sub(ticket.cost);
        self.change(ticket.share, |line| {
            line.running = line.running.saturating_sub(1);
            line.tag = line.tag.saturating_add(spent).saturating_sub(ticket.cost);
        });
        self.forget();
    }

    /// Everything that waits is let go of.
    pub(super) fn clear(&mut self) {
        *self = Self::new(self.limits);
    }

    /// Time goes on by a hash that begins.
    fn begin(&mut self, tag: u64, cost: u64) {
        self.running += 1;
        self.running_cost += cost;
        // Without this step a stream of shares that come only once would keep everybody else out,
        // since each of them starts at the clock.
        let lines = u64::try_from(self.ready.len()).unwrap_or(u64::MAX).saturating_add(2);
        let step = self.clock.max(tag).saturating_add(cost / lines);
        self.clock = self.clock.max(step.min(tag.saturating_add(cost)));
        self.forget();
    }

    fn line_is_full(&self, share: Share, class: Class) -> bool {
        let most = self.limits.per_share;
        let Some(line) = self.lines.get(&share) else { return most == 0 };
        let strangers = most - most / 4;
        line.len() >= most
            || (class == Class::Stranger && line.len_of(Class::Stranger) >= strangers)
    }

    /// By how much it would come too late; `None`: it is in time.
    ///
    /// Ahead of it is what its own share has waiting; each other share takes at most as much
    /// meanwhile.
    fn lateness(&self, order: Order, cost: u64) -> Option<u64> {
        let line = self.lines.get(&order.share);
        let (own, of_line) =
            line.map_or((0, 0), |line| (line.ahead(order.class, cost), line.cost()));
        let lines = self.ready.len() - usize::from(line.is_some_and(|line| line.len() > 0));
        let part = own.saturating_add(cost).saturating_mul(u64::try_from(lines).unwrap_or(0));
        let others = self.waiting_cost.saturating_sub(of_line).min(part);
        // However long it takes by itself, somebody has to do it some time.
        let ahead = own.checked_add(others).filter(|ahead| *ahead > 0)?;
        let wait = self.spread(ahead.saturating_add(self.running_cost)).saturating_add(cost);
        wait.checked_sub(self.limits.patience).filter(|late| *late > 0)
    }

    /// How long so much work takes all threads together.
    fn spread(&self, work: u64) -> u64 {
        work / u64::try_from(self.limits.threads.max(1)).unwrap_or(1)
    }

    /// Where all lines together are full: lets a line give way that is longer than `share`'s would
    /// be. An error: there is none.
    fn make_room(&mut self, share: Share) -> Result<Option<(Class, T)>, ()> {
        if self.total() < self.limits.total {
            return Ok(None);
        }
        if let Some((_, longest)) = self.lengths.last().copied() {
            self.purge(longest);
        }
        if self.total() < self.limits.total {
            return Ok(None);
        }
        let own = self.lines.get(&share).map_or(0, Line::len);
        let (length, longest) = self.lengths.last().copied().ok_or(())?;
        if length <= own + 1 {
            return Err(());
        }
        let (class, entry) = self.change(longest, Line::give_way).ok_or(())?;
        Ok(Some((class, entry.item)))
    }

    /// Lets go of what nobody waits for in a line: it must not keep others out.
    fn purge(&mut self, share: Share) {
        if self.lines.contains_key(&share) {
            self.change(share, Line::purge);
        }
    }

    /// Changes a line and puts it where it then belongs.
    fn change<R>(&mut self, share: Share, change: impl FnOnce(&mut Line<T>) -> R) -> R {
        let mut line = self.take_out(share);
        let result = change(&mut line);
        self.put_back(share, line);
        result
    }

    fn take_out(&mut self, share: Share) -> Line<T> {
        let Some(line) = self.lines.remove(&share) else {
            self.arrivals += 1;
            return Line::new(self.clock, self.arrivals);
        };
        let place = (line.tag, line.arrival, share);
        self.ready.remove(&place);
        self.fresh.remove(&place);
        self.lengths.remove(&(line.len(), share));
        self.indebted.remove(&(line.tag, share));
        self.count(&line, |sum, part| sum - part, u64::saturating_sub);
        line
    }

    fn put_back(&mut self, share: Share, line: Line<T>) {
        self.count(&line, |sum, part| sum + part, u64::saturating_add);
        let place = (line.tag, line.arrival, share);
        if line.len() > 0 {
            self.ready.insert(place);
            self.lengths.insert((line.len(), share));
            if line.fresh {
                self.fresh.insert(place);
            }
        } else if line.running == 0 {
            if line.tag <= self.clock {
                return;
            }
            self.indebted.insert((line.tag, share));
        }
        self.lines.insert(share, line);
    }

    fn count(&mut self, line: &Line<T>, len: fn(usize, usize) -> usize, cost: fn(u64, u64) -> u64) {
        for (sum, class) in self.waiting.iter_mut().zip(Class::ALL) {
            *sum = len(*sum, line.len_of(class));
        }
        self.waiting_cost = cost(self.waiting_cost, line.cost());
    }

    /// Forgets the shares that are even by now, and those that are least in debt where there are
    /// too many.
    fn forget(&mut self) {
        while let Some((tag, share)) = self.indebted.first().copied() {
            if tag > self.clock && self.indebted.len() <= self.limits.total {
                break;
            }
            self.indebted.pop_first();
            self.lines.remove(&share);
        }
        if self.running == 0 && self.ready.is_empty() {
            // Nobody wanted what the indebted have had.
            self.clear();
        }
    }
}

#[cfg(test)]
mod tests;
