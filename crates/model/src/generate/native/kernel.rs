//! The matrix product of the CPU engine: weights `[out, in]` times columns `[in, width]`, width 16
//! to 64. Every output is one chain of fused multiply-adds over the inputs in their order, whatever
//! stands in the other columns: that is why a row's numbers never depend on its batch.

use std::arch::x86_64::{
    __m256, __m512, _MM_HINT_T0, _mm_load_ss, _mm_prefetch, _mm256_add_ps, _mm256_broadcastss_ps,
    _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_setzero_ps, _mm256_storeu_ps, _mm512_add_ps,
    _mm512_broadcastss_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_setzero_ps, _mm512_storeu_ps,
};

/// Columns come in groups of this many.
pub(super) const GROUP: usize = 16;
/// The most columns of one product: their inputs stay in the second-level cache.
pub(super) const WIDEST: usize = 64;

/// The vector instructions of this machine; both give the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Simd {
    Avx512,
    Avx2,
}

impl Simd {
    /// The widest that this machine has; none without fused multiply-add.
    pub(super) fn detect() -> Option<Self> {
        let narrow = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        match narrow && is_x86_feature_detected!("avx512f") {
            true => Some(Self::Avx512),
            false => narrow.then_some(Self::Avx2),
        }
    }
}

/// What becomes of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Into {
    Set,
    /// Added to what stands there.
    Add,
}

/// `y [out, width] = weights [out, input] × x [input, width]`, or added to it.
///
/// # Panics
/// The slices don't have these sizes, or the width is not 16, 32, 48 or 64.
pub(super) fn product(
    simd: Simd,
    weights: &[f32],
    x: &[f32],
    y: &mut [f32],
    width: usize,
    into: Into,
) {
    let (input, out) = (x.len() / width, y.len() / width);
    assert!(
        width.is_multiple_of(GROUP) && (GROUP..=WIDEST).contains(&width),
        "{width} columns"
    );
    assert!(
        input * width == x.len() && out * width == y.len() && weights.len() == input * out,
        "sizes of a product"
    );
    let (w, x, y) = (weights.as_ptr(), x.as_ptr(), y.as_mut_ptr());
    let add = into == Into::Add;
    // SAFETY: the machine has the instructions (`Simd` says so), and the sizes were checked above.
    unsafe {
        // Up to 24 sums beside the columns and a weight: what 32 registers hold.
        match (simd, width / GROUP) {
            (Simd::Avx512, 1) => wide::<12, 1>(w, x, y, input, out, add),
            (Simd::Avx512, 2) => wide::<12, 2>(w, x, y, input, out, add),
            (Simd::Avx512, 3) => wide::<8, 3>(w, x, y, input, out, add),
            (Simd::Avx512, _) => wide::<6, 4>(w, x, y, input, out, add),
            (Simd::Avx2, groups) => narrow(w, x, y, input, out, add, groups),
        }
    }
}

/// Generates a tile of `A` outputs by `V` vectors of columns: accumulators stay in registers, the
/// rows of the next tile are prefetched. Plain indices and wrapping arithmetic: the checks of a
/// debug build in this loop would cost two thirds of the speed.
macro_rules! tile {
    ($name:ident, $features:literal, $vector:ty, $lanes:literal, $zero:ident, $load:ident,
        $store:ident, $spread:ident, $fma:ident, $add:ident) => {
        /// # Safety
        /// `w` has `A` rows of `input`, `x` has `input` and `y` has `A` rows of `width` from their
        /// first column on, of which `V` vectors are used.
        #[inline]
        #[target_feature(enable = $features)]
        unsafe fn $name<const A: usize, const V: usize>(
            w: *const f32,
            x: *const f32,
            y: *mut f32,
            input: usize,
            width: usize,
            add: bool,
        ) {
            let mut sums: [[$vector; V]; A] = [[$zero(); V]; A];
            for at in 0..input {
                let mut columns = [$zero(); V];
                for j in 0..V {
                    // SAFETY: row `at` of x has V vectors.
                    columns[j] = unsafe {
                        $load(x.wrapping_add(at.wrapping_mul(width).wrapping_add($lanes * j)))
                    };
                }
                // Once for each cache line of 16 weights; behind the last row it does nothing.
                if at % 16 == 0 {
                    for row in A..2 * A {
                        _mm_prefetch::<_MM_HINT_T0>(
                            w.wrapping_add(row.wrapping_mul(input).wrapping_add(at))
                                .cast(),
                        );
                    }
                }
                for row in 0..A {
                    // SAFETY: w has A rows of `input`.
                    let weight = unsafe {
                        _mm_load_ss(w.wrapping_add(row.wrapping_mul(input).wrapping_add(at)))
                    };
                    let weight = $spread(weight);
                    for j in 0..V {
                        sums[row][j] = $fma(weight, columns[j], sums[row][j]);
                    }
                }
            }
            for row in 0..A {
                for j in 0..V {
                    let place = y.wrapping_add(row.wrapping_mul(width).wrapping_add($lanes * j));
                    // SAFETY: y has A rows of `width`, of which V vectors are written.
                    unsafe {
                        $store(
                            place,
                            if add {
                                // Only at the end, so that the chain is the same whether it is set
                                // or added.
                                $add($load(place), sums[row][j])
                            } else {
                                sums[row][j]
                            },
                        )
                    };
                }
            }
        }
    };
}

tile!(
    tile512,
    "avx512f,avx2,fma",
    __m512,
    16,
    _mm512_setzero_ps,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_broadcastss_ps,
    _mm512_fmadd_ps,
    _mm512_add_ps
);
tile!(
    tile256,
    "avx2,fma",
    __m256,
    8,
    _mm256_setzero_ps,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_broadcastss_ps,
    _mm256_fmadd_ps,
    _mm256_add_ps
);

/// # Safety
/// As for [`product`], with `V` groups of columns.
#[target_feature(enable = "avx512f,avx2,fma")]
unsafe fn wide<const A: usize, const V: usize>(
    w: *const f32,
    x: *const f32,
    y: *mut f32,
    input: usize,
    out: usize,
    add: bool,
) {
    let width = V * GROUP;
    let whole = out / A * A;
    // SAFETY: every tile lies within the checked sizes.
    unsafe {
        for row in (0..whole).step_by(A) {
            tile512::<A, V>(w.add(row * input), x, y.add(row * width), input, width, add);
        }
        for row in whole..out {
            tile512::<1, V>(w.add(row * input), x, y.add(row * width), input, width, add);
        }
    }
}

/// # Safety
/// As for [`product`], with `groups` groups of columns.
#[target_feature(enable = "avx2,fma")]
unsafe fn narrow(
    w: *const f32,
    x: *const f32,
    y: *mut f32,
    input: usize,
    out: usize,
    add: bool,
    groups: usize,
) {
    // 12 sums, 2 vectors of columns and a weight: 15 of AVX2's 16 registers.
    const A: usize = 6;
    let width = groups * GROUP;
    let whole = out / A * A;
    // SAFETY: every tile lies within the checked sizes.
    unsafe {
        for row in (0..whole).step_by(A) {
            // All columns before the next rows, while these weights are in the cache.
            for first in (0..width).step_by(GROUP) {
                tile256::<A, 2>(
                    w.add(row * input),
                    x.add(first),
                    y.add(row * width + first),
                    input,
                    width,
                    add,
                );
            }
        }
        for row in whole..out {
            for first in (0..width).step_by(GROUP) {
                tile256::<1, 2>(
                    w.add(row * input),
                    x.add(first),
                    y.add(row * width + first),
                    input,
                    width,
                    add,
                );
            }
        }
    }
}

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

    fn run(simd: Simd, weights: &[f32], x: &[f32], width: usize, start: f32) -> Vec<f32> {
        let mut y = vec![start; weights.len() / (x.len() / width) * width];
        product(
            simd,
            weights,
            x,
            &mut y,
            width,
            if start == 0.0 { Into::Set } else { Into::Add },
        );
        y
    }

    #[test]
    fn every_output_is_the_chain_over_its_inputs() {
        let Some(best) = Simd::detect() else { return };
        for (out, input) in [(6, 16), (13, 33), (25, 7), (1, 1)] {
            let weights = numbers(out * input, 1);
            for width in [16, 32, 48, 64] {
                let x = numbers(input * width, 2);
                for start in [0.0, 0.5] {
                    let chain = |row: usize, column: usize| {
                        start
                            + (0..input).fold(0.0_f32, |sum, at| {
                                weights[row * input + at].mul_add(x[at * width + column], sum)
                            })
                    };
                    let want: Vec<f32> = (0..out * width)
                        .map(|place| chain(place / width, place % width))
                        .collect();
                    assert_eq!(
                        run(best, &weights, &x, width, start),
                        want,
                        "{out} {input} {width}"
                    );
                    assert_eq!(
                        run(Simd::Avx2, &weights, &x, width, start),
                        want,
                        "{out} {input} {width}"
                    );
                }
            }
        }
    }
}
