#!/usr/bin/env python3
"""A training run of a one-layer transformer from random weights on (a + b) mod 53, and which pairs it answers
correctly while it learns: the curves of crates/domain/tests/fixtures/grokking.

    pip install jax==0.10.2 numpy
    ./make_curve.py --weight-decay 0 --seed 0 --steps 4200 > E.json      # about two minutes of one core

Unordered pairs, 75 % of them trained on (both orders of a pair in one split), full batch, AdamW with betas 0.9 and
0.98, learning rate 1e-3 after ten steps of warm-up.
"""
import argparse, json, sys
import jax, jax.numpy as jnp, numpy as np

MODULUS, WIDTH, HEADS, EVERY = 53, 64, 4, 20


def pairs(seed, share):
    generator = np.random.default_rng(seed)
    all_pairs = np.array([(a, b) for a in range(MODULUS) for b in range(MODULUS)])
    unordered = [(a, b) for a in range(MODULUS) for b in range(a, MODULUS)]
    chosen = generator.permutation(len(unordered))[: int(share * len(unordered))]
    trained = {unordered[i] for i in chosen}
    is_train = np.array([(min(a, b), max(a, b)) in trained for a, b in all_pairs])
    return all_pairs, is_train


def initial(seed):
    shapes = {
        "tokens": (MODULUS + 1, WIDTH), "places": (3, WIDTH), "qkv": (WIDTH, 3 * WIDTH),
        "out": (WIDTH, WIDTH), "up": (WIDTH, 4 * WIDTH), "down": (4 * WIDTH, WIDTH), "head": (WIDTH, MODULUS),
    }
    keys = jax.random.split(jax.random.PRNGKey(seed), len(shapes))
    return {name: jax.random.normal(key, shape) / np.sqrt(WIDTH) for key, (name, shape) in zip(keys, shapes.items())}


def logits(weights, inputs):
    x = weights["tokens"][inputs] + weights["places"]
    q, k, v = jnp.split(x @ weights["qkv"], 3, axis=-1)
    heads = lambda t: t.reshape(*t.shape[:-1], HEADS, WIDTH // HEADS)
    # Only the last place answers, so only its query counts.
    scores = jnp.einsum("bhd,bshd->bhs", heads(q[:, -1]), heads(k)) / np.sqrt(WIDTH // HEADS)
    mixed = jnp.einsum("bhs,bshd->bhd", jax.nn.softmax(scores), heads(v)).reshape(-1, WIDTH)
    x = x[:, -1] + mixed @ weights["out"]
    x = x + jax.nn.relu(x @ weights["up"]) @ weights["down"]
    return x @ weights["head"]


def loss(weights, inputs, answers):
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits(weights, inputs)), answers[:, None], 1))


def stepper(decay):
    @jax.jit
    def step(weights, first, second, number, inputs, answers):
        gradient = jax.grad(loss)(weights, inputs, answers)
        rate = 1e-3 * jnp.minimum(1.0, number / 10)
        first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradient)
        second = jax.tree.map(lambda v, g: 0.98 * v + 0.02 * g * g, second, gradient)
        update = lambda w, m, v: w * (1 - rate * decay) - rate * (m / (1 - 0.9**number)) / (
            jnp.sqrt(v / (1 - 0.98**number)) + 1e-8)
        return jax.tree.map(update, weights, first, second), first, second
    return step


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weight-decay", type=float, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=4200)
    parser.add_argument("--share", type=float, default=0.75)
    options = parser.parse_args()
    all_pairs, is_train = pairs(options.seed, options.share)
    inputs = jnp.array(np.hstack([all_pairs, np.full((len(all_pairs), 1), MODULUS)]))
    answers = jnp.array(all_pairs.sum(1) % MODULUS)
    train = np.flatnonzero(is_train)
    weights = initial(options.seed)
    first = second = jax.tree.map(jnp.zeros_like, weights)
    step, right = stepper(options.weight_decay), jax.jit(lambda w: jnp.argmax(logits(w, inputs), 1) == answers)
    right_at = []
    for number in range(options.steps + 1):
        if number % EVERY == 0:
            bits = np.array(right(weights))
            right_at.append(bits)
            if number % 200 == 0:
                print(number, bits[is_train].mean(), bits[~is_train].mean(), file=sys.stderr)
        weights, first, second = step(weights, first, second, number + 1, inputs[train], answers[train])
    json.dump({
        "what": f"one plain block, width {WIDTH}, unordered pairs, {options.share:.0%} train, "
        f"weight decay {options.weight_decay:g}, seed {options.seed}",
        "every": EVERY, "evaluations": len(right_at),
        "train": turns(right_at, is_train), "val": turns(right_at, ~is_train),
    }, sys.stdout, separators=(",", ":"))
    print()


def turns(right_at, members):
    """For each pair the evaluations at which its answer turns, from wrong at first: right, wrong, right …"""
    answers = np.array(right_at)[:, members].T.astype(int)
    return [np.flatnonzero(np.diff(row, prepend=0)).tolist() for row in answers]



if __name__ == "__main__":
    main()
