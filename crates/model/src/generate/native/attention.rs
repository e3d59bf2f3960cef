//! Attention of the CPU engine over keys and values where they lie: the queries of one key head
//! together, so that every key and value is read once for all of them. Every score is one chain of
//! fused multiply-adds over the head's features and every output one over the keys, in their order,
//! whatever else is computed: a row's numbers depend neither on its batch nor on how its sequence
//! is cut into segments.

use std::arch::x86_64::{
    __m256, __m512, _mm_load_ss, _mm256_broadcastss_ps, _mm256_fmadd_ps, _mm256_loadu_ps,
    _mm256_setzero_ps, _mm256_storeu_ps, _mm512_broadcastss_ps, _mm512_fmadd_ps, _mm512_loadu_ps,
    _mm512_setzero_ps, _mm512_storeu_ps,
};

use super::kernel::{GROUP, Simd};

/// `scores[query][key] = query · key` for `queries [count][head_dim]` and keys in blocks of 16,
/// `[block][head_dim][16]`. A query's scores lie `stride` behind the last one's, the first of them
/// at `scores[0]`.
///
/// # Panics
/// The slices don't have these sizes.
pub(super) fn score_keys(
    simd: Simd,
    queries: &[f32],
    head_dim: usize,
    keys: &[f32],
    scores: &mut [f32],
    stride: usize,
) {
    let (count, blocks) = (queries.len() / head_dim, keys.len() / (head_dim * GROUP));
    assert!(
        count * head_dim == queries.len() && blocks * head_dim * GROUP == keys.len(),
        "sizes of queries and keys"
    );
    assert!(
        count > 0 && (count - 1) * stride + blocks * GROUP <= scores.len(),
        "room for scores"
    );
    let (queries, keys, scores) = (queries.as_ptr(), keys.as_ptr(), scores.as_mut_ptr());
    let mut done = 0;
    while done < count {
        let (q, s) = (
            queries.wrapping_add(done * head_dim),
            scores.wrapping_add(done * stride),
        );
        // SAFETY: the machine has the instructions (`Simd` says so), and the sizes were checked
        // above.
        unsafe {
            match (simd, count - done) {
                (Simd::Avx512, 1) => scores_512::<1>(q, keys, s, head_dim, blocks, stride),
                (Simd::Avx512, 2) => scores_512::<2>(q, keys, s, head_dim, blocks, stride),
                (Simd::Avx512, 3) => scores_512::<3>(q, keys, s, head_dim, blocks, stride),
                (Simd::Avx512, _) => scores_512::<4>(q, keys, s, head_dim, blocks, stride),
                (Simd::Avx2, 1) => scores_256::<1>(q, keys, s, head_dim, blocks, stride),
                (Simd::Avx2, 2) => scores_256::<2>(q, keys, s, head_dim, blocks, stride),
                (Simd::Avx2, 3) => scores_256::<3>(q, keys, s, head_dim, blocks, stride),
                (Simd::Avx2, _) => scores_256::<4>(q, keys, s, head_dim, blocks, stride),
            }
        }
        done += (count - done).min(TOGETHER);
    }
}

/// `out[query] += Σ share × value` for `out [count][head_dim]` and values `[key][head_dim]`, in the
/// order of the keys. A query's shares lie `stride` behind the last one's.
///
/// # Panics
/// The slices don't have these sizes.
pub(super) fn add_values(
    simd: Simd,
    shares: &[f32],
    stride: usize,
    values: &[f32],
    head_dim: usize,
    out: &mut [f32],
) {
    let (count, keys) = (out.len() / head_dim, values.len() / head_dim);
    assert!(
        count * head_dim == out.len() && keys * head_dim == values.len(),
        "sizes of outputs and values"
    );
    assert!(
        count > 0 && (count - 1) * stride + keys <= shares.len(),
        "a share for every key"
    );
    let (shares, values, out) = (shares.as_ptr(), values.as_ptr(), out.as_mut_ptr());
    let mut done = 0;
    while done < count {
        let (s, o) = (
            shares.wrapping_add(done * stride),
            out.wrapping_add(done * head_dim),
        );
        // SAFETY: the machine has the instructions (`Simd` says so), and the sizes were checked
        // above.
        unsafe {
            match (simd, count - done) {
                (Simd::Avx512, 1) => values_512::<1>(s, stride, values, keys, head_dim, o),
                (Simd::Avx512, 2) => values_512::<2>(s, stride, values, keys, head_dim, o),
                (Simd::Avx512, 3) => values_512::<3>(s, stride, values, keys, head_dim, o),
                (Simd::Avx512, _) => values_512::<4>(s, stride, values, keys, head_dim, o),
                (Simd::Avx2, 1) => values_256::<1>(s, stride, values, keys, head_dim, o),
                (Simd::Avx2, 2) => values_256::<2>(s, stride, values, keys, head_dim, o),
                (Simd::Avx2, 3) => values_256::<3>(s, stride, values, keys, head_dim, o),
                (Simd::Avx2, _) => values_256::<4>(s, stride, values, keys, head_dim, o),
            }
        }
        done += (count - done).min(TOGETHER);
    }
}

/// Queries of one tile, at most.
// By four blocks of keys they take 16 of AVX-512's 32 registers for their sums; with AVX2, by one
// block, 8 of 16.
const TOGETHER: usize = 4;

/// Generates both kernels for one width of vectors: tiles of `Q` queries by `$blocks` blocks of 16,
/// accumulators in registers. Plain indices and wrapping arithmetic, as in `kernel`.
macro_rules! kernels {
    (
        $score_tile:ident, $scores:ident, $value_tile:ident, $values:ident, $features:literal,
            $vector:ty, $lanes:literal, $per_block:literal,
        $blocks:literal, $zero:ident, $load:ident, $store:ident, $spread:ident, $fma:ident
    ) => {
        /// # Safety
        /// `queries` has `Q` rows, `keys` has `B` blocks, and each of the `Q` rows of `scores` has
        /// room for them.
        #[inline]
        #[target_feature(enable = $features)]
        unsafe fn $score_tile<const Q: usize, const B: usize>(
            queries: *const f32,
            keys: *const f32,
            scores: *mut f32,
            head_dim: usize,
            stride: usize,
        ) {
            let mut sums: [[[$vector; $per_block]; B]; Q] = [[[$zero(); $per_block]; B]; Q];
            // Feature by feature: a row of keys is loaded once for all queries, and every score
            // adds up in the order of the features.
            for at in 0..head_dim {
                let mut columns = [[$zero(); $per_block]; B];
                for b in 0..B {
                    for v in 0..$per_block {
                        let place = b
                            .wrapping_mul(head_dim)
                            .wrapping_add(at)
                            .wrapping_mul(GROUP)
                            .wrapping_add($lanes * v);
                        // SAFETY: block b has a row of 16 for every feature.
                        columns[b][v] = unsafe { $load(keys.wrapping_add(place)) };
                    }
                }
                for q in 0..Q {
                    // SAFETY: the query has `head_dim` features.
                    let feature = $spread(unsafe {
                        _mm_load_ss(queries.wrapping_add(q.wrapping_mul(head_dim).wrapping_add(at)))
                    });
                    for b in 0..B {
                        for v in 0..$per_block {
                            sums[q][b][v] = $fma(feature, columns[b][v], sums[q][b][v]);
                        }
                    }
                }
            }
            for q in 0..Q {
                for b in 0..B {
                    for v in 0..$per_block {
                        let place = q.wrapping_mul(stride).wrapping_add(GROUP * b + $lanes * v);
                        // SAFETY: there is room for B blocks.
                        unsafe { $store(scores.wrapping_add(place), sums[q][b][v]) };
                    }
                }
            }
        }

        /// # Safety
        /// As for [`score_keys`], for `Q` queries.
        #[target_feature(enable = $features)]
        unsafe fn $scores<const Q: usize>(
            queries: *const f32,
            keys: *const f32,
            scores: *mut f32,
            head_dim: usize,
            blocks: usize,
            stride: usize,
        ) {
            let whole = blocks / $blocks * $blocks;
            let block = |at: usize| {
                (
                    keys.wrapping_add(at * head_dim * GROUP),
                    scores.wrapping_add(at * GROUP),
                )
            };
            for at in (0..whole).step_by($blocks) {
                let (keys, scores) = block(at);
                // SAFETY: these blocks lie within the checked sizes.
                unsafe { $score_tile::<Q, $blocks>(queries, keys, scores, head_dim, stride) };
            }
            for at in whole..blocks {
                let (keys, scores) = block(at);
                // SAFETY: as above.
                unsafe { $score_tile::<Q, 1>(queries, keys, scores, head_dim, stride) };
            }
        }

        /// # Safety
        /// `shares` has `Q` rows of `keys`, `values` has `keys` rows and `out` has `Q` rows of
        /// which `C` vectors are used.
        #[inline]
        #[target_feature(enable = $features)]
        unsafe fn $value_tile<const Q: usize, const C: usize>(
            shares: *const f32,
            stride: usize,
            values: *const f32,
            keys: usize,
            head_dim: usize,
            out: *mut f32,
        ) {
            let mut sums: [[$vector; C]; Q] = [[$zero(); C]; Q];
            for q in 0..Q {
                for c in 0..C {
                    // Begins with what stands there, so that a chain goes on from one segment to
                    // the next.
                    // SAFETY: out has Q rows with C vectors.
                    sums[q][c] = unsafe {
                        $load(out.wrapping_add(q.wrapping_mul(head_dim).wrapping_add($lanes * c)))
                    };
                }
            }
            for key in 0..keys {
                let mut columns = [$zero(); C];
                for c in 0..C {
                    // SAFETY: row `key` has C vectors.
                    columns[c] = unsafe {
                        $load(
                            values
                                .wrapping_add(key.wrapping_mul(head_dim).wrapping_add($lanes * c)),
                        )
                    };
                }
                for q in 0..Q {
                    // SAFETY: there is a share for every key.
                    let share = $spread(unsafe {
                        _mm_load_ss(shares.wrapping_add(q.wrapping_mul(stride).wrapping_add(key)))
                    });
                    for c in 0..C {
                        sums[q][c] = $fma(share, columns[c], sums[q][c]);
                    }
                }
            }
            for q in 0..Q {
                for c in 0..C {
                    // SAFETY: as above.
                    unsafe {
                        $store(
                            out.wrapping_add(q.wrapping_mul(head_dim).wrapping_add($lanes * c)),
                            sums[q][c],
                        )
                    };
                }
            }
        }

        /// # Safety
        /// As for [`add_values`], for `Q` queries.
        #[target_feature(enable = $features)]
        unsafe fn $values<const Q: usize>(
            shares: *const f32,
            stride: usize,
            values: *const f32,
            keys: usize,
            head_dim: usize,
            out: *mut f32,
        ) {
            let mut at = 0;
            while head_dim - at >= $blocks * GROUP {
                // SAFETY: these features lie within the checked sizes.
                unsafe {
                    $value_tile::<Q, { $blocks * $per_block }>(
                        shares,
                        stride,
                        values.add(at),
                        keys,
                        head_dim,
                        out.add(at),
                    );
                }
                at += $blocks * GROUP;
            }
            while head_dim - at >= GROUP {
                // SAFETY: as above.
                unsafe {
                    $value_tile::<Q, $per_block>(
                        shares,
                        stride,
                        values.add(at),
                        keys,
                        head_dim,
                        out.add(at),
                    )
                };
                at += GROUP;
            }
            for q in 0..Q {
                // The same chain for the rest of a head whose width is no multiple of 16.
                for feature in at..head_dim {
                    // SAFETY: as above.
                    unsafe {
                        let place = out.add(q * head_dim + feature);
                        *place = (0..keys).fold(*place, |sum, key| {
                            (*shares.add(q * stride + key))
                                .mul_add(*values.add(key * head_dim + feature), sum)
                        });
                    }
                }
            }
        }
    };
}

kernels!(
    score_tile_512,
    scores_512,
    value_tile_512,
    values_512,
    "avx512f,avx2,fma",
    __m512,
    // Lanes of a vector, vectors of a block of 16 keys, and blocks of a tile.
    16,
    1,
    4,
    _mm512_setzero_ps,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_broadcastss_ps,
    _mm512_fmadd_ps
);
kernels!(
    score_tile_256,
    scores_256,
    value_tile_256,
    values_256,
    "avx2,fma",
    __m256,
    8,
    2,
    1,
    _mm256_setzero_ps,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_broadcastss_ps,
    _mm256_fmadd_ps
);

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..count).map(|_| next()).collect()
    }

    /// Both instruction sets where the machine has them.
    fn sets() -> Vec<Simd> {
        Simd::detect().map_or_else(Vec::new, |best| vec![best, Simd::Avx2])
    }

    #[test]
    fn a_score_is_the_chain_over_the_features() {
        for simd in sets() {
            for (count, head_dim, blocks) in
                [(1, 64, 1), (3, 64, 9), (4, 24, 4), (5, 12, 6), (9, 128, 5)]
            {
                let (queries, keys) = (
                    numbers(count * head_dim, 1),
                    numbers(blocks * head_dim * GROUP, 2),
                );
                let stride = blocks * GROUP + 3;
                let mut scores = vec![9.0; count * stride];
                score_keys(simd, &queries, head_dim, &keys, &mut scores, stride);
                for query in 0..count {
                    for key in 0..blocks * GROUP {
                        let of =
                            |at: usize| keys[(key / GROUP * head_dim + at) * GROUP + key % GROUP];
                        let want = (0..head_dim).fold(0.0_f32, |sum, at| {
                            queries[query * head_dim + at].mul_add(of(at), sum)
                        });
                        assert_eq!(
                            scores[query * stride + key],
                            want,
                            "{simd:?} {count} {head_dim} {blocks}"
                        );
                    }
                    assert_eq!(
                        scores[query * stride + blocks * GROUP..(query + 1) * stride],
                        [9.0; 3],
                        "nothing is written behind"
                    );
                }
            }
        }
    }

    #[test]
    fn an_output_is_the_chain_over_the_keys_however_they_are_cut() {
        for simd in sets() {
            for (count, head_dim, keys) in [
                (1, 64, 1),
                (3, 64, 37),
                (4, 24, 20),
                (5, 12, 7),
                (9, 130, 16),
            ] {
                let (shares, values) = (numbers(count * keys, 1), numbers(keys * head_dim, 2));
                let mut out = vec![0.0; count * head_dim];
                add_values(simd, &shares, keys, &values, head_dim, &mut out);
                let chain = |query: usize, feature: usize| {
                    (0..keys).fold(0.0_f32, |sum, key| {
                        shares[query * keys + key].mul_add(values[key * head_dim + feature], sum)
                    })
                };
                let want: Vec<f32> = (0..count * head_dim)
                    .map(|at| chain(at / head_dim, at % head_dim))
                    .collect();
                assert_eq!(out, want, "{simd:?} {count} {head_dim} {keys}");
                let mut cut = vec![0.0; count * head_dim];
                for (from, to) in [(0, keys / 3), (keys / 3, keys)] {
                    add_values(
                        simd,
                        &shares[from..],
                        keys,
                        &values[from * head_dim..to * head_dim],
                        head_dim,
                        &mut cut,
                    );
                }
                assert_eq!(cut, want, "{simd:?} {count} {head_dim} {keys}");
            }
        }
    }
}
