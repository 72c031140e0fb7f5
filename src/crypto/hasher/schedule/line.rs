//! One share's line: what of it waits, in two classes, and how much it has had.

use std::collections::VecDeque;

use super::{Class, Waiter};

/// The known that go before a stranger who waits.
const KNOWN_IN_A_ROW: u32 = 4;

/// Something that waits.
#[derive(Debug)]
pub(super) struct Entry<T> {
    pub(super) item: T,
    /// Microseconds that it is thought to take.
    pub(super) cost: u64,
    pub(super) arrived: u64,
    pub(super) expires: u64,
}

/// What becomes of something whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is done.
    Begins,
    /// Its time is up.
    Late,
    /// Nobody waits for it.
    Gone,
}

/// A share's line.
#[derive(Debug)]
pub(super) struct Line<T> {
    /// How much it has had, on the scale common to all.
    pub(super) tag: u64,
    /// Which of two lines with one tag came first.
    pub(super) arrival: u64,
    /// Whether the next of it may use the express lane.
    pub(super) fresh: bool,
    /// What of it runs.
    pub(super) running: usize,
    queues: [VecDeque<Entry<T>>; 2],
    costs: [u64; 2],
    /// The known that have gone before a waiting stranger.
    in_a_row: u32,
    /// Calls that need not look for what nobody waits for: the last look has found nothing.
    unsearched: usize,
}

impl<T: Waiter> Line<T> {
    /// An empty line that starts at `tag`.
    pub(super) fn new(tag: u64, arrival: u64) -> Self {
        Self {
            tag,
            arrival,
            fresh: false,
            running: 0,
            queues: [VecDeque::new(), VecDeque::new()],
            costs: [0; 2],
            in_a_row: 0,
            unsearched: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.queues.iter().map(VecDeque::len).sum()
    }

    pub(super) fn len_of(&self, class: Class) -> usize {
        self.queues.get(class.index()).map_or(0, VecDeque::len)
    }

    /// Microseconds that everything in it is thought to take.
    pub(super) fn cost(&self) -> u64 {
        self.costs.iter().sum()
    }

    fn cost_of(&self, class: Class) -> u64 {
        self.costs.get(class.index()).copied().unwrap_or(0)
    }

    /// Microseconds of the line itself that go before one of `cost` who comes now.
    pub(super) fn ahead(&self, class: Class, cost: u64) -> u64 {
        let (known, strangers) = (self.cost_of(Class::Known), self.cost_of(Class::Stranger));
        let in_a_row = u64::from(KNOWN_IN_A_ROW);
        match class {
            Class::Known => {
                known.saturating_add(strangers.min(known.saturating_add(cost) / in_a_row))
            }
            Class::Stranger => {
                let between = strangers.saturating_add(cost).saturating_mul(in_a_row);
                strangers.saturating_add(known.min(between))
            }
        }
    }

    /// Appends `entry`. A line that was empty starts at `clock` unless it has had more than that.
    pub(super) fn enter(&mut self, class: Class, entry: Entry<T>, clock: u64) {
        if self.len() == 0 {
            self.tag = self.tag.max(clock);
            // A share may be ahead by one hash: it sends one after the other, and no more.
            self.fresh = self.running == 0 && self.tag <= clock.saturating_add(entry.cost);
        }
        if let (Some(queue), Some(cost)) =
            (self.queues.get_mut(class.index()), self.costs.get_mut(class.index()))
        {
            *cost = cost.saturating_add(entry.cost);
            queue.push_back(entry);
        }
    }

    /// The next of it, and what is to become of it. Where it begins, the line has had it.
    pub(super) fn leave(&mut self, now: u64) -> Option<(Class, Entry<T>, Fate)> {
        let strangers_wait = self.len_of(Class::Stranger) > 0;
        let is_their_turn = strangers_wait && self.in_a_row >= KNOWN_IN_A_ROW;
        let class = if self.len_of(Class::Known) > 0 && !is_their_turn {
            Class::Known
        } else {
            Class::Stranger
        };
        let (class, entry) = self.remove(class, VecDeque::pop_front)?;
        if !entry.item.is_wanted() {
            return Some((class, entry, Fate::Gone));
        }
        if entry.expires <= now {
            return Some((class, entry, Fate::Late));
        }
        self.in_a_row = match class {
            Class::Known if strangers_wait => self.in_a_row.saturating_add(1),
            _ => 0,
        };
        self.running += 1;
        self.fresh = false;
        self.tag = self.tag.saturating_add(entry.cost);
        Some((class, entry, Fate::Begins))
    }

    /// Whoever has waited least: a stranger, where there is one.
    pub(super) fn give_way(&mut self) -> Option<(Class, Entry<T>)> {
        let strangers = self.len_of(Class::Stranger) > 0;
        let class = if strangers { Class::Stranger } else { Class::Known };
        self.remove(class, VecDeque::pop_back)
    }

    fn remove(
        &mut self,
        class: Class,
        pop: fn(&mut VecDeque<Entry<T>>) -> Option<Entry<T>>,
    ) -> Option<(Class, Entry<T>)> {
        let entry = pop(self.queues.get_mut(class.index())?)?;
        let cost = self.costs.get_mut(class.index())?;
        *cost = cost.saturating_sub(entry.cost);
        Some((class, entry))
    }

    /// Lets go of what nobody waits for. After a look in vain, an eighth of the line has to come
    /// before the next, so that a flood does not pay for a look each.
    pub(super) fn purge(&mut self) {
        if self.unsearched > 0 {
            self.unsearched -= 1;
            return;
        }
        let before = self.len();
        for (queue, cost) in self.queues.iter_mut().zip(&mut self.costs) {
            queue.retain(|entry| entry.item.is_wanted());
            *cost = queue.iter().map(|entry| entry.cost).sum();
        }
        self.unsearched = if self.len() == before { before / 8 } else { 0 };
    }
}
