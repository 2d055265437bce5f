use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Push { hash: u64, value: u32 },
    Remove { nth: usize },
    Find { hash: u64, value: u32 },
    Next,
}

/// Few hashes, so that most are shared.
fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_u64..4, 0_u32..20).prop_map(|(hash, value)| Step::Push { hash, value }),
        3 => any::<usize>().prop_map(|nth| Step::Remove { nth }),
        3 => (0_u64..4, 0_u32..20).prop_map(|(hash, value)| Step::Find { hash, value }),
        1 => Just(Step::Next),
    ]
}

proptest! {
    #[test]
    fn agrees_with_a_plain_list_step_by_step(steps in prop::collection::vec(step(), 0..300)) {
        let mut ring = Ring::default();
        // What is in it, in any order.
        let mut model: Vec<(u64, u32)> = Vec::new();
        for step in steps {
            match step {
                Step::Push { hash, value } => {
                    ring.push(hash, (hash, value));
                    model.push((hash, value));
                }
                Step::Remove { nth } if !model.is_empty() => {
                    let (hash, value) = model.swap_remove(nth % model.len());
                    let at = ring.find(hash, |kept| kept.1 == value).expect("it is there");
                    prop_assert_eq!(ring.remove(at), (hash, value));
                }
                Step::Remove { .. } => {}
                Step::Find { hash, value } => {
                    let found = ring.find(hash, |kept| kept.1 == value);
                    prop_assert_eq!(found.map(|at| *ring.get(at)), model.contains(&(hash, value)).then_some((hash, value)));
                }
                Step::Next => prop_assert_eq!(ring.next().is_some(), !model.is_empty()),
            }
            prop_assert_eq!(ring.len(), model.len());
            let mut all: Vec<_> = ring.iter().copied().collect();
            all.sort_unstable();
            let mut expected = model.clone();
            expected.sort_unstable();
            prop_assert_eq!(all, expected);
        }
    }

    #[test]
    fn the_hand_comes_to_every_value_in_one_turn(values in 1_u32..50, offset in 0_usize..100) {
        let mut ring = Ring::default();
        (0..values).for_each(|value| ring.push(value.into(), value));
        (0..offset).for_each(|_| {
            ring.next();
        });
        let mut seen: Vec<_> = (0..values)
            .map(|_| {
                let at = ring.next().unwrap();
                *ring.get(at)
            })
            .collect();
        seen.sort_unstable();
        prop_assert_eq!(seen, (0..values).collect::<Vec<_>>());
    }
}
