//! What comes first: steps by risk, operations after what they wait for.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::{Operation, Plan, Span, Step};
use crate::resource::Catalog;
use crate::{Error, Result};

/// How much it matters that one operation waits for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Strength {
    /// The later one cannot be made without the earlier one. These never form a circle.
    Hard,
    /// The cloud refuses the later one before the earlier one is done.
    Firm,
    /// The cloud often refuses the later one before the earlier one is done.
    Soft,
}

/// Operations and what they wait for, in no order yet.
#[derive(Debug, Default)]
pub(super) struct Raw {
    pub(super) operations: Vec<Operation>,
    edges: Vec<(usize, usize, Strength)>,
}

impl Raw {
    pub(super) fn push(&mut self, operation: Operation) -> usize {
        self.operations.push(operation);
        self.operations.len() - 1
    }

    /// `later` waits for `earlier`.
    pub(super) fn edge(&mut self, earlier: usize, later: usize, strength: Strength) {
        if earlier != later {
            self.edges.push((earlier, later, strength));
        }
    }
}

/// Steps by risk and address, operations so that each comes after those it waits for.
///
/// A dependency that was turned round, or dropped together with a replacement, can make a circle of wishes. Then those
/// that matter least give way, only within the circle: at worst the cloud refuses a delete for a while.
pub(super) fn order(steps: Vec<Step>, raw: Raw) -> Result<(Vec<Step>, Vec<Operation>)> {
    let Raw { operations, mut edges } = raw;
    let (steps, places) = order_steps(steps);
    let mut ranks: Vec<usize> = (0..operations.len()).collect();
    ranks.sort_by(|one, two| key(&operations[*one]).cmp(&key(&operations[*two])));
    let mut rank_of = vec![0; operations.len()];
    ranks.iter().enumerate().for_each(|(rank, index)| rank_of[*index] = rank);

    let mut sorted = sort(operations.len(), &edges, &rank_of);
    for weakest in [Strength::Soft, Strength::Firm] {
        if sorted.len() == operations.len() {
            break;
        }
        let circle = circles(operations.len(), &edges);
        edges.retain(|(earlier, later, strength)| *strength < weakest || circle[*earlier] != circle[*later]);
        sorted = sort(operations.len(), &edges, &rank_of);
    }
    if sorted.len() != operations.len() {
        return Err(Error::internal("operations wait for each other in a circle"));
    }

    let mut place_of = vec![0; operations.len()];
    sorted.iter().enumerate().for_each(|(place, index)| place_of[*index] = place);
    let mut after: Vec<Vec<usize>> = vec![Vec::new(); operations.len()];
    edges.iter().for_each(|(earlier, later, _)| after[*later].push(place_of[*earlier]));
    let mut ordered: Vec<(usize, Operation)> = operations
        .into_iter()
        .zip(after)
        .enumerate()
        .map(|(index, (mut operation, mut after))| {
            after.sort_unstable();
            after.dedup();
            operation.after = after;
            operation.step = places[operation.step];
            (place_of[index], operation)
        })
        .collect();
    ordered.sort_by_key(|(place, _)| *place);
    Ok((steps, ordered.into_iter().map(|(_, operation)| operation).collect()))
}

/// Steps in order, and for each old place the new one.
fn order_steps(steps: Vec<Step>) -> (Vec<Step>, Vec<usize>) {
    let mut steps: Vec<(usize, Step)> = steps.into_iter().enumerate().collect();
    steps.sort_by(|(_, one), (_, two)| {
        (one.risk, &one.address, one.change, &one.id).cmp(&(two.risk, &two.address, two.change, &two.id))
    });
    let mut places = vec![0; steps.len()];
    steps.iter().enumerate().for_each(|(place, (index, _))| places[*index] = place);
    (steps.into_iter().map(|(_, step)| step).collect(), places)
}

fn key(operation: &Operation) -> (&crate::ledger::Slot, crate::resource::Verb, Option<u8>) {
    (&operation.slot, operation.verb, operation.books.map(|books| books as u8))
}

/// As many as can be put in order: each after those it waits for, among equals by rank.
fn sort(count: usize, edges: &[(usize, usize, Strength)], rank_of: &[usize]) -> Vec<usize> {
    let mut waits = vec![0_usize; count];
    let following = following(count, edges);
    edges.iter().for_each(|(_, later, _)| waits[*later] += 1);
    let mut ready: BinaryHeap<Reverse<(usize, usize)>> =
        (0..count).filter(|index| waits[*index] == 0).map(|index| Reverse((rank_of[index], index))).collect();
    let mut sorted = Vec::with_capacity(count);
    while let Some(Reverse((_, index))) = ready.pop() {
        sorted.push(index);
        for later in &following[index] {
            waits[*later] -= 1;
            if waits[*later] == 0 {
                ready.push(Reverse((rank_of[*later], *later)));
            }
        }
    }
    sorted
}

fn following(count: usize, edges: &[(usize, usize, Strength)]) -> Vec<Vec<usize>> {
    let mut following = vec![Vec::new(); count];
    edges.iter().for_each(|(earlier, later, _)| following[*earlier].push(*later));
    following
}

/// For each operation the number of the circle it is in (Tarjan's strongly connected components, without recursion).
fn circles(count: usize, edges: &[(usize, usize, Strength)]) -> Vec<usize> {
    const NEW: usize = usize::MAX;
    let following = following(count, edges);
    let mut number = vec![NEW; count];
    let mut low = vec![0; count];
    let mut circle = vec![NEW; count];
    let (mut next, mut circles) = (0, 0);
    let mut open = Vec::new();
    for start in 0..count {
        if number[start] != NEW {
            continue;
        }
        let mut path = vec![(start, 0)];
        while let Some((index, child)) = path.pop() {
            if child == 0 {
                number[index] = next;
                low[index] = next;
                next += 1;
                open.push(index);
            }
            if let Some(&later) = following[index].get(child) {
                path.push((index, child + 1));
                if number[later] == NEW {
                    path.push((later, 0));
                } else if circle[later] == NEW {
                    low[index] = low[index].min(number[later]);
                }
                continue;
            }
            if low[index] == number[index] {
                while let Some(member) = open.pop() {
                    circle[member] = circles;
                    if member == index {
                        break;
                    }
                }
                circles += 1;
            }
            if let Some((parent, _)) = path.last() {
                low[*parent] = low[*parent].min(low[index]);
            }
        }
    }
    circle
}

impl Plan {
    /// How long the apply usually takes: the longest way through the operations, for the fastest, the usual and the slowest
    /// durations seen.
    #[must_use]
    pub fn usually(&self, catalog: &Catalog) -> Span {
        let along = |pick: fn(&crate::resource::Usual) -> std::time::Duration| -> u64 {
            let mut ends: Vec<u64> = Vec::with_capacity(self.operations.len());
            for operation in &self.operations {
                let start = operation.after.iter().filter_map(|before| ends.get(*before)).max().copied().unwrap_or(0);
                let takes = catalog
                    .get(&operation.type_name)
                    .map_or(0, |of| u64::try_from(pick(&of.usual(operation.verb)).as_millis()).unwrap_or(u64::MAX));
                ends.push(start.saturating_add(takes));
            }
            ends.into_iter().max().unwrap_or(0)
        };
        Span { low: along(|usual| usual.low), typical: along(|usual| usual.typical), high: along(|usual| usual.high) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weakest_wish_of_a_circle_gives_way() {
        let edges = [(0, 1, Strength::Hard), (1, 2, Strength::Firm), (2, 0, Strength::Soft), (2, 3, Strength::Soft)];
        let circle = circles(4, &edges);
        assert_eq!(circle[0], circle[1]);
        assert_eq!(circle[0], circle[2]);
        assert_ne!(circle[0], circle[3]);
        assert_eq!(sort(4, &edges, &[0, 1, 2, 3]), Vec::<usize>::new());
        let kept: Vec<_> = edges.iter().filter(|edge| edge.0 != 2 || edge.1 == 3).copied().collect();
        assert_eq!(sort(4, &kept, &[0, 1, 2, 3]), [0, 1, 2, 3]);
    }
}
