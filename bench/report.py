# SPDX-License-Identifier: MIT
"""From samples to medians and ratios, as Markdown and JSON."""

import statistics

from rows import BODY, BYTES, CALLS, KEPT, NS_UNITS, RATE, STORM, UNITS


class Results:
    """Samples by row, client and round; ratios are taken within a round, then their median."""

    def __init__(self):
        self.samples = {}
        self.failures = {}

    def add(self, row, client, round_number, sample):
        self.samples.setdefault((row.key, client), {})[round_number] = sample

    def fail(self, row, client, message):
        self.failures[(row.key, client)] = message

    def values(self, row, client):
        return [sample["value"] for _, sample in sorted(self._of(row, client).items())]

    def median(self, row, client):
        values = self.values(row, client)
        return statistics.median(values) if values else None

    def share(self, row, client, of, by):
        """Median of sample[of] / sample[by]; None where a sample lacks them."""
        found = [sample[of] / sample[by] for sample in self._of(row, client).values()
                 if sample.get(of) is not None and sample.get(by)]
        return statistics.median(found) if found else None

    def middle(self, row, client, field):
        """Median of sample[field]; None where a sample lacks it."""
        found = [sample[field] for sample in self._of(row, client).values() if field in sample]
        return statistics.median(found) if found else None

    def paired(self, row, one, other, combine):
        """Median over the rounds that both have, or None."""
        ones, others = self._of(row, one), self._of(row, other)
        both = sorted(set(ones) & set(others))
        if not both:
            return None
        return statistics.median(combine(ones[i]["value"], others[i]["value"]) for i in both)

    def ratio(self, row, one, other):
        if 0 in self.values(row, other):
            return None
        return self.paired(row, one, other, lambda a, b: a / b)

    def reached(self, row, target):
        if target.peer is None:
            return self.median(row, "belay")
        if target.difference:
            return self.paired(row, "belay", target.peer, lambda a, b: a - b)
        return self.ratio(row, "belay", target.peer)

    def _of(self, row, client):
        return self.samples.get((row.key, client), {})


def _figure(value, unit):
    if value is None:
        return "-"
    return "%.1f" % value if unit in NS_UNITS else "{:,.0f}".format(value)


def _ratio(value):
    return "-" if value is None else "%.2f" % value


def _percent(value):
    return "-" if value is None else "%.0f%%" % (100 * value)


def _extra_columns(results, row, name):
    """What a unit has beside its figure: (title, text, name in JSON, value)."""
    if row.unit in (RATE, CALLS, BODY):
        rate = results.share(row, name, "requests", "wall_s")
        if row.unit == BODY and rate is not None:
            rate /= 1 << 20
        client = results.share(row, name, "cpu_s", "wall_s")
        columns = (("per second", _figure(rate, RATE), "per_second", rate),
                   ("client CPU", _percent(client), "client_cpu", client))
        if row.unit == CALLS:
            return columns
        server = results.middle(row, name, "server_share")
        return columns + (("server CPU", _percent(server), "server_cpu", server),)
    if row.unit == STORM:
        cpu = results.share(row, name, "cpu_s", "storms")
        rate = results.share(row, name, "requests", "cpu_s")
        refused = results.share(row, name, "refused", "storms")
        cpu = None if cpu is None else 1e3 * cpu
        return (("client CPU ms", _figure(cpu, RATE), "cpu_ms", cpu),
                ("per client CPU second", _figure(rate, RATE), "per_cpu_second", rate),
                ("refused attempts", _figure(refused, RATE), "refused", refused))
    if row.unit in (BYTES, KEPT):
        rss = results.middle(row, name, "rss_per_conn")
        return (("resident", _figure(rss, BYTES), "rss_per_conn", rss),)
    return ()


def _row_lines(results, row):
    titles = ["client", UNITS[row.unit], "min..max", "of the floor", "belay / this"]
    titles += [column[0] for column in _extra_columns(results, row, row.floor)]
    yield "| %s |" % " | ".join(titles)
    yield "|---%s|" % ("|---:" * (len(titles) - 1))
    for name, _, _ in row.clients:
        values = results.values(row, name)
        cells = ["-"] * (len(titles) - 1)
        if values:
            cells = ["**%s**" % _figure(results.median(row, name), row.unit),
                     "%s..%s" % (_figure(min(values), row.unit), _figure(max(values), row.unit)),
                     _ratio(results.ratio(row, name, row.floor)),
                     _ratio(results.ratio(row, "belay", name))]
            cells += [column[1] for column in _extra_columns(results, row, name)]
        yield "| %s |" % " | ".join([name] + cells)


def _series_lines(results, rows):
    """How a figure grows: the sizes beside each other, and the largest by the smallest."""
    yield "| %s | %s | largest / smallest |" % (
        UNITS[rows[0].unit], " | ".join("{:,}".format(row.inflight) for row in rows))
    yield "|---%s|" % ("|---:" * (len(rows) + 1))
    names = [name for row in rows for name, _, _ in row.clients]
    for name in dict.fromkeys(names):
        values = [results.median(row, name) for row in rows]
        known = [value for value in values if value]
        growth = known[-1] / known[0] if len(known) > 1 else None
        cells = [_figure(value, rows[0].unit) for value in values] + [_ratio(growth)]
        yield "| %s | %s |" % (name, " | ".join(cells))


def _tables(results, rows):
    """One for each row, and one for all rows of a series."""
    done = set()
    for row in rows:
        if row.series is None:
            yield row.title, _row_lines(results, row)
        elif row.series not in done:
            done.add(row.series)
            alike = [other for other in rows if other.series == row.series]
            yield row.series[1], _series_lines(results, alike)


def describe_target(row, target):
    if target.peer is None:
        return "%s %s" % (target.sign, _figure(target.bound, row.unit))
    if target.difference:
        return "%s %s above %s" % (target.sign, _figure(target.bound, row.unit), target.peer)
    return "%s %s x %s" % (target.sign, target.bound, target.peer)


def _target_lines(results, rows):
    yield "| row | to reach | reached | met |"
    yield "|---|---|---:|---|"
    for row in rows:
        for target in row.targets:
            reached = results.reached(row, target)
            is_ratio = target.peer is not None and not target.difference
            shown = _ratio(reached) if is_ratio else _figure(reached, row.unit)
            met = "-" if reached is None else "yes" if target.met(reached) else "no"
            yield "| %s | %s | %s | %s |" % (row.title, describe_target(row, target), shown, met)


def _failure_lines(results):
    where = {}
    for (key, client), message in sorted(results.failures.items()):
        where.setdefault((client, message), []).append(key)
    if where:
        yield from ("", "## Not measured, or not in every round", "")
    for (client, message), keys in sorted(where.items()):
        yield "- %s: %s (%s)" % (client, message, ", ".join(keys))


def markdown(results, rows, machine):
    lines = ["# Benchmark", "", "%(cpu)s, Linux %(kernel)s, %(versions)s" % {
        "cpu": machine["cpu"], "kernel": machine["kernel"],
        "versions": ", ".join("%s %s" % pair for pair in sorted(machine["versions"].items()))}]
    lines += ["", "Server on core %(server_core)s, client on core %(client_core)s, %(rounds)s "
              "interleaved rounds of %(seconds)g s each; medians, ratios within a round." % machine]
    if any(row.targets for row in rows):
        lines += ["", "## Targets", ""]
        lines += _target_lines(results, rows)
    for title, table in _tables(results, rows):
        lines += ["", "## %s" % title, ""]
        lines += table
    lines += _failure_lines(results)
    return "\n".join(lines) + "\n"


def as_json(results, rows, machine):
    listed = []
    for row in rows:
        clients = {}
        for name, _, _ in row.clients:
            values = results.values(row, name)
            if not values:
                continue
            clients[name] = {
                "median": results.median(row, name), "min": min(values), "max": max(values),
                "runs": values, "ratio_to_floor": results.ratio(row, name, row.floor),
                "belay_ratio": results.ratio(row, "belay", name)}
            for _, _, key, value in _extra_columns(results, row, name):
                clients[name][key] = value
        targets = []
        for target in row.targets:
            reached = results.reached(row, target)
            targets.append({"to_reach": describe_target(row, target), "reached": reached,
                            "met": None if reached is None else target.met(reached)})
        listed.append({"row": row.key, "title": row.title, "unit": UNITS[row.unit],
                       "floor": row.floor, "clients": clients, "targets": targets})
    failures = [{"row": key, "client": client, "message": message}
                for (key, client), message in sorted(results.failures.items())]
    return {"machine": machine, "rows": listed, "failures": failures}
