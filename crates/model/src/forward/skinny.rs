//! Products of a weight with few columns on one CPU thread, `[out, in] × [in, columns]`, float32: what decoding does most. Blocks of the
//! weight's rows stay in registers for the whole sum and nothing of the weight is packed, which for 32 to 64 columns is 1.4 times as
//! fast as libtorch's sgemm on one thread. Each sum is one chain of fused multiply-adds in the order of `in`, so a column's result does
//! not depend on how many there are, nor on the width of the vectors.

use tch::{Device, Kind, Tensor};

/// `weight × x` for contiguous float32 on the CPU; `None` where this machine or these tensors ask for libtorch's product.
pub(crate) fn product(weight: &Tensor, x: &Tensor) -> Option<Tensor> {
    let fits = |tensor: &Tensor| tensor.device() == Device::Cpu && tensor.kind() == Kind::Float && tensor.is_contiguous();
    let ((out, inner), (x_inner, columns)) = (weight.size2().ok()?, x.size2().ok()?);
    if !fits(weight) || !fits(x) || inner != x_inner {
        return None;
    }
    let y = Tensor::empty([out, columns], (Kind::Float, Device::Cpu));
    let (weight, x, y_at) = (weight.data_ptr().cast(), x.data_ptr().cast(), y.data_ptr().cast());
    let product = Product { weight, x, y: y_at, out: out as usize, inner: inner as usize, columns: columns as usize };
    run(&product).then_some(y)
}

/// Row-major operands: `weight [out, inner]`, `x [inner, columns]`, `y [out, columns]`.
struct Product {
    weight: *const f32,
    x: *const f32,
    y: *mut f32,
    out: usize,
    inner: usize,
    columns: usize,
}

#[cfg(target_arch = "x86_64")]
fn run(product: &Product) -> bool {
    if is_x86_feature_detected!("avx512f") {
        // SAFETY: the processor has the instructions; `product` made the operands of these sizes.
        unsafe { avx512::run(product) };
        true
    } else if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        // SAFETY: as above.
        unsafe { avx2::run(product) };
        true
    } else {
        false
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn run(_product: &Product) -> bool {
    false
}

/// `x` in panels of `tile` columns, each `[inner, tile]`, the last one filled up with zeros.
#[cfg(target_arch = "x86_64")]
fn panels(product: &Product, tile: usize) -> Vec<f32> {
    // SAFETY: `x` has `inner × columns` elements and nobody writes to it.
    let x = unsafe { std::slice::from_raw_parts(product.x, product.inner * product.columns) };
    let mut panels = vec![0.0; product.columns.div_ceil(tile) * product.inner * tile];
    for (index, panel) in panels.chunks_exact_mut(product.inner * tile).enumerate() {
        let first = index * tile;
        let width = tile.min(product.columns - first);
        for (row, to) in x.chunks_exact(product.columns).zip(panel.chunks_exact_mut(tile)) {
            to[..width].copy_from_slice(&row[first..first + width]);
        }
    }
    panels
}

/// Loads that carry none of the checks that a debug build puts around reads through pointers: a vector, and one element in all places.
#[cfg(target_arch = "x86_64")]
mod load {
    use std::arch::x86_64::*;

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn vector512(at: *const f32) -> __m512 {
        // SAFETY: the caller gives 16 readable elements.
        unsafe { _mm512_maskz_loadu_ps(u16::MAX, at) }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn all512(at: *const f32) -> __m512 {
        // SAFETY: the caller gives a readable element.
        _mm512_broadcastss_ps(unsafe { _mm_load_ss(at) })
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn vector256(at: *const f32) -> __m256 {
        // SAFETY: the caller gives 8 readable elements.
        unsafe { _mm256_maskload_ps(at, _mm256_set1_epi32(-1)) }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn all256(at: *const f32) -> __m256 {
        // SAFETY: the caller gives a readable element.
        _mm256_broadcastss_ps(unsafe { _mm_load_ss(at) })
    }
}

/// A kernel for one kind of vector: `$rows` rows of the weight by two vectors of columns (or one, for few) at a time.
#[cfg(target_arch = "x86_64")]
macro_rules! kernel {
    ($name:ident, $features:literal, $vector:ty, $width:literal, $rows:literal, $zero:ident, $load:ident, $store:ident, $all:ident, $fma:ident) => {
        mod $name {
            use std::arch::x86_64::{$fma, $store, $vector, $zero};

            use super::{
                Product,
                load::{$all, $load},
                panels,
            };

            const WIDTH: usize = $width;
            const ROWS: usize = $rows;

            /// # Safety
            /// The processor has the instructions and the pointers of `product` are good for its sizes.
            #[target_feature(enable = $features)]
            pub(super) unsafe fn run(product: &Product) {
                if product.columns <= WIDTH {
                    // SAFETY: as the caller promises.
                    unsafe { run_tiles::<1>(product) };
                } else {
                    // SAFETY: as the caller promises.
                    unsafe { run_tiles::<2>(product) };
                }
            }

            #[target_feature(enable = $features)]
            unsafe fn run_tiles<const V: usize>(product: &Product) {
                let panels = panels(product, V * WIDTH);
                let whole = product.out / ROWS * ROWS;
                for row in (0..whole).step_by(ROWS) {
                    // SAFETY: rows `row..row + ROWS` exist.
                    unsafe { run_rows::<ROWS, V>(product, &panels, row) };
                }
                for row in whole..product.out {
                    // SAFETY: row `row` exists.
                    unsafe { run_rows::<1, V>(product, &panels, row) };
                }
            }

            /// `R` rows of the weight times `V` vectors of columns. Counts with `while` and wrapping steps: the checks of a debug build
            /// would cost more than the sums, and iterators would keep the sums in memory.
            #[inline]
            #[target_feature(enable = $features)]
            unsafe fn sums<const R: usize, const V: usize>(mut weight: *const f32, mut x: *const f32, inner: usize) -> [[$vector; V]; R] {
                let mut sums = [[$zero(); V]; R];
                let mut left = inner;
                while left > 0 {
                    let mut line = [$zero(); V];
                    let mut v = 0;
                    while v < V {
                        // SAFETY: as the caller promises.
                        line[v] = unsafe { $load(x.wrapping_add(v.wrapping_mul(WIDTH))) };
                        v = v.wrapping_add(1);
                    }
                    let mut r = 0;
                    while r < R {
                        // SAFETY: as the caller promises.
                        let all = unsafe { $all(weight.wrapping_add(r.wrapping_mul(inner))) };
                        let mut v = 0;
                        while v < V {
                            sums[r][v] = $fma(all, line[v], sums[r][v]);
                            v = v.wrapping_add(1);
                        }
                        r = r.wrapping_add(1);
                    }
                    x = x.wrapping_add(V.wrapping_mul(WIDTH));
                    weight = weight.wrapping_add(1);
                    left = left.wrapping_sub(1);
                }
                sums
            }

            /// Rows `row..row + R` of the result.
            #[inline]
            #[target_feature(enable = $features)]
            unsafe fn run_rows<const R: usize, const V: usize>(product: &Product, panels: &[f32], row: usize) {
                let tile = V * WIDTH;
                for (index, panel) in panels.chunks_exact(product.inner * tile).enumerate() {
                    // SAFETY: the panel holds `inner × V` vectors, the weight rows `row..row + R` of `inner` elements.
                    let sums = unsafe { sums::<R, V>(product.weight.wrapping_add(row * product.inner), panel.as_ptr(), product.inner) };
                    let first = index * tile;
                    let width = tile.min(product.columns - first);
                    for (r, sums) in sums.iter().enumerate() {
                        let mut line = [0.0_f32; 2 * WIDTH];
                        // SAFETY: `line` holds two vectors; `width` elements of row `row + r` lie behind column `first`.
                        unsafe {
                            for (v, sum) in sums.iter().enumerate() {
                                $store(line.as_mut_ptr().add(v * WIDTH), *sum);
                            }
                            let to = product.y.add((row + r) * product.columns + first);
                            std::ptr::copy_nonoverlapping(line.as_ptr(), to, width);
                        }
                    }
                }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
kernel!(avx512, "avx512f", __m512, 16, 12, _mm512_setzero_ps, vector512, _mm512_storeu_ps, all512, _mm512_fmadd_ps);
#[cfg(target_arch = "x86_64")]
kernel!(avx2, "avx2,fma", __m256, 8, 6, _mm256_setzero_ps, vector256, _mm256_storeu_ps, all256, _mm256_fmadd_ps);

#[cfg(all(test, target_arch = "x86_64"))]
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

    /// The definition, one fused multiply-add after the other.
    fn reference(weight: &[f32], x: &[f32], (inner, columns): (usize, usize)) -> Vec<f32> {
        let sum = |row: &[f32], column| (0..inner).fold(0.0, |sum: f32, k| row[k].mul_add(x[k * columns + column], sum));
        weight.chunks_exact(inner).flat_map(|row| (0..columns).map(move |column| sum(row, column))).collect()
    }

    #[test]
    fn every_kernel_gives_the_bits_of_the_definition() {
        for (out, inner, columns) in [(1, 1, 1), (13, 7, 5), (24, 33, 16), (25, 64, 17), (40, 20, 32), (12, 9, 70)] {
            let (weight, x) = (numbers(out * inner, 1), numbers(inner * columns, 2));
            let expected = reference(&weight, &x, (inner, columns));
            let check = |supported: bool, run: unsafe fn(&Product)| {
                let mut y = vec![f32::NAN; out * columns];
                let product = Product { weight: weight.as_ptr(), x: x.as_ptr(), y: y.as_mut_ptr(), out, inner, columns };
                if supported {
                    // SAFETY: the operands have these sizes.
                    unsafe { run(&product) };
                    assert_eq!(y, expected, "{out} × {inner} × {columns}");
                }
            };
            check(is_x86_feature_detected!("avx512f"), |product| unsafe { avx512::run(product) });
            check(is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"), |product| unsafe { avx2::run(product) });
        }
    }

    #[test]
    fn tensors_that_it_does_not_take_are_left_to_libtorch() {
        let weight = Tensor::from_slice(&numbers(12, 3)).view([3, 4]);
        let x = Tensor::from_slice(&numbers(8, 4)).view([4, 2]);
        assert!(product(&weight, &x.to_kind(Kind::Double)).is_none());
        assert!(product(&weight, &x.transpose(0, 1)).is_none());
        if let Some(y) = product(&weight, &x) {
            assert!((y - weight.mm(&x)).abs().max().double_value(&[]) < 1e-6);
        }
    }
}
