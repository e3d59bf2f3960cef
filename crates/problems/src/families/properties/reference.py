from math import gcd, isqrt


def prime_factors(n):
    primes = []
    prime = 2
    while prime * prime <= n:
        while n % prime == 0:
            primes.append(prime)
            n //= prime
        prime += 1
    return primes + [n] if n > 1 else primes


def has(n):
    digits = [int(digit) for digit in str(n)]
    if PROPERTY == 'prime-factors':
        return len(prime_factors(n)) == K
    if PROPERTY == 'different-primes':
        return len(set(prime_factors(n))) == K
    if PROPERTY == 'square-free':
        return all(n % (d * d) for d in range(2, isqrt(n) + 1))
    if PROPERTY == 'cube-free':
        return all(n % (d * d * d) for d in range(2, isqrt(n) + 1))
    if PROPERTY == 'coprime':
        return gcd(n, K) == 1
    if PROPERTY == 'either':
        return (n % (K // 10) == 0) != (n % (K % 10) == 0)
    if PROPERTY == 'digit-sum':
        return sum(digits) % K == 0
    if PROPERTY == 'ones':
        return bin(n).count('1') % K == 0
    if PROPERTY == 'divisors':
        return sum(1 if d * d == n else 2 for d in range(1, isqrt(n) + 1) if n % d == 0) == K
    if PROPERTY == 'digit-sum-divides':
        return n % sum(digits) == 0
    if PROPERTY == 'different-digits':
        return len(set(digits)) == len(digits)
    if PROPERTY == 'has-digit':
        return K in digits
    if PROPERTY == 'two-squares':
        return any(isqrt(n - a * a) ** 2 == n - a * a for a in range(isqrt(n) + 1))
    if PROPERTY == 'ends-higher':
        return digits[-1] > digits[0]
    return n * n % K == 1


def find_numbers(low, high):
    found = [n for n in range(low, high + 1) if has(n)]
    if RESULT == 'count':
        return len(found)
    if RESULT == 'sum':
        return sum(found)
    if RESULT == 'list':
        return found
    if RESULT == 'smallest':
        return found[0] if found else -1
    if RESULT == 'largest':
        return found[-1] if found else -1
    return found[1] if len(found) > 1 else -1
