//! The Merkle tree over the records of a log, and what it proves (RFC 9162, section 2.1).
//!
//! A leaf is the hash of a record. The tree is not stored: it is computed from the log when a root
//! or a proof is asked for, in one pass, so that appending does not pay for it.

use calybris_units::{BrokenInvariant, invariant};
use sha2::{Digest, Sha256};

use crate::hash::Hash;

/// The hash of a leaf (RFC 9162, section 2.1.1).
pub(crate) fn leaf_hash(entry: &[u8]) -> Hash {
    Hash::from_bytes(Sha256::new_with_prefix([0]).chain_update(entry).finalize().into())
}

fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let pair = Sha256::new_with_prefix([1]).chain_update(left.as_bytes());
    Hash::from_bytes(pair.chain_update(right.as_bytes()).finalize().into())
}

/// The root of a tree that grows leaf by leaf, in memory of the order of the logarithm of its size.
#[derive(Debug, Clone, Default)]
pub(crate) struct Frontier {
    size: u64,
    /// The roots of the full trees that the leaves make up, the greatest first.
    peaks: Vec<Hash>,
}

impl Frontier {
    /// Adds a leaf by its hash.
    pub(crate) fn push(&mut self, leaf: Hash) -> Result<(), BrokenInvariant> {
        let mut hash = leaf;
        for _ in 0..self.size.trailing_ones() {
            let left = invariant!(self.peaks.pop(), "a tree has a peak for each bit of its size")?;
            hash = node_hash(&left, &hash);
        }
        self.peaks.push(hash);
        self.size += 1;
        Ok(())
    }

    /// How many leaves there are.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The root; that of no leaves is the hash of nothing.
    pub(crate) fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        match peaks.next() {
            None => Hash::from_bytes(Sha256::digest([]).into()),
            Some(last) => peaks.fold(*last, |right, left| node_hash(left, &right)),
        }
    }
}

/// Leaves from the first number to before the second.
pub(crate) type Range = (u64, u64);

/// The subtrees whose roots are the inclusion proof of a leaf, in its order.
pub(crate) fn inclusion_ranges(leaf: u64, size: u64) -> Vec<Range> {
    let mut ranges = Vec::new();
    let (mut start, mut end) = (0, size);
    while end - start > 1 {
        let middle = start + largest_power_below(end - start);
        if leaf < middle {
            ranges.push((middle, end));
            end = middle;
        } else {
            ranges.push((start, middle));
            start = middle;
        }
    }
    ranges.reverse();
    ranges
}

/// The subtrees whose roots are the consistency proof between two sizes, in its order.
pub(crate) fn consistency_ranges(old: u64, new: u64) -> Vec<Range> {
    let mut ranges = Vec::new();
    let (mut start, mut end, mut whole) = (0, new, true);
    while end > old {
        let middle = start + largest_power_below(end - start);
        if old <= middle {
            ranges.push((middle, end));
            end = middle;
        } else {
            ranges.push((start, middle));
            start = middle;
            whole = false;
        }
    }
    if !whole {
        ranges.push((start, end));
    }
    ranges.reverse();
    ranges
}

/// The largest power of two below `size`, which is at least 2.
fn largest_power_below(size: u64) -> u64 {
    1 << (size - 1).ilog2()
}

/// The root that a leaf and its inclusion proof lead to (RFC 9162, section 2.1.3.2). `None` when
/// the proof is not of the length that it must have.
pub(crate) fn root_from_inclusion(
    leaf: u64,
    size: u64,
    leaf_hash: Hash,
    path: &[Hash],
) -> Option<Hash> {
    if leaf >= size {
        return None;
    }
    let (mut node, mut last) = (leaf, size - 1);
    let mut root = leaf_hash;
    for hash in path {
        if last == 0 {
            return None;
        }
        if node & 1 == 1 || node == last {
            root = node_hash(hash, &root);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            root = node_hash(&root, hash);
        }
        node >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(root)
}

/// Whether a consistency proof leads from one root to another (RFC 9162, section 2.1.4.2).
pub(crate) fn is_consistent(
    (old, old_root): (u64, Hash),
    (new, new_root): (u64, Hash),
    path: &[Hash],
) -> bool {
    if old == 0 || old > new {
        return false;
    }
    if old == new {
        return path.is_empty() && old_root == new_root;
    }
    let mut path = path.iter();
    let first = if old.is_power_of_two() { Some(old_root) } else { path.next().copied() };
    let Some(first) = first else { return false };
    let (mut node, mut last) = (old - 1, new - 1);
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    let (mut from_old, mut from_new) = (first, first);
    for hash in path {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            from_old = node_hash(hash, &from_old);
            from_new = node_hash(hash, &from_new);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            from_new = node_hash(&from_new, hash);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && from_old == old_root && from_new == new_root
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The leaves and roots that certificate transparency implementations test with.
    const LEAVES: [&[u8]; 8] = [
        b"",
        &[0x00],
        &[0x10],
        &[0x20, 0x21],
        &[0x30, 0x31],
        b"@ABC",
        b"PQRSTUVW",
        b"`abcdefghijklmno",
    ];
    const ROOTS: [&str; 8] = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    /// The tree as RFC 9162 defines it, by recursion over all leaves.
    mod law {
        use super::super::{Hash, leaf_hash, node_hash};

        fn split(size: usize) -> usize {
            let mut k = 1;
            while k * 2 < size {
                k *= 2;
            }
            k
        }

        pub(super) fn root(leaves: &[Vec<u8>]) -> Hash {
            match leaves {
                [leaf] => leaf_hash(leaf),
                _ => {
                    let (left, right) = leaves.split_at(split(leaves.len()));
                    node_hash(&root(left), &root(right))
                }
            }
        }

        pub(super) fn path(m: usize, leaves: &[Vec<u8>]) -> Vec<Hash> {
            if leaves.len() == 1 {
                return Vec::new();
            }
            let k = split(leaves.len());
            let (left, right) = leaves.split_at(k);
            let (mut path, sibling) =
                if m < k { (path(m, left), right) } else { (path(m - k, right), left) };
            path.push(root(sibling));
            path
        }

        pub(super) fn subproof(m: usize, leaves: &[Vec<u8>], whole: bool) -> Vec<Hash> {
            if m == leaves.len() {
                return if whole { Vec::new() } else { vec![root(leaves)] };
            }
            let k = split(leaves.len());
            let (left, right) = leaves.split_at(k);
            let (mut proof, sibling) = if m <= k {
                (subproof(m, left, whole), right)
            } else {
                (subproof(m - k, right, false), left)
            };
            proof.push(root(sibling));
            proof
        }
    }

    fn roots_of(ranges: &[Range], leaves: &[Vec<u8>]) -> Vec<Hash> {
        let range = |&(start, end): &Range| {
            let mut frontier = Frontier::default();
            let (start, end) = (usize::try_from(start).unwrap(), usize::try_from(end).unwrap());
            leaves[start..end].iter().for_each(|leaf| frontier.push(leaf_hash(leaf)).unwrap());
            frontier.root()
        };
        ranges.iter().map(range).collect()
    }

    #[test]
    fn the_published_roots_hold() {
        let mut frontier = Frontier::default();
        assert_eq!(
            frontier.root().to_string(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        for (leaf, root) in LEAVES.iter().zip(ROOTS) {
            frontier.push(leaf_hash(leaf)).unwrap();
            assert_eq!(frontier.root().to_string(), root);
        }
    }

    #[test]
    fn proofs_are_those_of_the_law_and_prove_nothing_else() {
        let leaves: Vec<Vec<u8>> = (0..20_u8).map(|leaf| vec![leaf]).collect();
        for new in 1..=leaves.len() {
            let tree = &leaves[..new];
            let (new_root, size) = (law::root(tree), new as u64);
            for leaf in 0..new {
                let path = roots_of(&inclusion_ranges(leaf as u64, size), tree);
                assert_eq!(path, law::path(leaf, tree));
                for (claimed, entry) in tree.iter().enumerate() {
                    let root = root_from_inclusion(claimed as u64, size, leaf_hash(entry), &path);
                    assert_eq!(root == Some(new_root), claimed == leaf);
                }
                let mut longer = path.clone();
                longer.push(Hash::ZERO);
                let hash = leaf_hash(&tree[leaf]);
                assert_eq!(root_from_inclusion(leaf as u64, size, hash, &longer), None);
                if let Some((_, shorter)) = path.split_last() {
                    assert_eq!(root_from_inclusion(leaf as u64, size, hash, shorter), None);
                }
                assert_eq!(root_from_inclusion(size, size, hash, &path), None);
            }
            for old in 1..=new {
                let path = roots_of(&consistency_ranges(old as u64, size), tree);
                assert_eq!(path, law::subproof(old, tree, true));
                for claimed in 0..=new + 1 {
                    let old_root = law::root(&leaves[..old]);
                    let holds = is_consistent((claimed as u64, old_root), (size, new_root), &path);
                    assert_eq!(holds, claimed == old, "{claimed} of {old}, {new}");
                }
                let old_root = law::root(&leaves[..old]);
                for change in 0..path.len() {
                    let mut changed = path.clone();
                    let mut bytes = *changed[change].as_bytes();
                    bytes[0] ^= 1;
                    changed[change] = Hash::from_bytes(bytes);
                    let holds = is_consistent((old as u64, old_root), (size, new_root), &changed);
                    assert!(!holds);
                }
            }
        }
    }
}
