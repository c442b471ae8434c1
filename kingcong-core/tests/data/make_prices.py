#!/usr/bin/env python3
"""Writes prices.json: prices and jobs with what they must come to, by exact arithmetic on Python's Fraction.

Run it in this directory; the output is the same every time. tests/prices.rs checks the library against it.
The rules are written down here anew, from their description, and share nothing with the library.
"""

import json
import math
import random
from decimal import Decimal
from fractions import Fraction

SCALE = {"credit": 0, "nextflow": 3, "usd": 9}
COUNTED = ("character", "request", "image")
I64_MAX = 2**63 - 1
DENOMINATOR_MAX = 10**18
OVERRUN_FACTOR_MAX = 10

random.seed(20260101)


def digits(decimal):
    """Digits after the point, without trailing zeros."""
    exponent = Decimal(decimal).normalize().as_tuple().exponent
    return max(0, -exponent)


def line_case(unit, price, per):
    """A price per `per` as millionths of the unit's smallest step, or why it is refused."""
    value = Decimal(price)
    num = Fraction(value) * 10 ** (SCALE[unit] + 6)
    case = {"unit": unit, "price": price, "per": per}
    if value < 0:
        return case | {"error": "negative"}
    if digits(price) > SCALE[unit] + 6:
        return case | {"error": "too_many_digits"}
    if num >= 2**64:
        return case | {"error": "too_large"}
    assert num.denominator == 1
    return case | {"num": int(num)}


def unit_price(unit, line):
    _, price, per = line
    return Fraction(price) * 10 ** SCALE[unit] / per


def fits(amount):
    return math.ceil(amount) <= I64_MAX


def quote(unit, lines, task):
    """(counted, [(measure, unit price, bound)]) or the reason of the refusal."""
    counted, counted_dens, reported = Fraction(0), [], []
    for line in lines:
        measure, each = line[0], unit_price(unit, line)
        if each == 0:
            continue
        quantity = task[measure]
        if quantity is None:
            return "no_bound"
        if measure in COUNTED:
            if not fits(each * quantity):
                return "quantity_too_large"
            counted += each * quantity
        else:
            reported.append((measure, each, quantity))
    if denominator([(counted, reported)]) > DENOMINATOR_MAX:
        return "denominator"
    if any(not fits(each * bound * OVERRUN_FACTOR_MAX) for _, each, bound in reported):
        return "quantity_too_large"
    if not fits(counted + sum(each * bound * OVERRUN_FACTOR_MAX for _, each, bound in reported)):
        return "work_too_large"
    if lines and counted == 0 and all(each * bound == 0 for _, each, bound in reported):
        return "nothing_to_charge"
    return counted, reported


def denominator(quotes):
    dens = [counted.denominator for counted, _ in quotes]
    dens += [each.denominator for _, reported in quotes for _, each, _ in reported]
    return math.lcm(1, *dens)


def worst(quoted):
    counted, reported = quoted
    return counted + sum(each * bound for _, each, bound in reported)


def actual(quoted, audio_ms, overrun):
    """Exact price and verdict; of the reported measures, upstreams tell the audio's length alone."""
    counted, reported = quoted
    exact, checks = counted, ["within"]
    for measure, each, bound in reported:
        usage = audio_ms if measure == "audio_ms" else None
        if usage is None:
            charged, check = bound, "missing"
        elif overrun == "payer" and usage > OVERRUN_FACTOR_MAX * bound:
            charged, check = bound, "absurd"
        else:
            charged, check = usage, "over_bound" if usage > bound else "within"
        exact += each * charged
        checks.append(check)
    # What no amount holds comes to the largest.
    exact = exact if fits(exact) else Fraction(I64_MAX)
    return exact, max(checks, key=("within", "over_bound", "missing", "absurd").index)


def due(costs, hold):
    """What a job owes whose finished tasks cost these, as (exact price, overrun): at most its hold, or what tasks
    whose overrun is the payer's cost, if that is more."""
    beyond = sum((exact for exact, overrun in costs if overrun == "payer"), Fraction(0))
    return max(beyond, min(sum((exact for exact, _ in costs), Fraction(0)), hold))


def job_case(unit, routes, tasks, settled, overruns=None):
    """`settled` lists (task, route, audio_ms) in the order of settling; tasks not in it failed."""
    overruns = overruns or ["operator"] * len(routes)
    case = {"unit": unit, "routes": routes, "overruns": overruns, "tasks": tasks}
    assert all("num" in line_case(unit, price, per) for lines in routes for _, price, per in lines)
    quotes = [[quote(unit, lines, task) for lines in routes] for task in tasks]
    for refused in (quoted for row in quotes for quoted in row if isinstance(quoted, str)):
        return case | {"error": refused}
    den = denominator([quoted for row in quotes for quoted in row])
    if den > DENOMINATOR_MAX:
        return case | {"error": "denominator"}
    hold = math.ceil(sum(max(worst(quoted) for quoted in row) for row in quotes))
    if hold > I64_MAX // OVERRUN_FACTOR_MAX:
        return case | {"error": "work_too_large"}
    outcomes, costs, total = [], [], Fraction(0)
    for task, route, audio_ms in settled:
        exact, check = actual(quotes[task][route], audio_ms, overruns[route])
        costs.append((exact, overruns[route]))
        before, total = total, due(costs, hold)
        part, over_hold = math.ceil(total) - math.ceil(before), math.ceil(exact - (total - before))
        outcomes.append({
            "task": task, "route": route, "audio_ms": audio_ms,
            "exact": f"{exact.numerator}/{exact.denominator}", "check": check, "part": part, "over_hold": over_hold,
        })
    return case | {"den": den, "hold": hold, "settled": outcomes, "total": math.ceil(total)}


def random_price(places, largest):
    cents = random.choice([random.randint(1, 99), random.randint(1, largest)])
    return str(Decimal(cents).scaleb(-random.randint(0, places)))


def random_task():
    characters = random.randint(1, random.choice([50, 5000, 100_000]))
    return {
        "character": characters,
        "request": 1,
        "image": random.choice([0, 1, 1, 1, 1, 2, 4]),
        "audio_ms": characters * 120,
        "token": random.choice([None, characters, random.randint(1, 200_000)]),
    }


def random_lines(tokens):
    pers = {
        "character": [1, 1, 1, 1000, 1_000_000],
        "request": [1],
        "image": [1],
        "audio_ms": [1000, 60_000, 3_600_000],
        "token": [200, 300, 500, 1000, 1_000_000],
    }
    measures = [measure for measure in pers if tokens or measure != "token"]
    chosen = random.sample(measures, random.randint(1, 3))
    return [[measure, random_price(4, 15_000), random.choice(pers[measure])] for measure in chosen]


def random_audio(bound):
    return random.choice([
        None, 0, random.randint(0, bound), random.randint(0, bound), bound, bound + 1,
        random.randint(bound, OVERRUN_FACTOR_MAX * bound), OVERRUN_FACTOR_MAX * bound,
        OVERRUN_FACTOR_MAX * bound + 1, 2**64 - 1,
    ])


def random_job():
    tasks = [random_task() for _ in range(random.randint(1, 6))]
    tokens = all(task["token"] is not None for task in tasks)
    routes = [random_lines(tokens or random.random() < 0.05) for _ in range(random.randint(1, 3))]
    done = [index for index in range(len(tasks)) if random.random() < 0.8]
    random.shuffle(done)
    settled = [(task, random.randrange(len(routes)), random_audio(tasks[task]["audio_ms"])) for task in done]
    overruns = [random.choice(["operator", "operator", "payer"]) for _ in routes]
    return job_case(random.choice(list(SCALE)), routes, tasks, settled, overruns)


def task(**quantities):
    return {"character": 0, "request": 1, "image": 0, "audio_ms": None, "token": None} | quantities


def one_price(unit, measure, price, per, quantities, audio_ms=None, overrun="operator"):
    """A job on one route with one line, whose tasks all succeed in their order."""
    tasks = [task(**{measure: quantity}) for quantity in quantities]
    settled = [(index, 0, audio_ms) for index in range(len(tasks))]
    return job_case(unit, [[[measure, price, per]]], tasks, settled, [overrun])


def known_jobs():
    """Jobs with round results, then the extremes."""
    yield one_price("nextflow", "token", "1", 300, [200] * 3)
    yield one_price("credit", "token", "1", 300, [200] * 3)
    yield one_price("nextflow", "token", "1", 1000, [300])
    yield one_price("usd", "audio_ms", "0.006", 60_000, [300_000], audio_ms=300_000)
    yield one_price("usd", "character", "16", 1_000_000, [1800])
    yield one_price("usd", "token", "0.075", 1_000_000, [1500])
    # The largest price and the largest divisor.
    top, least, divisor = str(Decimal(2**64 - 1).scaleb(-6)), "0.000001", 2**32 - 1
    yield one_price("credit", "character", top, 1, [1])
    yield one_price("credit", "character", top, 1, [2**64 - 1])
    yield one_price("credit", "character", top, divisor, [divisor] * 3)
    yield one_price("credit", "character", least, divisor, [1])
    # At and above the largest hold and the largest amount.
    held = I64_MAX // OVERRUN_FACTOR_MAX
    for quantities in [held], [held + 1], [I64_MAX], [I64_MAX + 1], [held // 2] * 2, [held // 2 + 1] * 2:
        yield one_price("credit", "character", "1", 1, quantities)
    for overrun in "operator", "payer":
        yield one_price("credit", "audio_ms", "1", 1, [held], OVERRUN_FACTOR_MAX * held, overrun)
        yield one_price("credit", "audio_ms", "1", 1, [10, 20, 30], 45, overrun)
    yield one_price("credit", "audio_ms", "1", 1, [held + 1])
    yield job_case("credit", [[["audio_ms", "1", 1], ["request", "8", 1]]], [task(audio_ms=held)], [])
    # Denominators that meet, in a job and in a task, up to the largest and above it.
    for pers in (999_979, 999_983), (999_983, 1_000_003), (1_000_003, 1_000_033):
        routes = [[["character", least, per]] for per in pers]
        yield job_case("credit", routes, [task(character=1)], [(0, 1, None)])
        lines = [[measure, least, per] for measure, per in zip(("audio_ms", "token"), pers)]
        yield job_case("credit", [lines], [task(audio_ms=1, token=1)], [(0, 0, 1)])
    # Nothing that is priced, no bound, free.
    yield one_price("credit", "image", "5", 1, [0])
    yield one_price("credit", "audio_ms", "5", 1, [None])
    yield job_case("credit", [[["audio_ms", "5", 1], ["request", "1", 1]]], [task(audio_ms=0)], [(0, 0, 1)])
    yield job_case("credit", [[]], [task(character=500)] * 2, [(0, 0, None), (1, 0, 7)])


def line_cases():
    for unit, scale in SCALE.items():
        most = scale + 6
        prices = ["0", "1", "0.0001", "0.6", "999999.9999", "-1", "-0.0001", "0.10000000000000000000"]
        prices += [f"1e-{most}", f"1e-{most + 1}", "79228162514264337593543950335"]
        prices += [Decimal(2**64 - 1).scaleb(-most), Decimal(2**64).scaleb(-most)]
        for _ in range(20):
            whole = random.randint(0, 10 ** random.randint(1, 18))
            prices.append(Decimal(whole).scaleb(-random.randint(0, most + 2)))
        for price in prices:
            per = random.choice([1, 300, 1000, 60_000, random.randint(1, 2**32 - 1)])
            yield line_case(unit, format(Decimal(price), "f"), per)


def main():
    sections = {"lines": list(line_cases()), "jobs": [*known_jobs(), *(random_job() for _ in range(300))]}
    with open("prices.json", "w", encoding="utf-8") as out:
        out.write("{\n")
        for name, end in (("lines", ",\n"), ("jobs", "\n")):
            rows = ",\n".join(json.dumps(case, separators=(",", ":")) for case in sections[name])
            out.write(f'"{name}": [\n{rows}\n]{end}')
        out.write("}\n")


if __name__ == "__main__":
    main()
