// SPDX-License-Identifier: GPL-2.0

//! The host's CPUs, and which of them an instance best gets.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::iter;
use std::path::{Path, PathBuf};

use crate::cpulist::CpuList;

/// The CPUs of one core that are online.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Core {
    /// Its CPUs, in ascending order.
    pub cpus: Vec<u32>,
    /// The NUMA node that it is on.
    pub node: Option<u32>,
}

/// The host's online CPUs.
///
/// ```no_run
/// use multikernel::{Topology, Wish};
///
/// let topology = Topology::read()?;
/// let cpus = topology.pick(2, &Wish::default())?;
/// println!("two CPUs for an instance: {cpus}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topology {
    /// The cores, by their first CPU.
    pub cores: Vec<Core>,
}

/// The topology cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the CPUs of this host from {path}: {source}")]
pub struct TopologyError {
    path: PathBuf,
    source: io::Error,
}

/// Which CPUs may be picked.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// The CPU that can never be lent.
    pub boot_cpu: u32,
    /// CPUs that others have reserved.
    pub taken: BTreeSet<u32>,
    /// Whether a core may be shared with the host.
    pub split_cores: bool,
    /// The NUMA node to try first.
    pub node: Option<u32>,
}

/// So many CPUs cannot be picked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PickError {
    /// None is wanted.
    #[error("an instance needs at least 1 CPU")]
    None,
    /// There are not as many.
    #[error("{} cannot be had: {} can be lent{}", count(*.wanted), count(.free.len()), in_parentheses(.free))]
    TooMany {
        /// How many are wanted.
        wanted: usize,
        /// Those that can be had.
        free: CpuList,
    },
    /// There are as many, but not in whole cores.
    #[error("{} cannot be had in whole cores: {}or allow cores to be split", count(*.wanted), numbers(.fewer, .more))]
    SplitsCore {
        /// How many are wanted.
        wanted: usize,
        /// The next smaller number that can be had.
        fewer: Option<usize>,
        /// The next larger number that can be had.
        more: Option<usize>,
    },
}

fn in_parentheses(list: &CpuList) -> String {
    if list.is_empty() {
        String::new()
    } else {
        format!(" ({list})")
    }
}

fn count(cpus: usize) -> String {
    match cpus {
        0 => "no CPU".to_owned(),
        1 => "1 CPU".to_owned(),
        _ => format!("{cpus} CPUs"),
    }
}

/// What to ask for instead.
fn numbers(fewer: &Option<usize>, more: &Option<usize>) -> String {
    let numbers: Vec<String> = fewer.iter().chain(more).map(usize::to_string).collect();
    if numbers.is_empty() {
        String::new()
    } else {
        format!("ask for {}, ", numbers.join(" or "))
    }
}

impl Topology {
    /// Reads that of the running kernel.
    pub fn read() -> Result<Self, TopologyError> {
        Self::read_from(Path::new("/sys"))
    }

    /// Reads it from where `/sys` is mounted.
    pub fn read_from(sys: &Path) -> Result<Self, TopologyError> {
        let devices = sys.join("devices/system");
        let nodes = read_nodes(&devices.join("node"))?;
        let mut cores = BTreeMap::new();
        for &cpu in read_list(&devices.join("cpu/online"))?.iter() {
            let file = format!("cpu/cpu{cpu}/topology/thread_siblings_list");
            let siblings = match read_list(&devices.join(file)) {
                Ok(siblings) => siblings.iter().copied().collect::<BTreeSet<_>>(),
                // It was taken offline meanwhile.
                Err(error) if error.source.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let Some(&first) = siblings.first() else {
                continue;
            };
            let node = nodes.get(&cpu).copied();
            cores.entry(first).or_insert_with(|| Core {
                cpus: siblings.into_iter().collect(),
                node,
            });
        }
        Ok(Self {
            cores: cores.into_values().collect(),
        })
    }

    /// All online CPUs, in ascending order.
    pub fn cpus(&self) -> CpuList {
        sorted(self.cores.iter().flat_map(|core| core.cpus.iter().copied()))
    }

    /// The CPUs that can be lent, core by core: those with the highest numbers
    /// first. With `split` there are also cores of which only a part is free.
    fn free(&self, wish: &Wish, split: bool) -> Vec<Core> {
        let is_free = |cpu: &u32| *cpu != wish.boot_cpu && !wish.taken.contains(cpu);
        let mut free: Vec<Core> = self
            .cores
            .iter()
            .filter(|core| split || core.cpus.iter().all(is_free))
            .map(|core| Core {
                cpus: core.cpus.iter().copied().filter(is_free).collect(),
                node: core.node,
            })
            .filter(|core| !core.cpus.is_empty())
            .collect();
        free.sort_by_key(|core| Reverse(core.cpus.last().copied()));
        free
    }

    /// The CPUs that can be lent, in ascending order.
    pub fn lendable(&self, wish: &Wish) -> CpuList {
        let free = self.free(wish, wish.split_cores);
        sorted(free.into_iter().flat_map(|core| core.cpus))
    }

    /// Picks `wanted` CPUs: never the boot CPU, whole cores, high numbers
    /// first, and all of one NUMA node where that is possible.
    pub fn pick(&self, wanted: usize, wish: &Wish) -> Result<CpuList, PickError> {
        if wanted == 0 {
            return Err(PickError::None);
        }
        let whole = self.free(wish, false);
        let picked = by_node(&whole, wish.node)
            .iter()
            .find_map(|cores| pick_whole(cores, wanted));
        if let Some(picked) = picked {
            return Ok(picked);
        }
        if wish.split_cores {
            let parts = self.free(wish, true);
            let picked = by_node(&parts, wish.node)
                .iter()
                .find_map(|cores| pick_split(cores, wanted));
            if let Some(picked) = picked {
                return Ok(picked);
            }
        }

        let free = self.lendable(wish);
        if wanted > free.len() {
            return Err(PickError::TooMany { wanted, free });
        }
        let all: Vec<&Core> = whole.iter().collect();
        let possible = |n: &usize| pick_whole(&all, *n).is_some();
        Err(PickError::SplitsCore {
            wanted,
            fewer: (1..wanted).rev().find(possible),
            more: (wanted + 1..=free.len()).find(possible),
        })
    }
}

/// The cores to pick from, in turn: those of the wanted node, those of each
/// other node, all of them.
fn by_node(cores: &[Core], wanted: Option<u32>) -> Vec<Vec<&Core>> {
    let mut seen = BTreeSet::new();
    let nodes = iter::once(wanted).chain(cores.iter().map(|core| core.node));
    let mut groups: Vec<Vec<&Core>> = nodes
        .flatten()
        .filter(|&node| seen.insert(node))
        .map(|node| {
            let here = cores.iter().filter(|core| core.node == Some(node));
            here.collect()
        })
        .collect();
    groups.push(cores.iter().collect());
    groups
}

/// Picks whole cores with `wanted` CPUs together, the first ones if possible.
fn pick_whole(cores: &[&Core], wanted: usize) -> Option<CpuList> {
    // reach[i][n]: the cores from the i-th on can make up n CPUs.
    let mut reach = vec![vec![false; wanted + 1]; cores.len() + 1];
    reach[cores.len()][0] = true;
    for (i, core) in cores.iter().enumerate().rev() {
        for n in 0..=wanted {
            let with = n.checked_sub(core.cpus.len());
            reach[i][n] = reach[i + 1][n] || with.is_some_and(|n| reach[i + 1][n]);
        }
    }
    if !reach[0][wanted] {
        return None;
    }

    let mut left = wanted;
    let mut picked = Vec::new();
    for (i, core) in cores.iter().enumerate() {
        if let Some(after) = left.checked_sub(core.cpus.len()) {
            if reach[i + 1][after] {
                picked.extend(&core.cpus);
                left = after;
            }
        }
    }
    Some(sorted(picked))
}

/// Picks `wanted` CPUs, and splits no more than one core for it.
fn pick_split(cores: &[&Core], wanted: usize) -> Option<CpuList> {
    let total: usize = cores.iter().map(|core| core.cpus.len()).sum();
    if wanted > total {
        return None;
    }
    let cpus = cores.iter().flat_map(|core| core.cpus.iter().rev());
    Some(sorted(cpus.copied().take(wanted)))
}

fn sorted(cpus: impl IntoIterator<Item = u32>) -> CpuList {
    cpus.into_iter()
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect()
}

/// Which node each CPU is on; empty where the host has no nodes.
fn read_nodes(dir: &Path) -> Result<BTreeMap<u32, u32>, TopologyError> {
    let mut nodes = BTreeMap::new();
    let online = match read_list(&dir.join("online")) {
        Ok(online) => online,
        Err(error) if error.source.kind() == io::ErrorKind::NotFound => return Ok(nodes),
        Err(error) => return Err(error),
    };
    for &node in online.iter() {
        let cpus = read_list(&dir.join(format!("node{node}/cpulist")))?;
        nodes.extend(cpus.iter().map(|&cpu| (cpu, node)));
    }
    Ok(nodes)
}

fn read_list(path: &Path) -> Result<CpuList, TopologyError> {
    let failed = |source| TopologyError {
        path: path.to_owned(),
        source,
    };
    let text = fs::read_to_string(path).map_err(failed)?;
    CpuList::parse_any(&text)
        .map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidData, error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    fn core(cpus: &[u32], node: u32) -> Core {
        Core {
            cpus: cpus.to_vec(),
            node: Some(node),
        }
    }

    /// Two nodes, two cores each of two threads, numbered as firmware does it.
    fn smt() -> Topology {
        Topology {
            cores: vec![
                core(&[0, 4], 0),
                core(&[1, 5], 0),
                core(&[2, 6], 1),
                core(&[3, 7], 1),
            ],
        }
    }

    fn flat(cpus: u32) -> Topology {
        Topology {
            cores: (0..cpus).map(|cpu| core(&[cpu], 0)).collect(),
        }
    }

    fn pick(topology: &Topology, wanted: usize, wish: &Wish) -> Result<String, String> {
        topology
            .pick(wanted, wish)
            .map(|list| list.to_string())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn high_numbers_come_first_and_the_boot_cpu_never() {
        let wish = Wish::default();
        assert_eq!(pick(&flat(4), 1, &wish), Ok("3".into()));
        assert_eq!(pick(&flat(4), 3, &wish), Ok("1-3".into()));
        assert_eq!(
            pick(&flat(4), 4, &wish),
            Err("4 CPUs cannot be had: 3 CPUs can be lent (1-3)".into())
        );
        assert_eq!(
            pick(&flat(1), 1, &wish),
            Err("1 CPU cannot be had: no CPU can be lent".into())
        );
        let wish = Wish {
            boot_cpu: 3,
            ..Wish::default()
        };
        assert_eq!(pick(&flat(4), 1, &wish), Ok("2".into()));
    }

    #[test]
    fn none_is_refused() {
        assert_eq!(flat(4).pick(0, &Wish::default()), Err(PickError::None));
    }

    #[test]
    fn cores_stay_whole() {
        let wish = Wish::default();
        assert_eq!(pick(&smt(), 2, &wish), Ok("3,7".into()));
        assert_eq!(pick(&smt(), 4, &wish), Ok("2-3,6-7".into()));
        assert_eq!(
            pick(&smt(), 3, &wish),
            Err(
                "3 CPUs cannot be had in whole cores: ask for 2 or 4, or allow cores to be split"
                    .into()
            )
        );
        assert_eq!(
            pick(&smt(), 7, &wish),
            Err("7 CPUs cannot be had: 6 CPUs can be lent (1-3,5-7)".into())
        );
    }

    #[test]
    fn a_core_with_a_taken_cpu_is_no_whole_core() {
        let wish = Wish {
            taken: [7].into(),
            ..Wish::default()
        };
        assert_eq!(pick(&smt(), 2, &wish), Ok("2,6".into()));
        assert_eq!(smt().lendable(&wish).to_string(), "1-2,5-6");
    }

    #[test]
    fn a_split_is_the_last_resort() {
        let wish = Wish {
            split_cores: true,
            ..Wish::default()
        };
        assert_eq!(pick(&smt(), 2, &wish), Ok("3,7".into()));
        assert_eq!(pick(&smt(), 3, &wish), Ok("3,6-7".into()));
        // The boot CPU's sibling, which no whole core has.
        assert_eq!(pick(&smt(), 7, &wish), Ok("1-7".into()));
        assert!(pick(&smt(), 8, &wish).is_err());
    }

    #[test]
    fn one_node_is_preferred() {
        let topology = Topology {
            cores: vec![
                core(&[0], 0),
                core(&[1], 0),
                core(&[2], 0),
                core(&[3], 0),
                core(&[4], 1),
                core(&[5], 1),
            ],
        };
        assert_eq!(pick(&topology, 2, &Wish::default()), Ok("4-5".into()));
        assert_eq!(pick(&topology, 3, &Wish::default()), Ok("1-3".into()));
        assert_eq!(pick(&topology, 4, &Wish::default()), Ok("2-5".into()));
        let wish = Wish {
            node: Some(0),
            ..Wish::default()
        };
        assert_eq!(pick(&topology, 2, &wish), Ok("2-3".into()));
    }

    #[test]
    fn cores_of_different_sizes_are_combined() {
        let topology = Topology {
            cores: vec![
                core(&[0, 1], 0),
                core(&[2, 3], 0),
                core(&[4], 0),
                core(&[5], 0),
            ],
        };
        assert_eq!(pick(&topology, 3, &Wish::default()), Ok("2-3,5".into()));
        assert_eq!(pick(&topology, 4, &Wish::default()), Ok("2-5".into()));
    }

    fn write(root: &Path, file: &str, text: &str) {
        let path = root.join("devices/system").join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn sysfs_is_read() {
        let sys = tempfile::tempdir().unwrap();
        write(sys.path(), "cpu/online", "0-2\n");
        write(sys.path(), "node/online", "0-1\n");
        write(sys.path(), "node/node0/cpulist", "0,2\n");
        write(sys.path(), "node/node1/cpulist", "1\n");
        for (cpu, siblings) in [(0, "0,2\n"), (1, "1\n"), (2, "0,2\n")] {
            let file = format!("cpu/cpu{cpu}/topology/thread_siblings_list");
            write(sys.path(), &file, siblings);
        }
        let topology = Topology::read_from(sys.path()).unwrap();
        assert_eq!(topology.cores, [core(&[0, 2], 0), core(&[1], 1)]);
        assert_eq!(topology.cpus().to_string(), "0-2");
    }

    #[test]
    fn a_host_without_nodes_is_read() {
        let sys = tempfile::tempdir().unwrap();
        write(sys.path(), "cpu/online", "0\n");
        write(sys.path(), "cpu/cpu0/topology/thread_siblings_list", "0\n");
        let topology = Topology::read_from(sys.path()).unwrap();
        assert_eq!(topology.cores[0].node, None);
    }

    #[test]
    fn a_file_that_is_missing_or_wrong_is_named() {
        let sys = tempfile::tempdir().unwrap();
        let error = Topology::read_from(sys.path()).unwrap_err();
        assert!(error.to_string().contains("cpu/online"), "{error}");
        write(sys.path(), "cpu/online", "zero\n");
        let error = Topology::read_from(sys.path()).unwrap_err();
        assert!(error.to_string().contains("`zero`"), "{error}");
    }

    proptest! {
        /// Against trying every set of cores.
        #[test]
        fn a_pick_is_right(
            sizes in prop::collection::vec((1usize..4, 0u32..3), 1..8),
            taken in prop::collection::btree_set(0u32..20, 0..4),
            wanted in 1usize..12,
        ) {
            let mut next = 0;
            let cores = sizes.iter().map(|&(size, node)| {
                let cpus = next..next + size as u32;
                next = cpus.end;
                Core { cpus: cpus.collect(), node: Some(node) }
            });
            let topology = Topology { cores: cores.collect() };
            let wish = Wish { taken, ..Wish::default() };

            let free: Vec<&Core> = topology.cores.iter().filter(|core| {
                core.cpus.iter().all(|cpu| *cpu != 0 && !wish.taken.contains(cpu))
            }).collect();
            let sets = (0u32..1 << free.len()).map(|set| {
                let chosen = free.iter().enumerate().filter(move |(i, _)| (set >> i) & 1 != 0);
                chosen.map(|(_, core)| *core).collect::<Vec<_>>()
            }).filter(|set| set.iter().map(|core| core.cpus.len()).sum::<usize>() == wanted);
            let nodes_of = |set: &Vec<&Core>| {
                set.iter().map(|core| core.node).collect::<BTreeSet<_>>().len()
            };
            let possible: Vec<Vec<&Core>> = sets.collect();

            match topology.pick(wanted, &wish) {
                Err(_) => prop_assert!(possible.is_empty()),
                Ok(list) => {
                    let picked: Vec<&Core> = free.iter().copied()
                        .filter(|core| list.contains(&core.cpus[0])).collect();
                    prop_assert_eq!(list.len(), wanted);
                    prop_assert!(possible.contains(&picked));
                    if possible.iter().any(|set| nodes_of(set) == 1) {
                        prop_assert_eq!(nodes_of(&picked), 1);
                    }
                }
            }
        }
    }
}
