//! What the CPU engine does between products, on columns `[features, width]` or on one row. Plain
//! loops that the compiler turns into vector instructions; every column is computed by itself, so
//! its numbers never depend on the others.

use super::kernel::Simd;

/// Makes a function that runs `$body` compiled for the instructions that `simd` names.
macro_rules! dispatched {
    ($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)?,
     $body:ident) => {
        $(#[$doc])*
        pub(in super::super) fn $name(simd: Simd, $($argument: $type),*) $(-> $result)? {
            // The body is inlined into each of the two, and so compiled for its instructions.
            #[target_feature(enable = "avx512f,avx2,fma")]
            fn wide($($argument: $type),*) $(-> $result)? {
                $body($($argument),*)
            }
            #[target_feature(enable = "avx2,fma")]
            fn narrow($($argument: $type),*) $(-> $result)? {
                $body($($argument),*)
            }
            // SAFETY: the machine has the instructions that `simd` names.
            unsafe {
                match simd {
                    Simd::Avx512 => wide($($argument),*),
                    Simd::Avx2 => narrow($($argument),*),
                }
            }
        }
    };
}

dispatched!(
    /// RMS norm of every column of `x [features, width]` into `out`.
    norm(x: &[f32], weight: &[f32], eps: f64, width: usize, out: &mut [f32]),
    norm_body
);
dispatched!(
    /// Rotates the halves of a head, `[head_dim, width]`, by `cos` and `sin`, `[head_dim / 2,
    /// width]`.
    rotate(head: &mut [f32], cos: &[f32], sin: &[f32]),
    rotate_body
);
dispatched!(
    /// `silu(gate) × up` into the first half of `gate_up`, whose second half is `up`.
    silu_gated(gate_up: &mut [f32]),
    silu_gated_body
);
dispatched!(
    /// `gelu(gate) × up`, by a hyperbolic tangent, into the first half of `gate_up`.
    gelu_gated(gate_up: &mut [f32]),
    gelu_gated_body
);
dispatched!(
    /// `exp((x - most) / temperature)` of every value.
    shares(x: &[f32], most: f32, temperature: f32, out: &mut [f32]),
    shares_body
);
dispatched!(
    /// The sum of `exp(x - most)`.
    sum_of_exp(x: &[f32], most: f32) -> f64,
    sum_of_exp_body
);
dispatched!(
    /// The largest value; NaN counts as nothing.
    most(x: &[f32]) -> f32,
    most_body
);
dispatched!(
    /// The sum of all values.
    sum(x: &[f32]) -> f64,
    sum_body
);
/// Sums are kept in this many lanes.
// However wide the vectors are, so that AVX2 and AVX-512 add in the same order.
const LANES: usize = 16;

#[inline(always)]
fn norm_body(x: &[f32], weight: &[f32], eps: f64, width: usize, out: &mut [f32]) {
    let mut squares = [0.0_f32; super::kernel::WIDEST];
    let squares = &mut squares[..width];
    for row in x.chunks_exact(width) {
        squares
            .iter_mut()
            .zip(row)
            .for_each(|(sum, &v)| *sum = v.mul_add(v, *sum));
    }
    let (count, eps) = (weight.len() as f32, eps as f32);
    squares
        .iter_mut()
        .for_each(|sum| *sum = 1.0 / (*sum / count + eps).sqrt());
    for ((row, out), &weight) in x
        .chunks_exact(width)
        .zip(out.chunks_exact_mut(width))
        .zip(weight)
    {
        out.iter_mut()
            .zip(row)
            .zip(squares.iter())
            .for_each(|((out, &v), &scale)| *out = v * scale * weight);
    }
}

#[inline(always)]
fn rotate_body(head: &mut [f32], cos: &[f32], sin: &[f32]) {
    let (low, high) = head.split_at_mut(cos.len());
    for (((a, b), &cos), &sin) in low.iter_mut().zip(high).zip(cos).zip(sin) {
        (*a, *b) = (*a * cos - *b * sin, *b * cos + *a * sin);
    }
}

#[inline(always)]
fn silu_gated_body(gate_up: &mut [f32]) {
    let (gate, up) = gate_up.split_at_mut(gate_up.len() / 2);
    gate.iter_mut()
        .zip(up)
        .for_each(|(gate, up)| *gate = *gate / (1.0 + exp(-*gate)) * *up);
}

#[inline(always)]
fn gelu_gated_body(gate_up: &mut [f32]) {
    // Half of one and a hyperbolic tangent is a logistic function of twice its argument.
    const SLOPE: f32 = 2.0 * std::f32::consts::FRAC_2_SQRT_PI * std::f32::consts::FRAC_1_SQRT_2;
    let (gate, up) = gate_up.split_at_mut(gate_up.len() / 2);
    gate.iter_mut().zip(up).for_each(|(gate, up)| {
        let x = *gate;
        let steep = SLOPE * (0.044_715 * x * x).mul_add(x, x);
        *gate = x / (1.0 + exp(-steep)) * *up;
    });
}

#[inline(always)]
fn shares_body(x: &[f32], most: f32, temperature: f32, out: &mut [f32]) {
    out.iter_mut()
        .zip(x)
        // Less the largest value, so that no power overflows.
        .for_each(|(out, &x)| *out = exp((x - most) / temperature));
}

#[inline(always)]
fn sum_of_exp_body(x: &[f32], most: f32) -> f64 {
    lanes(x, |v| exp(v - most))
}

#[inline(always)]
fn sum_body(x: &[f32]) -> f64 {
    lanes(x, |v| v)
}

#[inline(always)]
fn most_body(x: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let chunks = x.chunks_exact(LANES);
    let rest = chunks
        .remainder()
        .iter()
        .fold(f32::NEG_INFINITY, |most, &v| larger(most, v));
    for chunk in chunks {
        lanes
            .iter_mut()
            .zip(chunk)
            .for_each(|(most, &v)| *most = larger(*most, v));
    }
    lanes.iter().fold(rest, |most, &v| larger(most, v))
}

#[inline(always)]
fn lanes(x: &[f32], f: impl Fn(f32) -> f32) -> f64 {
    let mut sums = [0.0_f32; LANES];
    let chunks = x.chunks_exact(LANES);
    let rest: f64 = chunks.remainder().iter().map(|&v| f64::from(f(v))).sum();
    for chunk in chunks {
        sums.iter_mut()
            .zip(chunk)
            .for_each(|(sum, &v)| *sum += f(v));
    }
    sums.iter().map(|&sum| f64::from(sum)).sum::<f64>() + rest
}

/// e to the power of `x` within 2 units of the last place (Cephes' polynomial); 0 far below,
/// infinity above, NaN for NaN.
#[inline(always)]
fn exp(x: f32) -> f32 {
    // Adding and taking away 1.5 × 2²³ rounds to a whole number.
    const ROUND: f32 = 12_582_912.0;
    // What lies beyond float32's exponents is set at the end. NaN fails both comparisons and stays.
    let low = if x < -87.0 { -87.0 } else { x };
    let clamped = if low > 88.0 { 88.0 } else { low };
    let shifted = clamped.mul_add(std::f32::consts::LOG2_E, ROUND);
    let whole = shifted - ROUND;
    // ln 2 in two parts (Cody and Waite): the larger has so few bits that its product is exact.
    let r = whole.mul_add(2.121_944_4e-4, whole.mul_add(-0.693_359_4, clamped));
    let mut p = 1.987_569_1e-4_f32;
    for factor in [
        1.398_199_9e-3,
        8.333_452e-3,
        4.166_579_6e-2,
        1.666_666_5e-1,
        0.5,
    ] {
        p = p.mul_add(r, factor);
    }
    // The low bits of `shifted` are the whole number; as an exponent they are its power of two.
    let power = f32::from_bits(
        (shifted
            .to_bits()
            .wrapping_sub(ROUND.to_bits())
            .wrapping_add(127))
            << 23,
    );
    let value = (p * r).mul_add(r, r + 1.0) * power;
    let value = if x < -87.0 { 0.0 } else { value };
    if x > 88.0 { f32::INFINITY } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_exp() {
        for x in (-8700..8800).map(|n| n as f32 / 100.0) {
            let want = f64::from(x).exp();
            assert!(
                (f64::from(exp(x)) - want).abs() <= 3e-7 * want,
                "{x}: {} for {want}",
                exp(x)
            );
        }
        assert_eq!(
            (
                exp(0.0),
                exp(-200.0),
                exp(f32::NEG_INFINITY),
                exp(f32::INFINITY)
            ),
            (1.0, 0.0, 0.0, f32::INFINITY)
        );
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn columns_do_not_see_each_other() {
        let Some(simd) = Simd::detect() else { return };
        let column: Vec<f32> = (0..20).map(|n| (n as f32 * 0.37).sin()).collect();
        let weight = vec![0.9; 20];
        let of = |width: usize, at: usize| {
            let x: Vec<f32> = (0..20 * width)
                .map(|n| {
                    if n % width == at {
                        column[n / width]
                    } else {
                        n as f32
                    }
                })
                .collect();
            let mut out = vec![0.0; x.len()];
            norm(simd, &x, &weight, 1e-6, width, &mut out);
            silu_gated(simd, &mut out);
            (0..10)
                .map(|row| out[row * width + at])
                .collect::<Vec<f32>>()
        };
        assert_eq!(of(16, 0), of(16, 13));
        assert_eq!(of(16, 0), of(64, 37));
    }

    #[test]
    fn gelu_is_that_of_its_formula() {
        let Some(simd) = Simd::detect() else { return };
        let gates: Vec<f32> = (-60..=60).map(|n| n as f32 / 5.0).collect();
        let mut gate_up = [gates.clone(), vec![2.0; gates.len()]].concat();
        gelu_gated(simd, &mut gate_up);
        for (gate, computed) in gates.iter().zip(&gate_up) {
            let x = f64::from(*gate);
            let slope = (2.0 / std::f64::consts::PI).sqrt();
            let exact = x * (1.0 + (slope * (x + 0.044715 * x.powi(3))).tanh());
            let far = (f64::from(*computed) - exact).abs();
            assert!(far < 1e-6 * x.abs().max(1.0), "{gate}: {computed}, {exact}");
        }
    }

    #[test]
    fn sums_have_their_rest() {
        let Some(simd) = Simd::detect() else { return };
        assert!((sum_of_exp(simd, &[0.0; 33], 0.0) - 33.0).abs() < 1e-6);
        assert_eq!(sum(simd, &[0.25; 33]), 8.25);
    }
}
