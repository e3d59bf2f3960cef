def term(*args):
    *terms, n = args
    for i in range(ORDER, n + 1):
        value = P * terms[-1] + R
        if ORDER > 1:
            value += Q * terms[-2]
        if ORDER > 2:
            value += S * terms[-3]
        terms.append(value % M)
    return terms[n]
